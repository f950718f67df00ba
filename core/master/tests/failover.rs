//! The first minutes of a new master: agents that re-register, agents that do not, and the settings of operators.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::time::Duration;

use common::*;
use machine::Status;
use master::{Effect, Input, PartitionCall, PartitionRequest};
use messages::tepui::registry::Partition;
use messages::tepui::registry::partition::Share;
use messages::{Message, v1};
use model::master::{AgentRemoval, Change, RemovalReason, UnreachableReason};
use model::{AgentId, ReplyId};
use testkit::builders::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Ten minutes after a failover, and the time that responses take.
const TIMEOUT: Duration = Duration::from_millis(600_020);

fn without_pings(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| !line.contains("Ping")).collect()
}

fn without_heartbeats(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| line != "HEARTBEAT").collect()
}

fn agents(c: &mut Cluster, count: usize) -> Vec<AgentPeer> {
    (0..count).map(|_| c.agent("cpus:4;mem:1024")).collect()
}

fn comes_back(c: &mut Cluster, agent: &AgentPeer) {
    let message = reregister(agent, "cpus:4;mem:1024");
    c.send(&agent.pid, message);
}

fn departures(c: &Cluster) -> Vec<(String, AgentRemoval)> {
    let removal = |change: &Change| match change {
        Change::AgentRemoved { agent, removal, .. } => Some((agent.to_string(), *removal)),
        _ => None,
    };
    c.recorded.changes.iter().filter_map(removal).collect()
}

fn stores(c: &Cluster) -> usize {
    c.recorded.effects.iter().filter(|effect| matches!(effect, Effect::Store { .. })).count()
}

#[test]
fn unchanged_agents_reregister_without_a_registry_write() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 3);
    c.fail_over();
    assert!(
        c.recorded
            .changes
            .iter()
            .any(|change| matches!(change, Change::AgentsRecovered(recovered) if recovered.len() == 3))
    );
    c.forget();
    comes_back(&mut c, &all[0]);
    assert_eq!(without_pings(c.received(&all[0].pid)), ["SlaveReregistered m-S0 asked about []"]);
    assert_eq!(stores(&c), 0);
    let mut message = reregister(&all[1], "cpus:4;mem:1024");
    message.slave.attributes.push(v1::Attribute { name: "rack".to_owned(), ..Default::default() });
    message.slave.attributes[0].r#type = v1::value::Type::Text as i32;
    message.slave.attributes[0].text = Some(v1::value::Text { value: "a".to_owned() });
    c.send(&all[1].pid, message);
    assert_eq!(without_pings(c.received(&all[1].pid)), ["SlaveReregistered m-S1 asked about []"]);
    assert_eq!(stores(&c), 1, "it describes itself differently");
    assert_eq!(c.environment.registry.agents[&AgentId::new("m-S1")].info.attributes.len(), 1);
    assert_eq!(c.metrics.slave_reregistrations.get(), 2);
}

#[test]
fn agents_without_disconnection_are_asked_to_reregister() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 2);
    c.fail_over();
    comes_back(&mut c, &all[0]);
    c.forget();
    c.pass(Duration::from_millis(1100));
    assert_eq!(c.received(&all[1].pid), ["slave-observer(0) Ping connected=false"]);
    c.pass(seconds(5));
    assert_eq!(c.received(&all[1].pid), ["slave-observer(0) Ping connected=false"], "again, later");
    assert_eq!(c.received(&all[0].pid), [""; 0]);
    comes_back(&mut c, &all[1]);
    c.forget();
    c.pass(seconds(10));
    assert_eq!(c.received(&all[1].pid), [""; 0]);
    assert!(!c.timers().any(|timer| *timer == master::Timer::PingRecoveredAgents));
}

/// The agent was killed before its id was durable, and the master that minted the id is gone, too.
#[test]
fn an_agent_with_a_new_id_replaces_its_earlier_record() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 2);
    c.fail_over();
    let f = c.framework();
    c.forget();
    c.send(&all[0].pid, register("cpus:4;mem:1024"));
    assert_eq!(without_pings(c.received(&all[0].pid)), ["SlaveRegistered m2-S0"]);
    assert_eq!(departures(&c), [("m-S0".to_owned(), AgentRemoval::Removed(RemovalReason::Replaced))]);
    assert!(without_heartbeats(c.heard(&f)).contains(&"FAILURE agent m-S0".to_owned()));
    let known: Vec<&str> = c.environment.registry.agents.keys().map(|id| id.as_str()).collect();
    assert_eq!(known, ["m-S1", "m2-S0"], "the first id is in no list any more");
    assert_eq!((c.metrics.slaves_connected.get(), c.metrics.slave_removals_reason_registered.get()), (1, 1));

    // An agent at another address is another agent, and the first id is removed once.
    comes_back(&mut c, &all[1]);
    c.pass(TIMEOUT);
    assert_eq!(departures(&c).len(), 1);
    assert_eq!((c.metrics.slaves_connected.get(), c.metrics.slaves_unreachable.get()), (2, 0));
}

