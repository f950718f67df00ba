//! The observer of a pod, which shows the output of its tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use messages::v1;
use tepui_client::{Address, Error};
use tokio::sync::Notify;

use super::stall_explainer::StallExplainer;
use crate::batch::{Observer, Plan, Source, Stalled, Streams};
use crate::output;

/// Copies the output of the tasks, each line after the name of its task.
#[derive(Debug)]
pub struct LivePod {
    master: Address,
    framework: v1::FrameworkId,
    executor: String,
    /// The width of the longest name.
    width: usize,
    streams: BTreeMap<String, Streams>,
    shows_output: bool,
    nobody_reads: Arc<Notify>,
    stall_explainer: StallExplainer,
}

impl LivePod {
    /// Creates an observer. `nobody_reads` is notified when the reader of stdout has closed it.
    pub fn new(master: Address, executor: &str, plan: &Plan, shows_output: bool, nobody_reads: Arc<Notify>) -> Self {
        let width = plan.tasks().iter().map(|task| task.info.task_id.value.len()).max().unwrap_or_default();
        LivePod {
            master,
            framework: v1::FrameworkId::default(),
            executor: executor.to_owned(),
            width,
            streams: BTreeMap::new(),
            shows_output,
            nobody_reads,
            stall_explainer: StallExplainer::default(),
        }
    }

    /// Returns when all of the output is copied.
    pub async fn finish(&mut self) {
        for (task, streams) in std::mem::take(&mut self.streams) {
            if let Err(error) = streams.finish().await {
                output::write_stderr(format_args!("tepui: some of the output of {task} is missing: {error}"));
            }
        }
    }
}

impl Observer for LivePod {
    fn subscribed(&mut self, framework: &v1::FrameworkId) {
        self.framework = framework.clone();
    }

    fn updated(&mut self, status: &v1::TaskStatus) {
        let task = &status.task_id.value;
        if !self.shows_output || self.streams.contains_key(task) {
            return;
        }
        let container = status.container_status.as_ref().and_then(|status| status.container_id.as_deref());
        // A task that was not launched has no container of its own.
        let nested = container.filter(|id| id.parent.is_some()).map(|id| id.value.clone());
        let (Some(agent), Some(nested)) = (status.agent_id.clone(), nested) else { return };
        let source = Source {
            master: self.master.clone(),
            framework: self.framework.clone(),
            agent,
            executor: self.executor.clone(),
            nested: Some(nested),
        };
        let label = format!("{task:<width$} | ", width = self.width);
        self.streams.insert(task.clone(), Streams::begin(&source, Some(&label), &self.nobody_reads));
    }

    fn stalled(&mut self, stalled: Stalled) {
        self.master = stalled.master.clone();
        self.stall_explainer.explain(stalled);
    }

    fn lost(&mut self, error: &Error, retry_in: Duration) {
        output::write_stderr(format_args!("{error}; trying again in {retry_in:?}"));
    }
}
