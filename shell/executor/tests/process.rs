//! Tests of the executor as a process, with a minimal agent. This program is both.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failure here is the failure of a test")]

#[path = "process/pods.rs"]
mod pods;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use messages::v1::executor::{Call, Event, call, event};
use messages::v1::{self, CommandInfo, FrameworkInfo, TaskId, TaskInfo, TaskState, TaskStatus};
use testkit::process::is_alive;
use testkit::wait::until_within;

/// The upper bound of every wait, far above what is needed.
const TIMEOUT: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("executor") {
        return executor::main();
    }
    if std::env::args().nth(1).as_deref() == Some("default-executor") {
        return executor::default_executor();
    }
    let scenarios: [(&str, fn()); 9] = [
        ("a_task_runs_to_its_end", a_task_runs_to_its_end),
        ("a_task_gets_its_environment_and_directory", a_task_gets_its_environment_and_directory),
        ("a_kill_reaches_the_whole_tree", a_kill_reaches_the_whole_tree),
        ("a_task_that_ignores_the_kill_is_killed", a_task_that_ignores_the_kill_is_killed),
        ("a_program_that_does_not_exist_fails_the_task", a_program_that_does_not_exist_fails_the_task),
        ("an_unhealthy_task_is_killed", an_unhealthy_task_is_killed),
        ("a_waiting_executor_is_small", a_waiting_executor_is_small),
        ("the_executor_reconnects_to_a_restarted_agent", the_executor_reconnects_to_a_restarted_agent),
        ("without_checkpointing_it_ends_with_the_agent", without_checkpointing_it_ends_with_the_agent),
    ];
    for (name, scenario) in scenarios.into_iter().chain(pods::SCENARIOS) {
        scenario();
        println!("scenario {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn a_task_runs_to_its_end() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent.subscribed();
    stream.send(launch("exit 3"));
    agent.expect(&mut stream, TaskState::TaskStarting);
    agent.expect(&mut stream, TaskState::TaskRunning);
    let failed = agent.expect(&mut stream, TaskState::TaskFailed);
    assert_eq!(failed.message(), "Command exited with status 3");
    agent.ended(0);
}

fn a_task_gets_its_environment_and_directory() {
    let mut agent = Agent::start(&[("INHERITED", "i"), ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "t")]);
    let mut stream = agent.subscribed();
    stream.send(launch("echo $INHERITED-$MESOS_EXECUTOR_AUTHENTICATION_TOKEN-$MESOS_FRAMEWORK_ID > out"));
    agent.expect(&mut stream, TaskState::TaskStarting);
    agent.expect(&mut stream, TaskState::TaskRunning);
    agent.expect(&mut stream, TaskState::TaskFinished);
    agent.ended(0);
    assert_eq!(std::fs::read_to_string(agent.sandbox.path().join("out")).unwrap(), "i--f\n");
}

fn a_kill_reaches_the_whole_tree() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent.subscribed();
    stream.send(launch(
        "setsid sleep 1000 & echo $! > pid; (setsid sleep 1000 & echo $! >> pid); echo done >> pid; wait",
    ));
    agent.expect(&mut stream, TaskState::TaskStarting);
    agent.expect(&mut stream, TaskState::TaskRunning);
    let pids = until(|| {
        let text = std::fs::read_to_string(agent.sandbox.path().join("pid")).unwrap_or_default();
        text.ends_with("done\n").then(|| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<u32>>())
    });
    assert_eq!(pids.len(), 2);
    stream.send(kill(None));
    agent.expect(&mut stream, TaskState::TaskKilling);
    let killed = agent.expect(&mut stream, TaskState::TaskKilled);
    assert_eq!(killed.message(), "Command terminated with signal Terminated");
    agent.ended(0);
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
}

fn a_task_that_ignores_the_kill_is_killed() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent.subscribed();
    stream.send(launch("trap '' TERM; touch ready; while :; do sleep 1000; done"));
    agent.expect(&mut stream, TaskState::TaskStarting);
    agent.expect(&mut stream, TaskState::TaskRunning);
    until(|| agent.sandbox.path().join("ready").exists().then_some(()));
    stream.send(kill(Some(Duration::from_millis(200))));
    agent.expect(&mut stream, TaskState::TaskKilling);
    let killed = agent.expect(&mut stream, TaskState::TaskKilled);
    assert_eq!(killed.message(), "Command terminated with signal Killed");
    agent.ended(0);
}

fn a_program_that_does_not_exist_fails_the_task() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent.subscribed();
    let mut event = launch("/no/such/program");
    if let Some(command) = event.launch.as_mut().and_then(|launch| launch.task.command.as_mut()) {
        command.shell = Some(false);
    }
    stream.send(event);
    agent.expect(&mut stream, TaskState::TaskStarting);
    let failed = agent.expect(&mut stream, TaskState::TaskFailed);
    assert!(failed.message().contains("No such file or directory"), "{}", failed.message());
    agent.ended(0);
}

