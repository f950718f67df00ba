//! Scenarios of agents that fail, and the incidents and effects of the monitor.

#![allow(clippy::unwrap_used, reason = "a scenario that cannot continue fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use failures::{AgentRegistryState, Effect, Event, FailureHistory, Monitor, PersistedFailures, Policy, Signals};
use model::incident::Incident;
use model::{AgentId, FrameworkId, Monotonic, Now, TaskId, Timestamp};
use proptest::prelude::*;

const PING: Duration = Duration::from_secs(15);

struct Harness {
    monitor: Monitor,
    seconds: u64,
    /// The seconds by which the wall clock is ahead of the monotonic clock.
    ahead: u64,
    agents: usize,
    log: Vec<String>,
}

impl Harness {
    /// Creates a monitor of this many healthy agents, of which one may be held (or as `policy` says).
    fn with(agents: usize, policy: &str) -> Self {
        let monitor = Monitor::new(Policy::parse(policy, PING).unwrap(), "m");
        let mut harness = Harness { monitor, seconds: 1000, ahead: 0, agents, log: Vec::new() };
        for number in 0..agents {
            harness.observe(Event::AgentAdded {
                agent: id(number),
                hostname: format!("host{number}"),
                operators: false,
            });
        }
        harness
    }

    fn of(agents: usize) -> Self {
        Harness::with(agents, "{}")
    }

    fn now(&self) -> Now {
        let wall = Timestamp::from_nanos((self.seconds + self.ahead) * 1_000_000_000);
        Now { monotonic: Monotonic::from_start(Duration::from_secs(self.seconds)), wall }
    }

    fn observe(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.monitor.observe(self.now(), event, &mut effects);
        self.log.extend(effects.iter().map(show));
    }

    /// Performs rounds of pings, which all agents answer but the silent ones.
    fn rounds(&mut self, count: usize, silent: &[usize]) {
        for _ in 0..count {
            self.seconds += 15;
            for number in 0..self.agents {
                self.observe(Event::PingDue(id(number)));
                if !silent.contains(&number) {
                    self.observe(Event::PongReceived(id(number)));
                }
            }
        }
    }

    fn leaves_and_returns(&mut self, number: usize) {
        self.observe(Event::AgentDisconnected(id(number)));
        self.observe(Event::AgentReconnected(id(number)));
    }

    fn check(&mut self, expect: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), expect);
    }
}

fn id(number: usize) -> AgentId {
    AgentId::new(format!("S{number}"))
}

fn show(order: &Effect) -> String {
    match order {
        Effect::Publish(incident, _) => {
            let state = if incident.is_open() { incident.severity.as_str() } else { "over" };
            let last = incident.actions.last().map_or(String::new(), |action| format!(": {}", action.action));
            format!("{} {} {state}{last}", incident.object, incident.kind)
        }
        Effect::Hold(agent) => format!("hold {agent}"),
        Effect::Release(agent) => format!("release {agent}"),
        Effect::Drain(agent) => format!("drain {agent}"),
    }
}

#[test]
fn a_silent_agent_is_deactivated_until_it_answers() {
    let mut harness = Harness::of(5);
    harness.rounds(20, &[]);
    harness.rounds(2, &[1]);
    harness.check(&[]);
    harness.rounds(1, &[1]);
    harness.check(&[
        "agent S1 agent_suspicious warning",
        "agent S1 agent_suspicious warning: stop_offering",
        "hold S1",
    ]);
    harness.rounds(1, &[]);
    harness.check(&[
        "agent S1 agent_suspicious warning: probation",
        "agent S1 agent_suspicious over: probation",
        "agent S1 agent_suspicious over: offer_again",
        "release S1",
    ]);
}

#[test]
fn a_stall_of_the_master_causes_no_suspicion() {
    let mut harness = Harness::of(5);
    harness.rounds(20, &[]);
    harness.seconds += 300;
    harness.rounds(1, &[]);
    harness.check(&[]);
}

