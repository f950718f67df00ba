//! The machine of an agent: containers and the executors in them, which outlive the agent's process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use agent::{ContainerCommand, ContainerExit, ContainerLaunch};
use messages::v1;
use messages::v1::executor::{Call, Event as ExecutorEvent, call, event};
use model::{ContainerId, StreamId};
use v1::TaskState;

use crate::context::Context;
use crate::event::{ContainerAction, Event};

/// The containers of one machine.
#[derive(Debug)]
pub struct Machine {
    agent: usize,
    /// The number of reboots.
    pub boot: u64,
    pub containers: BTreeMap<ContainerId, Container>,
}

#[derive(Debug)]
pub struct Container {
    pub launch: Box<ContainerLaunch>,
    pub process: Process,
    /// Whether the container is being killed; it does not react any more.
    being_destroyed: bool,
    pub exit: Option<ContainerExit>,
}

/// The executor of a container. It uses the v1 API correctly.
#[derive(Debug, Default)]
pub struct Process {
    pub started: bool,
    pub stream: Option<StreamId>,
    subscribing: bool,
    tasks: BTreeMap<String, v1::TaskInfo>,
    /// The tasks that the executor was given and of which the agent has not acknowledged any update.
    unacknowledged_tasks: BTreeMap<String, v1::TaskInfo>,
    unacknowledged: VecDeque<v1::TaskStatus>,
    ended: usize,
}

/// An event in a container. The agent is notified if it is running.
#[derive(Debug)]
pub enum MachineEvent {
    Launched,
    LaunchFailed,
    Exited(ContainerExit),
    /// The executor subscribes.
    Subscribe(Box<Call>),
    Call(Box<Call>),
}

impl Machine {
    pub fn new(agent: usize) -> Self {
        Machine { agent, boot: 0, containers: BTreeMap::new() }
    }

    /// Ends all containers.
    pub fn reboot(&mut self) {
        self.boot += 1;
        self.containers.clear();
    }

    /// Carries out a command of the agent.
    pub fn command(&mut self, cx: &mut Context, command: ContainerCommand) {
        match command {
            ContainerCommand::Launch(launch) => {
                let container = launch.container.clone();
                let process = Process::default();
                let entry = Container { launch, process, being_destroyed: false, exit: None };
                if self.containers.insert(container.clone(), entry).is_some() {
                    cx.checks.violation(format!("agent-{}: container {container} is launched twice", self.agent));
                }
                self.soon(cx, Duration::from_millis(500), container, ContainerAction::Started);
            }
            // Simulated executors make no calls about containers.
            ContainerCommand::Update { .. }
            | ContainerCommand::LaunchNested(_)
            | ContainerCommand::Signal { .. }
            | ContainerCommand::Remove { .. } => {}
            ContainerCommand::Destroy { container } => self.destroy(cx, &container),
        }
    }

    /// Starts to kill a container.
    pub fn destroy(&mut self, cx: &mut Context, container: &ContainerId) {
        if let Some(entry) = self.containers.get_mut(container)
            && !std::mem::replace(&mut entry.being_destroyed, true)
        {
            self.soon(cx, Duration::from_millis(300), container.clone(), ContainerAction::Destroyed);
        }
    }

    /// Returns the containers that still run.
    pub fn live(&self) -> Vec<ContainerId> {
        let live = self.containers.iter().filter(|(_, entry)| !entry.being_destroyed && entry.exit.is_none());
        live.map(|(container, _)| container.clone()).collect()
    }

    /// Returns the containers that still run, with their pid, for an agent that starts. The others are removed.
    pub fn survivors(&mut self) -> BTreeMap<ContainerId, u32> {
        self.containers.retain(|_, entry| entry.exit.is_none() && entry.process.started);
        self.containers.keys().map(|container| (container.clone(), 1000)).collect()
    }

    fn soon(&self, cx: &mut Context, most: Duration, container: ContainerId, action: ContainerAction) {
        cx.within(most, Event::Container { agent: self.agent, boot: self.boot, container, action });
    }

    /// Ends the streams of all executors, because the agent's process has ended.
    pub fn agent_gone(&mut self, cx: &mut Context) {
        let containers: Vec<ContainerId> = self.containers.keys().cloned().collect();
        for container in containers {
            if let Some(entry) = self.containers.get_mut(&container) {
                entry.process.stream = None;
                entry.process.subscribing = false;
            }
            self.soon(cx, Duration::from_secs(1), container, ContainerAction::Subscribe);
        }
    }

    /// Ends the stream of an executor at the request of the agent.
    pub fn stream_closed(&mut self, cx: &mut Context, stream: StreamId) {
        let Some((container, entry)) =
            self.containers.iter_mut().find(|(_, entry)| entry.process.stream == Some(stream))
        else {
            return;
        };
        entry.process.stream = None;
        let container = container.clone();
        self.soon(cx, Duration::from_secs(1), container, ContainerAction::Subscribe);
    }

