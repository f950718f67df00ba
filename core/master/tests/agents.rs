//! Registration, disconnection, return and removal of agents.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::time::Duration;

use common::*;
use master::{Effect, RegistryOperation};
use messages::{internal, v1};
use model::master::{AgentRemoval, Change};
use testkit::builders::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Returns the task as its agent reports it.
fn reported(agent: &AgentPeer, framework: &str, id: &str, state: v1::TaskState) -> v1::Task {
    let mut resources = resources("cpus:1;mem:128");
    for resource in &mut resources {
        resource.allocation_info = Some(v1::resource::AllocationInfo { role: Some("r".to_owned()) });
    }
    v1::Task {
        name: id.to_owned(),
        task_id: task_id(id),
        framework_id: v1::FrameworkId { value: framework.to_owned() },
        agent_id: v1::AgentId { value: agent.id.clone() },
        state: state as i32,
        resources,
        ..Default::default()
    }
}

#[test]
fn an_agent_is_registered_once_its_record_is_durable() {
    let mut c = Cluster::new();
    c.disk_is_slow = true;
    let a = c.agent("cpus:4;mem:1024");
    assert_eq!(c.received(&a.pid), [""; 0]);
    assert!(matches!(
        c.recorded.effects.iter().find(|effect| matches!(effect, Effect::Store { .. })),
        Some(Effect::Store { record: RegistryOperation::AdmitAgent(..), .. })
    ));
    // Retries in the meantime do not admit it twice.
    c.send(&a.pid, register("cpus:4;mem:1024"));
    assert_eq!(c.metrics.registrar_queued_operations.get(), 1);
    c.confirm();
    assert_eq!(c.metrics.registrar_queued_operations.get(), 0);
    assert_eq!(c.received(&a.pid), ["SlaveRegistered m-S0", "slave-observer(1) Ping connected=true"]);
    c.send(&a.pid, register("cpus:4;mem:1024"));
    assert_eq!(c.received(&a.pid), ["SlaveRegistered m-S0"], "a late retry is answered again");
    assert_eq!(c.metrics.slave_registrations.get(), 1);
}

#[test]
fn the_response_contains_the_ping_timeout() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let messages::Message::SlaveRegistered(answer) = &c.sent_to(&a.pid)[0] else { panic!() };
    assert_eq!(answer.connection.as_ref().unwrap().total_ping_timeout_seconds, Some(75.0));
}

#[test]
fn refused_registrations_get_no_response() {
    let check = |change: fn(&mut internal::RegisterSlaveMessage)| {
        let mut c = Cluster::new();
        let mut message = register("cpus:4");
        change(&mut message);
        let pid = "slave(1)@127.0.0.1:5051".parse().unwrap();
        c.send(&pid, message);
        assert_eq!(c.received(&pid), [""; 0]);
    };
    check(|message| message.version = None);
    check(|message| message.version = Some("0.28.2".to_owned()));
    check(|message| message.version = Some("junk".to_owned()));
    check(|message| message.slave.domain = Some(Box::default()));
    check(|message| message.slave.resources[0].name.clear());
}

#[test]
fn the_observer_pings_the_agent_every_15_seconds() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4");
    c.received(&a.pid);
    c.pass(Duration::from_millis(14_900));
    assert_eq!(c.received(&a.pid), [""; 0]);
    c.pass(seconds(1));
    assert_eq!(c.received(&a.pid), ["slave-observer(1) Ping connected=true"]);
    c.pass(seconds(600));
    assert_eq!(c.received(&a.pid).len(), 40);
    assert_eq!(c.metrics.slaves_active.get(), 1);
}

