//! Stories of agents that fail, and what the monitor makes of them.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use health::{Conduct, Event, Incident, Legacy, Loss, Monitor, Order, Policy, Signals, Whereabouts};
use proptest::prelude::*;
use vocabulary::{AgentId, FrameworkId, Monotonic, Now, Timestamp};

const PING: Duration = Duration::from_secs(15);

struct Ward {
    monitor: Monitor,
    seconds: u64,
    /// Of the monotonic clock, by the wall clock.
    ahead: u64,
    agents: usize,
    told: Vec<String>,
}

impl Ward {
    /// So many healthy agents, of which one may be held (or as `policy` says).
    fn with(agents: usize, policy: &str) -> Self {
        let monitor = Monitor::new(Policy::parse(policy, PING).unwrap(), "m");
        let mut ward = Ward { monitor, seconds: 1000, ahead: 0, agents, told: Vec::new() };
        for number in 0..agents {
            ward.tell(Event::AgentAdded { agent: id(number), hostname: format!("host{number}"), operators: false });
        }
        ward
    }

    fn of(agents: usize) -> Self {
        Ward::with(agents, "{}")
    }

    fn now(&self) -> Now {
        let wall = Timestamp::from_nanos((self.seconds + self.ahead) * 1_000_000_000);
        Now { monotonic: Monotonic::from_start(Duration::from_secs(self.seconds)), wall }
    }

    fn tell(&mut self, event: Event) {
        let mut orders = Vec::new();
        self.monitor.observe(self.now(), event, &mut orders);
        self.told.extend(orders.iter().map(show));
    }

    /// Rounds of pings, which all answer but these.
    fn rounds(&mut self, count: usize, silent: &[usize]) {
        for _ in 0..count {
            self.seconds += 15;
            for number in 0..self.agents {
                self.tell(Event::PingDue(id(number)));
                if !silent.contains(&number) {
                    self.tell(Event::Answered(id(number)));
                }
            }
        }
    }

    fn leaves_and_returns(&mut self, number: usize) {
        self.tell(Event::AgentDisconnected(id(number)));
        self.tell(Event::AgentReconnected(id(number)));
    }

    fn check(&mut self, expect: &[&str]) {
        assert_eq!(std::mem::take(&mut self.told), expect);
    }
}

fn id(number: usize) -> AgentId {
    AgentId::new(format!("S{number}"))
}

fn show(order: &Order) -> String {
    match order {
        Order::Publish(incident, _) => {
            let state = if incident.is_open() { incident.severity.as_str() } else { "over" };
            let last = incident.actions.last().map_or(String::new(), |action| format!(": {}", action.action));
            format!("{} {} {state}{last}", incident.subject, incident.kind)
        }
        Order::Hold(agent) => format!("hold {agent}"),
        Order::Release(agent) => format!("release {agent}"),
        Order::Drain(agent) => format!("drain {agent}"),
    }
}

#[test]
fn a_silent_agent_is_kept_from_offers_until_it_answers() {
    let mut ward = Ward::of(5);
    ward.rounds(20, &[]);
    ward.rounds(2, &[1]);
    ward.check(&[]);
    ward.rounds(1, &[1]);
    ward.check(&["agent S1 agent_suspicious warning", "agent S1 agent_suspicious warning: stop_offering", "hold S1"]);
    ward.rounds(1, &[]);
    ward.check(&[
        "agent S1 agent_suspicious warning: probation",
        "agent S1 agent_suspicious over: probation",
        "agent S1 agent_suspicious over: offer_again",
        "release S1",
    ]);
}

#[test]
fn a_master_that_stood_still_suspects_nobody() {
    let mut ward = Ward::of(5);
    ward.rounds(20, &[]);
    ward.seconds += 300;
    ward.rounds(1, &[]);
    ward.check(&[]);
}