    /// Records the stream on which a subscribed executor receives events.
    pub fn subscribed(&mut self, container: &ContainerId, stream: StreamId) {
        if let Some(entry) = self.containers.get_mut(container) {
            entry.process.stream = Some(stream);
            entry.process.subscribing = false;
        }
    }

    /// Returns the container whose executor uses this stream.
    pub fn container_of(&self, stream: StreamId) -> Option<&ContainerId> {
        self.containers.iter().find(|(_, entry)| entry.process.stream == Some(stream)).map(|(container, _)| container)
    }

    /// Carries out an action that is due in a container. Returns what the agent is notified of.
    pub fn perform(
        &mut self,
        cx: &mut Context,
        container: &ContainerId,
        action: ContainerAction,
    ) -> Option<MachineEvent> {
        let entry = self.containers.get_mut(container)?;
        if entry.being_destroyed || entry.exit.is_some() {
            let over = matches!(action, ContainerAction::Destroyed);
            return over.then(|| {
                MachineEvent::Exited(self.over(container, ContainerExit { status: Some(9), ..Default::default() }))
            });
        }
        match action {
            ContainerAction::Started if cx.one_in(40) => {
                self.containers.remove(container);
                Some(MachineEvent::LaunchFailed)
            }
            ContainerAction::Started => {
                entry.process.started = true;
                self.soon(cx, Duration::from_millis(300), container.clone(), ContainerAction::Subscribe);
                Some(MachineEvent::Launched)
            }
            ContainerAction::Subscribe => {
                if !entry.process.started || entry.process.stream.is_some() || entry.process.subscribing {
                    return None;
                }
                entry.process.subscribing = true;
                let call = entry.subscribe_call();
                // The agent may be down; the executor then tries again.
                self.soon(cx, Duration::from_secs(1), container.clone(), ContainerAction::Subscribe);
                Some(MachineEvent::Subscribe(Box::new(call)))
            }
            ContainerAction::Event(event) => {
                self.executor_event(cx, container, &event);
                None
            }
            ContainerAction::TaskEnds { task, killed } => self.task_ends(cx, container, &task, killed),
            ContainerAction::Exit { status } => {
                let exit = ContainerExit { status: Some(status), ..Default::default() };
                Some(MachineEvent::Exited(self.over(container, exit)))
            }
            ContainerAction::Call(call) => Some(MachineEvent::Call(call)),
            ContainerAction::Destroyed => None,
        }
    }

    /// Records that the agent was not there to take the call or the subscription.
    pub fn not_delivered(&mut self, container: &ContainerId) {
        if let Some(entry) = self.containers.get_mut(container) {
            entry.process.subscribing = false;
        }
    }

    /// Records how a container ended. Only this remains, until the agent asks.
    fn over(&mut self, container: &ContainerId, exit: ContainerExit) -> ContainerExit {
        if let Some(entry) = self.containers.get_mut(container) {
            entry.exit = Some(exit.clone());
        }
        exit
    }

    /// Removes a container whose end the agent knows.
    pub fn forget(&mut self, container: &ContainerId) {
        self.containers.remove(container);
    }