#[test]
fn five_unanswered_pings_make_it_unreachable() {
    let Running { mut c, a, f } = running(framework_info());
    c.environment.silent.insert(a.pid.clone());
    c.pass(seconds(70));
    assert_eq!(c.metrics.slaves_unreachable.get(), 0);
    c.forget();
    c.pass(seconds(21));
    assert_eq!(
        c.heard(&f).into_iter().filter(|line| line != "HEARTBEAT").collect::<Vec<_>>(),
        [
            "UPDATE t TASK_UNREACHABLE REASON_AGENT_REMOVED SOURCE_MASTER on m-S0: health check timed out",
            "RESCIND m-O1",
            "FAILURE agent m-S0",
        ]
    );
    assert_eq!(c.metrics.slave_unreachable_completed.get(), 1);
    assert_eq!(c.metrics.tasks_unreachable.get(), 1);
    assert!(
        c.recorded
            .changes
            .iter()
            .any(|change| matches!(change, Change::AgentRemoved { removal: AgentRemoval::Unreachable(_), .. }))
    );
    // The task is kept as unreachable, so its id is taken.
    let b = c.agent("cpus:4;mem:1024");
    let offer = c.offered(&f).remove(0);
    assert_eq!(offer.agent_id.value, b.id);
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    assert_eq!(
        c.heard(&f).last().unwrap(),
        "UPDATE t TASK_ERROR REASON_TASK_INVALID SOURCE_MASTER on m-S1: Task reuses the ID of an unreachable task: t"
    );
}

#[test]
fn frameworks_without_partition_aware_get_lost_updates() {
    let check = |info, state: &str| {
        let Running { mut c, a, f } = running(info);
        c.environment.silent.insert(a.pid.clone());
        c.forget();
        c.pass(seconds(91));
        let update = c.heard(&f).into_iter().find(|line| line.starts_with("UPDATE")).unwrap();
        assert_eq!(
            update,
            format!("UPDATE t {state} REASON_AGENT_REMOVED SOURCE_MASTER on m-S0: health check timed out")
        );
    };
    check(framework_info(), "TASK_UNREACHABLE");
    check(old_framework_info(), "TASK_LOST");
}

#[test]
fn an_unreachable_agent_reregisters_with_its_tasks() {
    let Running { mut c, a, f } = running(framework_info());
    c.environment.silent.insert(a.pid.clone());
    c.pass(seconds(91));
    c.forget();
    c.environment.silent.clear();
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.frameworks = vec![framework_info().with_id(&f.id)];
    message.tasks = vec![reported(&a, &f.id, "t", TaskRunning)];
    c.send(&a.pid, message);
    assert_eq!(
        c.heard(&f),
        ["UPDATE t TASK_RUNNING REASON_AGENT_REREGISTERED SOURCE_MASTER on m-S0: Unreachable agent re-reregistered"]
    );
    assert_eq!(
        c.received(&a.pid),
        [
            "SlaveReregistered m-S0 asked about []",
            "slave-observer(2) Ping connected=true",
            "UpdateFramework m-0000 at @0.0.0.0:0",
        ]
    );
    assert_eq!(c.metrics.slaves_unreachable.get(), 0);
    assert_eq!(c.metrics.tasks_unreachable.get(), 0);
    c.settle();
    assert_eq!(c.heard(&f), ["OFFERS m-S0[cpus:3; mem:896]"]);
    c.call(&f, reconcile(&[]));
    assert_eq!(
        c.heard(&f),
        ["UPDATE t TASK_RUNNING REASON_RECONCILIATION SOURCE_MASTER on m-S0: Reconciliation: Latest task state"]
    );
}

