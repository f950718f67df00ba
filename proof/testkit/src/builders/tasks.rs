//! Builders of tasks, executors and task statuses.

use messages::v1;

use super::{agent_id, executor_id, framework_id, task_id};

/// Returns a shell command.
pub fn command(value: &str) -> v1::CommandInfo {
    v1::CommandInfo { value: Some(value.to_owned()), ..Default::default() }
}

/// Returns a task whose name is its id. It still needs an agent, resources, and a command or an executor.
pub fn task(id: &str) -> v1::TaskInfo {
    v1::TaskInfo { name: id.to_owned(), task_id: task_id(id), ..Default::default() }
}

/// Methods that add to a task.
pub trait TaskBuilder {
    /// Sets the agent that runs the task.
    fn on(self, agent: &str) -> Self;
    /// Sets the resources of the task.
    fn with_resources(self, resources: Vec<v1::Resource>) -> Self;
    /// Sets the shell command that the task runs.
    fn running(self, shell_command: &str) -> Self;
    /// Sets an executor of the framework, which runs the task instead of a command.
    fn under(self, executor: v1::ExecutorInfo) -> Self;
}

impl TaskBuilder for v1::TaskInfo {
    fn on(mut self, agent: &str) -> Self {
        self.agent_id = agent_id(agent);
        self
    }

    fn with_resources(mut self, resources: Vec<v1::Resource>) -> Self {
        self.resources = resources;
        self
    }

    fn running(mut self, shell_command: &str) -> Self {
        self.command = Some(Box::new(command(shell_command)));
        self
    }

    fn under(mut self, executor: v1::ExecutorInfo) -> Self {
        self.command = None;
        self.executor = Some(Box::new(executor));
        self
    }
}

/// Returns an executor that is run by this shell command.
pub fn executor(id: &str, shell_command: &str) -> v1::ExecutorInfo {
    v1::ExecutorInfo {
        executor_id: executor_id(id),
        command: Some(Box::new(command(shell_command))),
        ..Default::default()
    }
}

/// Methods that add to an executor.
pub trait ExecutorBuilder {
    /// Sets the framework of the executor.
    fn of_framework(self, framework: &str) -> Self;
    /// Sets the type of the executor. Older frameworks leave it out.
    fn of_type(self, kind: v1::executor_info::Type) -> Self;
    /// Sets the resources of the executor itself, beside those of its tasks.
    fn with_resources(self, resources: Vec<v1::Resource>) -> Self;
}

impl ExecutorBuilder for v1::ExecutorInfo {
    fn of_framework(mut self, framework: &str) -> Self {
        self.framework_id = Some(framework_id(framework));
        self
    }

    fn of_type(mut self, kind: v1::executor_info::Type) -> Self {
        self.r#type = Some(kind as i32);
        self
    }

    fn with_resources(mut self, resources: Vec<v1::Resource>) -> Self {
        self.resources = resources;
        self
    }
}

/// Returns the status that an executor reports of a task; the acknowledgement names `uuid`.
pub fn status(task: &str, state: v1::TaskState, uuid: Vec<u8>) -> v1::TaskStatus {
    v1::TaskStatus {
        task_id: task_id(task),
        state: state as i32,
        source: Some(v1::task_status::Source::Executor as i32),
        uuid: Some(uuid),
        ..Default::default()
    }
}
