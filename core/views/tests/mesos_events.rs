//! The events of an operator's stream of a C++ Mesos 1.11 master, and those of a view for the changes behind them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;
mod scenario;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{Recording, assert_same};
use messages::v1;
use messages::v1::TaskState;
use messages::v1::master::Event;
use messages::v1::master::event::Type;
use model::master::{AgentRemoval, Change, FrameworkSnapshot, RemovalReason, TaskRemoval, UnreachableReason};
use model::{AgentId, FrameworkId, Role, TaskId, Timestamp};
use serde_json::Value;
use views::master::View;
use views::metrics::{self, Counters};

#[test]
fn the_event_stream_equals_that_of_mesos() {
    let events = common::events("master-events");
    let mut view = View::new(scenario::static_info());
    let subscribed: Event = common::message(&events[0]);
    for agent in subscribed.subscribed.unwrap().get_state.unwrap().get_agents.unwrap().agents {
        view.apply(&Change::AgentAdded(Arc::new(scenario::agent_snapshot(agent))));
    }
    let json: Value = serde_json::from_slice(&view.snapshot().subscribed_json()).unwrap();
    assert_same("SUBSCRIBED", &events[0], &json);

    let mut tasks: Vec<v1::Task> = Vec::new();
    for expected in &events[1..] {
        let event: Event = common::message(expected);
        let Some(change) = change_behind(&event, &mut tasks) else {
            assert_eq!(event.r#type(), Type::Heartbeat);
            continue;
        };
        view.apply(&change);
        let made = view.events(&change);
        assert_eq!(made.len(), 1, "{expected}");
        let json: Value = serde_json::from_slice(&wire::json::encode(&made[0])).unwrap();
        assert_same(&format!("{:?}", event.r#type()), expected, &json);
    }
    assert_eq!(tasks.len(), 4);
}

fn change_behind(event: &Event, tasks: &mut Vec<v1::Task>) -> Option<Change> {
    Some(match event.r#type() {
        Type::FrameworkAdded => Change::FrameworkAdded(framework(&event.framework_added.as_ref()?.framework)),
        Type::FrameworkUpdated => Change::FrameworkUpdated(framework(&event.framework_updated.as_ref()?.framework)),
        Type::FrameworkRemoved => {
            let info = event.framework_removed.as_ref()?.framework_info.clone();
            Change::FrameworkRemoved(Arc::new(scenario::framework_snapshot(
                &v1::master::response::get_frameworks::Framework {
                    framework_info: info,
                    registered_time: Some(v1::TimeInfo::default()),
                    reregistered_time: Some(v1::TimeInfo::default()),
                    ..Default::default()
                },
            )))
        }
        Type::TaskAdded => {
            let task = event.task_added.as_ref()?.task.clone();
            tasks.push(task.clone());
            Change::TaskAdded(Arc::new((&task).into()))
        }
        Type::TaskUpdated => {
            let updated = event.task_updated.as_ref()?;
            let task = tasks.iter_mut().find(|task| task.task_id == updated.status.task_id)?;
            task.state = updated.state;
            task.statuses.push(updated.status.clone());
            Change::TaskUpdated { task: Arc::new((&*task).into()), status: Arc::new(updated.status.clone()) }
        }
        _ => return None,
    })
}

fn framework(framework: &v1::master::response::get_frameworks::Framework) -> Arc<FrameworkSnapshot> {
    let mut snapshot = scenario::framework_snapshot(framework);
    snapshot.unregistered = snapshot.unregistered.filter(|at| at.nanos() > 0);
    Arc::new(snapshot)
}

/// Mesos does not announce these changes.
#[test]
fn changes_without_an_event_in_mesos_are_not_announced() {
    let recording = Recording::load("master-running");
    let mut view = scenario::replay(&recording);
    let check = |view: &mut View, change: Change, expect: &[Type]| {
        view.apply(&change);
        let made: Vec<Type> = view.events(&change).iter().map(Event::r#type).collect();
        assert_eq!(made, expect, "{change:?}");
    };
    let framework = scenario::frameworks(&recording).remove(0);
    let disconnected = FrameworkSnapshot { connected: false, active: false, ..framework.clone() };
    let returned = FrameworkSnapshot { reregistered: Some(Timestamp::from_nanos(1)), ..framework.clone() };
    check(&mut view, Change::FrameworkUpdated(Arc::new(disconnected)), &[]);
    check(&mut view, Change::FrameworkUpdated(Arc::new(returned)), &[Type::FrameworkUpdated]);

    let agent = Arc::new(scenario::agents(&recording).remove(0));
    check(&mut view, Change::AgentUpdated(Arc::clone(&agent)), &[]);
    let task = scenario::tasks(&recording).into_iter().find(|task| task.task_id.value == "sleeper-1").unwrap();
    let update = |state: TaskState, reason: Option<v1::task_status::Reason>| {
        let status =
            v1::TaskStatus { state: state as i32, reason: reason.map(|reason| reason as i32), ..Default::default() };
        Change::TaskUpdated { task: Arc::new((&task).into()), status: Arc::new(status) }
    };
    let healthy = v1::task_status::Reason::TaskHealthCheckStatusUpdated;
    check(&mut view, update(TaskState::TaskRunning, None), &[]);
    check(&mut view, update(TaskState::TaskRunning, Some(healthy)), &[Type::TaskUpdated]);
    check(&mut view, update(TaskState::TaskKilling, None), &[Type::TaskUpdated]);
    let removed = Change::TaskRemoved {
        framework: FrameworkId::from(&task.framework_id),
        task: TaskId::from(&task.task_id),
        removal: TaskRemoval::Completed,
    };
    check(&mut view, removed, &[]);

    let gone = |removal| Change::AgentRemoved { agent: AgentId::new("master-S0"), removal, at: Timestamp::default() };
    check(&mut view, gone(AgentRemoval::Unreachable(UnreachableReason::PingTimeout)), &[]);
    check(&mut view, Change::AgentAdded(Arc::clone(&agent)), &[Type::AgentAdded]);
    check(&mut view, gone(AgentRemoval::Gone), &[]);
    check(&mut view, Change::AgentAdded(agent), &[Type::AgentAdded]);
    check(&mut view, gone(AgentRemoval::Removed(RemovalReason::Unregistered)), &[Type::AgentRemoved]);
}

#[test]
fn terminal_states_are_counted_once() {
    use v1::task_status::{Reason, Source};
    let recording = Recording::load("master-running");
    let mut view = scenario::replay(&recording);
    let mut task = scenario::tasks(&recording).into_iter().find(|task| task.task_id.value == "sleeper-1").unwrap();
    task.state = TaskState::TaskLost as i32;
    let status = v1::TaskStatus {
        state: task.state,
        source: Some(Source::Agent as i32),
        reason: Some(Reason::AgentRestarted as i32),
        ..v1::TaskStatus::default()
    };
    let change = Change::TaskUpdated { task: Arc::new((&task).into()), status: Arc::new(status) };
    // The same update is repeated, as after a lost acknowledgement.
    view.apply(&change);
    view.apply(&change);
    let metrics = metrics::master(&view.snapshot(), &Counters::default());
    let value = |name: &str| metrics.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
    assert_eq!(value("master/frameworks/sched/master-0000/tasks/terminal/task_lost"), Some(1.0));
    let gauges = metrics::recount(&view.snapshot());
    assert!(gauges.contains(&("master/tasks_running".to_owned(), 0.0)), "{gauges:?}");
}

#[test]
fn counters_of_the_shell_are_included() {
    let view = scenario::replay(&Recording::load("master-running"));
    let mut counters = Counters::default();
    counters.set("master/uptime_secs", 2.5);
    counters.add("master/messages_kill_task", 1.0);
    counters.add("master/messages_kill_task", 1.0);
    counters.add(format!("{}calls/kill", metrics::framework_prefix("a b/c", "id")), 1.0);
    let metrics = metrics::master(&view.snapshot(), &counters);
    assert!(metrics.is_sorted_by(|a, b| a.0 < b.0));
    let value = |name: &str| metrics.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
    assert_eq!(value("master/uptime_secs"), Some(2.5));
    assert_eq!(value("master/messages_kill_task"), Some(2.0));
    assert_eq!(value("master/frameworks/a%20b%2Fc/id/calls/kill"), Some(1.0));
}

#[test]
fn offer_filters_are_shown_by_the_roles_of_frameworks() {
    let mut view = scenario::replay(&Recording::load("master-running"));
    let mut check = |role: &str, active, expected: Option<f64>| {
        let name = format!("allocator/mesos/offer_filters/roles/{role}/active");
        let role = Role::new(role);
        view.apply(&Change::OfferFiltersCounted { role, active });
        let metrics = metrics::master(&view.snapshot(), &Counters::default());
        let shown = metrics.iter().find(|(own, _)| *own == name);
        assert_eq!(shown.map(|(_, value)| *value), expected);
    };
    check("eng", 3, Some(3.0));
    check("eng", 2, Some(2.0));
    check("eng", 0, Some(0.0));
    // No framework is in the role.
    check("a/b", 3, None);
}

#[test]
fn unreachable_agents_are_removed_with_their_record() {
    let mut view = scenario::replay(&Recording::load("master-running"));
    let agent = AgentId::new("master-S0");
    let mut check = |change, expected: f64| {
        view.apply(&change);
        let state: serde_json::Value =
            serde_json::from_slice(&view.get("/state", &views::Query::default()).unwrap()).unwrap();
        assert_eq!(state["unreachable_slaves"], serde_json::json!(expected));
        let gauges = metrics::recount(&view.snapshot());
        assert!(gauges.contains(&("master/slaves_unreachable".to_owned(), expected)), "{gauges:?}");
    };
    let removal = AgentRemoval::Unreachable(UnreachableReason::PingTimeout);
    check(Change::AgentRemoved { agent: agent.clone(), removal, at: Timestamp::default() }, 1.0);
    check(Change::UnreachableForgotten(vec![agent]), 0.0);
}

/// Only names that the quota names are shown, and each change replaces the earlier metrics.
#[test]
fn quota_metrics_exist_for_named_resources() {
    let mut view = View::new(scenario::static_info());
    let mut check = |guarantees: &[(&str, f64)], limits: &[(&str, f64)], expected: &[(&str, f64)]| {
        let amounts = |amounts: &[(&str, f64)]| {
            amounts.iter().map(|(name, value)| ((*name).to_owned(), v1::value::Scalar { value: *value })).collect()
        };
        let config =
            v1::quota::QuotaConfig { role: "role".into(), guarantees: amounts(guarantees), limits: amounts(limits) };
        let quotas = if expected.is_empty() { BTreeMap::new() } else { [(Role::new("role"), config)].into() };
        view.apply(&Change::QuotasUpdated(Arc::new(quotas)));
        let prefix = "allocator/mesos/quota/roles/role/resources/";
        let shown: Vec<(String, f64)> = metrics::master(&view.snapshot(), &Counters::default())
            .into_iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?.to_owned(), value)))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        assert_eq!(shown, expected);
    };
    let held = |name| (name, 0.0);
    let (cpus, mem) = (held("cpus/offered_or_allocated"), held("mem/offered_or_allocated"));
    check(&[("cpus", 1.0)], &[("mem", 1024.0)], &[("cpus/guarantee", 1.0), cpus, ("mem/limit", 1024.0), mem]);
    check(&[("cpus", 2.0)], &[("mem", 1024.0)], &[("cpus/guarantee", 2.0), cpus, ("mem/limit", 1024.0), mem]);
    check(&[], &[], &[]);
}

/// The share is computed as by Mesos' sorter: divided by the role's weight, which does not apply to the frameworks of a
/// role with subroles.
#[test]
fn dominant_shares_are_divided_by_weights() {
    let mut view = scenario::replay(&Recording::load("master-killed"));
    let mut check = |weights: &[(&str, f64)], expected: f64| {
        let weights = weights.iter().map(|(role, weight)| (Role::new(role), *weight)).collect();
        view.apply(&Change::WeightsUpdated(Arc::new(weights)));
        let metrics = metrics::master(&view.snapshot(), &Counters::default());
        let share = metrics.iter().find(|(name, _)| name == "allocator/mesos/roles/eng/shares/dominant");
        let share = share.map(|(_, share)| *share).unwrap();
        assert!((share - expected).abs() < 1e-9, "{share} is not {expected}");
    };
    check(&[], 2.5 / 6.0);
    check(&[("eng", 2.0)], 2.5 / 6.0 / 2.0);
    check(&[("*", 2.0), ("eng", 0.5)], 2.5 / 6.0 / 0.5);
}