#[test]
fn at_most_a_share_of_agents_is_held_and_others_state_the_bound() {
    let mut harness = Harness::of(5);
    harness.rounds(20, &[]);
    harness.rounds(3, &[1, 2]);
    harness.log.retain(|line| line.starts_with("hold") || line.contains("not_held"));
    harness.check(&["hold S1", "agent S2 agent_suspicious warning: not_held"]);
    // The second agent may be held when the first one has recovered.
    harness.rounds(1, &[2]);
    harness.log.retain(|line| line.starts_with("hold") || line.starts_with("release"));
    harness.check(&["release S1", "hold S2"]);
    // With fewer agents none may be held.
    harness.observe(Event::AgentRemoved(id(4)));
    harness.check(&["agent S2 agent_suspicious warning: offer_again", "release S2"]);
}

#[test]
fn the_quarantine_of_a_flapping_agent_doubles_each_time() {
    let mut harness = Harness::of(5);
    let held = |harness: &mut Harness| {
        let from = harness.seconds;
        while harness.monitor.holds(&id(1)) {
            harness.rounds(1, &[]);
        }
        harness.seconds - from
    };
    for _ in 0..3 {
        harness.leaves_and_returns(1);
    }
    assert!(harness.log.contains(&"agent S1 agent_flapping warning: quarantine".to_owned()), "{:?}", harness.log);
    assert_eq!(held(&mut harness), 60);
    // One departure during probation is enough for an incident.
    harness.leaves_and_returns(1);
    assert_eq!(held(&mut harness), 120);
    harness.leaves_and_returns(1);
    assert_eq!(held(&mut harness), 240);
    // After an hour without departures the agent is treated like a new one.
    harness.rounds(300, &[]);
    for _ in 0..3 {
        harness.leaves_and_returns(1);
    }
    assert_eq!(held(&mut harness), 60);
}

#[test]
fn decisions_of_operators_override_policies() {
    let mut harness = Harness::of(5);
    harness.rounds(20, &[]);
    harness.observe(Event::OperatorDecided { agent: id(1), keeps_out: true });
    harness.rounds(3, &[1]);
    harness.check(&["agent S1 agent_suspicious warning", "agent S1 agent_suspicious warning: left_alone"]);
    // The operator wants the agent back in spite of the incident.
    harness.observe(Event::OperatorDecided { agent: id(1), keeps_out: false });
    harness.rounds(1, &[1]);
    harness.check(&[]);
    // An incident that begins anew is no incident that was overruled.
    harness.rounds(1, &[]);
    harness.log.clear();
    harness.rounds(4, &[1]);
    assert!(harness.log.contains(&"hold S1".to_owned()), "{:?}", harness.log);
    // A held agent is no longer the policies' from the operator's decision on.
    harness.log.clear();
    harness.observe(Event::OperatorDecided { agent: id(1), keeps_out: true });
    assert!(harness.log.contains(&"release S1".to_owned()), "{:?}", harness.log);
}

/// An operator can reactivate an agent without deactivating it first.
#[test]
fn a_quarantine_that_an_operator_ended_still_doubles_the_next() {
    let mut harness = Harness::of(5);
    let quarantine = |harness: &Harness| {
        harness.monitor.explain(harness.now().monotonic, &id(1)).unwrap()["quarantine_seconds"].clone()
    };
    for _ in 0..3 {
        harness.leaves_and_returns(1);
    }
    harness.log.clear();
    harness.observe(Event::OperatorDecided { agent: id(1), keeps_out: false });
    harness.check(&["agent S1 agent_flapping warning: offer_again", "release S1"]);
    assert!(quarantine(&harness).is_null());
    harness.rounds(1, &[]);
    harness.check(&["agent S1 agent_flapping warning: probation", "agent S1 agent_flapping over: probation"]);
    harness.leaves_and_returns(1);
    assert!(harness.log.contains(&"hold S1".to_owned()), "{:?}", harness.log);
    assert_eq!(quarantine(&harness), 120.0);
}