fn an_unhealthy_task_is_killed() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent.subscribed();
    let mut event = launch("touch healthy; exec sleep 1000");
    let check = CommandInfo { value: Some("test -e healthy".into()), ..CommandInfo::default() };
    if let Some(launch) = event.launch.as_mut() {
        launch.task.health_check = Some(Box::new(v1::HealthCheck {
            r#type: Some(v1::health_check::Type::Command as i32),
            command: Some(Box::new(check)),
            delay_seconds: Some(0.0),
            interval_seconds: Some(0.01),
            grace_period_seconds: Some(20.0),
            consecutive_failures: Some(1),
            ..v1::HealthCheck::default()
        }));
    }
    stream.send(event);
    agent.expect(&mut stream, TaskState::TaskStarting);
    agent.expect(&mut stream, TaskState::TaskRunning);
    assert_eq!(agent.expect(&mut stream, TaskState::TaskRunning).healthy, Some(true));
    std::fs::remove_file(agent.sandbox.path().join("healthy")).unwrap();
    assert_eq!(agent.expect(&mut stream, TaskState::TaskRunning).healthy, Some(false));
    agent.expect(&mut stream, TaskState::TaskKilling);
    assert_eq!(agent.expect(&mut stream, TaskState::TaskKilled).healthy, Some(false));
    agent.ended(0);
}

/// The bound on the private memory of a waiting executor.
const BOUND_KB: u64 = 1500;

/// Returns the private memory of a process in KB.
fn private_kb(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private.filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

/// A waiting executor has about 1.5 MB of private memory.
fn a_waiting_executor_is_small() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent.subscribed();
    stream.send(launch("exec sleep 1000"));
    agent.expect(&mut stream, TaskState::TaskStarting);
    agent.expect(&mut stream, TaskState::TaskRunning);
    until(|| {
        let kb = private_kb(agent.executor.id());
        (kb > 0 && kb < BOUND_KB).then_some(())
    });
    stream.send(kill(None));
    agent.expect(&mut stream, TaskState::TaskKilling);
    agent.expect(&mut stream, TaskState::TaskKilled);
    agent.ended(0);
}

fn the_executor_reconnects_to_a_restarted_agent() {
    let recovery =
        [("MESOS_CHECKPOINT", "1"), ("MESOS_RECOVERY_TIMEOUT", "1mins"), ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "100ms")];
    let mut agent = Agent::start(&recovery);
    let mut stream = agent.subscribed();
    stream.send(launch("while [ ! -e go ]; do sleep 0.01; done"));
    agent.receive(TaskState::TaskStarting);
    agent.receive(TaskState::TaskRunning);
    drop(stream);
    let subscribe = agent.subscription();
    let tasks: Vec<_> = subscribe.unacknowledged_tasks.iter().map(|task| task.task_id.value.as_str()).collect();
    let states: Vec<_> = subscribe.unacknowledged_updates.iter().map(|update| update.status.state()).collect();
    assert_eq!(tasks, ["t"]);
    assert_eq!(states, [TaskState::TaskStarting, TaskState::TaskRunning]);
    let mut stream = agent.welcome();
    for update in subscribe.unacknowledged_updates {
        stream.send(acknowledged(&update.status));
    }
    std::fs::write(agent.sandbox.path().join("go"), "").unwrap();
    agent.expect(&mut stream, TaskState::TaskFinished);
    agent.ended(0);
}

fn without_checkpointing_it_ends_with_the_agent() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent.subscribed();
    stream.send(launch("echo $$ > pid; exec sleep 1000"));
    agent.expect(&mut stream, TaskState::TaskStarting);
    agent.expect(&mut stream, TaskState::TaskRunning);
    let pid: u32 = until(|| std::fs::read_to_string(agent.sandbox.path().join("pid")).ok()?.trim().parse().ok());
    drop(stream);
    agent.executor.wait().unwrap();
    assert!(!is_alive(pid));
}

/// The agent, and the executor that it has started.
struct Agent {
    executor: Child,
    subscriptions: Receiver<(Stream, call::Subscribe)>,
    updates: Receiver<TaskStatus>,
    sandbox: tempfile::TempDir,
    containers: Arc<pods::Containers>,
    open: Option<Stream>,
}

