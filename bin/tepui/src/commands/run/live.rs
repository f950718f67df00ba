//! The observer of a batch of one task, whose output is the output of the command.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use messages::v1;
use tepui_client::{Address, Error};
use tokio::sync::Notify;

use super::isolation::missing_on;
use super::stall_explainer::StallExplainer;
use crate::batch::{Observer, Source, Stalled, Streams};
use crate::commands::state::short;
use crate::output;

/// Copies the output of the task and prints nothing by itself as long as there is no error.
#[derive(Debug)]
pub struct Live {
    master: Address,
    framework: v1::FrameworkId,
    streams: Option<Streams>,
    nobody_reads: Arc<Notify>,
    stall_explainer: StallExplainer,
    quiet: bool,
}

impl Live {
    /// Creates an observer. `nobody_reads` is notified when the reader of stdout has closed it.
    pub fn new(master: Address, nobody_reads: Arc<Notify>, quiet: bool) -> Self {
        let framework = v1::FrameworkId::default();
        Live { master, framework, streams: None, nobody_reads, stall_explainer: StallExplainer::default(), quiet }
    }

    /// Returns when all of the output is copied.
    pub async fn finish(&mut self) {
        let Some(streams) = self.streams.take() else { return };
        if let Err(error) = streams.finish().await {
            output::write_stderr(format_args!("tepui: some of the task's output is missing: {error}"));
        }
    }
}

impl Observer for Live {
    fn subscribed(&mut self, framework: &v1::FrameworkId) {
        self.framework = framework.clone();
    }

    fn updated(&mut self, status: &v1::TaskStatus) {
        // Statuses that the master generates name no agent.
        let Some(agent) = status.agent_id.clone().filter(|_| self.streams.is_none()) else { return };
        // A command executor has the id of its task.
        let executor = status.task_id.value.clone();
        let source =
            Source { master: self.master.clone(), framework: self.framework.clone(), agent, executor, nested: None };
        self.streams = Some(Streams::begin(&source, None, &self.nobody_reads));
        // A program that reads stderr gets only the output of the task.
        if !self.quiet && std::io::stderr().is_terminal() {
            tokio::spawn(say_what_is_missing(source));
        }
    }

    fn stalled(&mut self, stalled: Stalled) {
        self.master = stalled.master.clone();
        if !self.quiet {
            self.stall_explainer.explain(stalled);
        }
    }

    fn lost(&mut self, error: &Error, retry_in: Duration) {
        if !self.quiet {
            output::write_stderr(format_args!("{error}; trying again in {retry_in:?}"));
        }
    }
}

/// Prints a line about what the agent does not isolate, if the agent answers.
pub async fn say_what_is_missing(source: Source) {
    let Ok(agent) = source.address().await else { return };
    if let Some(missing) = missing_on(&agent).await {
        output::write_stderr(format_args!("tepui: on agent {} {missing}", short(&source.agent.value)));
    }
}