/// The response was lost, but the registration was not. The same id is sent again as long as the link is up.
#[test]
fn a_repeated_registration_gets_the_same_id() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 1);
    c.forget();
    c.send(&all[0].pid, register("cpus:4;mem:1024"));
    assert_eq!(without_pings(c.received(&all[0].pid)), ["SlaveRegistered m-S0"]);
    // The link of the first agent is known to be broken. The second one is another agent, and the resources of the
    // first one count once.
    c.exited(all[0].pid.address);
    c.forget();
    c.send(&all[0].pid, register("cpus:4;mem:1024"));
    assert_eq!(without_pings(c.received(&all[0].pid)), ["SlaveRegistered m-S1"]);
    assert_eq!(departures(&c), [("m-S0".to_owned(), AgentRemoval::Removed(RemovalReason::Replaced))]);
    assert_eq!(c.environment.registry.agents.len(), 1);
    assert_eq!((c.metrics.slaves_connected.get(), c.metrics.slaves_disconnected.get()), (1, 0));
}

#[test]
fn agents_that_do_not_reregister_become_unreachable() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 2);
    c.fail_over();
    let f = c.framework();
    comes_back(&mut c, &all[0]);
    c.pass(seconds(590));
    assert_eq!(departures(&c), []);
    c.forget();
    c.pass(seconds(11));
    assert_eq!(
        departures(&c),
        [("m-S1".to_owned(), AgentRemoval::Unreachable(UnreachableReason::NotReregisteredAfterFailover))]
    );
    assert_eq!(without_heartbeats(c.heard(&f)), ["FAILURE agent m-S1"]);
    assert_eq!(c.metrics.recovery_slave_removals.get(), 1);
    assert_eq!(c.metrics.slave_unreachable_completed.get(), 1);
    assert_eq!(c.metrics.slaves_unreachable.get(), 1);
    // The unreachable agent may still return.
    comes_back(&mut c, &all[1]);
    assert_eq!(without_pings(c.received(&all[1].pid)), ["SlaveReregistered m-S1 asked about []"]);
    assert!(c.environment.registry.unreachable.is_empty());
}

#[test]
fn too_many_absent_agents_are_not_marked_unreachable() {
    let mut c = Cluster::with(|config| config.recovery_agent_removal_limit = 0.5);
    let all = agents(&mut c, 3);
    c.fail_over();
    comes_back(&mut c, &all[0]);
    c.pass(TIMEOUT);
    assert_eq!(departures(&c), [], "two of three are more than half");
    comes_back(&mut c, &all[1]);
    c.pass(TIMEOUT);
    assert_eq!(
        departures(&c),
        [("m-S2".to_owned(), AgentRemoval::Unreachable(UnreachableReason::NotReregisteredAfterFailover))]
    );
}

#[test]
fn the_rate_of_marking_agents_unreachable_is_limited() {
    let mut c = Cluster::with(|config| config.agent_removal_interval = Some(seconds(60)));
    let all = agents(&mut c, 3);
    c.fail_over();
    c.pass(TIMEOUT);
    assert_eq!(departures(&c).len(), 1);
    // An agent that returns before its turn stays, and uses no permit.
    comes_back(&mut c, &all[1]);
    c.pass(seconds(59));
    assert_eq!(departures(&c).len(), 1);
    c.pass(seconds(1));
    assert_eq!(
        departures(&c)[1],
        ("m-S2".to_owned(), AgentRemoval::Unreachable(UnreachableReason::NotReregisteredAfterFailover))
    );
    assert_eq!(c.metrics.slave_unreachable_scheduled.get(), 3);
    assert_eq!(c.metrics.slave_unreachable_completed.get(), 2);
    assert_eq!(c.metrics.slave_unreachable_canceled.get(), 1);
}