#[test]
fn a_broken_link_rescinds_offers_and_keeps_tasks() {
    let Running { mut c, a, f } = running(framework_info());
    c.exited(a.pid.address);
    assert_eq!(c.heard(&f), ["RESCIND m-O1"]);
    c.settle();
    assert_eq!(c.heard(&f), [""; 0]);
    assert_eq!((c.metrics.slaves_connected.get(), c.metrics.slaves_disconnected.get()), (0, 1));
    // The ping makes the agent register again; the kill waits for that.
    c.forget();
    c.call(&f, kill("t", None));
    assert_eq!(c.received(&a.pid), [""; 0]);
    c.pass(seconds(16));
    assert_eq!(c.received(&a.pid), ["slave-observer(1) Ping connected=false"]);

    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.frameworks = vec![framework_info().with_id(&f.id)];
    message.tasks = vec![reported(&a, &f.id, "t", TaskRunning)];
    c.forget();
    c.send(&a.pid, message);
    assert_eq!(
        c.received(&a.pid),
        ["SlaveReregistered m-S0 asked about []", "KillTask t", "UpdateFramework m-0000 at @0.0.0.0:0"]
    );
    assert!(c.recorded.effects.contains_link(), "the link is renewed");
    c.settle();
    assert_eq!(c.heard(&f), ["OFFERS m-S0[cpus:3; mem:896]"]);
}

trait Links {
    fn contains_link(&self) -> bool;
}

impl Links for Vec<Effect> {
    fn contains_link(&self) -> bool {
        self.iter().any(|effect| matches!(effect, Effect::Link(_)))
    }
}

#[test]
fn without_checkpointing_a_broken_link_ends_the_tasks() {
    let info = v1::FrameworkInfo { checkpoint: None, ..framework_info() };
    let Running { mut c, a, f } = running(info);
    c.exited(a.pid.address);
    assert_eq!(
        c.heard(&f),
        ["RESCIND m-O1", "UPDATE t TASK_LOST REASON_AGENT_DISCONNECTED SOURCE_MASTER on m-S0: Agent host disconnected",]
    );
}

#[test]
fn an_agent_that_does_not_return_in_time_is_unreachable() {
    let Running { mut c, a, f } = running(v1::FrameworkInfo { failover_timeout: Some(1e6), ..framework_info() });
    c.exited(a.pid.address);
    c.pass(seconds(590));
    c.forget();
    c.pass(seconds(20));
    assert!(
        c.heard(&f).contains(
            &"UPDATE t TASK_UNREACHABLE REASON_AGENT_REMOVED SOURCE_MASTER on m-S0: agent did not reregister within \
          10mins after disconnecting"
                .to_owned()
        )
    );
}

#[test]
fn several_agents_can_share_one_address() {
    let mut c = Cluster::new();
    let agents: Vec<AgentPeer> = (1..=3).map(|n| c.agent_at(&format!("slave({n})@127.0.0.1:7000"), "cpus:1")).collect();
    let links = c.recorded.effects.iter().filter(|effect| matches!(effect, Effect::Link(_))).count();
    assert_eq!(links, 1);
    c.exited(agents[0].pid.address);
    assert_eq!(c.metrics.slaves_disconnected.get(), 3);
    c.forget();
    for agent in &agents {
        c.send(&agent.pid, reregister(agent, "cpus:1"));
    }
    assert_eq!(c.metrics.slaves_connected.get(), 3);
    let links = c.recorded.effects.iter().filter(|effect| matches!(effect, Effect::Link(_))).count();
    assert_eq!(links, 1);
}

#[test]
fn unreported_tasks_of_a_restarted_agent_are_reconciled() {
    let Running { mut c, a, f } = running(framework_info());
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.frameworks = vec![framework_info().with_id(&f.id)];
    c.send(&a.pid, message);
    assert_eq!(
        c.received(&a.pid),
        ["SlaveReregistered m-S0 asked about [\"t\"]", "UpdateFramework m-0000 at @0.0.0.0:0"]
    );
}

#[test]
fn unreported_executors_are_removed() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    let launched = task_on("t", &offer, "cpus:1;mem:128").under(executor_with("e", "cpus:1;mem:128"));
    c.call(&f, accept(&[&offer], vec![launch(vec![launched])]));
    c.update(&a, &f.id, "t", TaskFinished, 1);
    c.settle();
    c.forget();
    c.send(&a.pid, reregister(&a, "cpus:4;mem:1024"));
    assert!(c.recorded.changes.iter().any(|change| matches!(change, Change::ExecutorRemoved { .. })));
}