#[test]
fn no_more_than_a_share_is_held_and_the_rest_is_told_why() {
    let mut ward = Ward::of(5);
    ward.rounds(20, &[]);
    ward.rounds(3, &[1, 2]);
    ward.told.retain(|line| line.starts_with("hold") || line.contains("not_held"));
    ward.check(&["hold S1", "agent S2 agent_suspicious warning: not_held"]);
    // Room for the second one when the first is well again.
    ward.rounds(1, &[2]);
    ward.told.retain(|line| line.starts_with("hold") || line.starts_with("release"));
    ward.check(&["release S1", "hold S2"]);
    // With fewer agents none may be held.
    ward.tell(Event::AgentLost { agent: id(4), loss: Loss::Gone });
    ward.check(&["agent S2 agent_suspicious warning: offer_again", "release S2"]);
}

#[test]
fn a_flapping_agent_is_in_quarantine_for_twice_as_long_each_time() {
    let mut ward = Ward::of(5);
    let held = |ward: &mut Ward| {
        let from = ward.seconds;
        while ward.monitor.holds(&id(1)) {
            ward.rounds(1, &[]);
        }
        ward.seconds - from
    };
    for _ in 0..3 {
        ward.leaves_and_returns(1);
    }
    assert!(ward.told.contains(&"agent S1 agent_flapping warning: quarantine".to_owned()), "{:?}", ward.told);
    assert_eq!(held(&mut ward), 60);
    // On probation once is enough.
    ward.leaves_and_returns(1);
    assert_eq!(held(&mut ward), 120);
    ward.leaves_and_returns(1);
    assert_eq!(held(&mut ward), 240);
    // An hour of good behaviour is a new beginning.
    ward.rounds(300, &[]);
    for _ in 0..3 {
        ward.leaves_and_returns(1);
    }
    assert_eq!(held(&mut ward), 60);
}

#[test]
fn operators_go_before_policies() {
    let mut ward = Ward::of(5);
    ward.rounds(20, &[]);
    ward.tell(Event::OperatorDecided { agent: id(1), keeps_out: true });
    ward.rounds(3, &[1]);
    ward.check(&["agent S1 agent_suspicious warning", "agent S1 agent_suspicious warning: left_alone"]);
    // Wanted back in spite of all.
    ward.tell(Event::OperatorDecided { agent: id(1), keeps_out: false });
    ward.rounds(1, &[1]);
    ward.check(&[]);
    // What begins anew is no reason that was overruled.
    ward.rounds(1, &[]);
    ward.told.clear();
    ward.rounds(4, &[1]);
    assert!(ward.told.contains(&"hold S1".to_owned()), "{:?}", ward.told);
    // And one that is held is the operator's from when he says so.
    ward.told.clear();
    ward.tell(Event::OperatorDecided { agent: id(1), keeps_out: true });
    assert!(ward.told.contains(&"release S1".to_owned()), "{:?}", ward.told);
}

/// He need not deactivate it first.
#[test]
fn an_operator_ends_a_quarantine_and_the_next_is_longer_nevertheless() {
    let mut ward = Ward::of(5);
    let quarantine =
        |ward: &Ward| ward.monitor.explain(ward.now().monotonic, &id(1)).unwrap()["quarantine_seconds"].clone();
    for _ in 0..3 {
        ward.leaves_and_returns(1);
    }
    ward.told.clear();
    ward.tell(Event::OperatorDecided { agent: id(1), keeps_out: false });
    ward.check(&["agent S1 agent_flapping warning: offer_again", "release S1"]);
    assert!(quarantine(&ward).is_null());
    ward.rounds(1, &[]);
    ward.check(&["agent S1 agent_flapping warning: probation", "agent S1 agent_flapping over: probation"]);
    ward.leaves_and_returns(1);
    assert!(ward.told.contains(&"hold S1".to_owned()), "{:?}", ward.told);
    assert_eq!(quarantine(&ward), 120.0);
}