#[test]
fn an_agent_that_answers_again_is_not_marked_unreachable() {
    let mut c = Cluster::with(|config| config.agent_removal_interval = Some(seconds(600)));
    let all = agents(&mut c, 2);
    for agent in &all {
        c.environment.silent.insert(agent.pid.clone());
    }
    c.pass(seconds(95));
    assert_eq!(departures(&c).len(), 1);
    let lost = departures(&c)[0].0.clone();
    let waiting = all.iter().find(|agent| agent.id != lost).unwrap();
    c.environment.silent.clear();
    c.pass(seconds(1200));
    assert_eq!(departures(&c).len(), 1, "{} answered", waiting.id);
    assert_eq!(c.metrics.slave_unreachable_canceled.get(), 1);
}

#[test]
fn reconciliation_waits_for_agents() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 2);
    c.fail_over();
    let f = c.framework();
    comes_back(&mut c, &all[0]);
    c.heard(&f);
    c.call(&f, reconcile(&[("t0", Some("m-S0")), ("t1", Some("m-S1")), ("t2", None), ("t3", Some("other"))]));
    assert_eq!(
        c.heard(&f),
        [
            "UPDATE t0 TASK_GONE REASON_RECONCILIATION SOURCE_MASTER on m-S0: Reconciliation: Task is unknown to the \
             agent",
            "UPDATE t3 TASK_UNKNOWN REASON_RECONCILIATION SOURCE_MASTER on other: Reconciliation: Task is unknown",
        ]
    );
    c.pass(TIMEOUT);
    c.heard(&f);
    c.call(&f, reconcile(&[("t1", Some("m-S1")), ("t2", None)]));
    assert_eq!(
        c.heard(&f),
        [
            "UPDATE t1 TASK_UNREACHABLE REASON_RECONCILIATION SOURCE_MASTER on m-S1: Reconciliation: Task is \
             unreachable",
            "UPDATE t2 TASK_UNKNOWN REASON_RECONCILIATION SOURCE_MASTER: Reconciliation: Task is unknown",
        ]
    );
}

#[test]
fn a_recovered_framework_without_scheduler_is_removed() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 1);
    c.fail_over();
    let mut with_failover_timeout = framework_info().with_id("m-0000");
    with_failover_timeout.failover_timeout = Some(3600.0);
    let mut message = reregister(&all[0], "cpus:4;mem:1024");
    message.frameworks = vec![with_failover_timeout, framework_info().with_id("m-0001")];
    c.send(&all[0].pid, message);
    let removed = |c: &Cluster| {
        let removed = |change: &Change| match change {
            Change::FrameworkRemoved(framework) => Some(framework.id.to_string()),
            _ => None,
        };
        c.recorded.changes.iter().filter_map(removed).collect::<Vec<_>>()
    };
    c.pass(seconds(599));
    assert_eq!(removed(&c), [""; 0]);
    c.pass(seconds(2));
    assert_eq!(removed(&c), ["m-0001"], "without a timeout of its own it has that of agents");
    c.pass(seconds(3600));
    assert_eq!(removed(&c), ["m-0001", "m-0000"]);
}

#[test]
fn gone_and_unreachable_agents_are_remembered() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 3);
    assert_eq!(c.operator(mark_agent_gone("m-S0")).status, Status::Ok);
    c.environment.silent.insert(all[1].pid.clone());
    c.pass(seconds(95));
    c.fail_over();
    assert_eq!(c.metrics.slaves_unreachable.get(), 1);
    comes_back(&mut c, &all[0]);
    assert_eq!(c.received(&all[0].pid), ["Shutdown: Agent has been marked gone"]);
    let f = c.framework();
    c.heard(&f);
    c.call(&f, reconcile(&[("t0", Some("m-S0")), ("t1", Some("m-S1"))]));
    assert_eq!(
        c.heard(&f),
        [
            "UPDATE t0 TASK_GONE_BY_OPERATOR REASON_RECONCILIATION SOURCE_MASTER on m-S0: Reconciliation: Task is gone",
            "UPDATE t1 TASK_UNREACHABLE REASON_RECONCILIATION SOURCE_MASTER on m-S1: Reconciliation: Task is \
             unreachable",
        ]
    );
}

#[test]
fn unpersisted_changes_are_lost_with_the_master() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 1);
    c.disk_is_slow = true;
    let reply = c.ask(drain_agent("m-S0", false));
    assert_eq!(c.answers(reply), []);
    c.fail_over();
    c.disk_is_slow = false;
    comes_back(&mut c, &all[0]);
    assert_eq!(without_pings(c.received(&all[0].pid)), ["SlaveReregistered m-S0 asked about []"]);
    assert_eq!(c.answers(reply), []);
}

