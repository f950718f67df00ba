//! Checks status updates: an update that an agent has acknowledged is durable, arrives in order, and keeps its uuid.

use std::collections::BTreeMap;

use messages::v1;
use model::FrameworkId;

/// All updates that executors made.
#[derive(Debug, Default)]
pub struct Updates {
    /// The updates by the uuid that the executor gave them.
    updates: BTreeMap<Vec<u8>, Update>,
    /// The number of the last update that each framework received for each task.
    last_delivered: BTreeMap<(FrameworkId, String), u64>,
    made: u64,
    first: Option<String>,
}

#[derive(Debug)]
struct Update {
    framework: FrameworkId,
    task: String,
    number: u64,
    /// Whether the agent has acknowledged the update to the executor.
    acknowledged_by_agent: bool,
    delivered: bool,
}

impl Updates {
    fn violation(&mut self, what: String) {
        self.first.get_or_insert(what);
    }

    pub fn found(&self) -> Option<String> {
        self.first.clone()
    }

    /// Records an update that an executor makes. Returns the text that goes into its message and identifies it.
    pub fn made(&mut self, framework: &FrameworkId, task: &str, uuid: &[u8]) -> String {
        self.made += 1;
        let update = Update {
            framework: framework.clone(),
            task: task.to_owned(),
            number: self.made,
            acknowledged_by_agent: false,
            delivered: false,
        };
        self.updates.insert(uuid.to_vec(), update);
        format!("update {}", self.made)
    }

    /// Records that the agent has acknowledged the update to its executor.
    pub fn acknowledged_by_agent(&mut self, uuid: &[u8]) {
        match self.updates.get_mut(uuid) {
            Some(update) => update.acknowledged_by_agent = true,
            None => self.violation("an agent acknowledges an update that no executor made".to_owned()),
        }
    }

    /// Records that an update was delivered to the framework, possibly again.
    pub fn delivered(&mut self, framework: &FrameworkId, status: &v1::TaskStatus, uuid: &[u8]) {
        let Some(update) = self.updates.get_mut(uuid) else {
            // The agent made this update itself, unless it carries the message of an executor's update under another
            // uuid.
            if status.message().starts_with("update ") {
                self.violation(format!("{} of {} has a new name", status.message(), status.task_id.value));
            }
            return;
        };
        let last = self.last_delivered.entry((framework.clone(), update.task.clone())).or_default();
        let late = !std::mem::replace(&mut update.delivered, true) && update.number < *last;
        *last = update.number.max(*last);
        if late {
            let what = format!("update {} of {} comes after a later one", update.number, update.task);
            self.violation(what);
        }
    }

    /// Returns an update that was acknowledged by the agent and never delivered, other than those of `excused` tasks.
    /// It is called at the end of a run.
    pub fn lost(&self, excused: impl Fn(&FrameworkId, &str) -> bool) -> Option<String> {
        let lost = self.updates.values().find(|update| {
            update.acknowledged_by_agent && !update.delivered && !excused(&update.framework, &update.task)
        })?;
        Some(format!("update {} of {} was taken by its agent, and never seen", lost.number, lost.task))
    }
}
