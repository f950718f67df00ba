//! Status updates: what an agent has taken is durable, arrives in order, and keeps its name.

use std::collections::BTreeMap;

use messages::v1;
use model::FrameworkId;

#[derive(Debug, Default)]
pub struct Updates {
    /// By the name that its executor gave it.
    updates: BTreeMap<Vec<u8>, Update>,
    /// The last one each framework saw of each task, by its number.
    last_delivered: BTreeMap<(FrameworkId, String), u64>,
    made: u64,
    first: Option<String>,
}

#[derive(Debug)]
struct Update {
    framework: FrameworkId,
    task: String,
    number: u64,
    /// Its agent has acknowledged it to the executor.
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

    /// An executor makes an update; the text travels in its message.
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

    pub fn acknowledged_by_agent(&mut self, uuid: &[u8]) {
        match self.updates.get_mut(uuid) {
            Some(update) => update.acknowledged_by_agent = true,
            None => self.violation("an agent acknowledges an update that no executor made".to_owned()),
        }
    }

    /// The framework sees it, perhaps again.
    pub fn delivered(&mut self, framework: &FrameworkId, status: &v1::TaskStatus, uuid: &[u8]) {
        let Some(update) = self.updates.get_mut(uuid) else {
            // Made by the agent itself; if it carries an executor's message, it is an executor's under a new name.
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

    /// At the end: those that were taken and never seen, of the tasks that are not excused.
    pub fn lost(&self, excused: impl Fn(&FrameworkId, &str) -> bool) -> Option<String> {
        let lost = self.updates.values().find(|update| {
            update.acknowledged_by_agent && !update.delivered && !excused(&update.framework, &update.task)
        })?;
        Some(format!("update {} of {} was taken by its agent, and never seen", lost.number, lost.task))
    }
}
