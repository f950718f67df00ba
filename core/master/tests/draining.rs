//! The calls of operators about agents: gone, drained, deactivated, reactivated.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::time::Duration;

use common::*;
use machine::{CallResponse, Status};
use messages::v1;
use model::AgentId;
use model::master::{AgentRemoval, Change};
use testkit::builders::*;

fn without_partitions() -> v1::FrameworkInfo {
    let mut info = framework_info();
    info.capabilities.retain(|c| c.r#type() != v1::framework_info::capability::Type::PartitionAware);
    info
}

fn check(answer: &CallResponse, status: Status, body: &str) {
    assert_eq!((answer.status, answer.body.as_str()), (status, body));
}

fn drain_state(c: &Cluster) -> Option<v1::DrainState> {
    c.environment.registry.agents.get(&AgentId::new("m-S0"))?.drain.map(|drain| drain.state())
}

#[test]
fn marking_an_agent_gone_ends_its_tasks_and_removes_it() {
    let Running { mut c, a, f } = running(framework_info());
    check(&c.operator(mark_agent_gone("m-S0")), Status::Ok, "");
    assert_eq!(c.received(&a.pid), ["Shutdown: Agent has been marked gone"]);
    assert_eq!(
        c.heard(&f),
        [
            "UPDATE t TASK_GONE_BY_OPERATOR REASON_AGENT_REMOVED_BY_OPERATOR SOURCE_MASTER on m-S0: Agent has been \
             marked gone",
            "RESCIND m-O1",
            "FAILURE agent m-S0",
        ]
    );
    assert!(
        c.recorded
            .changes
            .iter()
            .any(|change| matches!(change, Change::AgentRemoved { removal: AgentRemoval::Gone, .. }))
    );
    check(&c.operator(mark_agent_gone("m-S0")), Status::Ok, "");
    c.send(&a.pid, reregister(&a, "cpus:4;mem:1024"));
    assert_eq!(c.received(&a.pid), ["Shutdown: Agent has been marked gone"]);
    check(&c.operator(drain_agent("m-S0", false)), Status::BadRequest, "Unknown agent");
}

#[test]
fn frameworks_without_partition_aware_get_lost_for_a_gone_agent() {
    let Running { mut c, f, .. } = running(without_partitions());
    c.operator(mark_agent_gone("m-S0"));
    assert_eq!(
        c.heard(&f)[0],
        "UPDATE t TASK_LOST REASON_AGENT_REMOVED SOURCE_MASTER on m-S0: Agent has been marked gone"
    );
}

#[test]
fn an_unreachable_agent_can_be_marked_gone() {
    let Running { mut c, a, f } = running(framework_info());
    c.environment.silent.insert(a.pid.clone());
    c.pass(Duration::from_secs(95));
    c.forget();
    check(&c.operator(mark_agent_gone("m-S0")), Status::Ok, "");
    assert_eq!(
        c.heard(&f),
        [
            "UPDATE t TASK_GONE_BY_OPERATOR REASON_AGENT_REMOVED_BY_OPERATOR SOURCE_MASTER on m-S0: Agent has been marked \
          gone"
        ]
    );
    assert_eq!((c.metrics.slaves_unreachable.get(), c.metrics.tasks_unreachable.get()), (0, 0));
    assert!(c.environment.registry.unreachable.is_empty());
}

#[test]
fn marking_gone_is_refused_during_another_removal() {
    let Running { mut c, a, .. } = running(framework_info());
    check(&c.operator(mark_agent_gone("x")), Status::NotFound, "Agent 'x' not found");
    c.disk_is_slow = true;
    let reply = c.ask(mark_agent_gone("m-S0"));
    assert_eq!(c.answers(reply), [], "the answer waits for the record");
    let again = "Agent 'm-S0' is already being transitioned to gone";
    check(&c.operator(mark_agent_gone("m-S0")), Status::ServiceUnavailable, again);
    check(&c.operator(drain_agent("m-S0", false)), Status::Conflict, "Agent is currently being marked gone");
    c.confirm();
    check(&c.answers(reply)[0].clone(), Status::Ok, "");

    let Running { mut c, a: b, .. } = running(framework_info());
    c.disk_is_slow = true;
    c.send(&b.pid, messages::internal::UnregisterSlaveMessage { slave_id: v1::AgentId { value: b.id.clone() } });
    let removing = "Agent 'm-S0' is being transitioned to removed";
    check(&c.operator(mark_agent_gone("m-S0")), Status::ServiceUnavailable, removing);

    let Running { mut c, .. } = running(framework_info());
    c.environment.silent.insert(a.pid);
    c.disk_is_slow = true;
    c.pass(Duration::from_secs(95));
    let unreachable = "Agent 'm-S0' is being transitioned to unreachable";
    check(&c.operator(mark_agent_gone("m-S0")), Status::ServiceUnavailable, unreachable);
}

#[test]
fn a_draining_agent_is_drained_when_its_last_update_is_acknowledged() {
    let Running { mut c, a, f } = running(framework_info());
    check(&c.operator(drain_agent("m-S0", false)), Status::Ok, "");
    assert_eq!(without_pings(c.received(&a.pid)), ["Drain mark_gone=false"]);
    assert_eq!(c.heard(&f), ["RESCIND m-O1"]);
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    check(&c.operator(reactivate_agent("m-S0")), Status::BadRequest, "Agent is still in the DRAINING state");
    c.update(&a, &f.id, "t", TaskKilled, 2);
    assert_eq!(drain_state(&c), Some(v1::DrainState::Draining));
    c.call(&f, acknowledge(&a.id, "t", 2));
    assert_eq!(drain_state(&c), Some(v1::DrainState::Drained));
    c.pass(Duration::from_secs(60));
    assert_eq!(c.offers(&f), [], "it is not offered");
    check(&c.operator(reactivate_agent("m-S0")), Status::Ok, "");
    assert_eq!(drain_state(&c), None);
    assert_eq!(c.offered(&f).len(), 1);
    check(&c.operator(reactivate_agent("m-S0")), Status::BadRequest, "Agent is not deactivated");
}

#[test]
fn an_agent_without_tasks_is_drained_and_marked_gone_at_once() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    c.operator(drain_agent("m-S0", false));
    assert_eq!(drain_state(&c), Some(v1::DrainState::Drained));
    c.forget();
    check(&c.operator(drain_agent("m-S0", true)), Status::Ok, "");
    assert_eq!(without_pings(c.received(&a.pid)), ["Drain mark_gone=true", "Shutdown: Agent has been marked gone"]);
    assert_eq!(c.environment.registry.gone.len(), 1);
}

