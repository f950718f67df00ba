use messages::schema::HasDescriptor;
use messages::v1::{FrameworkInfo, TaskInfo};
use wire::libprocess::{EnvelopeLimits, RequestDecoder};

use super::*;

const MASTER: &str = "master@10.0.0.1:5050";

/// A fleet and the bytes that it has sent.
struct Scenario {
    fleet: Fleet,
    out: Vec<u8>,
}

impl Scenario {
    fn of(agents: usize) -> Self {
        let fleet = Fleet::new(MASTER.parse().unwrap(), "10.0.0.2:7".parse().unwrap());
        let mut scenario = Scenario { fleet, out: Vec::new() };
        scenario.fleet.add(agents, &mut scenario.out);
        scenario
    }

    /// Sends a message from the master, or another process, to a process of the fleet.
    fn send<T: HasDescriptor>(&mut self, from: &str, to: &str, message: &T) -> &mut Self {
        let received = Received {
            from: from.parse().unwrap(),
            to: to.to_owned(),
            name: T::desc().name.to_owned(),
            body: wire::encode(message).into(),
        };
        self.fleet.receive(&received, &mut self.out);
        self
    }

    fn registered(&mut self, agent: usize) -> &mut Self {
        let slave_id = AgentId { value: format!("S{agent}") };
        let registered = internal::SlaveRegisteredMessage { slave_id, connection: None };
        self.send(MASTER, &format!("slave({agent})"), &registered)
    }

    fn run_task(&mut self, agent: usize) -> &mut Self {
        let run = internal::RunTaskMessage {
            framework: FrameworkInfo { id: Some(framework()), ..FrameworkInfo::default() },
            task: TaskInfo { task_id: task(), ..TaskInfo::default() },
            ..internal::RunTaskMessage::default()
        };
        self.send(MASTER, &format!("slave({agent})"), &run)
    }

    fn acknowledge(&mut self, agent: usize, uuid: Vec<u8>) -> &mut Self {
        let acknowledgement = internal::StatusUpdateAcknowledgementMessage {
            slave_id: AgentId { value: format!("S{agent}") },
            framework_id: framework(),
            task_id: task(),
            uuid,
        };
        self.send(MASTER, &format!("slave({agent})"), &acknowledgement)
    }

    /// Returns the messages since the last call: the sender with its addressee, and the message.
    fn sent(&mut self) -> Vec<(Received, Message)> {
        let mut decoder = RequestDecoder::new(EnvelopeLimits::default());
        decoder.push(&std::mem::take(&mut self.out));
        let received = std::iter::from_fn(|| decoder.next_message().unwrap());
        received
            .map(|received| {
                let message = wire::decode_message(&received.name, &received.body, &Limits::default()).unwrap();
                (received, message)
            })
            .collect()
    }

    /// Checks that only one status update of this state was sent since the last call, and returns its uuid.
    fn sent_update(&mut self, expect: TaskState) -> Vec<u8> {
        match &self.sent()[..] {
            [(received, Message::StatusUpdate(update))] => {
                assert_eq!((received.to.as_str(), update.update.status.state()), ("master", expect));
                assert_eq!(update.pid.as_deref(), Some(received.from.to_string().as_str()));
                update.update.uuid.clone().unwrap()
            }
            other => panic!("not one status update: {other:?}"),
        }
    }
}

fn framework() -> FrameworkId {
    FrameworkId { value: "F".into() }
}

fn task() -> TaskId {
    TaskId { value: "t".into() }
}

#[test]
fn every_agent_registers_as_a_separate_process() {
    let mut scenario = Scenario::of(2);
    let senders: Vec<_> = scenario.sent().iter().map(|(r, m)| (r.from.to_string(), m.name())).collect();
    let register = "mesos.internal.RegisterSlaveMessage";
    assert_eq!(senders, [("slave(1)@10.0.0.2:7".to_owned(), register), ("slave(2)@10.0.0.2:7".to_owned(), register)]);
    scenario.registered(2);
    assert_eq!(scenario.fleet.progress().registered, 1);
    assert!(matches!(&scenario.sent()[..], [(_, Message::UpdateSlave(update))] if update.slave_id.value == "S2"));
    scenario.registered(2);
    assert_eq!((scenario.fleet.progress().registered, scenario.sent().len()), (1, 0), "told twice");
}