#[test]
fn a_registered_agent_cannot_change_its_host_name_or_ip_address() {
    let check = |pid: &str, hostname: &str| {
        let mut c = Cluster::new();
        let a = c.agent("cpus:4");
        let mut message = reregister(&a, "cpus:4");
        message.slave.hostname = hostname.to_owned();
        let pid = pid.parse().unwrap();
        c.forget();
        c.send(&pid, message);
        assert_eq!(c.received(&pid), ["Shutdown: Agent attempted to reregister with different IP / hostname"]);
    };
    check("slave(1)@127.0.0.2:5051", "host");
    check("slave(1)@127.0.0.1:5051", "other");
}

#[test]
fn an_agent_can_restart_on_another_port() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:64");
    let moved = AgentPeer { pid: "slave(1)@127.0.0.1:6051".parse().unwrap(), id: a.id.clone() };
    c.forget();
    c.send(&moved.pid, reregister(&a, "cpus:8;mem:64"));
    assert_eq!(c.received(&moved.pid), ["SlaveReregistered m-S0 asked about []"]);
    let f = c.framework();
    c.settle();
    assert!(c.heard(&f).contains(&"OFFERS m-S0[cpus:8; mem:64]".to_owned()));
    c.exited(a.pid.address);
    assert_eq!(c.metrics.slaves_disconnected.get(), 0, "nobody is there any more");
    c.exited(moved.pid.address);
    assert_eq!(c.metrics.slaves_disconnected.get(), 1);
}

#[test]
fn a_new_agent_at_the_same_address_replaces_a_lost_one() {
    let Running { mut c, a, f } = running(framework_info());
    c.exited(a.pid.address);
    c.forget();
    let b = c.agent_at(&a.pid.to_string(), "cpus:2;mem:64");
    assert_eq!(b.id, "m-S1");
    assert_eq!(
        c.heard(&f),
        [
            "UPDATE t TASK_LOST REASON_AGENT_REMOVED SOURCE_MASTER on m-S0: Agent host removed: a new agent \
             registered at the same address",
            "FAILURE agent m-S0",
        ]
    );
    assert_eq!(c.metrics.slave_removals_reason_registered.get(), 1);
    c.settle();
    assert_eq!(c.heard(&f), ["OFFERS m-S1[cpus:2; mem:64]"]);
    c.forget();
    c.pass(seconds(16));
    assert_eq!(c.received(&b.pid), ["slave-observer(2) Ping connected=true"]);
}

#[test]
fn an_agent_can_unregister_only_itself() {
    let Running { mut c, a, f } = running(framework_info());
    let slave_id = v1::AgentId { value: a.id.clone() };
    c.send(&"slave(1)@127.0.0.1:9".parse().unwrap(), internal::UnregisterSlaveMessage { slave_id: slave_id.clone() });
    assert_eq!(c.metrics.slaves_connected.get(), 1);
    c.send(&a.pid, internal::UnregisterSlaveMessage { slave_id });
    assert_eq!(
        c.heard(&f),
        [
            "UPDATE t TASK_LOST REASON_AGENT_REMOVED SOURCE_MASTER on m-S0: Agent host removed: the agent \
             unregistered",
            "RESCIND m-O1",
            "FAILURE agent m-S0",
        ]
    );
    assert_eq!(c.metrics.slave_removals_reason_unregistered.get(), 1);
    assert_eq!(c.timers().filter(|timer| matches!(timer, master::Timer::Ping(_))).count(), 0);
}