#[test]
fn pressure_is_reported_and_drained_only_when_configured() {
    let full = |disk_used| Signals { disk_used: Some(disk_used), ..Signals::default() };
    let mut harness = Harness::of(5);
    harness.observe(Event::Reported { agent: id(1), signals: full(0.9) });
    harness.observe(Event::Reported { agent: id(1), signals: full(0.96) });
    harness.observe(Event::Reported { agent: id(1), signals: full(0.5) });
    harness.check(&[
        "agent S1 disk_pressure warning",
        "agent S1 disk_pressure critical",
        "agent S1 disk_pressure over",
    ]);

    // Each signal has its incident.
    let signals =
        Signals { disk_used: Some(0.86), memory_available: Some(0.02), load: Some(4.5), cpu_waiting: Some(0.96) };
    harness.observe(Event::Reported { agent: id(2), signals });
    harness.check(&[
        "agent S2 disk_pressure warning",
        "agent S2 memory_pressure critical",
        "agent S2 cpu_pressure warning",
        "agent S2 overload warning",
    ]);

    let policy = r#"{"rules": [{"type": "disk_pressure", "severity": "critical", "action": "drain"}]}"#;
    let mut harness = Harness::with(5, policy);
    harness.observe(Event::Reported { agent: id(1), signals: full(0.9) });
    harness.check(&["agent S1 disk_pressure warning"]);
    harness.observe(Event::Reported { agent: id(1), signals: full(0.96) });
    harness.check(&["agent S1 disk_pressure critical", "agent S1 disk_pressure critical: drain", "drain S1"]);
    harness.observe(Event::Reported { agent: id(2), signals: full(0.96) });
    harness.check(&["agent S2 disk_pressure critical", "agent S2 disk_pressure critical: not_drained"]);
}

#[test]
fn a_stalled_registry_is_an_incident() {
    let mut harness = Harness::of(2);
    for _ in 0..2 {
        harness.observe(Event::RegistryStalled("the disk is full".to_owned()));
    }
    harness.check(&["master m registry_stalled critical"]);
    harness.observe(Event::RegistryWritten);
    harness.observe(Event::RegistryWritten);
    harness.check(&["master m registry_stalled over"]);
}

#[test]
fn task_failures_are_incidents_that_end() {
    let mut harness = Harness::of(5);
    for _ in 0..10 {
        harness.observe(Event::TaskEnded { agent: id(1), failed: true });
    }
    for _ in 0..5 {
        harness.observe(Event::ExecutorCrashed { agent: id(2), framework: FrameworkId::new("f") });
    }
    harness.check(&[
        "agent S1 task_failure_rate critical",
        "executors of framework f on agent S2 executor_crash_loop warning",
    ]);
    harness.rounds(41, &[]);
    harness
        .check(&["agent S1 task_failure_rate over", "executors of framework f on agent S2 executor_crash_loop over"]);
}

#[test]
fn unhealthy_tasks_are_one_incident_per_framework_and_agent() {
    let mut harness = Harness::of(5);
    let health = |task: &str, unhealthy: Option<&str>| Event::TaskHealth {
        agent: id(1),
        framework: FrameworkId::new("f"),
        task: TaskId::new(task),
        unhealthy: unhealthy.map(str::to_owned),
    };
    for event in [health("a", Some(" (db)")), health("a", Some(" (db)")), health("b", Some("")), health("a", None)] {
        harness.observe(event);
    }
    harness.check(&["executors of framework f on agent S1 task_unhealthy warning"]);
    harness.observe(health("b", None));
    harness.observe(health("b", None));
    harness.check(&["executors of framework f on agent S1 task_unhealthy over"]);
    harness.observe(health("c", Some("")));
    harness.observe(Event::FrameworkRemoved(FrameworkId::new("f")));
    harness.check(&[
        "executors of framework f on agent S1 task_unhealthy warning",
        "executors of framework f on agent S1 task_unhealthy over",
    ]);
}