#[test]
fn pings_are_answered_to_their_sender() {
    let mut scenario = Scenario::of(1);
    scenario.sent();
    scenario.send("slave-observer(9)@10.0.0.1:5050", "slave(1)", &internal::PingSlaveMessage { connected: true });
    assert!(
        matches!(&scenario.sent()[..], [(received, Message::PongSlave(_))] if received.to == "slave-observer(9)"),
        "a pong"
    );
}

#[test]
fn a_task_runs_and_ends_as_it_is_acknowledged() {
    let mut scenario = Scenario::of(1);
    scenario.registered(1).sent();
    let running = scenario.run_task(1).sent_update(TaskState::TaskRunning);
    assert!(scenario.acknowledge(1, vec![0; 16]).sent().is_empty(), "not this update");
    let finished = scenario.acknowledge(1, running.clone()).sent_update(TaskState::TaskFinished);
    assert_ne!(running, finished);
    assert_eq!(scenario.fleet.progress().tasks_done, 0);
    assert!(scenario.acknowledge(1, finished.clone()).sent().is_empty());
    assert_eq!(scenario.fleet.progress().tasks_done, 1);
    scenario.acknowledge(1, finished);
    assert_eq!(scenario.fleet.progress().tasks_done, 1, "acknowledged twice");
}

#[test]
fn an_agent_records_when_it_freed_resources() {
    let mut scenario = Scenario::of(1);
    scenario.registered(1).sent();
    let running = scenario.run_task(1).sent_update(TaskState::TaskRunning);
    assert!(scenario.fleet.take_freed().is_empty());
    scenario.acknowledge(1, running);
    let freed: Vec<_> = scenario.fleet.take_freed().into_iter().map(|(agent, _)| agent).collect();
    assert_eq!((freed, scenario.fleet.take_freed().len()), (vec!["S1".to_owned()], 0));
}

#[test]
fn agents_report_lasting_tasks_to_the_next_master() {
    let mut scenario = Scenario::of(2);
    scenario.fleet.set_tasks_endless();
    scenario.registered(1).registered(2).sent();
    let running = scenario.run_task(2).sent_update(TaskState::TaskRunning);
    assert!(scenario.acknowledge(2, running).sent().is_empty(), "it does not end");
    assert_eq!(scenario.fleet.progress().tasks_running, 1);

    scenario.fleet.forget_registrations();
    scenario.fleet.reregister(&mut scenario.out);
    let tasks = |sent: Vec<(Received, Message)>| -> Vec<_> {
        sent.into_iter()
            .map(|(_, message)| match message {
                Message::ReregisterSlave(message) => {
                    (message.slave.id.unwrap().value, message.tasks.len(), message.frameworks.len())
                }
                other => panic!("not a re-registration: {other:?}"),
            })
            .collect()
    };
    assert_eq!(tasks(scenario.sent()), [("S1".to_owned(), 0, 0), ("S2".to_owned(), 1, 1)]);
    let answer = internal::SlaveReregisteredMessage { slave_id: AgentId { value: "S2".into() }, ..Default::default() };
    scenario.send(MASTER, "slave(2)", &answer).send(MASTER, "slave(2)", &answer);
    assert_eq!(scenario.fleet.progress().reregistered, 1);
    scenario.fleet.reregister(&mut scenario.out);
    assert_eq!(tasks(scenario.sent()), [("S1".to_owned(), 0, 0)], "who is back does not repeat it");
}

#[test]
fn unknown_messages_and_shutdowns_are_counted() {
    let mut scenario = Scenario::of(1);
    let ping = internal::PingSlaveMessage { connected: true };
    for process in ["slave(2)", "slave(0)", "slave(x)", "master", ""] {
        scenario.send(MASTER, process, &ping);
    }
    scenario.send(MASTER, "slave(1)", &internal::ShutdownMessage::default());
    assert_eq!(scenario.fleet.progress(), Progress { refused: 6, ..Progress::default() });
}

#[test]
fn registered_agents_unregister() {
    let mut scenario = Scenario::of(2);
    scenario.registered(2).sent();
    scenario.fleet.leave(&mut scenario.out);
    assert!(matches!(&scenario.sent()[..], [(_, Message::UnregisterSlave(leave))] if leave.slave_id.value == "S2"));
}