#[test]
fn an_agent_of_a_previous_master_reports_its_frameworks() {
    let mut c = Cluster::new();
    let a = AgentPeer { pid: "slave(1)@127.0.0.1:5051".parse().unwrap(), id: "elder-S7".to_owned() };
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.frameworks = vec![framework_info().with_id("elder-0001")];
    message.tasks = vec![reported(&a, "elder-0001", "t", TaskRunning)];
    c.send(&a.pid, message);
    assert_eq!(c.metrics.slave_reregistrations.get(), 1);
    assert_eq!(c.metrics.frameworks_disconnected.get(), 1);
    // The framework waits for its scheduler as long as a master waits for agents, and as long as its failover timeout.
    c.pass(seconds(599));
    let f = c.subscribe(framework_info().with_id("elder-0001"));
    c.settle();
    assert_eq!(c.heard(&f), ["SUBSCRIBED elder-0001", "HEARTBEAT", "OFFERS elder-S7[cpus:3; mem:896]"]);
    c.call(&f, reconcile(&[]));
    assert_eq!(
        c.heard(&f),
        ["UPDATE t TASK_RUNNING REASON_RECONCILIATION SOURCE_MASTER on elder-S7: Reconciliation: Latest task state"]
    );
    assert!(without_pings(c.received(&a.pid)).contains(&"UpdateFramework elder-0001 at @0.0.0.0:0".to_owned()));
}

#[test]
fn completed_frameworks_are_shut_down_on_reregistered_agents() {
    let Running { mut c, a, f } = running(framework_info());
    c.environment.silent.insert(a.pid.clone());
    c.pass(seconds(91));
    c.call(&f, teardown());
    c.forget();
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.frameworks = vec![framework_info().with_id(&f.id)];
    message.tasks = vec![reported(&a, &f.id, "t", TaskRunning)];
    c.send(&a.pid, message);
    assert_eq!(
        without_pings(c.received(&a.pid)),
        ["SlaveReregistered m-S0 asked about []", "ShutdownFramework m-0000"]
    );
}

#[test]
fn oversubscribed_resources_require_the_capability_revocable_resources() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let mut info = framework_info();
    info.capabilities.push(v1::framework_info::Capability {
        r#type: Some(v1::framework_info::capability::Type::RevocableResources as i32),
    });
    let f = c.subscribe(info);
    c.settle();
    c.heard(&f);
    let mut oversubscribed = resources("cpus:2");
    oversubscribed[0].revocable = Some(v1::resource::RevocableInfo {});
    c.send(
        &a.pid,
        internal::UpdateSlaveMessage {
            slave_id: v1::AgentId { value: a.id.clone() },
            oversubscribed_resources: oversubscribed,
            update_oversubscribed_resources: Some(true),
            ..Default::default()
        },
    );
    c.settle();
    assert_eq!(c.heard(&f), ["OFFERS m-S0[cpus{REV}:2]"]);
    c.send(
        &a.pid,
        internal::UpdateSlaveMessage {
            slave_id: v1::AgentId { value: a.id.clone() },
            update_oversubscribed_resources: Some(true),
            ..Default::default()
        },
    );
    assert_eq!(c.heard(&f), ["RESCIND m-O1"]);
}