#[test]
fn disabled_policies_record_without_acting() {
    let mut harness = Harness::with(5, "off");
    harness.rounds(20, &[]);
    harness.rounds(4, &[1]);
    harness.leaves_and_returns(2);
    harness.leaves_and_returns(2);
    harness.leaves_and_returns(2);
    assert!(harness.log.iter().all(|line| !line.starts_with("hold") && !line.contains(": ")), "{:?}", harness.log);
    assert_eq!(harness.monitor.counts().held, 0);
}

#[test]
fn an_agent_that_was_unreachable_is_on_probation() {
    let mut harness = Harness::of(5);
    harness.observe(Event::AgentUnreachable { agent: id(1), cause: "health check timed out".to_owned() });
    harness.observe(Event::AgentAdded { agent: id(1), hostname: "host1".to_owned(), operators: false });
    harness.check(&[
        "agent S1 agent_unreachable critical",
        "agent S1 agent_unreachable critical: probation",
        "agent S1 agent_unreachable over: probation",
    ]);
    harness.observe(Event::AgentDisconnected(id(1)));
    assert!(harness.log.contains(&"hold S1".to_owned()), "{:?}", harness.log);
}

/// The persisted state, and the monitor of a later master that begins with it while these agents are recovered.
struct StoredFailures {
    incidents: BTreeMap<u64, Arc<Incident>>,
    failure_histories: BTreeMap<AgentId, Arc<FailureHistory>>,
}

impl StoredFailures {
    fn of(harness: &mut Harness) -> Self {
        let mut successor = StoredFailures { incidents: BTreeMap::new(), failure_histories: BTreeMap::new() };
        // A master persists a few at a time.
        while harness.monitor.has_unsaved() {
            let notes = harness.monitor.take_unsaved(harness.now(), 2);
            assert!(notes.incidents.len() <= 2 && notes.failure_histories.len() <= 2);
            for (number, incident) in notes.incidents {
                successor.incidents.remove(&number);
                successor.incidents.extend(incident.map(|incident| (number, incident)));
            }
            for (agent, history) in notes.failure_histories {
                successor.failure_histories.remove(&agent);
                successor.failure_histories.extend(history.map(|history| (agent, history)));
            }
        }
        successor
    }

    /// The successor runs on another machine, whose monotonic clock has just begun.
    fn takes_over(
        &self,
        harness: &Harness,
        policy: &str,
        after: u64,
        registry_state: impl Fn(&AgentId) -> AgentRegistryState,
    ) -> Harness {
        let monitor = Monitor::new(Policy::parse(policy, PING).unwrap(), "m2");
        let wall = harness.seconds + harness.ahead + after;
        let mut successor = Harness { monitor, seconds: 5, ahead: wall - 5, agents: harness.agents, log: Vec::new() };
        let mut effects = Vec::new();
        let persisted = PersistedFailures { incidents: &self.incidents, failure_histories: &self.failure_histories };
        successor.monitor.restore(successor.now(), persisted, registry_state, &mut effects);
        successor.log.extend(effects.iter().map(show));
        successor.observe(Event::MasterElected { recovered: successor.agents });
        successor.log.retain(|line| !line.contains("master m2"));
        successor
    }
}

fn recovered(_: &AgentId) -> AgentRegistryState {
    AgentRegistryState::Recovered
}

impl Harness {
    fn returns(&mut self, number: usize) {
        self.observe(Event::AgentAdded { agent: id(number), hostname: format!("host{number}"), operators: false });
    }
}

