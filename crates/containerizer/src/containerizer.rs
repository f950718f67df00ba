//! The handle: what the agent's shell calls.

use crate::{Config, Error, Event, Launch, Limits, Usage};

/// Starts, watches, limits and ends containers.
///
/// Cheap to call from anywhere: commands go to one thread of its own, which also reports `events`.
#[derive(Debug)]
pub struct Containerizer {
    missing: Vec<String>,
}

impl Containerizer {
    /// `events` is called on the containerizer's thread and must not block for long.
    pub fn new(config: Config, events: impl FnMut(Event) + Send + 'static) -> Result<Self, Error> {
        let _ = (config, events);
        Ok(Containerizer { missing: Vec::new() })
    }

    /// What the chosen isolation cannot give on this machine, each a sentence for a human.
    pub fn missing_isolation(&self) -> Vec<String> {
        self.missing.clone()
    }

    /// The containers of an earlier process of this agent that are still alive, with the pid of their first process.
    /// They are watched again; `Exited` follows for each as for any other. Call it once, before the first launch.
    pub fn recovered(&self) -> Vec<(String, u32)> {
        Vec::new()
    }

    /// Starts a container; the outcome comes as an event.
    pub fn launch(&self, launch: Launch) -> Result<(), Error> {
        let _ = launch;
        Err(Error::Stopped)
    }

    /// Changes the limits of a running container.
    pub fn update(&self, id: &str, limits: Limits) -> Result<(), Error> {
        let _ = limits;
        Err(Error::NotFound(id.into()))
    }

    /// Kills everything in the container and cleans up; `Exited` (or `LaunchFailed`) follows.
    pub fn destroy(&self, id: &str) -> Result<(), Error> {
        Err(Error::NotFound(id.into()))
    }

    /// What the container uses now.
    pub fn usage(&self, id: &str) -> Result<Usage, Error> {
        Err(Error::NotFound(id.into()))
    }

    /// The ids of all containers that are not over.
    pub fn containers(&self) -> Vec<String> {
        Vec::new()
    }
}