#[test]
fn a_disconnected_agent_is_drained_when_it_reregisters() {
    let Running { mut c, a, f } = running(framework_info());
    c.environment.silent.insert(a.pid.clone());
    c.pass(Duration::from_secs(95));
    check(&c.operator(drain_agent("m-S0", false)), Status::Ok, "");
    check(&c.operator(deactivate_agent("m-S0")), Status::Ok, "");
    c.environment.silent.clear();
    c.forget();
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.agent_capabilities.retain(|c| c.r#type() != v1::agent_info::capability::Type::ResourceProvider);
    c.send(&a.pid, message);
    assert_eq!(
        without_pings(c.received(&a.pid))[..2],
        ["Drain mark_gone=false", "SlaveReregistered m-S0 asked about []"]
    );
    assert_eq!(drain_state(&c), Some(v1::DrainState::Drained));
    assert_eq!(c.metrics.slaves_inactive.get(), 1);
    c.pass(Duration::from_secs(60));
    assert_eq!(c.offers(&f), []);
}

#[test]
fn a_draining_agent_gets_the_drain_message_again_when_it_reregisters() {
    let Running { mut c, a, f } = running(framework_info());
    c.operator(drain_agent("m-S0", false));
    c.forget();
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.frameworks = vec![framework_info().with_id(&f.id)];
    c.send(&a.pid, message);
    assert!(c.received(&a.pid).contains(&"Drain mark_gone=false".to_owned()));
    assert_eq!(drain_state(&c), Some(v1::DrainState::Draining), "the master still knows a task");
}

#[test]
fn draining_an_agent_without_the_capability_is_refused() {
    let mut c = Cluster::new();
    let mut message = register("cpus:4");
    message.agent_capabilities.retain(|c| c.r#type() != v1::agent_info::capability::Type::AgentDraining);
    c.send(&"slave(1)@127.0.0.1:5051".parse().unwrap(), message);
    check(&c.operator(drain_agent("m-S0", false)), Status::BadRequest, "Agent m-S0 is not capable of draining");
}

#[test]
fn deactivation_only_rescinds_offers() {
    let Running { mut c, a, f } = running(framework_info());
    check(&c.operator(deactivate_agent("x")), Status::BadRequest, "Unknown agent");
    check(&c.operator(deactivate_agent("m-S0")), Status::Ok, "");
    assert_eq!(c.heard(&f), ["RESCIND m-O1"]);
    assert_eq!(without_pings(c.received(&a.pid)), [""; 0]);
    // The agent stays deactivated after its link breaks and after it returns.
    c.exited(a.pid.address);
    let mut message = reregister(&a, "cpus:4;mem:1024");
    message.frameworks = vec![framework_info().with_id(&f.id)];
    c.send(&a.pid, message);
    c.pass(Duration::from_secs(60));
    assert_eq!(c.offers(&f), []);
    assert_eq!((c.metrics.slaves_active.get(), c.metrics.slaves_connected.get()), (0, 1));
    check(&c.operator(reactivate_agent("m-S0")), Status::Ok, "");
    assert_eq!(c.offered(&f).len(), 1);
}

#[test]
fn an_agent_removed_meanwhile_is_not_reactivated() {
    let Running { mut c, a, .. } = running(framework_info());
    c.operator(deactivate_agent("m-S0"));
    c.environment.silent.insert(a.pid.clone());
    c.pass(Duration::from_secs(95));
    check(&c.operator(reactivate_agent("m-S0")), Status::Conflict, "Agent removed while processing the call");
    assert!(!c.environment.registry.unreachable[&AgentId::new("m-S0")].deactivated);
}