#[test]
fn a_quarantine_survives_a_failover() {
    let mut harness = Harness::of(5);
    for _ in 0..3 {
        harness.leaves_and_returns(1);
    }
    assert!(harness.log.contains(&"hold S1".to_owned()));
    let notes = StoredFailures::of(&mut harness);
    assert!(!harness.monitor.has_unsaved());

    // The first agent that returns is held, though it is the only registered one then.
    let mut successor = notes.takes_over(&harness, "{}", 20, recovered);
    successor.check(&[]);
    successor.returns(1);
    // The decision equals the one before, so it is not recorded again.
    successor.check(&["hold S1"]);
    (0..5).filter(|number| *number != 1).for_each(|number| successor.returns(number));
    successor.rounds(2, &[]);
    assert!(successor.monitor.holds(&id(1)), "10 of 60 seconds are left");
    successor.rounds(2, &[]);
    assert!(!successor.monitor.holds(&id(1)));
    // The agent is on probation, so one more departure is enough, for twice as long.
    successor.leaves_and_returns(1);
    let explained = successor.monitor.explain(successor.now().monotonic, &id(1)).unwrap();
    assert_eq!((&explained["quarantine_seconds"], &explained["held"]), (&120.0.into(), &true.into()));

    // The result is the same if no master led when the quarantine ended.
    let notes = StoredFailures::of(&mut successor);
    let mut third = notes.takes_over(&successor, "{}", 600, recovered);
    third.returns(1);
    third.rounds(1, &[]);
    assert!(!third.monitor.holds(&id(1)));
    third.leaves_and_returns(1);
    assert_eq!(third.monitor.explain(third.now().monotonic, &id(1)).unwrap()["quarantine_seconds"], 240.0);
}

#[test]
fn disconnections_before_a_failover_count() {
    let mut harness = Harness::of(5);
    harness.leaves_and_returns(1);
    harness.seconds += 300;
    harness.leaves_and_returns(1);
    let notes = StoredFailures::of(&mut harness);
    let check = |after: u64, holds: bool| {
        let mut successor = notes.takes_over(&harness, "{}", after, recovered);
        successor.returns(1);
        successor.leaves_and_returns(1);
        assert_eq!(successor.monitor.holds(&id(1)), holds, "after {after} s");
    };
    check(100, true);
    // The first departure was more than ten minutes ago.
    check(350, false);
}

#[test]
fn a_jump_of_the_clock_does_not_extend_a_quarantine() {
    let mut harness = Harness::of(5);
    (0..3).for_each(|_| harness.leaves_and_returns(1));
    let notes = StoredFailures::of(&mut harness);
    // The clock of the next machine is ten minutes behind.
    harness.seconds -= 600;
    let mut successor = notes.takes_over(&harness, "{}", 0, recovered);
    (0..5).for_each(|number| successor.returns(number));
    assert!(successor.monitor.holds(&id(1)));
    successor.rounds(5, &[]);
    assert!(!successor.monitor.holds(&id(1)));
}

#[test]
fn incidents_survive_a_failover() {
    let policy = r#"{"max_share": 0.8, "rules": [{"type": "task_failure_rate", "action": "stop_offering"},
                     {"type": "disk_pressure", "severity": "critical", "action": "drain"}]}"#;
    let mut harness = Harness::with(5, policy);
    for _ in 0..10 {
        harness.observe(Event::TaskEnded { agent: id(0), failed: true });
    }
    harness.rounds(20, &[]);
    harness.rounds(3, &[1]);
    harness.observe(Event::AgentDisconnected(id(2)));
    harness.observe(Event::Reported { agent: id(3), signals: Signals { disk_used: Some(0.99), ..Signals::default() } });
    harness.observe(Event::OperatorDecided { agent: id(3), keeps_out: true });
    harness.observe(Event::AgentUnreachable { agent: id(4), cause: "x".to_owned() });
    harness.observe(Event::FrameworkDisconnected { framework: FrameworkId::new("F"), name: "f".to_owned() });
    let notes = StoredFailures::of(&mut harness);
    let last = *notes.incidents.keys().last().unwrap();
    let mut successor = notes.takes_over(&harness, policy, 1, |agent| match agent.as_str() {
        "S4" => AgentRegistryState::Unreachable,
        _ => AgentRegistryState::Recovered,
    });
    successor.check(&[]);
    assert_eq!(successor.monitor.counts().held, 1, "the one that drains");
    successor.returns(0);
    successor.check(&["hold S0"]);
    successor.returns(1);
    successor.check(&["agent S1 agent_suspicious warning: probation", "agent S1 agent_suspicious over: probation"]);
    successor.returns(2);
    successor.check(&["agent S2 agent_disconnected over"]);
    successor.observe(Event::AgentAdded { agent: id(3), hostname: "host3".to_owned(), operators: true });
    successor.check(&[]);
    successor.returns(4);
    successor.check(&["agent S4 agent_unreachable critical: probation", "agent S4 agent_unreachable over: probation"]);
    assert_eq!(successor.monitor.take_missed_frameworks(), [FrameworkId::new("F")]);
    assert!(successor.monitor.take_missed_frameworks().is_empty());
    successor.observe(Event::FrameworkConnected(FrameworkId::new("F")));
    successor.check(&["framework F framework_disconnected over"]);
    // The numbers of incidents continue.
    successor.observe(Event::AgentDisconnected(id(4)));
    let newest = successor.monitor.take_unsaved(successor.now(), 100).incidents.into_iter().next_back().unwrap();
    assert!(newest.0 > last && newest.1.unwrap().id.starts_with("m2-F"), "after {last}");
    // An incident that is not known to have ended stays open for as long as its evidence would have counted.
    successor.rounds(20, &[4]);
    assert!(successor.monitor.holds(&id(0)));
    successor.rounds(21, &[4]);
    assert!(!successor.monitor.holds(&id(0)));
}