#[test]
fn pressure_is_reported_and_drained_only_when_configured() {
    let full = |disk_used| Signals { disk_used: Some(disk_used), ..Signals::default() };
    let mut ward = Ward::of(5);
    ward.tell(Event::Reported { agent: id(1), signals: full(0.9) });
    ward.tell(Event::Reported { agent: id(1), signals: full(0.96) });
    ward.tell(Event::Reported { agent: id(1), signals: full(0.5) });
    ward.check(&["agent S1 disk_pressure warning", "agent S1 disk_pressure critical", "agent S1 disk_pressure over"]);

    // Each signal has its incident.
    let signals =
        Signals { disk_used: Some(0.86), memory_available: Some(0.02), load: Some(4.5), cpu_waiting: Some(0.96) };
    ward.tell(Event::Reported { agent: id(2), signals });
    ward.check(&[
        "agent S2 disk_pressure warning",
        "agent S2 memory_pressure critical",
        "agent S2 cpu_pressure warning",
        "agent S2 overload warning",
    ]);

    let policy = r#"{"rules": [{"type": "disk_pressure", "severity": "critical", "action": "drain"}]}"#;
    let mut ward = Ward::with(5, policy);
    ward.tell(Event::Reported { agent: id(1), signals: full(0.9) });
    ward.check(&["agent S1 disk_pressure warning"]);
    ward.tell(Event::Reported { agent: id(1), signals: full(0.96) });
    ward.check(&["agent S1 disk_pressure critical", "agent S1 disk_pressure critical: drain", "drain S1"]);
    ward.tell(Event::Reported { agent: id(2), signals: full(0.96) });
    ward.check(&["agent S2 disk_pressure critical", "agent S2 disk_pressure critical: not_drained"]);
}

#[test]
fn a_registry_that_cannot_be_written_is_noticed() {
    let mut ward = Ward::of(2);
    for _ in 0..2 {
        ward.tell(Event::RegistryStalled("the disk is full".to_owned()));
    }
    ward.check(&["master m registry_stalled critical"]);
    ward.tell(Event::RegistryWritten);
    ward.tell(Event::RegistryWritten);
    ward.check(&["master m registry_stalled over"]);
}

#[test]
fn failing_work_is_noticed_and_forgotten() {
    let mut ward = Ward::of(5);
    for _ in 0..10 {
        ward.tell(Event::TaskEnded { agent: id(1), failed: true });
    }
    for _ in 0..5 {
        ward.tell(Event::ExecutorCrashed { agent: id(2), framework: FrameworkId::new("f") });
    }
    ward.check(&[
        "agent S1 task_failure_rate critical",
        "executors of framework f on agent S2 executor_crash_loop warning",
    ]);
    ward.rounds(41, &[]);
    ward.check(&["agent S1 task_failure_rate over", "executors of framework f on agent S2 executor_crash_loop over"]);
}

#[test]
fn switched_off_it_only_records() {
    let mut ward = Ward::with(5, "off");
    ward.rounds(20, &[]);
    ward.rounds(4, &[1]);
    ward.leaves_and_returns(2);
    ward.leaves_and_returns(2);
    ward.leaves_and_returns(2);
    assert!(ward.told.iter().all(|line| !line.starts_with("hold") && !line.contains(": ")), "{:?}", ward.told);
    assert_eq!(ward.monitor.tally().held, 0);
}

#[test]
fn an_agent_that_was_unreachable_returns_on_probation() {
    let mut ward = Ward::of(5);
    ward.tell(Event::AgentLost { agent: id(1), loss: Loss::Unreachable("health check timed out".to_owned()) });
    ward.tell(Event::AgentAdded { agent: id(1), hostname: "host1".to_owned(), operators: false });
    ward.check(&[
        "agent S1 agent_unreachable critical",
        "agent S1 agent_unreachable critical: probation",
        "agent S1 agent_unreachable over: probation",
    ]);
    ward.tell(Event::AgentDisconnected(id(1)));
    assert!(ward.told.contains(&"hold S1".to_owned()), "{:?}", ward.told);
}

/// What is written down, and what a monitor makes of it that begins so many seconds later, with these agents awaited.
struct Heir {
    incidents: BTreeMap<u64, Arc<Incident>>,
    conducts: BTreeMap<AgentId, Arc<Conduct>>,
}

