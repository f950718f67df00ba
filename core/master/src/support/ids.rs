//! Minting of the ids of frameworks, agents and offers in Mesos' formats. The master id is a random UUID, so ids of
//! different masters (and of two terms of one master process) never collide.

use model::{AgentId, FrameworkId, OfferId};

#[derive(Debug)]
pub(crate) struct Ids {
    master: String,
    frameworks: u64,
    agents: u64,
    offers: u64,
    observers: u64,
}

impl Ids {
    pub fn new(master: String) -> Self {
        // libprocess numbers generated process names from 1.
        Ids { master, frameworks: 0, agents: 0, offers: 0, observers: 1 }
    }

    pub fn master(&self) -> &str {
        &self.master
    }

    pub fn framework(&mut self) -> FrameworkId {
        FrameworkId::new(format!("{}-{:04}", self.master, next(&mut self.frameworks)))
    }

    pub fn agent(&mut self) -> AgentId {
        AgentId::new(format!("{}-S{}", self.master, next(&mut self.agents)))
    }

    pub fn offer(&mut self) -> OfferId {
        OfferId::new(format!("{}-O{}", self.master, next(&mut self.offers)))
    }

    /// Returns the process id for the observer of one agent.
    pub fn observer(&mut self) -> std::sync::Arc<str> {
        format!("slave-observer({})", next(&mut self.observers)).into()
    }
}

fn next(counter: &mut u64) -> u64 {
    let value = *counter;
    *counter += 1;
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_formats_of_mesos() {
        let mut ids = Ids::new("m".to_owned());
        assert_eq!(ids.framework().as_str(), "m-0000");
        assert_eq!(ids.framework().as_str(), "m-0001");
        assert_eq!(ids.agent().as_str(), "m-S0");
        assert_eq!(ids.offer().as_str(), "m-O0");
        assert_eq!(&*ids.observer(), "slave-observer(1)");
    }
}