/// An operator's decision has no visible effect on readers, frameworks or offers before it is durable.
#[test]
fn decisions_have_no_effect_before_they_are_durable() {
    use v1::master::call::{Type, UpdateMaintenanceSchedule, UpdateQuota, UpdateWeights};
    let of = |kind: Type| v1::master::Call { r#type: Some(kind as i32), ..Default::default() };
    let limits = [("cpus".to_owned(), v1::value::Scalar { value: 0.0 })].into();
    let none = v1::quota::QuotaConfig { role: "r".to_owned(), guarantees: Default::default(), limits };
    let heavy = v1::WeightInfo { weight: 5.0, role: Some("r".to_owned()) };
    let window = v1::maintenance::Window {
        machine_ids: vec![v1::MachineId { hostname: Some("host".to_owned()), ip: Some("127.0.0.1".to_owned()) }],
        unavailability: v1::Unavailability { start: v1::TimeInfo { nanoseconds: 1 }, duration: None },
    };
    let schedule = v1::maintenance::Schedule { windows: vec![window] };
    let decisions = [
        v1::master::Call {
            update_quota: Some(Box::new(UpdateQuota { force: Some(true), quota_configs: vec![none] })),
            ..of(Type::UpdateQuota)
        },
        v1::master::Call {
            update_weights: Some(Box::new(UpdateWeights { weight_infos: vec![heavy] })),
            ..of(Type::UpdateWeights)
        },
        v1::master::Call {
            update_maintenance_schedule: Some(Box::new(UpdateMaintenanceSchedule { schedule })),
            ..of(Type::UpdateMaintenanceSchedule)
        },
        deactivate_agent("m-S0"),
        mark_agent_gone("m-S0"),
    ];
    for decision in decisions {
        let mut c = Cluster::new();
        let all = agents(&mut c, 1);
        let f = c.framework();
        let offer = c.offered(&f).remove(0);
        c.call(&f, decline(&offer, 0.0));
        c.forget();
        let durable = c.environment.registry.entries();
        c.disk_is_slow = true;
        let kind = decision.r#type();
        let reply = c.ask(decision);
        assert!(
            c.recorded.effects.iter().any(|effect| matches!(effect, Effect::Store { .. })),
            "{kind:?} is not stored"
        );
        assert!(c.recorded.changes.is_empty(), "{kind:?}: {:?}", c.recorded.changes);
        assert_eq!(c.heard(&f), [""; 0], "{kind:?}");
        c.pass(seconds(2));
        assert_eq!(c.answers(reply), [], "{kind:?}");
        assert_eq!(c.offers(&f).len(), 1, "{kind:?}");

        c.fail_over();
        c.disk_is_slow = false;
        assert_eq!(c.environment.registry.entries(), durable, "{kind:?}");
        comes_back(&mut c, &all[0]);
        let f = c.subscribe(framework_info().with_id(&f.id));
        assert_eq!(c.offered(&f).len(), 1, "{kind:?}");
    }
}

#[test]
fn draining_survives_a_failover() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 1);
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    assert_eq!(c.operator(drain_agent("m-S0", false)).status, Status::Ok);
    c.fail_over();
    assert_eq!(c.operator(reactivate_agent("m-S0")).body, "Agent is still in the DRAINING state");
    comes_back(&mut c, &all[0]);
    assert_eq!(
        without_pings(c.received(&all[0].pid)),
        ["Drain mark_gone=false", "SlaveReregistered m-S0 asked about []"]
    );
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    // An agent with resource providers reports its operations last.
    assert_eq!(c.environment.registry.agents[&AgentId::new("m-S0")].drain.unwrap().state(), v1::DrainState::Draining);
    let slave_id = v1::AgentId { value: "m-S0".to_owned() };
    c.send(&all[0].pid, messages::internal::UpdateSlaveMessage { slave_id, ..Default::default() });
    assert_eq!(c.environment.registry.agents[&AgentId::new("m-S0")].drain.unwrap().state(), v1::DrainState::Drained);
    assert_eq!(c.operator(reactivate_agent("m-S0")).status, Status::Ok);
    assert_eq!(c.metrics.slaves_active.get(), 1);
    assert_eq!(c.sent_to(&all[0].pid).iter().filter(|m| matches!(m, Message::DrainSlave(_))).count(), 0);
}