#[test]
#[allow(deprecated, reason = "the old format is the point")]
fn agents_without_reservation_refinement_get_the_old_format() {
    let mut c = Cluster::new();
    let pid = "slave(1)@127.0.0.1:5051".parse().unwrap();
    let mut message = register("cpus:4;mem:1024");
    message.version = Some("1.3.0".to_owned());
    message.agent_capabilities.clear();
    message.resource_version_uuid = None;
    c.send(&pid, message.clone());
    let a = AgentPeer { pid, id: "m-S0".to_owned() };
    let f = c.subscribe(framework_info().with_capabilities(&[v1::framework_info::capability::Type::MultiRole]));
    assert_eq!(c.offered(&f).len(), 0, "it would not know for which role a task of this framework is");

    let f = c.subscribe(old_framework_info());
    let offer = c.offered(&f).remove(0);
    c.forget();
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    let Some(messages::Message::RunTask(run)) = c.sent_to(&a.pid).pop() else { panic!("no task") };
    assert!(run.task.resources.iter().all(|r| r.role.as_deref() == Some("*")), "{:?}", run.task.resources);
    assert!(run.resource_version_uuids.is_empty());

    // The agent reports resources without allocation; its framework has one role, which must be theirs.
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.agent_capabilities.clear();
    message.frameworks = vec![old_framework_info().with_id(&f.id)];
    let mut reported = reported(&a, &f.id, "t", TaskRunning);
    reported.resources.iter_mut().for_each(|r| r.allocation_info = None);
    message.tasks = vec![reported];
    c.forget();
    c.send(&a.pid, message.clone());
    assert_eq!(
        c.received(&a.pid),
        ["SlaveReregistered m-S0 asked about []", "UpdateFramework m-0001 at @0.0.0.0:0", "CheckpointResourcesMessage",]
    );
    c.environment.silent.insert(a.pid.clone());
    c.pass(seconds(91));
    c.forget();
    c.environment.silent.clear();
    c.send(&a.pid, message);
    c.settle();
    assert_eq!(c.heard(&f).last().unwrap(), "OFFERS m-S0[cpus:3; mem:896]");
}

#[test]
fn checkpointed_resources_replace_plain_ones() {
    let mut c = Cluster::new();
    let pid = "slave(1)@127.0.0.1:5051".parse().unwrap();
    let mut message = register("cpus:4;mem:1024;disk:100");
    let mut reserved = resources("cpus:1;disk:40");
    for resource in &mut reserved {
        resource.reservations = vec![v1::resource::ReservationInfo {
            r#type: Some(v1::resource::reservation_info::Type::Dynamic as i32),
            role: Some("r".to_owned()),
            ..Default::default()
        }];
    }
    message.checkpointed_resources = reserved;
    c.send(&pid, message);
    let Some(Change::AgentAdded(agent)) = c.recorded.changes.first() else { panic!("{:?}", c.recorded.changes) };
    assert_eq!(agent.total.unreserved(), resources::Resources::parse("cpus:3;mem:1024;disk:60", "*").unwrap());
    assert_eq!(agent.total.reserved(Some("r")).cpus(), 1.0);
}

#[test]
fn invalid_reports_of_tasks_are_refused() {
    let mut c = Cluster::new();
    let f = c.framework();
    let a = AgentPeer { pid: "slave(1)@127.0.0.1:5051".parse().unwrap(), id: "elder-S7".to_owned() };
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.frameworks = vec![framework_info().with_id(&f.id)];
    let mut nobodys = reported(&a, &f.id, "nobody's", TaskRunning);
    nobodys.resources.iter_mut().for_each(|r| r.allocation_info = None);
    message.tasks = vec![reported(&a, &f.id, "twice", TaskRunning), reported(&a, &f.id, "twice", TaskRunning), nobodys];
    c.send(&a.pid, message);
    c.settle();
    assert_eq!(c.heard(&f).last().unwrap(), "OFFERS elder-S7[cpus:3; mem:896]");
    assert_eq!(c.metrics.tasks_running.get(), 1);
}

#[test]
fn an_overcommitted_agent_is_not_offered() {
    let mut c = Cluster::new();
    let f = c.framework();
    let a = AgentPeer { pid: "slave(1)@127.0.0.1:5051".parse().unwrap(), id: "elder-S7".to_owned() };
    let mut message = reregister(&a, "cpus:1;mem:128");
    message.frameworks = vec![framework_info().with_id(&f.id)];
    message.tasks = ["t1", "t2", "t3"].map(|id| reported(&a, &f.id, id, TaskRunning)).to_vec();
    c.send(&a.pid, message);
    assert_eq!(c.offered(&f).len(), 0);
    // No resources are offered before real resources of the agent are free.
    for (task, offers) in [("t1", 0), ("t2", 0), ("t3", 1)] {
        c.update(&a, &f.id, task, TaskFinished, 1);
        assert_eq!(c.offered(&f).len(), offers, "{task}");
    }
}
