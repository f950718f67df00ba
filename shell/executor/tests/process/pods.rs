//! The default executor as a process. The agent's containers are entries of a map that the test ends.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use messages::v1::agent::response::WaitNestedContainer;
use messages::v1::agent::{Call, Response, call};
use messages::v1::executor::{Event, event};
use messages::v1::{self, TaskState, TaskStatus};

use super::{Agent, Stream, TIMEOUT, acknowledged, until};

/// The containers of the agent, by the ids of their tasks.
#[derive(Debug, Default)]
pub struct Containers {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The wait status of each container, once it has ended.
    ended: BTreeMap<String, Option<i32>>,
    /// The names of the tasks by the ids of their containers.
    names: BTreeMap<String, String>,
    /// The calls of the executor, in order.
    calls: Vec<String>,
    /// The wait status of the commands of checks.
    of_checks: i32,
}

impl Containers {
    /// Answers a call of the executor. A wait blocks until the container has ended.
    #[allow(deprecated)]
    pub fn answer(&self, call: &Call, connection: &mut impl Write) {
        let mut state = self.state.lock().unwrap();
        let (status, body) = match call.r#type() {
            call::Type::LaunchContainer => {
                let launch = call.launch_container.as_ref().unwrap();
                let id = launch.container_id.value.clone();
                assert_eq!(launch.container_id.parent.as_ref().unwrap().value, "root");
                // The command of each task of these tests is its name.
                let name = launch.command.as_ref().unwrap().value().to_owned();
                state.calls.push(format!("launch {name}"));
                let known = state.names.insert(id.clone(), name).is_some();
                state.ended.entry(id).or_default();
                (if known { 202 } else { 200 }, Vec::new())
            }
            call::Type::WaitNestedContainer => {
                let id = call.wait_nested_container.as_ref().unwrap().container_id.value.clone();
                let name = state.names.get(&id).cloned().unwrap_or_else(|| "check".to_owned());
                state.calls.push(format!("wait {name}"));
                self.changed.notify_all();
                let of_checks = state.of_checks;
                let ended = if name == "check" { Some(of_checks) } else { None };
                let over = |state: &mut State| ended.or_else(|| state.ended.get(&id).copied().flatten()).is_none();
                state = self.changed.wait_while(state, over).unwrap();
                let exit_status = ended.or_else(|| state.ended.get(&id).copied().flatten());
                let wait = WaitNestedContainer { exit_status, ..Default::default() };
                (200, wire::encode(&Response { wait_nested_container: Some(Box::new(wait)), ..Default::default() }))
            }
            call::Type::KillNestedContainer => {
                let kill = call.kill_nested_container.as_ref().unwrap();
                let (id, signal) = (kill.container_id.value.clone(), kill.signal());
                let name = state.names.get(&id).cloned().unwrap_or_default();
                state.calls.push(format!("kill {name} {signal}"));
                // A task of this name ignores SIGTERM.
                if name != "stubborn" || signal == 9 {
                    state.ended.entry(id).and_modify(|ended| {
                        ended.get_or_insert(signal);
                    });
                }
                (200, Vec::new())
            }
            call::Type::RemoveNestedContainer => (200, Vec::new()),
            call::Type::LaunchNestedContainerSession => {
                let id = &call.launch_nested_container_session.as_ref().unwrap().container_id;
                assert!(id.value.starts_with("check-") && state.names.contains_key(&id.parent.as_ref().unwrap().value));
                let head =
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/recordio\r\n\r\n";
                connection.write_all(format!("{head}5\r\n3\nabc\r\n0\r\n\r\n").as_bytes()).unwrap();
                return;
            }
            other => panic!("{other:?}"),
        };
        self.changed.notify_all();
        drop(state);
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
        // The executor may have closed the connection of a wait.
        let _ = connection.write_all(&[head.as_bytes(), &body].concat());
    }

    /// Ends the container of a task.
    fn end(&self, name: &str, status: i32) {
        let mut state = self.state.lock().unwrap();
        let id = state.names.iter().find(|(_, known)| *known == name).map(|(id, _)| id.clone()).expect("a container");
        state.ended.insert(id, Some(status));
        self.changed.notify_all();
    }

    /// Waits until the executor has made this call so many times.
    fn called(&self, call: &str, times: usize) {
        let state = self.state.lock().unwrap();
        let missing = |state: &mut State| state.calls.iter().filter(|made| *made == call).count() < times;
        let (state, timeout) = self.changed.wait_timeout_while(state, TIMEOUT, missing).unwrap();
        assert!(!timeout.timed_out(), "no {call} in {:?}", state.calls);
    }
}

pub const SCENARIOS: [(&str, fn()); 5] = [
    ("a_pod_runs_to_its_end", a_pod_runs_to_its_end),
    ("a_pod_survives_its_agent", a_pod_survives_its_agent),
    ("a_task_that_ignores_sigterm_is_killed", a_task_that_ignores_sigterm_is_killed),
    ("a_check_runs_in_the_container", a_check_runs_in_the_container),
    ("a_waiting_pod_is_small", a_waiting_pod_is_small),
];

fn launch(names: &[&str]) -> Event {
    launch_tasks(names.iter().map(|name| task(name)).collect())
}