impl Heir {
    fn of(ward: &mut Ward) -> Self {
        let mut heir = Heir { incidents: BTreeMap::new(), conducts: BTreeMap::new() };
        // A few at a time, as a master does.
        while ward.monitor.has_notes() {
            let notes = ward.monitor.take_notes(ward.now(), 2);
            assert!(notes.incidents.len() <= 2 && notes.conducts.len() <= 2);
            for (number, incident) in notes.incidents {
                heir.incidents.remove(&number);
                heir.incidents.extend(incident.map(|incident| (number, incident)));
            }
            for (agent, conduct) in notes.conducts {
                heir.conducts.remove(&agent);
                heir.conducts.extend(conduct.map(|conduct| (agent, conduct)));
            }
        }
        heir
    }

    /// Another machine: its monotonic clock has just begun.
    fn takes_over(&self, ward: &Ward, policy: &str, after: u64, whereabouts: impl Fn(&AgentId) -> Whereabouts) -> Ward {
        let monitor = Monitor::new(Policy::parse(policy, PING).unwrap(), "m2");
        let wall = ward.seconds + ward.ahead + after;
        let mut heir = Ward { monitor, seconds: 5, ahead: wall - 5, agents: ward.agents, told: Vec::new() };
        let mut orders = Vec::new();
        let legacy = Legacy { incidents: &self.incidents, conducts: &self.conducts };
        heir.monitor.inherit(heir.now(), legacy, whereabouts, &mut orders);
        heir.told.extend(orders.iter().map(show));
        heir.tell(Event::TookOver { awaited: heir.agents });
        heir.told.retain(|line| !line.contains("master m2"));
        heir
    }
}

fn awaited(_: &AgentId) -> Whereabouts {
    Whereabouts::Awaited
}

impl Ward {
    fn returns(&mut self, number: usize) {
        self.tell(Event::AgentAdded { agent: id(number), hostname: format!("host{number}"), operators: false });
    }
}

#[test]
fn a_flapping_agent_is_not_forgiven_because_the_master_changed() {
    let mut ward = Ward::of(5);
    for _ in 0..3 {
        ward.leaves_and_returns(1);
    }
    assert!(ward.told.contains(&"hold S1".to_owned()));
    let notes = Heir::of(&mut ward);
    assert!(!ward.monitor.has_notes());

    // The first agent that is back is held, though it is the only one by now.
    let mut heir = notes.takes_over(&ward, "{}", 20, awaited);
    heir.check(&[]);
    heir.returns(1);
    // The decision is the one before: it is not entered again.
    heir.check(&["hold S1"]);
    (0..5).filter(|number| *number != 1).for_each(|number| heir.returns(number));
    heir.rounds(2, &[]);
    assert!(heir.monitor.holds(&id(1)), "10 of 60 seconds are left");
    heir.rounds(2, &[]);
    assert!(!heir.monitor.holds(&id(1)));
    // And it is on probation: leaving once more is enough, for twice as long.
    heir.leaves_and_returns(1);
    let explained = heir.monitor.explain(heir.now().monotonic, &id(1)).unwrap();
    assert_eq!((&explained["quarantine_seconds"], &explained["held"]), (&120.0.into(), &true.into()));

    // Also if nobody was there while it ended.
    let notes = Heir::of(&mut heir);
    let mut third = notes.takes_over(&heir, "{}", 600, awaited);
    third.returns(1);
    third.rounds(1, &[]);
    assert!(!third.monitor.holds(&id(1)));
    third.leaves_and_returns(1);
    assert_eq!(third.monitor.explain(third.now().monotonic, &id(1)).unwrap()["quarantine_seconds"], 240.0);
}

#[test]
fn departures_before_a_failover_count() {
    let mut ward = Ward::of(5);
    ward.leaves_and_returns(1);
    ward.seconds += 300;
    ward.leaves_and_returns(1);
    let notes = Heir::of(&mut ward);
    let check = |after: u64, holds: bool| {
        let mut heir = notes.takes_over(&ward, "{}", after, awaited);
        heir.returns(1);
        heir.leaves_and_returns(1);
        assert_eq!(heir.monitor.holds(&id(1)), holds, "after {after} s");
    };
    check(100, true);
    // The first one was more than ten minutes ago.
    check(350, false);
}