    fn executor_event(&mut self, cx: &mut Context, container: &ContainerId, event: &Arc<ExecutorEvent>) {
        let Some(entry) = self.containers.get_mut(container) else { return };
        match event.r#type() {
            event::Type::Launch => {
                if let Some(launch) = &event.launch {
                    let task = launch.task.clone();
                    self.launch(cx, container, task);
                }
            }
            event::Type::LaunchGroup => {
                for task in event.launch_group.iter().flat_map(|group| &group.task_group.tasks) {
                    self.launch(cx, container, task.clone());
                }
            }
            event::Type::Kill => {
                if let Some(kill) = &event.kill {
                    let action = ContainerAction::TaskEnds { task: kill.task_id.value.clone(), killed: true };
                    // In the worst case the task takes the whole grace period.
                    let grace = kill.kill_policy.as_ref().and_then(|policy| policy.grace_period.as_ref());
                    let longest = grace.map_or(1, |grace| grace.nanoseconds / 1_000_000_000).clamp(1, 60);
                    self.soon(cx, Duration::from_secs(longest.unsigned_abs()), container.clone(), action);
                }
            }
            event::Type::Acknowledged => {
                if let Some(acknowledged) = &event.acknowledged {
                    let process = &mut entry.process;
                    process.unacknowledged_tasks.remove(&acknowledged.task_id.value);
                    process.unacknowledged.retain(|status| status.uuid.as_deref() != Some(&acknowledged.uuid));
                    cx.checks.updates.acknowledged_by_agent(&acknowledged.uuid);
                    let idle = process.tasks.is_empty() && process.unacknowledged.is_empty() && process.ended > 0;
                    if idle && (entry.launch.command_task.is_some() || cx.one_in(3)) {
                        self.soon(cx, Duration::from_secs(1), container.clone(), ContainerAction::Exit { status: 0 });
                    }
                }
            }
            event::Type::Message => {
                let own = entry.launch.executor.as_str().to_owned();
                if event.message.as_ref().is_none_or(|message| message.data != format!("{own}?").into_bytes()) {
                    return cx.checks.violation(format!("executor {own} gets a message that is not its own"));
                }
                let message = call::Message { data: format!("{own}!").into_bytes() };
                let call = Call { message: Some(message), ..entry.call(call::Type::Message) };
                let event = Event::Container {
                    agent: self.agent,
                    boot: self.boot,
                    container: container.clone(),
                    action: ContainerAction::Call(Box::new(call)),
                };
                cx.after(Duration::from_millis(1), event);
            }
            event::Type::Shutdown => {
                self.soon(cx, Duration::from_secs(1), container.clone(), ContainerAction::Exit { status: 0 });
            }
            _ => {}
        }
    }

    fn launch(&mut self, cx: &mut Context, container: &ContainerId, task: v1::TaskInfo) {
        let id = task.task_id.value.clone();
        let agent = self.agent;
        let Some(entry) = self.containers.get_mut(container) else { return };
        if entry.process.tasks.insert(id.clone(), task.clone()).is_some() {
            return cx.checks.violation(format!("agent-{agent}: task {id} is delivered twice to its executor"));
        }
        cx.checks.tasks.started(&entry.launch.framework, &id, agent);
        entry.process.unacknowledged_tasks.insert(id.clone(), task);
        cx.counts.tasks_started += 1;
        self.update(cx, container, &id, TaskState::TaskRunning);
        let length = Duration::from_millis(cx.between(200, 60_000));
        let action = ContainerAction::TaskEnds { task: id, killed: false };
        cx.after(length, Event::Container { agent, boot: self.boot, container: container.clone(), action });
    }

    fn task_ends(
        &mut self,
        cx: &mut Context,
        container: &ContainerId,
        task: &str,
        killed: bool,
    ) -> Option<MachineEvent> {
        let entry = self.containers.get_mut(container)?;
        entry.process.tasks.remove(task)?;
        entry.process.ended += 1;
        let state = match (killed, cx.random.below(8)) {
            (true, _) => TaskState::TaskKilled,
            // The whole executor crashes.
            (false, 0) => {
                let exit = ContainerExit { status: Some(256), ..Default::default() };
                return Some(MachineEvent::Exited(self.over(container, exit)));
            }
            (false, 1) => TaskState::TaskFailed,
            _ => TaskState::TaskFinished,
        };
        self.update(cx, container, task, state);
        None
    }

    /// Reports a state of a task. It is sent now if the executor is subscribed, and again at each subscription until it
    /// is acknowledged.
    fn update(&mut self, cx: &mut Context, container: &ContainerId, task: &str, state: TaskState) {
        let Some(entry) = self.containers.get_mut(container) else { return };
        let uuid = cx.random.uuid().as_bytes().to_vec();
        let serial = cx.checks.updates.made(&entry.launch.framework, task, &uuid);
        let status = v1::TaskStatus {
            task_id: v1::TaskId { value: task.to_owned() },
            state: state as i32,
            message: Some(serial),
            source: Some(v1::task_status::Source::Executor as i32),
            executor_id: Some(entry.launch.executor.to_proto()),
            timestamp: Some(cx.time.as_secs_f64()),
            uuid: Some(uuid),
            ..Default::default()
        };
        entry.process.unacknowledged.push_back(status.clone());
        if entry.process.stream.is_some() {
            let call = Call { update: Some(Box::new(call::Update { status })), ..entry.call(call::Type::Update) };
            // All calls use one connection and keep their order, hence the fixed delay.
            let action = ContainerAction::Call(Box::new(call));
            let event = Event::Container { agent: self.agent, boot: self.boot, container: container.clone(), action };
            cx.after(Duration::from_millis(1), event);
        }
    }
}

impl Container {
    fn call(&self, kind: call::Type) -> Call {
        Call {
            executor_id: self.launch.executor.to_proto(),
            framework_id: self.launch.framework.to_proto(),
            r#type: Some(kind as i32),
            ..Default::default()
        }
    }

    fn subscribe_call(&self) -> Call {
        let updates = self.process.unacknowledged.iter();
        let subscribe = call::Subscribe {
            unacknowledged_tasks: self.process.unacknowledged_tasks.values().cloned().collect(),
            unacknowledged_updates: updates.map(|status| call::Update { status: status.clone() }).collect(),
        };
        Call { subscribe: Some(Box::new(subscribe)), ..self.call(call::Type::Subscribe) }
    }
}
