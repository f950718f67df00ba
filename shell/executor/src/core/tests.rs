//! The life of an executor as a scenario of inputs and the actions that follow.

use super::*;

struct FakeClock(u8, Duration);

impl Clock for FakeClock {
    fn elapsed(&mut self) -> Duration {
        self.1
    }

    fn now(&mut self) -> f64 {
        7.0
    }

    fn uuid(&mut self) -> [u8; 16] {
        self.0 += 1;
        [self.0; 16]
    }
}

struct Scenario {
    executor: Executor,
    clock: FakeClock,
}

/// Returns the text of an action in an expectation.
fn brief(action: &Action) -> String {
    match action {
        Action::Send(call) => match &call.update {
            Some(update) => {
                let message = update.status.message.as_deref().map(|m| format!(" ({m})")).unwrap_or_default();
                format!("{}{message}", update.status.state().as_str_name())
            }
            None => call.r#type().as_str_name().to_owned(),
        },
        Action::Start(task) => format!("start '{}'", task.command.as_ref().expect("a command").value()),
        Action::Arm(timer, after) => format!("{timer:?} in {after:?}"),
        other => format!("{other:?}"),
    }
}

impl Scenario {
    fn new() -> Self {
        Scenario {
            executor: Executor::new("f", "t", Duration::from_secs(5), None),
            clock: FakeClock(0, Duration::ZERO),
        }
    }

    fn checkpointing() -> Self {
        let executor = Executor::new("f", "t", Duration::from_secs(5), Some(Duration::from_secs(60)));
        Scenario { executor, clock: FakeClock(0, Duration::ZERO) }
    }

    fn event(&mut self, event: Event, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_event(event, &mut self.clock);
        self.check(actions, expect)
    }

    fn check(&mut self, actions: Vec<Action>, expect: &[&str]) -> &mut Self {
        assert_eq!(actions.iter().map(brief).collect::<Vec<_>>(), expect);
        self
    }

    fn launched(&mut self) -> &mut Self {
        self.event(launch("t", "sleep 1"), &["TASK_STARTING", "start 'sleep 1'"]);
        let actions = self.executor.on_started(&mut self.clock);
        self.check(actions, &["TASK_RUNNING"])
    }

    fn exits(&mut self, exit: Exit, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_exit(exit, false, &mut self.clock);
        self.check(actions, expect)
    }

    fn timer(&mut self, timer: Timer, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_timer(timer, &mut self.clock);
        self.check(actions, expect)
    }

    fn acknowledged(&mut self, uuid: u8, expect: &[&str]) -> &mut Self {
        let acknowledged = event::Acknowledged { task_id: v1::TaskId { value: "t".into() }, uuid: vec![uuid; 16] };
        let event = Event {
            r#type: Some(event::Type::Acknowledged.into()),
            acknowledged: Some(Box::new(acknowledged)),
            ..Default::default()
        };
        self.event(event, expect)
    }
}

fn signal(signal: i32) -> Exit {
    Exit::Signal { signal, core: false }
}

fn launch(id: &str, command: &str) -> Event {
    let task = v1::TaskInfo {
        name: id.into(),
        task_id: v1::TaskId { value: id.into() },
        command: Some(Box::new(v1::CommandInfo { value: Some(command.into()), ..Default::default() })),
        ..Default::default()
    };
    Event {
        r#type: Some(event::Type::Launch.into()),
        launch: Some(Box::new(event::Launch { task })),
        ..Default::default()
    }
}

