//! The life of a default executor as a scenario of inputs and the actions that follow.

use std::time::Duration;

use messages::v1::agent::response::WaitNestedContainer;
use messages::v1::agent::{Response, response};
use messages::v1::executor::{Event, event};
use messages::v1::framework_info::{Capability, capability};
use messages::v1::task_status::Reason;
use messages::v1::{self, TaskState};

use super::actions::{Action, Key, Purpose, Reply, Timer};
use super::executor::{DefaultExecutor, Settings};
use crate::checks::{Checker, Outcome};
use crate::core::Clock;

/// A clock that a test sets. Uuids are numbers.
#[derive(Debug, Default)]
pub struct FakeClock {
    pub elapsed: Duration,
    uuids: u64,
}

impl Clock for FakeClock {
    fn elapsed(&mut self) -> Duration {
        self.elapsed
    }

    fn now(&mut self) -> f64 {
        7.0
    }

    fn uuid(&mut self) -> [u8; 16] {
        self.uuids += 1;
        u128::from(self.uuids).to_be_bytes()
    }
}

pub fn settings(checkpoint: bool) -> Settings {
    Settings {
        framework: "f".into(),
        executor: "e".into(),
        shutdown_grace: Duration::from_secs(5),
        recovery_timeout: checkpoint.then_some(Duration::from_secs(900)),
        container_ip: Some("10.0.0.1".into()),
    }
}