#[test]
fn incidents_of_removed_agents_are_resolved() {
    let mut harness = Harness::of(5);
    (0..3).for_each(|_| harness.leaves_and_returns(1));
    harness.observe(Event::MasterElected { recovered: 3 });
    let notes = StoredFailures::of(&mut harness);
    let mut successor = notes.takes_over(&harness, "{}", 1, |_| AgentRegistryState::Gone);
    successor.check(&["agent S1 agent_flapping over: stop_offering", "master m master_failover over"]);
    assert_eq!(successor.monitor.take_unsaved(successor.now(), 100).failure_histories, [(id(1), None)].into());
}

fn event() -> impl Strategy<Value = Event> {
    let agent = (0..8_usize).prop_map(id);
    let framework = (0..2_usize).prop_map(|number| FrameworkId::new(format!("F{number}")));
    prop_oneof![
        2 => (agent.clone(), any::<bool>())
            .prop_map(|(agent, operators)| Event::AgentAdded { agent, hostname: "h".to_owned(), operators }),
        2 => agent.clone().prop_map(Event::AgentDisconnected),
        2 => agent.clone().prop_map(Event::AgentReconnected),
        1 => (agent.clone(), any::<bool>()).prop_map(|(agent, removed)| if removed {
            Event::AgentRemoved(agent)
        } else {
            Event::AgentUnreachable { agent, cause: "x".to_owned() }
        }),
        4 => agent.clone().prop_map(Event::PingDue),
        2 => agent.clone().prop_map(Event::PongReceived),
        2 => (agent.clone(), 0.5..1.0_f64).prop_map(|(agent, share)| Event::Reported {
            agent,
            signals: Signals { disk_used: Some(share), memory_available: Some(1.0 - share), load: Some(share * 8.0), cpu_waiting: Some(share) },
        }),
        2 => (agent.clone(), any::<bool>()).prop_map(|(agent, failed)| Event::TaskEnded { agent, failed }),
        2 => (agent.clone(), framework.clone()).prop_map(|(agent, framework)| Event::ExecutorCrashed { agent, framework }),
        2 => (agent.clone(), framework, 0..3u8, any::<bool>()).prop_map(|(agent, framework, task, healthy)| Event::TaskHealth {
            agent,
            framework,
            task: TaskId::new(format!("t{task}")),
            unhealthy: (!healthy).then(String::new),
        }),
        1 => (agent, any::<bool>()).prop_map(|(agent, keeps_out)| Event::OperatorDecided { agent, keeps_out }),
    ]
}

/// A policy that holds or drains agents for every incident it can.
const EAGER: &str = r#"{"max_share": 0.4, "rules": [
    {"type": "disk_pressure", "action": "drain"},
    {"type": "memory_pressure", "action": "stop_offering"},
    {"type": "agent_disconnected", "action": "stop_offering"},
    {"type": "task_failure_rate", "action": "stop_offering"},
    {"type": "task_unhealthy", "action": "stop_offering"},
    {"type": "executor_crash_loop", "action": "stop_offering"}]}"#;