fn kill(grace: Option<Duration>) -> Event {
    let kill_policy = grace.map(|g| {
        Box::new(v1::KillPolicy { grace_period: Some(v1::DurationInfo { nanoseconds: g.as_nanos() as i64 }) })
    });
    let kill = event::Kill { task_id: v1::TaskId { value: "t".into() }, kill_policy };
    Event { r#type: Some(event::Type::Kill.into()), kill: Some(Box::new(kill)), ..Default::default() }
}

fn shutdown() -> Event {
    Event { r#type: Some(event::Type::Shutdown.into()), ..Default::default() }
}

fn subscribed(capabilities: &[capability::Type]) -> Event {
    let capabilities = capabilities.iter().map(|c| v1::framework_info::Capability { r#type: Some((*c).into()) });
    let subscribed = event::Subscribed {
        framework_info: v1::FrameworkInfo { capabilities: capabilities.collect(), ..Default::default() },
        ..Default::default()
    };
    Event { r#type: Some(event::Type::Subscribed.into()), subscribed: Some(Box::new(subscribed)), ..Default::default() }
}

#[test]
fn a_task_runs_and_the_executor_leaves_when_everything_is_acknowledged() {
    Scenario::new()
        .launched()
        .exits(Exit::Status(0), &["TASK_FINISHED (Command exited with status 0)", "Acknowledgement in 60s"])
        .acknowledged(1, &[])
        .acknowledged(2, &[])
        .acknowledged(3, &["Exit"]);
}

#[test]
fn failures_report_the_status() {
    Scenario::new()
        .launched()
        .exits(Exit::Status(3), &["TASK_FAILED (Command exited with status 3)", "Acknowledgement in 60s"]);
    Scenario::new().launched().exits(
        signal(libc::SIGSEGV),
        &["TASK_FAILED (Command terminated with signal Segmentation fault)", "Acknowledgement in 60s"],
    );
}

#[test]
fn a_kill_escalates_after_the_grace_period() {
    Scenario::new()
        .launched()
        .event(kill(None), &["Terminate", "Grace in 3s"])
        .timer(Timer::Grace, &["Kill"])
        .exits(
            signal(libc::SIGKILL),
            &["TASK_KILLED (Command terminated with signal Killed)", "Acknowledgement in 60s"],
        )
        .timer(Timer::Grace, &[]);
}

#[test]
fn a_second_kill_may_shorten_the_grace_period() {
    Scenario::new()
        .launched()
        .event(kill(Some(Duration::from_secs(600))), &["Terminate", "Grace in 600s"])
        .event(kill(Some(Duration::ZERO)), &["Grace in 0ns"])
        .timer(Timer::Grace, &["Kill"]);
}

#[test]
fn frameworks_with_the_capability_get_task_killing() {
    Scenario::new()
        .event(subscribed(&[capability::Type::TaskKillingState]), &[])
        .launched()
        .event(kill(None), &["TASK_KILLING", "Terminate", "Grace in 3s"]);
}

#[test]
fn shutdown_ends_the_task_within_the_grace_period_of_the_agent() {
    Scenario::new().launched().event(shutdown(), &["Terminate", "Grace in 4s"]).exits(
        signal(libc::SIGTERM),
        &["TASK_KILLED (Command terminated with signal Terminated)", "Acknowledgement in 60s", "Exit"],
    );
    Scenario::new().event(shutdown(), &["Exit"]);
}

#[test]
fn a_limit_on_the_time_is_a_failure_with_its_reason() {
    let mut scenario = Scenario::new();
    let Event { launch: Some(mut launched), .. } = launch("t", "x") else { panic!("a launch") };
    launched.task.max_completion_time = Some(v1::DurationInfo { nanoseconds: 2_000_000_000 });
    let event = Event { r#type: Some(event::Type::Launch.into()), launch: Some(launched), ..Default::default() };
    scenario.event(event, &["TASK_STARTING", "start 'x'"]);
    let actions = scenario.executor.on_started(&mut scenario.clock);
    scenario
        .check(actions, &["TASK_RUNNING", "MaxCompletion in 2s"])
        .timer(Timer::MaxCompletion, &["Terminate", "Grace in 0ns"]);
    let actions = scenario.executor.on_exit(signal(libc::SIGTERM), false, &mut scenario.clock);
    let Some(Action::Send(call)) = actions.first() else { panic!("an update: {actions:?}") };
    let status = &call.update.as_ref().expect("update").status;
    assert_eq!((status.state(), status.reason()), (TaskState::TaskFailed, Reason::MaxCompletionTimeReached));
}

#[test]
fn without_checkpointing_a_lost_agent_ends_the_executor() {
    let mut scenario = Scenario::new();
    scenario.launched();
    let actions = scenario.executor.on_disconnected();
    scenario.check(actions, &["Kill", "Exit"]);
}

#[test]
fn with_checkpointing_it_waits_and_resends_unacknowledged_updates() {
    let mut scenario = Scenario::checkpointing();
    scenario.launched().acknowledged(1, &[]);
    let actions = scenario.executor.on_disconnected();
    scenario.check(actions, &["Recovery in 60s"]);
    let subscribe = scenario.executor.subscribe().subscribe.expect("subscribe");
    assert_eq!(subscribe.unacknowledged_tasks.len(), 0);
    assert_eq!(subscribe.unacknowledged_updates.len(), 1);
    scenario.timer(Timer::Recovery, &["Kill", "Exit"]);
}

#[test]
fn a_second_task_is_refused() {
    Scenario::new()
        .launched()
        .event(launch("other", "x"), &["TASK_FAILED (Attempted to run multiple tasks using a \"command\" executor)"])
        .exits(Exit::Status(0), &["TASK_FINISHED (Command exited with status 0)", "Acknowledgement in 60s"]);
}

#[test]
fn a_repeated_kill_does_not_put_off_the_end() {
    let mut scenario = Scenario::new();
    scenario.launched().event(kill(Some(Duration::from_secs(20))), &["Terminate", "Grace in 20s"]);
    scenario.clock.1 = Duration::from_secs(4);
    scenario
        .event(kill(Some(Duration::from_secs(30))), &[])
        .event(kill(Some(Duration::from_secs(20))), &[])
        .event(kill(Some(Duration::from_secs(5))), &["Grace in 1s"])
        .event(kill(Some(Duration::from_secs(1))), &["Grace in 0ns"]);
}

#[test]
fn an_exceeded_memory_limit_is_reported_by_the_agent() {
    let mut scenario = Scenario::new();
    scenario.launched();
    let actions = scenario.executor.on_exit(signal(libc::SIGKILL), true, &mut scenario.clock);
    scenario.check(actions, &["Limitation in 2s"]);
    let actions = scenario.executor.on_timer(Timer::Limitation, &mut scenario.clock);
    let Some(Action::Send(call)) = actions.first() else { panic!("an update: {actions:?}") };
    let status = &call.update.as_ref().expect("update").status;
    assert_eq!((status.state(), status.reason()), (TaskState::TaskFailed, Reason::ContainerLimitationMemory));
}

#[test]
fn an_end_that_is_never_acknowledged_does_not_keep_the_executor() {
    Scenario::new()
        .launched()
        .exits(Exit::Status(0), &["TASK_FINISHED (Command exited with status 0)", "Acknowledgement in 60s"])
        .timer(Timer::Acknowledgement, &["Exit"]);
}

#[test]
fn messages_of_ends_are_those_of_mesos() {
    let dumped = Exit::Signal { signal: libc::SIGABRT, core: true };
    let text = "TASK_FAILED (Command terminated with signal Aborted (core dumped))";
    Scenario::new().launched().exits(dumped, &[text, "Acknowledgement in 60s"]);
    assert_eq!(signal_name(35), "Real-time signal 1");
}

fn checked(check: Option<v1::CheckInfo>, health_check: Option<v1::HealthCheck>) -> Scenario {
    let mut scenario = Scenario::new();
    let mut event = launch("t", "x");
    if let Some(launched) = event.launch.as_mut() {
        launched.task.check = check.map(Box::new);
        launched.task.health_check = health_check.map(Box::new);
    }
    scenario.event(event, &["TASK_STARTING", "start 'x'"]);
    scenario
}

impl Scenario {
    fn starts(&mut self, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_started(&mut self.clock);
        self.check(actions, expect)
    }

    fn probed(&mut self, checker: Checker, outcome: Outcome, expect: &[&str]) -> &mut Self {
        let actions = self.executor.on_probed(checker, outcome, &mut self.clock);
        self.check(actions, expect)
    }

    fn last(&self) -> &v1::TaskStatus {
        &self.executor.calls.unacknowledged.values().last().expect("an update").status
    }
}

#[test]
fn an_unhealthy_task_is_killed_after_its_failures() {
    let health = v1::HealthCheck {
        r#type: Some(v1::health_check::Type::Tcp.into()),
        tcp: Some(v1::health_check::TcpCheckInfo { port: 80, protocol: None }),
        consecutive_failures: Some(2),
        ..Default::default()
    };
    let mut scenario = checked(None, Some(health));
    let next = "Probe(Health) in 10s";
    let probe = "Probe(Health, Tcp { port: 80, ipv6: false }, 20s)";
    scenario.starts(&["TASK_RUNNING", "Probe(Health) in 15s"]).timer(Timer::Probe(Checker::Health), &[probe]).probed(
        Checker::Health,
        Outcome::Tcp(false),
        &[next],
    );
    scenario.clock.1 = Duration::from_secs(11);
    scenario.probed(Checker::Health, Outcome::Tcp(true), &["TASK_RUNNING", next]);
    assert_eq!((scenario.last().healthy, scenario.last().reason()), (Some(true), Reason::TaskHealthCheckStatusUpdated));
    scenario.probed(Checker::Health, Outcome::Tcp(true), &[next]).probed(
        Checker::Health,
        Outcome::NoResult,
        &["TASK_RUNNING", next],
    );
    assert_eq!(scenario.last().healthy, Some(false));
    let ends = ["TASK_RUNNING", "Terminate", "Grace in 3s", next];
    scenario.probed(Checker::Health, Outcome::Tcp(false), &ends).timer(Timer::Probe(Checker::Health), &[]).exits(
        signal(libc::SIGTERM),
        &["TASK_KILLED (Command terminated with signal Terminated)", "Acknowledgement in 60s"],
    );
    assert_eq!(scenario.last().healthy, Some(false));
}

fn labelled(checks: &[(&str, &str)]) -> v1::Labels {
    let label = |(name, check): &(&str, &str)| v1::Label {
        key: format!("tepui.health_check.{name}"),
        value: Some((*check).to_owned()),
    };
    v1::Labels { labels: checks.iter().map(label).collect() }
}

#[test]
fn a_task_is_healthy_by_all_of_its_health_checks() {
    let tcp = r#"{"type": "TCP", "tcp": {"port": 80}, "consecutive_failures": 2, "grace_period_seconds": 0}"#;
    let mut scenario = Scenario::new();
    let mut event = launch("t", "x");
    if let Some(launched) = event.launch.as_mut() {
        launched.task.labels = Some(Box::new(labelled(&[("a", tcp), ("b", tcp)])));
    }
    scenario.event(event, &["TASK_STARTING", "start 'x'"]);
    scenario.starts(&["TASK_RUNNING", "Probe(Named(0)) in 15s", "Probe(Named(1)) in 15s"]);
    scenario.clock.1 = Duration::from_secs(16);
    let (a, b) = (Checker::Named(0), Checker::Named(1));
    scenario.timer(Timer::Probe(b), &["Probe(Named(1), Tcp { port: 80, ipv6: false }, 20s)"]);
    let (next_a, next_b) = ("Probe(Named(0)) in 10s", "Probe(Named(1)) in 10s");
    // Nothing is known of the other check.
    scenario.probed(a, Outcome::Tcp(true), &[next_a]);
    scenario.probed(b, Outcome::Tcp(true), &["TASK_RUNNING", next_b]);
    let results = |scenario: &Scenario| {
        let labels = scenario.last().labels.as_deref().map(|labels| labels.labels.clone()).unwrap_or_default();
        let values: Vec<String> = labels.into_iter().filter_map(|label| label.value).collect();
        (scenario.last().healthy, values.join(", "))
    };
    assert_eq!(results(&scenario), (Some(true), "healthy, healthy".to_owned()));
    scenario.probed(b, Outcome::Tcp(false), &["TASK_RUNNING", next_b]);
    assert_eq!(results(&scenario), (Some(false), "healthy, unhealthy: 1 of 2 failures".to_owned()));
    scenario.probed(a, Outcome::Tcp(true), &[next_a]);
    scenario.probed(b, Outcome::NoResult, &["TASK_RUNNING", "Terminate", "Grace in 3s", next_b]);
    scenario.exits(
        signal(libc::SIGTERM),
        &["TASK_KILLED (Command terminated with signal Terminated)", "Acknowledgement in 60s"],
    );
    assert_eq!(results(&scenario), (Some(false), "healthy, unhealthy: 2 of 2 failures".to_owned()));
}

/// A master of Mesos passes on labels that Tepui's master refuses. The task must not run without its check.
#[test]
fn a_task_with_an_invalid_label_fails() {
    let mut scenario = Scenario::new();
    let mut event = launch("t", "x");
    if let Some(launched) = event.launch.as_mut() {
        launched.task.labels = Some(Box::new(labelled(&[("a", r#"{"type": "TCP"}"#)])));
    }
    let failed =
        "TASK_FAILED (Label 'tepui.health_check.a' is invalid: Expecting 'tcp' to be set for TCP health check)";
    scenario.event(event, &["TASK_STARTING", failed, "Acknowledgement in 60s"]);
}

/// A master of Mesos passes on numbers that Tepui's master refuses.
#[test]
fn invalid_numbers_neither_occupy_nor_end_the_executor() {
    let check = |delay: f64, interval: f64, port: u32, expect: [&str; 3]| {
        let health = v1::HealthCheck {
            r#type: Some(v1::health_check::Type::Tcp.into()),
            tcp: Some(v1::health_check::TcpCheckInfo { port, protocol: None }),
            delay_seconds: Some(delay),
            interval_seconds: Some(interval),
            ..Default::default()
        };
        let [first, look, next] = expect;
        checked(None, Some(health))
            .starts(&["TASK_RUNNING", first])
            .timer(Timer::Probe(Checker::Health), &[look])
            .probed(Checker::Health, Outcome::Tcp(false), &[next]);
    };
    let look = "Probe(Health, Tcp { port: 80, ipv6: false }, 20s)";
    let no_port = "Probe(Health, Tcp { port: 0, ipv6: false }, 20s)";
    let (never, soon) = ("Probe(Health) in 3153600000s", "Probe(Health) in 100ms");
    check(0.0, 0.0, 80, ["Probe(Health) in 0ns", look, soon]);
    check(f64::NAN, f64::NAN, 80, ["Probe(Health) in 0ns", look, soon]);
    check(f64::INFINITY, f64::INFINITY, 80, [never, look, never]);
    check(1e19, 1e308, 65_536 + 80, [never, no_port, never]);
    check(-1.0, -1.0, u32::MAX, ["Probe(Health) in 0ns", no_port, soon]);
}

#[test]
fn a_health_check_uses_the_scheme_that_it_names() {
    let check = |scheme: Option<&str>, expect: &str| {
        let http = v1::health_check::HttpCheckInfo {
            port: 443,
            scheme: scheme.map(str::to_owned),
            path: Some("/health".into()),
            ..Default::default()
        };
        let health = v1::HealthCheck {
            r#type: Some(v1::health_check::Type::Http.into()),
            http: Some(Box::new(http)),
            ..Default::default()
        };
        let look = format!("Probe(Health, {expect} {{ port: 443, path: \"/health\", ipv6: false }}, 20s)");
        let mut scenario = checked(None, Some(health));
        scenario.starts(&["TASK_RUNNING", "Probe(Health) in 15s"]).timer(Timer::Probe(Checker::Health), &[&look]);
    };
    check(None, "Http");
    check(Some("http"), "Http");
    check(Some("https"), "Https");
}

#[test]
fn a_check_reports_what_changes() {
    let check = v1::CheckInfo {
        r#type: Some(v1::check_info::Type::Http.into()),
        http: Some(v1::check_info::Http { port: 80, path: Some("health".into()) }),
        ..Default::default()
    };
    let mut scenario = checked(Some(check), None);
    let next = "Probe(Check) in 10s";
    let code = |scenario: &Scenario| scenario.last().check_status.as_ref().and_then(|s| s.http.as_ref()?.status_code);
    scenario.starts(&["TASK_RUNNING", "Probe(Check) in 15s"]);
    assert!(scenario.last().check_status.is_some(), "empty, but there");
    scenario
        .timer(Timer::Probe(Checker::Check), &["Probe(Check, Http { port: 80, path: \"/health\", ipv6: false }, 20s)"])
        .probed(Checker::Check, Outcome::NoResult, &[next])
        .probed(Checker::Check, Outcome::Http(503), &["TASK_RUNNING", next]);
    assert_eq!((code(&scenario), scenario.last().reason()), (Some(503), Reason::TaskCheckStatusUpdated));
    scenario.probed(Checker::Check, Outcome::Http(503), &[next]).probed(
        Checker::Check,
        Outcome::NoResult,
        &["TASK_RUNNING", next],
    );
    assert_eq!(code(&scenario), None);
}

#[test]
fn an_end_without_a_connection_is_reported_later() {
    let mut scenario = Scenario::checkpointing();
    scenario.launched();
    let actions = scenario.executor.on_disconnected();
    scenario
        .check(actions, &["Recovery in 60s"])
        .exits(Exit::Status(0), &["TASK_FINISHED (Command exited with status 0)", "Acknowledgement in 60s"])
        .timer(Timer::Acknowledgement, &["Acknowledgement in 60s"])
        .event(subscribed(&[]), &[])
        .timer(Timer::Acknowledgement, &["Exit"]);
}