fn launch_tasks(tasks: Vec<v1::TaskInfo>) -> Event {
    let launch = event::LaunchGroup { task_group: v1::TaskGroupInfo { tasks } };
    let kind = Some(event::Type::LaunchGroup as i32);
    Event { r#type: kind, launch_group: Some(Box::new(launch)), ..Event::default() }
}

fn task(name: &str) -> v1::TaskInfo {
    v1::TaskInfo {
        name: name.into(),
        task_id: v1::TaskId { value: name.into() },
        command: Some(Box::new(v1::CommandInfo { value: Some(name.into()), ..Default::default() })),
        ..Default::default()
    }
}

fn kill(name: &str, grace: Duration) -> Event {
    let grace_period = Some(v1::DurationInfo { nanoseconds: grace.as_nanos() as i64 });
    let kill_policy = Some(Box::new(v1::KillPolicy { grace_period }));
    let kill = event::Kill { task_id: v1::TaskId { value: name.into() }, kill_policy };
    Event { r#type: Some(event::Type::Kill as i32), kill: Some(Box::new(kill)), ..Event::default() }
}

/// Receives this update of this task, while updates of other tasks may come before it, and acknowledges all.
fn expect(agent: &Agent, stream: &mut Stream, name: &str, state: TaskState) -> TaskStatus {
    loop {
        let status = agent.updates.recv_timeout(TIMEOUT).expect("an update in time");
        stream.send(acknowledged(&status));
        if status.task_id.value == name {
            assert_eq!(status.state(), state, "{name}: {:?}", status.message);
            return status;
        }
    }
}

/// Starts an executor whose tasks with these names run.
fn running(variables: &[(&str, &str)], names: &[&str]) -> (Agent, Stream) {
    let mut agent = Agent::start_as("default-executor", variables);
    let mut stream = agent.subscribed();
    stream.send(launch(names));
    let mut running = 0;
    while running < names.len() {
        let status = agent.updates.recv_timeout(TIMEOUT).expect("an update in time");
        stream.send(acknowledged(&status));
        running += usize::from(status.state() == TaskState::TaskRunning);
    }
    (agent, stream)
}

fn a_pod_runs_to_its_end() {
    let (mut agent, mut stream) = running(&[], &["a", "b"]);
    let link = agent.sandbox.path().join("tasks/a");
    assert!(std::fs::read_link(&link).unwrap().starts_with(agent.sandbox.path().join("containers")));
    agent.containers.end("a", 0);
    let finished = expect(&agent, &mut stream, "a", TaskState::TaskFinished);
    assert_eq!(finished.message(), "Command exited with status 0");
    agent.containers.end("b", 3 << 8);
    expect(&agent, &mut stream, "b", TaskState::TaskFailed);
    agent.ended(0);
}

fn a_pod_survives_its_agent() {
    let recovery = [("MESOS_CHECKPOINT", "1"), ("MESOS_RECOVERY_TIMEOUT", "1mins")];
    let (mut agent, stream) = running(&recovery, &["a", "b"]);
    drop(stream);
    let subscribe = agent.subscription();
    assert!(subscribe.unacknowledged_tasks.is_empty(), "all updates were acknowledged");
    let mut stream = agent.welcome();
    agent.containers.called("wait a", 2);
    agent.containers.called("wait b", 2);
    agent.containers.end("a", 1 << 8);
    expect(&agent, &mut stream, "a", TaskState::TaskFailed);
    expect(&agent, &mut stream, "b", TaskState::TaskKilling);
    expect(&agent, &mut stream, "b", TaskState::TaskKilled);
    agent.ended(0);
}

fn a_task_that_ignores_sigterm_is_killed() {
    let (mut agent, mut stream) = running(&[], &["stubborn"]);
    stream.send(kill("stubborn", Duration::from_millis(100)));
    expect(&agent, &mut stream, "stubborn", TaskState::TaskKilling);
    let killed = expect(&agent, &mut stream, "stubborn", TaskState::TaskKilled);
    assert_eq!(killed.message(), "Command terminated with signal Killed");
    agent.containers.called("kill stubborn 15", 1);
    agent.ended(0);
}

fn a_check_runs_in_the_container() {
    let mut agent = Agent::start_as("default-executor", &[]);
    let mut stream = agent.subscribed();
    let health = v1::HealthCheck {
        r#type: Some(v1::health_check::Type::Command as i32),
        command: Some(Box::new(v1::CommandInfo { value: Some("true".into()), ..Default::default() })),
        delay_seconds: Some(0.0),
        interval_seconds: Some(0.01),
        consecutive_failures: Some(2),
        ..Default::default()
    };
    stream.send(launch_tasks(vec![v1::TaskInfo { health_check: Some(Box::new(health)), ..task("a") }]));
    expect(&agent, &mut stream, "a", TaskState::TaskStarting);
    expect(&agent, &mut stream, "a", TaskState::TaskRunning);
    let healthy = expect(&agent, &mut stream, "a", TaskState::TaskRunning);
    assert_eq!(
        (healthy.healthy, healthy.reason()),
        (Some(true), v1::task_status::Reason::TaskHealthCheckStatusUpdated)
    );
    agent.containers.state.lock().unwrap().of_checks = 1 << 8;
    assert_eq!(expect(&agent, &mut stream, "a", TaskState::TaskRunning).healthy, Some(false));
    assert_eq!(expect(&agent, &mut stream, "a", TaskState::TaskRunning).healthy, Some(false));
    expect(&agent, &mut stream, "a", TaskState::TaskKilling);
    assert_eq!(expect(&agent, &mut stream, "a", TaskState::TaskKilled).healthy, Some(false));
    agent.ended(0);
}

/// A waiting executor of a pod has at most the private memory of a command executor.
fn a_waiting_pod_is_small() {
    let names: Vec<String> = (0..20).map(|number| format!("t{number}")).collect();
    let (mut agent, mut stream) = running(&[], &names.iter().map(String::as_str).collect::<Vec<_>>());
    until(|| (super::private_kb(agent.executor.id()) < super::BOUND_KB).then_some(()));
    println!("20 tasks: {} KB private", super::private_kb(agent.executor.id()));
    stream.send(Event { r#type: Some(event::Type::Shutdown as i32), ..Event::default() });
    agent.ended(0);
}