pub fn subscribed() -> Event {
    let capability = |t: capability::Type| Capability { r#type: Some(t.into()) };
    let subscribed = event::Subscribed {
        framework_info: v1::FrameworkInfo {
            capabilities: vec![
                capability(capability::Type::TaskKillingState),
                capability(capability::Type::PartitionAware),
            ],
            ..Default::default()
        },
        container_id: Some(Box::new(v1::ContainerId { value: "root".into(), parent: None })),
        ..Default::default()
    };
    Event { r#type: Some(event::Type::Subscribed.into()), subscribed: Some(Box::new(subscribed)), ..Default::default() }
}

pub fn task(id: &str) -> v1::TaskInfo {
    v1::TaskInfo {
        name: id.into(),
        task_id: v1::TaskId { value: id.into() },
        command: Some(Box::new(v1::CommandInfo { value: Some("sleep 1".into()), ..Default::default() })),
        ..Default::default()
    }
}

pub fn launch_group(tasks: Vec<v1::TaskInfo>) -> Event {
    let launch = event::LaunchGroup { task_group: v1::TaskGroupInfo { tasks } };
    Event { r#type: Some(event::Type::LaunchGroup.into()), launch_group: Some(Box::new(launch)), ..Default::default() }
}

pub fn kill(id: &str, grace: Option<u64>) -> Event {
    let policy = |seconds: u64| {
        let nanoseconds = Duration::from_secs(seconds).as_nanos() as i64;
        Box::new(v1::KillPolicy { grace_period: Some(v1::DurationInfo { nanoseconds }) })
    };
    let kill = event::Kill { task_id: v1::TaskId { value: id.into() }, kill_policy: grace.map(policy) };
    Event { r#type: Some(event::Type::Kill.into()), kill: Some(Box::new(kill)), ..Default::default() }
}

pub fn plain(kind: event::Type) -> Event {
    Event { r#type: Some(kind.into()), ..Default::default() }
}

pub fn answer(status: u16, body: &str) -> Reply {
    Reply::Answered { status, body: body.into() }
}

/// The answer to a wait.
pub fn ended(wait: WaitNestedContainer) -> Reply {
    let response = Response {
        r#type: Some(response::Type::WaitNestedContainer.into()),
        wait_nested_container: Some(Box::new(wait)),
        ..Default::default()
    };
    Reply::Answered { status: 200, body: wire::encode(&response).to_vec() }
}

fn exited(status: i32) -> Reply {
    ended(WaitNestedContainer { exit_status: Some(status), ..Default::default() })
}

struct Scenario {
    executor: DefaultExecutor,
    clock: FakeClock,
    updates: Vec<v1::TaskStatus>,
}

/// Returns the text of an action in an expectation.
fn brief(action: &Action) -> String {
    match action {
        Action::Send(call) => match &call.update {
            Some(update) => {
                let status = &update.status;
                let message = status.message.as_deref().map(|m| format!(" ({m})")).unwrap_or_default();
                format!("{} {}{message}", status.task_id.value, status.state().as_str_name())
            }
            None => call.r#type().as_str_name().to_owned(),
        },
        #[allow(deprecated)]
        Action::Request(purpose, call) => match &call.kill_nested_container {
            Some(kill) => format!("{} with {}", short(*purpose), kill.signal()),
            None => short(*purpose),
        },
        Action::LinkSandbox(task, _) => format!("link {}", task.value),
        Action::Arm(timer, after) => format!("{} in {after:?}", named(*timer)),
        Action::Log(_) => "log".into(),
        Action::Probe(Key(key), checker, ..) => format!("probe {key} {checker:?}"),
        other => format!("{other:?}"),
    }
}

fn named(timer: Timer) -> String {
    match timer {
        Timer::Launch(Key(key)) => format!("Launch({key})"),
        Timer::Wait(Key(key)) => format!("Wait({key})"),
        Timer::Kill(Key(key)) => format!("Kill({key})"),
        Timer::Grace(Key(key)) => format!("Grace({key})"),
        Timer::MaxCompletion(Key(key)) => format!("MaxCompletion({key})"),
        Timer::Probe(Key(key), checker) => format!("Probe({key}, {checker:?})"),
        Timer::CheckTimeout(Key(key), checker) => format!("CheckTimeout({key}, {checker:?})"),
        Timer::Recovery | Timer::Acknowledgement | Timer::Shutdown => format!("{timer:?}"),
    }
}

fn short(purpose: Purpose) -> String {
    match purpose {
        Purpose::Launch(Key(key)) => format!("launch {key}"),
        Purpose::Wait(Key(key)) => format!("wait {key}"),
        Purpose::Kill(Key(key)) => format!("kill {key}"),
        Purpose::RemoveCheck(Key(key), _) => format!("remove check {key}"),
        Purpose::RunCheck(Key(key), _) => format!("run check {key}"),
        Purpose::WaitCheck(Key(key), _) => format!("wait for check {key}"),
    }
}

impl Scenario {
    fn of(checkpoint: bool) -> Self {
        let executor = DefaultExecutor::new(settings(checkpoint));
        let mut scenario = Scenario { executor, clock: FakeClock::default(), updates: Vec::new() };
        scenario.event(subscribed(), &[]);
        scenario
    }

    fn new() -> Self {
        Self::of(false)
    }

    fn check(&mut self, actions: Vec<Action>, expect: &[&str]) -> &mut Self {
        for action in &actions {
            if let Action::Send(call) = action {
                self.updates.extend(call.update.iter().map(|update| update.status.clone()));
            }
        }
        // Closed connections matter to the properties only.
        let actions = actions.iter().filter(|action| !matches!(action, Action::Cancel(_)));
        assert_eq!(actions.map(brief).collect::<Vec<_>>(), expect);
        self
    }

    fn event(&mut self, event: Event, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_event(event, &mut self.clock);
        self.check(actions, expect)
    }

    fn reply(&mut self, purpose: Purpose, reply: Reply, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_reply(purpose, reply, &mut self.clock);
        self.check(actions, expect)
    }

    fn timer(&mut self, timer: Timer, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_timer(timer, &mut self.clock);
        self.check(actions, expect)
    }

    fn probed(&mut self, key: u64, checker: Checker, outcome: Outcome, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_probed(Key(key), checker, outcome, &mut self.clock);
        self.check(actions, expect)
    }

    fn disconnected(&mut self, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_disconnected();
        self.check(actions, expect)
    }

    /// Launches two tasks `a` (2) and `b` (3), which run.
    fn running(&mut self) -> &mut Self {
        self.event(
            launch_group(vec![task("a"), task("b")]),
            &["launch 2", "launch 3", "a TASK_STARTING", "b TASK_STARTING"],
        );
        self.reply(Purpose::Launch(Key(2)), answer(200, ""), &["link a", "a TASK_RUNNING", "wait 2"]);
        self.reply(Purpose::Launch(Key(3)), answer(200, ""), &["link b", "b TASK_RUNNING", "wait 3"])
    }

    /// Acknowledges all updates so far. Returns the actions of the last acknowledgement.
    fn acknowledge_all(&mut self, expect: &[&str]) -> &mut Self {
        let mut last = Vec::new();
        for status in std::mem::take(&mut self.updates) {
            let acknowledged =
                event::Acknowledged { task_id: status.task_id, uuid: status.uuid.expect("an update has a uuid") };
            let kind = Some(event::Type::Acknowledged.into());
            let event = Event { r#type: kind, acknowledged: Some(Box::new(acknowledged)), ..Default::default() };
            last = self.executor.on_event(event, &mut self.clock);
        }
        self.check(last, expect)
    }

    fn last(&self) -> &v1::TaskStatus {
        self.updates.last().expect("an update")
    }

    fn unacknowledged_tasks(&self) -> Vec<String> {
        let subscribe = self.executor.subscribe().subscribe.expect("the call");
        subscribe.unacknowledged_tasks.into_iter().map(|task| task.task_id.value).collect()
    }
}

const LAUNCH_2: Purpose = Purpose::Launch(Key(2));
const WAIT_2: Purpose = Purpose::Wait(Key(2));
const WAIT_3: Purpose = Purpose::Wait(Key(3));
const KILL_2: Purpose = Purpose::Kill(Key(2));

#[test]
fn a_group_runs_to_its_end() {
    let mut scenario = Scenario::new();
    scenario.running();
    let status = scenario.last().container_status.as_deref().and_then(|s| s.container_id.as_deref()).expect("an id");
    assert_eq!(status.parent.as_deref().map(|parent| parent.value.as_str()), Some("root"));
    assert_eq!(status.value.len(), 36);
    scenario
        .reply(WAIT_2, exited(0), &["a TASK_FINISHED (Command exited with status 0)"])
        .acknowledge_all(&[])
        .reply(WAIT_3, exited(0), &["b TASK_FINISHED (Command exited with status 0)", "Acknowledgement in 60s"])
        .acknowledge_all(&["Exit"]);
}

#[test]
fn a_failed_task_ends_its_group_and_no_other() {
    let mut scenario = Scenario::new();
    scenario.running().event(launch_group(vec![task("c")]), &["launch 5", "c TASK_STARTING"]);
    scenario
        .reply(
            WAIT_2,
            exited(3 << 8),
            &["a TASK_FAILED (Command exited with status 3)", "b TASK_KILLING", "kill 3 with 15", "Grace(3) in 3s"],
        )
        .timer(Timer::Grace(Key(3)), &["kill 3 with 9"])
        .reply(Purpose::Kill(Key(3)), answer(200, ""), &[])
        .reply(WAIT_3, exited(9), &["b TASK_KILLED (Command terminated with signal Killed)"]);
}

/// Each row is what the agent says about the end of task `a`, and the terminal update.
#[test]
fn the_terminal_update_describes_the_end_of_the_task() {
    let check = |killed: bool, reply: Reply, expect: &str, reason: Option<Reason>| {
        let mut scenario = Scenario::new();
        scenario.event(launch_group(vec![task("a")]), &["launch 2", "a TASK_STARTING"]);
        scenario.reply(LAUNCH_2, answer(200, ""), &["link a", "a TASK_RUNNING", "wait 2"]);
        if killed {
            scenario.event(kill("a", None), &["a TASK_KILLING", "kill 2 with 15", "Grace(2) in 3s"]);
        }
        scenario.reply(WAIT_2, reply, &[expect, "Acknowledgement in 60s"]);
        assert_eq!(scenario.last().reason.and_then(|r| Reason::try_from(r).ok()), reason, "{expect}");
    };
    let unknown = "a TASK_FAILED (Unable to retrieve command's termination information)";
    check(false, answer(404, "Container root.x cannot be found"), unknown, None);
    check(true, answer(404, ""), "a TASK_KILLED", None);
    let no_status = "a TASK_FAILED (Command terminated with unknown status)";
    check(false, ended(WaitNestedContainer::default()), no_status, None);
    check(true, exited(15), "a TASK_KILLED (Command terminated with signal Terminated)", None);
    check(true, exited(0), "a TASK_KILLED (Command exited with status 0)", None);
    check(
        false,
        exited(11 | 0x80),
        "a TASK_FAILED (Command terminated with signal Segmentation fault (core dumped))",
        None,
    );
    let limited = WaitNestedContainer {
        exit_status: Some(9),
        state: Some(TaskState::TaskFailed.into()),
        reason: Some(Reason::ContainerLimitationMemory.into()),
        message: Some("Memory limit exceeded".into()),
        ..Default::default()
    };
    let message = "a TASK_FAILED (Command terminated with signal Killed: Memory limit exceeded)";
    check(false, ended(limited.clone()), message, Some(Reason::ContainerLimitationMemory));
    check(true, ended(limited), message, Some(Reason::ContainerLimitationMemory));
    let nonsense =
        WaitNestedContainer { exit_status: Some(0), state: Some(TaskState::TaskRunning.into()), ..Default::default() };
    check(false, ended(nonsense), "a TASK_FINISHED (Command exited with status 0)", None);
}

#[test]
fn a_refused_launch_fails_the_task_with_the_reason() {
    let mut scenario = Scenario::new();
    scenario
        .event(launch_group(vec![task("a")]), &["launch 2", "a TASK_STARTING"])
        .reply(LAUNCH_2, answer(400, "no such image"), &["wait 2"])
        .reply(WAIT_2, answer(404, ""), &["a TASK_FAILED (no such image)", "Acknowledgement in 60s"]);
    let mut scenario = Scenario::new();
    scenario.event(launch_group(vec![task("a")]), &["launch 2", "a TASK_STARTING"]).reply(
        LAUNCH_2,
        answer(202, "launched before"),
        &["wait 2"],
    );
}

#[test]
fn a_launch_without_an_answer_is_repeated() {
    let mut scenario = Scenario::new();
    scenario
        .event(launch_group(vec![task("a")]), &["launch 2", "a TASK_STARTING"])
        .reply(LAUNCH_2, Reply::Broken, &["Launch(2) in 1s"])
        .timer(Timer::Launch(Key(2)), &["launch 2"])
        .reply(LAUNCH_2, answer(202, ""), &["link a", "a TASK_RUNNING", "wait 2"])
        .reply(LAUNCH_2, answer(200, ""), &[])
        .timer(Timer::Launch(Key(2)), &[]);
}

#[test]
fn a_kill_has_its_grace_period() {
    let check = |policy: Option<u64>, of_kill: Option<u64>, expect: &str| {
        let mut scenario = Scenario::new();
        let mut info = task("a");
        if let Some(event) = kill("a", policy).kill {
            info.kill_policy = event.kill_policy;
        }
        scenario.event(launch_group(vec![info]), &["launch 2", "a TASK_STARTING"]);
        scenario.reply(LAUNCH_2, answer(200, ""), &["link a", "a TASK_RUNNING", "wait 2"]);
        scenario.event(kill("a", of_kill), &["a TASK_KILLING", "kill 2 with 15", expect]);
        scenario.event(kill("a", Some(100)), &[]);
    };
    check(None, None, "Grace(2) in 3s");
    check(Some(7), None, "Grace(2) in 7s");
    check(Some(7), Some(1), "Grace(2) in 1s");
    Scenario::new().event(kill("unknown", None), &[]);
}

#[test]
fn a_kill_is_repeated_until_the_agent_answers() {
    let mut scenario = Scenario::new();
    scenario
        .running()
        .event(kill("a", None), &["a TASK_KILLING", "kill 2 with 15", "Grace(2) in 3s"])
        .reply(KILL_2, Reply::Broken, &["Kill(2) in 1s"])
        .timer(Timer::Grace(Key(2)), &["kill 2 with 9"])
        .reply(KILL_2, answer(500, "Unable to send signal"), &["Kill(2) in 1s"])
        .timer(Timer::Kill(Key(2)), &["kill 2 with 9"])
        .reply(KILL_2, answer(200, ""), &[])
        .timer(Timer::Kill(Key(2)), &[]);
}

#[test]
fn a_kill_before_the_launch_is_answered_is_not_forgotten() {
    let mut scenario = Scenario::new();
    scenario
        .event(launch_group(vec![task("a")]), &["launch 2", "a TASK_STARTING"])
        .event(kill("a", None), &["a TASK_KILLING", "kill 2 with 15", "Grace(2) in 3s"])
        .reply(KILL_2, answer(404, ""), &["Kill(2) in 1s"])
        .reply(LAUNCH_2, answer(200, ""), &["link a", "kill 2 with 15", "wait 2"])
        .reply(KILL_2, answer(200, ""), &[])
        .reply(
            WAIT_2,
            exited(15),
            &["a TASK_KILLED (Command terminated with signal Terminated)", "Acknowledgement in 60s"],
        );
}

#[test]
fn a_task_ends_after_its_maximum_completion_time() {
    let mut scenario = Scenario::new();
    let limit = Some(v1::DurationInfo { nanoseconds: 2_000_000_000 });
    scenario
        .event(
            launch_group(vec![v1::TaskInfo { max_completion_time: limit, ..task("a") }]),
            &["launch 2", "a TASK_STARTING"],
        )
        .reply(LAUNCH_2, answer(200, ""), &["link a", "a TASK_RUNNING", "wait 2", "MaxCompletion(2) in 2s"])
        .timer(Timer::MaxCompletion(Key(2)), &["kill 2 with 15", "Grace(2) in 0ns"])
        .timer(Timer::Grace(Key(2)), &["kill 2 with 9"])
        .reply(WAIT_2, exited(9), &["a TASK_FAILED (Command terminated with signal Killed)", "Acknowledgement in 60s"]);
    assert_eq!(scenario.last().reason(), Reason::MaxCompletionTimeReached);
}

#[test]
fn requests_are_repeated_when_the_agent_reconnects() {
    let mut scenario = Scenario::of(true);
    scenario.running().event(launch_group(vec![task("c")]), &["launch 5", "c TASK_STARTING"]);
    scenario.event(kill("b", None), &["b TASK_KILLING", "kill 3 with 15", "Grace(3) in 3s"]);
    assert_eq!(scenario.unacknowledged_tasks(), ["a", "b", "c"]);
    scenario
        .disconnected(&["CancelAll", "Recovery in 900s"])
        .timer(Timer::Grace(Key(3)), &[])
        .timer(Timer::Wait(Key(2)), &[])
        .event(subscribed(), &["wait 2", "wait 3", "kill 3 with 9", "launch 5"])
        .timer(Timer::Recovery, &[])
        .reply(Purpose::Launch(Key(5)), answer(202, ""), &["link c", "c TASK_RUNNING", "wait 5"])
        .reply(WAIT_2, Reply::Broken, &["Wait(2) in 1s"])
        .timer(Timer::Wait(Key(2)), &["wait 2"])
        .reply(WAIT_2, answer(503, ""), &["Wait(2) in 1s"])
        .acknowledge_all(&[]);
    assert_eq!(scenario.unacknowledged_tasks(), Vec::<String>::new());
    scenario.disconnected(&["CancelAll", "Recovery in 900s"]).timer(Timer::Recovery, &["Exit"]);
}

#[test]
fn without_checkpointing_it_ends_with_the_agent() {
    Scenario::new().running().disconnected(&["CancelAll", "Exit"]);
}

#[test]
fn a_shutdown_kills_all_tasks_within_three_seconds() {
    let mut scenario = Scenario::new();
    let kills =
        ["a TASK_KILLING", "kill 2 with 15", "Grace(2) in 3s", "b TASK_KILLING", "kill 3 with 15", "Grace(3) in 3s"];
    let shutdown = [&kills[..], &["Shutdown in 5s"]].concat();
    scenario
        .running()
        .event(plain(event::Type::Shutdown), &shutdown)
        .event(plain(event::Type::Shutdown), &[])
        .event(kill("a", None), &[])
        .event(launch_group(vec![task("c")]), &["c TASK_DROPPED"])
        .reply(WAIT_2, exited(15), &["a TASK_KILLED (Command terminated with signal Terminated)"])
        .reply(WAIT_3, exited(15), &["b TASK_KILLED (Command terminated with signal Terminated)", "Exit"]);
    Scenario::new().running().event(plain(event::Type::Launch), &[&["log"][..], &shutdown].concat());
    Scenario::new().event(plain(event::Type::Shutdown), &["Exit"]);
    Scenario::new().running().event(plain(event::Type::Shutdown), &shutdown).timer(Timer::Shutdown, &["Exit"]);
    Scenario::new().running().event(plain(event::Type::Shutdown), &shutdown).reply(
        KILL_2,
        Reply::Broken,
        &["log", "Exit"],
    );
}

#[test]
fn an_agent_that_does_not_answer_waits_ends_the_executor() {
    let mut scenario = Scenario::new();
    scenario
        .running()
        .reply(WAIT_2, answer(403, "403 Forbidden."), &["log", "Acknowledgement in 60s"])
        .timer(Timer::Acknowledgement, &["Exit"]);
    Scenario::new().running().acknowledge_all(&[]).reply(WAIT_2, answer(200, "x"), &["log", "Exit"]);
}

#[test]
fn a_new_group_cancels_the_end_of_the_executor() {
    let mut scenario = Scenario::new();
    scenario
        .running()
        .reply(WAIT_2, exited(0), &["a TASK_FINISHED (Command exited with status 0)"])
        .reply(WAIT_3, exited(0), &["b TASK_FINISHED (Command exited with status 0)", "Acknowledgement in 60s"])
        .event(launch_group(vec![task("c")]), &["launch 5", "c TASK_STARTING"])
        .timer(Timer::Acknowledgement, &[])
        .acknowledge_all(&[]);
}

#[test]
fn a_known_task_is_not_launched_again() {
    Scenario::new().running().event(launch_group(vec![task("a"), task("c")]), &["log", "launch 5", "c TASK_STARTING"]);
}

fn health_check(command: &str) -> v1::HealthCheck {
    v1::HealthCheck {
        r#type: Some(v1::health_check::Type::Command.into()),
        command: Some(Box::new(v1::CommandInfo { value: Some(command.into()), ..Default::default() })),
        consecutive_failures: Some(2),
        grace_period_seconds: Some(0.0),
        ..Default::default()
    }
}

fn checked(scenario: &mut Scenario, health: v1::HealthCheck) -> &mut Scenario {
    let info = v1::TaskInfo { health_check: Some(Box::new(health)), ..task("a") };
    scenario.event(launch_group(vec![info]), &["launch 2", "a TASK_STARTING"]).reply(
        LAUNCH_2,
        answer(200, ""),
        &["link a", "a TASK_RUNNING", "wait 2", "Probe(2, Health) in 15s"],
    )
}

const RUN: Purpose = Purpose::RunCheck(Key(2), Checker::Health);
const WAIT: Purpose = Purpose::WaitCheck(Key(2), Checker::Health);
const REMOVE: Purpose = Purpose::RemoveCheck(Key(2), Checker::Health);
const DUE: Timer = Timer::Probe(Key(2), Checker::Health);

#[test]
fn a_command_check_runs_in_a_nested_container() {
    let mut scenario = Scenario::new();
    scenario.clock.elapsed = Duration::from_secs(1);
    let (timeout, next) = ("CheckTimeout(2, Health) in 20s", "Probe(2, Health) in 10s");
    checked(&mut scenario, health_check("true"));
    scenario.clock.elapsed = Duration::from_secs(30);
    scenario.timer(DUE, &[timeout, "run check 2"]).reply(RUN, answer(200, ""), &["wait for check 2"]).reply(
        WAIT,
        exited(0),
        &["a TASK_RUNNING", next],
    );
    assert_eq!((scenario.last().healthy, scenario.last().reason()), (Some(true), Reason::TaskHealthCheckStatusUpdated));
    // What is not the task's fault changes nothing.
    scenario
        .timer(DUE, &[timeout, "remove check 2"])
        .reply(REMOVE, answer(500, "Nested container has not terminated yet"), &[next])
        .timer(DUE, &[timeout, "remove check 2"])
        .reply(REMOVE, answer(200, ""), &["run check 2"])
        .reply(RUN, answer(400, "no"), &[next])
        .timer(DUE, &[timeout, "remove check 2"])
        .reply(REMOVE, answer(200, ""), &["run check 2"])
        .reply(RUN, answer(200, ""), &["wait for check 2"])
        .reply(WAIT, exited(9), &[next]);
    // A time-out and another signal are failures, and the second one ends the task.
    scenario
        .timer(DUE, &[timeout, "remove check 2"])
        .reply(REMOVE, answer(200, ""), &["run check 2"])
        .timer(Timer::CheckTimeout(Key(2), Checker::Health), &["log", "a TASK_RUNNING", next])
        .reply(RUN, Reply::Broken, &[])
        .timer(DUE, &[timeout, "remove check 2"])
        .reply(REMOVE, answer(200, ""), &["run check 2"])
        .reply(RUN, answer(200, ""), &["wait for check 2"])
        .reply(WAIT, exited(11), &["a TASK_RUNNING", "a TASK_KILLING", "kill 2 with 15", "Grace(2) in 3s"])
        .timer(DUE, &[])
        .reply(
            WAIT_2,
            exited(15),
            &["a TASK_KILLED (Command terminated with signal Terminated)", "Acknowledgement in 60s"],
        );
    assert_eq!(scenario.last().healthy, Some(false));
}

#[test]
fn checks_pause_while_the_agent_is_away() {
    let mut scenario = Scenario::of(true);
    checked(&mut scenario, health_check("true"));
    scenario.timer(DUE, &["CheckTimeout(2, Health) in 20s", "run check 2"]);
    scenario
        .disconnected(&["CancelAll", "Recovery in 900s"])
        .timer(DUE, &[])
        .timer(Timer::CheckTimeout(Key(2), Checker::Health), &[])
        .event(subscribed(), &["wait 2", "Probe(2, Health) in 0ns"])
        .timer(DUE, &["CheckTimeout(2, Health) in 20s", "remove check 2"]);
}

#[test]
fn ports_are_probed_by_the_shell() {
    let mut scenario = Scenario::of(true);
    let tcp = v1::HealthCheck {
        r#type: Some(v1::health_check::Type::Tcp.into()),
        command: None,
        tcp: Some(v1::health_check::TcpCheckInfo { port: 80, protocol: None }),
        ..health_check("")
    };
    checked(&mut scenario, tcp);
    scenario
        .timer(DUE, &["probe 2 Health"])
        .disconnected(&["CancelAll", "Recovery in 900s"])
        .event(subscribed(), &["wait 2"])
        .probed(2, Checker::Health, Outcome::Tcp(true), &["a TASK_RUNNING", "Probe(2, Health) in 10s"])
        .timer(DUE, &["probe 2 Health"])
        .disconnected(&["CancelAll", "Recovery in 900s"])
        .probed(2, Checker::Health, Outcome::Tcp(true), &[])
        .event(subscribed(), &["wait 2", "Probe(2, Health) in 0ns"]);
}

#[test]
fn a_launch_call_carries_everything_of_the_task() {
    let role = v1::resource::AllocationInfo { role: Some("dev".into()) };
    let volume = v1::Volume { mode: v1::volume::Mode::Ro.into(), container_path: "data".into(), ..Default::default() };
    let disk = v1::resource::DiskInfo { volume: Some(Box::new(volume)), ..Default::default() };
    let resource = v1::Resource {
        name: "disk".into(),
        allocation_info: Some(role),
        disk: Some(Box::new(disk)),
        ..Default::default()
    };
    let limits = [("cpus".to_owned(), v1::value::Scalar { value: 2.0 })].into();
    let info = v1::TaskInfo { resources: vec![resource], limits, ..task("a") };
    let id = v1::ContainerId { value: "x".into(), parent: None };
    let call = super::launch_call::launch_call(&info, &id, Some("10.0.0.1")).launch_container.expect("the call");
    assert_eq!((call.resources, call.limits), (info.resources, info.limits));
    let variables = call.command.and_then(|command| command.environment).expect("variables").variables;
    let variables: Vec<_> = variables.iter().map(|variable| (variable.name.as_str(), variable.value())).collect();
    assert_eq!(variables, [("MESOS_CONTAINER_IP", "10.0.0.1"), ("MESOS_ALLOCATION_ROLE", "dev")]);
    let container = call.container.expect("a container for the volume");
    assert_eq!(container.r#type(), v1::container_info::Type::Mesos);
    let volume = &container.volumes[0];
    let path = volume.source.as_ref().and_then(|source| source.sandbox_path.as_ref()).expect("a path");
    assert_eq!(
        (volume.mode(), volume.container_path.as_str(), path.path.as_str()),
        (v1::volume::Mode::Ro, "data", "data")
    );
    assert_eq!(path.r#type(), v1::volume::source::sandbox_path::Type::Parent);
}