#[test]
fn a_clock_that_jumped_makes_no_quarantine_longer() {
    let mut ward = Ward::of(5);
    (0..3).for_each(|_| ward.leaves_and_returns(1));
    let notes = Heir::of(&mut ward);
    // The clock of the next machine is ten minutes behind.
    ward.seconds -= 600;
    let mut heir = notes.takes_over(&ward, "{}", 0, awaited);
    (0..5).for_each(|number| heir.returns(number));
    assert!(heir.monitor.holds(&id(1)));
    heir.rounds(5, &[]);
    assert!(!heir.monitor.holds(&id(1)));
}

#[test]
fn incidents_go_on_under_the_next_master() {
    let policy = r#"{"max_share": 0.8, "rules": [{"type": "task_failure_rate", "action": "stop_offering"},
                     {"type": "disk_pressure", "severity": "critical", "action": "drain"}]}"#;
    let mut ward = Ward::with(5, policy);
    for _ in 0..10 {
        ward.tell(Event::TaskEnded { agent: id(0), failed: true });
    }
    ward.rounds(20, &[]);
    ward.rounds(3, &[1]);
    ward.tell(Event::AgentDisconnected(id(2)));
    ward.tell(Event::Reported { agent: id(3), signals: Signals { disk_used: Some(0.99), ..Signals::default() } });
    ward.tell(Event::OperatorDecided { agent: id(3), keeps_out: true });
    ward.tell(Event::AgentLost { agent: id(4), loss: Loss::Unreachable("x".to_owned()) });
    ward.tell(Event::FrameworkDisconnected { framework: FrameworkId::new("F"), name: "f".to_owned() });
    let notes = Heir::of(&mut ward);
    let last = *notes.incidents.keys().last().unwrap();
    let mut heir = notes.takes_over(&ward, policy, 1, |agent| match agent.as_str() {
        "S4" => Whereabouts::Unreachable,
        _ => Whereabouts::Awaited,
    });
    heir.check(&[]);
    assert_eq!(heir.monitor.tally().held, 1, "the one that drains");
    heir.returns(0);
    heir.check(&["hold S0"]);
    heir.returns(1);
    heir.check(&["agent S1 agent_suspicious warning: probation", "agent S1 agent_suspicious over: probation"]);
    heir.returns(2);
    heir.check(&["agent S2 agent_disconnected over"]);
    heir.tell(Event::AgentAdded { agent: id(3), hostname: "host3".to_owned(), operators: true });
    heir.check(&[]);
    heir.returns(4);
    heir.check(&["agent S4 agent_unreachable critical: probation", "agent S4 agent_unreachable over: probation"]);
    assert_eq!(heir.monitor.take_missed_frameworks(), [FrameworkId::new("F")]);
    assert!(heir.monitor.take_missed_frameworks().is_empty());
    heir.tell(Event::FrameworkConnected(FrameworkId::new("F")));
    heir.check(&["framework F framework_disconnected over"]);
    // Numbers go on.
    heir.tell(Event::AgentDisconnected(id(4)));
    let newest = heir.monitor.take_notes(heir.now(), 100).incidents.into_iter().next_back().unwrap();
    assert!(newest.0 > last && newest.1.unwrap().id.starts_with("m2-F"), "after {last}");
    // What is not known to be over is not, for as long as it would have counted.
    heir.rounds(20, &[4]);
    assert!(heir.monitor.holds(&id(0)));
    heir.rounds(21, &[4]);
    assert!(!heir.monitor.holds(&id(0)));
}

#[test]
fn what_was_about_agents_that_left_for_good_is_over() {
    let mut ward = Ward::of(5);
    (0..3).for_each(|_| ward.leaves_and_returns(1));
    ward.tell(Event::TookOver { awaited: 3 });
    let notes = Heir::of(&mut ward);
    let mut heir = notes.takes_over(&ward, "{}", 1, |_| Whereabouts::Gone);
    heir.check(&["agent S1 agent_flapping over: stop_offering", "master m master_failover over"]);
    assert_eq!(heir.monitor.take_notes(heir.now(), 100).conducts, [(id(1), None)].into());
}