proptest! {
    /// After any events only registered agents are held, never against an operator and never more than the share, and
    /// holds and releases alternate.
    #[test]
    fn holds_stay_within_the_limits(events in prop::collection::vec((event(), 0..40_u64), 1..200)) {
        let policy = Policy::parse(EAGER, PING).unwrap();
        let mut monitor = Monitor::new(policy.clone(), "m");
        let mut registered: BTreeSet<AgentId> = BTreeSet::new();
        let mut operators: BTreeSet<AgentId> = BTreeSet::new();
        let mut held: BTreeSet<AgentId> = BTreeSet::new();
        let mut drained: BTreeSet<AgentId> = BTreeSet::new();
        let mut seconds = 1000;
        for (event, pause) in events {
            seconds += pause;
            let now = Now {
                monotonic: Monotonic::from_start(Duration::from_secs(seconds)),
                wall: Timestamp::from_nanos(seconds * 1_000_000_000),
            };
            match &event {
                Event::AgentAdded { agent, operators: theirs, .. } => {
                    // The master adds an agent once.
                    if registered.contains(agent) {
                        continue;
                    }
                    registered.insert(agent.clone());
                    if *theirs { operators.insert(agent.clone()); } else { operators.remove(agent); }
                }
                Event::AgentUnreachable { agent, .. } | Event::AgentRemoved(agent) => {
                    registered.remove(agent);
                    held.remove(agent);
                    drained.remove(agent);
                }
                Event::OperatorDecided { agent, keeps_out } if registered.contains(agent) => {
                    if *keeps_out {
                        operators.insert(agent.clone());
                    } else if operators.remove(agent) {
                        drained.remove(agent);
                    }
                }
                _ => {}
            }
            let mut effects = Vec::new();
            monitor.observe(now, event.clone(), &mut effects);
            let allowed = policy.max_held(registered.len());
            for order in &effects {
                match order {
                    Effect::Hold(agent) => {
                        prop_assert!(registered.contains(agent) && !operators.contains(agent), "{event:?}");
                        prop_assert!(held.insert(agent.clone()));
                        prop_assert!(held.union(&drained).count() <= allowed);
                    }
                    Effect::Drain(agent) => {
                        prop_assert!(registered.contains(agent) && !operators.contains(agent), "{event:?}");
                        prop_assert!(drained.insert(agent.clone()));
                        prop_assert!(held.union(&drained).count() <= allowed);
                    }
                    Effect::Release(agent) => prop_assert!(held.remove(agent)),
                    Effect::Publish(..) => {}
                }
            }
            prop_assert_eq!(monitor.counts().held, held.union(&drained).count());
            prop_assert!(held.is_empty() || held.union(&drained).count() <= allowed, "{event:?}");
            for agent in &held {
                prop_assert!(monitor.holds(agent) && !operators.contains(agent));
            }
        }
    }

    /// Phi grows with the silence of an agent and stays finite.
    #[test]
    fn phi_grows_with_the_time_since_the_last_answer(intervals in prop::collection::vec(0.0..120.0_f64, 0..150), silences in prop::collection::vec(0.0..1e6_f64, 2..20)) {
        let options = failures::SuspicionOptions::for_interval(PING);
        let mut suspicion = failures::Suspicion::default();
        let mut now = 1.0;
        let at = |seconds: f64| Monotonic::from_start(Duration::from_secs_f64(seconds));
        suspicion.answered(at(now), &options);
        for interval in intervals {
            now += interval;
            suspicion.answered(at(now), &options);
        }
        let mut silences = silences;
        silences.sort_by(f64::total_cmp);
        let phis: Vec<f64> = silences.iter().map(|silence| suspicion.phi(at(now + silence), &options)).collect();
        prop_assert!(phis.is_sorted() && phis.iter().all(|phi| (0.0..=1000.0).contains(phi)), "{phis:?}");
    }
}