impl Agent {
    fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_as("executor", variables)
    }

    fn start_as(program: &str, variables: &[(&str, &str)]) -> Self {
        let containers = Arc::new(pods::Containers::default());
        let served = containers.clone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (subscribed, subscriptions) = sync_channel(16);
        let (updated, updates) = sync_channel(64);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (subscribed, updated, containers) = (subscribed.clone(), updated.clone(), served.clone());
                std::thread::spawn(move || {
                    let mut update = |call: Call| {
                        if let Some(update) = call.update {
                            let _ = updated.send(update.status);
                        }
                    };
                    if let Some(subscription) = serve(connection.unwrap(), &containers, &mut update) {
                        let _ = subscribed.send(subscription);
                    }
                });
            }
        });
        let sandbox = tempfile::tempdir().unwrap();
        let executor = Command::new(std::env::current_exe().unwrap())
            .arg(program)
            .current_dir(sandbox.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("MESOS_FRAMEWORK_ID", "f")
            .env("MESOS_EXECUTOR_ID", "t")
            .env("MESOS_SANDBOX", sandbox.path())
            .env("MESOS_SLAVE_PID", format!("slave(1)@{address}"))
            .env("MESOS_AGENT_ENDPOINT", address)
            .env("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs")
            .envs(variables.iter().copied())
            .spawn()
            .unwrap();
        Agent { executor, subscriptions, updates, sandbox, containers, open: None }
    }

    /// Waits for the executor's subscription, which is not answered yet.
    fn subscription(&mut self) -> call::Subscribe {
        let (stream, subscribe) = self.subscriptions.recv_timeout(TIMEOUT).expect("a subscription in time");
        self.open = Some(stream);
        subscribe
    }

    fn welcome(&mut self) -> Stream {
        let mut stream = self.open.take().expect("a subscription");
        let killing = v1::framework_info::capability::Type::TaskKillingState;
        let capability = v1::framework_info::Capability { r#type: Some(killing as i32) };
        let subscribed = event::Subscribed {
            framework_info: FrameworkInfo { capabilities: vec![capability], ..FrameworkInfo::default() },
            container_id: Some(Box::new(v1::ContainerId { value: "root".into(), parent: None })),
            ..event::Subscribed::default()
        };
        let kind = Some(event::Type::Subscribed as i32);
        stream.send(Event { r#type: kind, subscribed: Some(Box::new(subscribed)), ..Event::default() });
        stream
    }

    fn subscribed(&mut self) -> Stream {
        self.subscription();
        self.welcome()
    }

    fn receive(&self, state: TaskState) -> TaskStatus {
        let status = self.updates.recv_timeout(TIMEOUT).expect("an update in time");
        assert_eq!(status.state(), state, "{:?}", status.message);
        status
    }

    fn expect(&self, stream: &mut Stream, state: TaskState) -> TaskStatus {
        let status = self.receive(state);
        stream.send(acknowledged(&status));
        status
    }

    fn ended(&mut self, code: i32) {
        let ended = until(|| self.executor.try_wait().unwrap());
        assert_eq!(ended.code(), Some(code));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.executor.kill();
        let _ = self.executor.wait();
    }
}

/// An open event stream. Dropping it ends the stream.
struct Stream(TcpStream);

impl Stream {
    fn send(&mut self, event: Event) {
        let mut record = Vec::new();
        wire::recordio::encode(&wire::encode(&event), &mut record);
        let mut chunk = format!("{:x}\r\n", record.len()).into_bytes();
        chunk.extend_from_slice(&record);
        chunk.extend_from_slice(b"\r\n");
        self.0.write_all(&chunk).unwrap();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

/// Receives calls until the connection ends or becomes a subscription.
fn serve(
    mut connection: TcpStream,
    containers: &pods::Containers,
    received: &mut dyn FnMut(Call),
) -> Option<(Stream, call::Subscribe)> {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    loop {
        let mut length = 0;
        let mut first = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            if first.is_empty() {
                first.clone_from(&line);
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        if first == "POST /slave(1)/api/v1 HTTP/1.1\r\n" {
            containers.answer(&wire::decode(&body, &wire::Limits::default()).unwrap(), &mut connection);
            continue;
        }
        assert_eq!(first, "POST /slave(1)/api/v1/executor HTTP/1.1\r\n");
        let call: Call = wire::decode(&body, &wire::Limits::default()).unwrap();
        if let Some(subscribe) = call.subscribe {
            connection.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            return Some((Stream(connection), *subscribe));
        }
        connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
        received(call);
    }
}

fn launch(command: &str) -> Event {
    let command = CommandInfo { value: Some(command.into()), ..CommandInfo::default() };
    let task = TaskInfo {
        name: "t".into(),
        task_id: TaskId { value: "t".into() },
        command: Some(Box::new(command)),
        ..TaskInfo::default()
    };
    let launch = Some(Box::new(event::Launch { task }));
    Event { r#type: Some(event::Type::Launch as i32), launch, ..Event::default() }
}

fn kill(grace: Option<Duration>) -> Event {
    let nanoseconds = |grace: Duration| v1::DurationInfo { nanoseconds: grace.as_nanos() as i64 };
    let kill_policy = grace.map(|grace| Box::new(v1::KillPolicy { grace_period: Some(nanoseconds(grace)) }));
    let kill = event::Kill { task_id: TaskId { value: "t".into() }, kill_policy };
    Event { r#type: Some(event::Type::Kill as i32), kill: Some(Box::new(kill)), ..Event::default() }
}

fn acknowledged(status: &TaskStatus) -> Event {
    let acknowledged =
        event::Acknowledged { task_id: status.task_id.clone(), uuid: status.uuid.clone().unwrap_or_default() };
    let kind = Some(event::Type::Acknowledged as i32);
    Event { r#type: kind, acknowledged: Some(Box::new(acknowledged)), ..Event::default() }
}

fn until<T>(look: impl FnMut() -> Option<T>) -> T {
    until_within(TIMEOUT, "it came", look)
}