/// Returns a cluster in which a partition's framework returns before the agent on which its minimum is free.
fn lender_first() -> (Cluster, Vec<AgentPeer>) {
    let mut c = Cluster::new();
    let all = agents(&mut c, 2);
    for (id, role, min) in [("low", "r", 1.0), ("high", "s", 4.0)] {
        let resources = vec![Share { name: "cpus".to_owned(), min: Some(min), max: None }];
        let (id, role, preemptible) = (id.to_owned(), role.to_owned(), Some(true));
        let partition = Box::new(Partition { id, role, resources, preemptible, ..Partition::default() });
        let request = PartitionRequest::Put { partition, force: false };
        c.deliver(Input::PartitionCall(PartitionCall {
            reply: ReplyId(1_000_000),
            caller: Default::default(),
            request,
        }));
    }
    let borrower = c.framework();
    let lender = c.subscribe(v1::FrameworkInfo { roles: vec!["s".to_owned()], ..framework_info() });
    c.call(&lender, suppress(&[]));
    let mut held = resources("cpus:4;mem:1024");
    for resource in &mut held {
        resource.allocation_info = Some(v1::resource::AllocationInfo { role: Some("r".to_owned()) });
    }
    let mut message = reregister(&all[0], "cpus:4;mem:1024");
    message.tasks = vec![v1::Task {
        name: "t".to_owned(),
        task_id: task_id("t"),
        framework_id: v1::FrameworkId { value: borrower.id.clone() },
        agent_id: v1::AgentId { value: all[0].id.clone() },
        state: v1::TaskState::TaskRunning as i32,
        resources: held,
        ..Default::default()
    }];
    message.frameworks = vec![framework_info().with_id(&borrower.id)];
    c.fail_over();
    c.subscribe(framework_info().with_roles(&["s"]).with_id(&lender.id));
    c.subscribe(framework_info().with_id(&borrower.id));
    c.send(&all[0].pid, message);
    c.settle();
    (c, all)
}

fn kills(c: &Cluster) -> usize {
    c.recorded.effects.iter().filter(|e| matches!(e, Effect::Send { message: Message::KillTask(_), .. })).count()
}

#[test]
fn preemption_waits_for_agents_that_may_reregister() {
    let (mut c, all) = lender_first();
    assert_eq!(kills(&c), 0);
    comes_back(&mut c, &all[1]);
    c.pass(seconds(3600));
    assert_eq!(kills(&c), 0);
}

#[test]
fn preemption_does_not_wait_for_unreachable_agents() {
    let (mut c, _) = lender_first();
    c.pass(seconds(599));
    assert_eq!(kills(&c), 0);
    c.pass(seconds(2));
    assert_eq!(kills(&c), 1);
}

#[test]
fn old_records_of_gone_and_unreachable_agents_are_removed() {
    let mut c = Cluster::with(|config| config.registry_max_agent_count = 2);
    let all = agents(&mut c, 4);
    for agent in &all[..3] {
        c.environment.silent.insert(agent.pid.clone());
        c.pass(seconds(100));
    }
    assert_eq!(c.operator(mark_agent_gone("m-S3")).status, Status::Ok);
    assert_eq!(c.environment.registry.unreachable.len(), 3);
    c.pass(seconds(15 * 60));
    let left: Vec<String> = c.environment.registry.unreachable.keys().map(ToString::to_string).collect();
    assert_eq!(left, ["m-S1", "m-S2"], "too many: the oldest goes");
    assert_eq!(forgotten(&c), ["m-S0"]);
    c.pass(seconds(14 * 24 * 3600));
    assert!(
        c.environment.registry.unreachable.is_empty() && c.environment.registry.gone.is_empty(),
        "two weeks are enough"
    );
    assert_eq!(c.metrics.slaves_unreachable.get(), 0);
    assert_eq!(forgotten(&c), ["m-S0", "m-S1", "m-S2"], "readers forget each, once");
}

/// Returns the unreachable agents whose removal was published to readers.
fn forgotten(c: &Cluster) -> Vec<String> {
    let agents = |change: &Change| match change {
        Change::UnreachableForgotten(agents) => agents.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    c.recorded.changes.iter().flat_map(agents).collect()
}

/// The registry of a standalone master was deleted: its agents have ids without a record.
#[test]
fn agents_keep_their_ids_after_the_loss_of_the_registry() {
    let mut c = Cluster::new();
    let all = agents(&mut c, 2);
    c.environment.registry = master::RegistryState::default();
    c.fail_over();
    c.forget();
    for agent in &all {
        comes_back(&mut c, agent);
    }
    assert_eq!(without_pings(c.received(&all[0].pid)), ["SlaveReregistered m-S0 asked about []"]);
    assert_eq!(without_pings(c.received(&all[1].pid)), ["SlaveReregistered m-S1 asked about []"]);
    assert_eq!(c.environment.registry.agents.len(), 2);
    assert_eq!(departures(&c), []);
}