fn event() -> impl Strategy<Value = Event> {
    let agent = (0..8_usize).prop_map(id);
    let framework = (0..2_usize).prop_map(|number| FrameworkId::new(format!("F{number}")));
    prop_oneof![
        2 => (agent.clone(), any::<bool>())
            .prop_map(|(agent, operators)| Event::AgentAdded { agent, hostname: "h".to_owned(), operators }),
        2 => agent.clone().prop_map(Event::AgentDisconnected),
        2 => agent.clone().prop_map(Event::AgentReconnected),
        1 => (agent.clone(), any::<bool>()).prop_map(|(agent, gone)| Event::AgentLost {
            agent,
            loss: if gone { Loss::Gone } else { Loss::Unreachable("x".to_owned()) },
        }),
        4 => agent.clone().prop_map(Event::PingDue),
        2 => agent.clone().prop_map(Event::Answered),
        2 => (agent.clone(), 0.5..1.0_f64).prop_map(|(agent, share)| Event::Reported {
            agent,
            signals: Signals { disk_used: Some(share), memory_available: Some(1.0 - share), load: Some(share * 8.0), cpu_waiting: Some(share) },
        }),
        2 => (agent.clone(), any::<bool>()).prop_map(|(agent, failed)| Event::TaskEnded { agent, failed }),
        2 => (agent.clone(), framework).prop_map(|(agent, framework)| Event::ExecutorCrashed { agent, framework }),
        1 => (agent, any::<bool>()).prop_map(|(agent, keeps_out)| Event::OperatorDecided { agent, keeps_out }),
    ]
}

/// Everything that can be held or drained is.
const EAGER: &str = r#"{"max_share": 0.4, "rules": [
    {"type": "disk_pressure", "action": "drain"},
    {"type": "memory_pressure", "action": "stop_offering"},
    {"type": "agent_disconnected", "action": "stop_offering"},
    {"type": "task_failure_rate", "action": "stop_offering"},
    {"type": "executor_crash_loop", "action": "stop_offering"}]}"#;

proptest! {
    /// Whatever happens: only registered agents are held, never against an operator, never more than the share, and
    /// holds and releases alternate.
    #[test]
    fn limits_hold(events in prop::collection::vec((event(), 0..40_u64), 1..200)) {
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
                Event::AgentLost { agent, .. } => {
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
            let mut orders = Vec::new();
            monitor.observe(now, event.clone(), &mut orders);
            let allowed = policy.allowance(registered.len());
            for order in &orders {
                match order {
                    Order::Hold(agent) => {
                        prop_assert!(registered.contains(agent) && !operators.contains(agent), "{event:?}");
                        prop_assert!(held.insert(agent.clone()));
                        prop_assert!(held.union(&drained).count() <= allowed);
                    }
                    Order::Drain(agent) => {
                        prop_assert!(registered.contains(agent) && !operators.contains(agent), "{event:?}");
                        prop_assert!(drained.insert(agent.clone()));
                        prop_assert!(held.union(&drained).count() <= allowed);
                    }
                    Order::Release(agent) => prop_assert!(held.remove(agent)),
                    Order::Publish(..) => {}
                }
            }
            prop_assert_eq!(monitor.tally().held, held.union(&drained).count());
            prop_assert!(held.is_empty() || held.union(&drained).count() <= allowed, "{event:?}");
            for agent in &held {
                prop_assert!(monitor.holds(agent) && !operators.contains(agent));
            }
        }
    }

    /// The longer an agent is silent, the more suspicious it is, and never certain beyond measure.
    #[test]
    fn suspicion_grows(intervals in prop::collection::vec(0.0..120.0_f64, 0..150), silences in prop::collection::vec(0.0..1e6_f64, 2..20)) {
        let options = health::SuspicionOptions::for_interval(PING);
        let mut suspicion = health::Suspicion::default();
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
