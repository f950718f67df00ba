//! The containers of the daemon that an earlier agent has left: those of running executors are kept, and all others are
//! stopped and removed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::docker::{Error, Known, Leftover, Request, judge, parse_list};
use tracing::{info, warn};

use super::containerizer::{ASK, DockerContainerizer};

/// The pause between attempts to reach a daemon that is down.
const PAUSE: Duration = Duration::from_secs(5);

impl DockerContainerizer {
    /// Looks through the containers of the daemon once it answers. `known` has the containers of this agent at its start;
    /// those that it starts meanwhile are known as well.
    pub async fn clean_up(self: Arc<Self>, known: BTreeMap<String, Known>) {
        let mut told = false;
        loop {
            let (docker, own) = (self.clone(), known.clone());
            let result = tokio::task::spawn_blocking(move || docker.clean_up_once(own)).await;
            match result {
                Ok(Ok(removals)) => {
                    for (name, delay) in removals {
                        tokio::spawn(self.clone().remove_later(name, delay));
                    }
                    return;
                }
                Ok(Err(error)) if !told => {
                    told = true;
                    let error = model::with_sources(&error);
                    warn!(error, "containers that an earlier agent has left at Docker are looked for when it answers");
                }
                Ok(Err(_)) => {}
                Err(_) => return,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns the containers to remove, and when.
    fn clean_up_once(&self, mut known: BTreeMap<String, Known>) -> Result<Vec<(String, Duration)>, Error> {
        let answer = self.client.call(&Request::list("mesos-"), ASK)?;
        let listed = parse_list(&answer.body)?;
        known.extend(self.live_ids().map(|id| (id, Known::Alive)));
        let exists = |path: &Path| path.is_dir();
        let mut removals = Vec::new();
        for container in listed {
            let id = container.container.as_str();
            match judge(&container, &known, &self.work_dir, self.options.kill_orphans, &exists) {
                Leftover::Keep => {}
                Leftover::Stop => {
                    self.stop(&container.id);
                    removals.push((container.id, self.options.remove_delay));
                }
                Leftover::Remove => removals.push((container.id, self.options.remove_delay)),
                Leftover::Orphan => {
                    info!(container = id, "an orphan at Docker is removed, which this agent does not know");
                    self.stop(&container.id);
                    removals.push((container.id, Duration::ZERO));
                }
                Leftover::LeaveAlone(Some(owner)) => {
                    let work_dir = owner.display();
                    info!(container = id, %work_dir, "a container at Docker belongs to the agent with this work directory and is left alone");
                }
                Leftover::LeaveAlone(None) => {
                    info!(
                        container = id,
                        "a container at Docker is unknown and is left alone (see --docker_kill_orphans)"
                    );
                }
            }
        }
        Ok(removals)
    }
}
