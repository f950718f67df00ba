//! Operations on resources: calls of frameworks and operators, messages to agents, and the offers that follow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::time::Duration;

use common::operations::*;
use common::*;
use machine::Status;
use messages::{Message, internal, v1};
use testkit::builders::*;
use v1::framework_info::capability::Type as Capability;
use v1::offer::Operation;

fn info() -> v1::FrameworkInfo {
    framework_info().with_capabilities(&[
        Capability::MultiRole,
        Capability::ReservationRefinement,
        Capability::PartitionAware,
        Capability::SharedResources,
    ])
}

/// Returns a framework that has an offer of one agent with 4 cpus and 1000 MB of disk.
fn scenario() -> Scenario {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024;disk:1000");
    let f = c.subscribe(info());
    let offer = c.offered(&f).remove(0);
    c.forget();
    Scenario { c, a, f, offer }
}

impl Scenario {
    fn accept(&mut self, operations: Vec<Operation>) {
        let offer = self.offer.clone();
        self.c.call(&self.f, accept(&[&offer], operations));
    }

    /// Returns the resources of the next offer as text; results of operations are offered at once.
    fn next_offer(&mut self) -> String {
        self.c.forget();
        let offers = self.c.offered(&self.f);
        let all: Vec<v1::Resource> = offers.iter().flat_map(|offer| offer.resources.clone()).collect();
        if let Some(offer) = offers.into_iter().next_back() {
            self.offer = offer;
        }
        resources::Resources::from_proto(&all).unwrap().unallocated().to_string()
    }

    fn heard(&mut self) -> Vec<String> {
        self.c.heard(&self.f).into_iter().filter(|line| line.starts_with("UPDATE")).collect()
    }

    fn applied(&mut self) -> Vec<internal::ApplyOperationMessage> {
        let applied = self.c.sent_to(&self.a.pid).into_iter().filter_map(|message| match message {
            Message::ApplyOperation(message) => Some(*message),
            _ => None,
        });
        applied.collect()
    }

    /// Reserves resources with operation `op`, and returns the message to the agent.
    fn reserve(&mut self) -> internal::ApplyOperationMessage {
        self.accept(vec![reserve(reserved("r", "cpus:1")).with_operation_id("op")]);
        self.applied().remove(0)
    }

    /// Sends the agent's report of an operation, to be acknowledged with `uuid`.
    fn report(&mut self, operation: &internal::ApplyOperationMessage, state: v1::OperationState, uuid: Option<u8>) {
        let update = operation_update(&self.a, operation, state, uuid);
        self.c.send(&self.a.pid.clone(), update);
    }

    /// Sends the agent's answer that it does not know an operation, which names neither the operation nor its
    /// framework.
    fn deny(&mut self, operation: &internal::ApplyOperationMessage) {
        let mut dropped = operation_update(&self.a, operation, v1::OperationState::OperationDropped, None);
        dropped.framework_id = None;
        dropped.status.operation_id = None;
        self.c.send(&self.a.pid.clone(), dropped);
    }
}

const RESERVED: &str = "cpus(reservations: [(DYNAMIC,r)]):1";
/// The message of a master whose total of the agent is in doubt.
const PLEASE_REGISTER: &str = "slave-observer(1) Ping connected=false";
/// All resources of the agent, with the reservation.
const AFTERWARDS: &str = "cpus:3; cpus(reservations: [(DYNAMIC,r)]):1; mem:1024; disk:1000";

#[test]
fn reserved_resources_are_offered_at_once() {
    let mut s = scenario();
    s.accept(vec![reserve(reserved("r", "cpus:1"))]);
    let applied = s.applied();
    assert_eq!(applied.len(), 1);
    assert_eq!(applied[0].framework_id.as_ref().unwrap().value, s.f.id);
    assert_eq!(applied[0].resource_version_uuid.uuid.value, vec![9; 16]);
    // The other resources of the offer were declined, but the result of the operation was not.
    assert_eq!(s.next_offer(), AFTERWARDS);
    s.accept(vec![unreserve(reserved("r", "cpus:1"))]);
    assert_eq!(s.next_offer(), "cpus:4; mem:1024; disk:1000");
}

#[test]
fn later_operations_can_use_the_results_of_earlier_ones() {
    let mut s = scenario();
    let volume = volume("r", 100, "v");
    let mut with_volume = task_on("t", &s.offer, "cpus:1;mem:32");
    with_volume.resources.push(volume.clone());
    s.accept(vec![reserve(reserved("r", "disk:100")), create(vec![volume]), launch(vec![with_volume])]);
    let received = s.c.received(&s.a.pid);
    assert_eq!(received, ["ApplyOperation RESERVE", "ApplyOperation CREATE", "RunTask t launch_executor=true"]);
    assert_eq!(s.next_offer(), "{}");
}

#[test]
fn a_failed_operation_does_not_affect_the_next_ones() {
    let mut s = scenario();
    s.accept(vec![
        reserve(reserved("r", "cpus:9")).with_operation_id("much"),
        reserve(reserved("r", "cpus:1")).with_operation_id("fits"),
    ]);
    let heard = s.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with("UPDATE_OPERATION_STATUS much OPERATION_ERROR: "), "{heard:?}");
    assert!(heard[0].ends_with("does not contain cpus(allocated: r):9"), "{heard:?}");
    assert_eq!(s.applied().len(), 1);
    assert_eq!(s.next_offer(), AFTERWARDS);
}

#[test]
fn a_framework_can_reserve_for_the_role_of_the_offer() {
    let mut s = scenario();
    let agent = "; on agent m-S0 at slave(1)@127.0.0.1:5051 (host)";
    s.accept(vec![
        reserve(reserved("other", "cpus:1")).with_operation_id("role"),
        reserve(resources("cpus:1")).with_operation_id("unreserved"),
        exchange(reserved("r", "cpus:1"), reserved("other", "cpus:1")).with_operation_id("source"),
        unreserve(reserved("r", "cpus:1")),
    ]);
    let line = |id: &str, reason: &str| format!("UPDATE_OPERATION_STATUS {id} OPERATION_ERROR: {reason}");
    assert_eq!(
        s.heard(),
        [
            // A malformed operation is refused before anything is done.
            line(
                "source",
                "Operation attempted with invalid resources: Reservation updates are not yet implemented for the \
                 scheduler API."
            ),
            line(
                "role",
                &format!(
                    "A reserve operation was attempted for a resource with role 'other', but the resource was \
                     allocated to role 'r'{agent}"
                )
            ),
            line("unreserved", &format!("Resource cpus(allocated: r):1 is not dynamically reserved{agent}")),
        ]
    );
    assert_eq!(s.applied().len(), 0);
    assert_eq!(s.c.metrics.iter().find(|(name, _)| name == "master/operations/error").unwrap().1, 4.0);
}

#[test]
fn feedback_is_forwarded_and_ends_with_the_acknowledgement() {
    let mut s = scenario();
    let applied = s.reserve();
    s.c.call(&s.f, reconcile_operations(&[]));
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_PENDING: "]);
    s.report(&applied, v1::OperationState::OperationFinished, Some(1));
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_FINISHED uuid 1: "]);
    // A reconciliation is answered again, but without a uuid to acknowledge.
    s.c.call(&s.f, reconcile_operations(&[("op", Some(&s.a.id))]));
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_FINISHED: "]);
    s.c.forget();
    s.c.call(&s.f, acknowledge_operation(&s.a.id, "op", 2));
    s.c.call(&s.f, acknowledge_operation(&s.a.id, "other", 1));
    assert_eq!(s.c.received(&s.a.pid), Vec::<String>::new());
    s.c.call(&s.f, acknowledge_operation(&s.a.id, "op", 1));
    assert_eq!(s.c.received(&s.a.pid), ["AcknowledgeOperationStatus uuid 1"]);
    s.c.call(&s.f, reconcile_operations(&[("op", Some(&s.a.id))]));
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_UNKNOWN: Reconciliation: Operation is unknown"]);
    assert_eq!(s.c.metrics.valid_operation_status_update_acknowledgements.get(), 1);
    assert_eq!(s.c.metrics.invalid_operation_status_update_acknowledgements.get(), 2);
}

/// The agent repeats the statuses that the previous scheduler did not acknowledge, even if the framework has no task on
/// it.
#[test]
fn an_agent_with_pending_operation_statuses_gets_the_new_scheduler() {
    let mut s = scenario();
    s.c.agent("cpus:1");
    let applied = s.reserve();
    s.report(&applied, v1::OperationState::OperationFinished, Some(1));
    let told = |s: &Scenario| {
        let is_it = |message: &&Message| matches!(message, Message::UpdateFramework(_));
        s.c.sent_to(&s.a.pid).iter().filter(is_it).count()
    };
    s.c.forget();
    let f = s.c.subscribe(info().with_id(&s.f.id));
    assert_eq!(told(&s), 1);
    s.c.call(&f, acknowledge_operation(&s.a.id, "op", 1));
    s.c.forget();
    s.c.subscribe(info().with_id(&s.f.id));
    assert_eq!(told(&s), 0, "there is nothing of it any more");
}

#[test]
fn operations_without_an_id_are_acknowledged_by_the_master() {
    let mut s = scenario();
    s.accept(vec![reserve(reserved("r", "cpus:1"))]);
    let applied = s.applied().remove(0);
    s.c.forget();
    s.report(&applied, v1::OperationState::OperationFinished, Some(3));
    assert_eq!(s.c.received(&s.a.pid), ["AcknowledgeOperationStatus uuid 3"]);
    assert_eq!(s.heard(), Vec::<String>::new());
    // Only the process of the agent is accepted as the sender.
    s.report(&applied, v1::OperationState::OperationFinished, Some(3));
    let impostor = "slave(1)@127.0.0.1:6666".parse().unwrap();
    let update = operation_update(&s.a, &applied, v1::OperationState::OperationFailed, Some(4));
    s.c.send(&impostor, update);
    assert_eq!(s.c.metrics.invalid_operation_status_updates.get(), 2);
}

#[test]
fn feedback_requires_a_capable_agent() {
    let mut c = Cluster::new();
    let pid = "slave(1)@127.0.0.1:5051".parse().unwrap();
    let mut old = register("cpus:4");
    old.agent_capabilities
        .retain(|capability| capability.r#type() != v1::agent_info::capability::Type::AgentOperationFeedback);
    c.send(&pid, old);
    let f = c.subscribe(info());
    let offer = c.offered(&f).remove(0);
    c.forget();
    c.call(&f, accept(&[&offer], vec![reserve(reserved("r", "cpus:1")).with_operation_id("op")]));
    assert_eq!(
        c.heard(&f),
        ["UPDATE_OPERATION_STATUS op OPERATION_ERROR: Operation on agent default resources requested feedback, but \
          agent m-S0 does not have the required AGENT_OPERATION_FEEDBACK and RESOURCE_PROVIDER capabilities"]
    );
}

#[test]
fn agents_without_resource_providers_get_all_checkpointed_resources() {
    let mut c = Cluster::new();
    let pid = "slave(1)@127.0.0.1:5051".parse().unwrap();
    let mut old = register("cpus:4;disk:1000");
    old.agent_capabilities.retain(|capability| capability.r#type.is_some_and(|number| number <= 2));
    c.send(&pid, old);
    let f = c.subscribe(info());
    let offer = c.offered(&f).remove(0);
    c.forget();
    let operations = vec![reserve(reserved("r", "cpus:1;disk:100")), create(vec![volume("r", 60, "v")])];
    c.call(&f, accept(&[&offer], operations));
    let checkpoints: Vec<String> = c
        .sent_to(&pid)
        .into_iter()
        .filter_map(|message| match message {
            Message::CheckpointResources(message) => {
                Some(resources::Resources::from_proto(&message.resources).unwrap().to_string())
            }
            _ => None,
        })
        .collect();
    let disk = "disk(reservations: [(DYNAMIC,r)])";
    assert_eq!(checkpoints, [format!("{RESERVED}; {disk}:100"), format!("{RESERVED}; {disk}:40; {disk}[v:path]:60")]);
}

#[test]
fn a_shared_volume_in_use_cannot_be_destroyed() {
    let mut s = scenario();
    let shared = volume("r", 100, "v").shared();
    let using = |id: &str, offer: &v1::Offer| {
        let mut task = task_on(id, offer, "cpus:1;mem:32");
        task.resources.push(shared.clone());
        task
    };
    let tasks = vec![using("one", &s.offer), using("two", &s.offer)];
    s.accept(vec![reserve(reserved("r", "disk:100")), create(vec![shared.clone()]), launch(tasks)]);
    assert_eq!(s.c.received(&s.a.pid)[2..], ["RunTask one launch_executor=true", "RunTask two launch_executor=true"]);
    // The volume is offered again although it is in use.
    let offer = s.next_offer();
    assert!(offer.contains("<SHARED>"), "{offer}");
    s.accept(vec![destroy(vec![shared.clone()]).with_operation_id("gone")]);
    assert_eq!(
        s.heard(),
        ["UPDATE_OPERATION_STATUS gone OPERATION_ERROR: Persistent volumes in use; on agent m-S0 at \
          slave(1)@127.0.0.1:5051 (host)"]
    );
}

#[test]
fn destroying_a_shared_volume_rescinds_other_offers_of_it() {
    let mut s = scenario();
    let shared = volume("r", 100, "v").shared();
    let launched = launch(vec![task_on("t", &s.offer, "cpus:1;mem:64")]);
    s.accept(vec![reserve(reserved("r", "disk:100")), create(vec![shared.clone()]), launched]);
    let first = s.next_offer();
    assert!(first.contains("<SHARED>"), "{first}");
    // A shared volume still exists, and is offered to others with the resources that become free.
    let other = s.c.subscribe(info());
    s.c.update(&s.a, &s.f.id, "t", TaskFinished, 1);
    s.c.settle();
    let offers = s.c.offers(&other);
    assert!(offers[0].resources.iter().any(|resource| resource.shared.is_some()), "{offers:?}");
    s.c.forget();
    s.accept(vec![destroy(vec![shared]).with_operation_id("gone")]);
    assert_eq!(s.c.heard(&other), [format!("RESCIND {}", offers[0].id.value)]);
    assert_eq!(s.heard(), Vec::<String>::new());
    assert_eq!(s.applied().len(), 1);
    s.c.forget();
    s.c.pass(Duration::from_secs(6));
    let offers: Vec<_> = [s.c.offers(&s.f), s.c.offers(&other)].concat();
    let all: Vec<_> = offers.into_iter().flat_map(|offer| offer.resources).collect();
    let all = resources::Resources::from_proto(&all).unwrap().unallocated();
    assert_eq!(all.to_string(), "cpus:4; mem:1024; disk:900; disk(reservations: [(DYNAMIC,r)]):100");
}

#[test]
fn volumes_grow_and_shrink() {
    let mut s = scenario();
    s.accept(vec![reserve(reserved("r", "disk:200")), create(vec![volume("r", 100, "v")])]);
    let rest = "cpus:4; mem:1024; disk:800";
    let disk = "disk(reservations: [(DYNAMIC,r)])";
    assert_eq!(s.next_offer(), format!("{rest}; {disk}:100; {disk}[v:path]:100"));
    let addition = reserved("r", "disk:30").remove(0);
    s.accept(vec![grow(volume("r", 100, "v"), addition)]);
    assert_eq!(s.next_offer(), format!("{rest}; {disk}:70; {disk}[v:path]:130"));
    s.accept(vec![shrink(volume("r", 130, "v"), 50.0)]);
    assert_eq!(s.next_offer(), format!("{rest}; {disk}:120; {disk}[v:path]:80"));
    // The operations after it cannot use a resized volume.
    let shrunk = shrink(volume("r", 80, "v"), 10.0);
    s.accept(vec![shrunk.clone(), destroy(vec![volume("r", 70, "v")]).with_operation_id("too-soon")]);
    let heard = s.heard();
    assert!(heard[0].contains("too-soon OPERATION_ERROR") && heard[0].contains("does not contain"), "{heard:?}");
    s.next_offer();
    s.accept(vec![shrink(volume("r", 999, "v"), 10.0).with_operation_id("unknown")]);
    let heard = s.heard();
    assert!(heard[0].contains("Invalid SHRINK_VOLUME operation: "), "{heard:?}");
}

#[test]
fn operations_become_unreachable_with_their_agent() {
    let mut s = scenario();
    s.accept(vec![reserve(reserved("r", "cpus:1")).with_operation_id("op")]);
    s.c.environment.silent.insert(s.a.pid.clone());
    s.c.pass(Duration::from_secs(91));
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_UNREACHABLE: Agent was marked unreachable"]);
    s.c.call(&s.f, reconcile_operations(&[("op", Some(&s.a.id)), ("x", Some("nowhere")), ("y", None)]));
    assert_eq!(
        s.heard(),
        [
            "UPDATE_OPERATION_STATUS op OPERATION_UNREACHABLE: Reconciliation: Agent is unreachable",
            "UPDATE_OPERATION_STATUS x OPERATION_UNKNOWN: Reconciliation: Both operation and agent are unknown",
            "UPDATE_OPERATION_STATUS y OPERATION_UNKNOWN: Reconciliation: Operation is unknown and no 'agent_id' was \
             provided",
        ]
    );
}

#[test]
fn unreported_operations_are_reconciled() {
    let mut s = scenario();
    let applied = s.reserve();
    s.c.forget();
    s.c.send(&s.a.pid.clone(), report(&s.a, vec![]));
    assert_eq!(s.c.received(&s.a.pid), ["ReconcileOperations 1"]);
    s.deny(&applied);
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_DROPPED: "]);
    // The operation whose result was entered failed, so the agent has to register again.
    let received = s.c.received(&s.a.pid);
    assert_eq!(received, [PLEASE_REGISTER]);
    s.c.send(&s.a.pid.clone(), report(&s.a, vec![]));
    assert_eq!(s.c.received(&s.a.pid), Vec::<String>::new());
}

#[test]
fn the_request_to_reregister_is_repeated() {
    let mut s = scenario();
    let applied = s.reserve();
    s.c.send(&s.a.pid.clone(), report(&s.a, vec![]));
    s.deny(&applied);
    s.c.forget();
    // The agent has read a late answer to an earlier registration, and believes that it is registered.
    s.c.pass(Duration::from_secs(16));
    assert!(s.c.received(&s.a.pid).contains(&PLEASE_REGISTER.to_owned()));
    s.c.send(&s.a.pid.clone(), reregister(&s.a, "cpus:4;mem:1024;disk:1000"));
    s.c.forget();
    s.c.pass(Duration::from_secs(16));
    assert!(!s.c.received(&s.a.pid).contains(&PLEASE_REGISTER.to_owned()));
}

#[test]
fn terminal_operations_are_not_reconciled() {
    let mut s = scenario();
    let applied = s.reserve();
    s.report(&applied, v1::OperationState::OperationFinished, Some(1));
    assert_eq!(s.heard().len(), 1);
    s.c.forget();
    // The agent has been told that the status is acknowledged.
    s.c.send(&s.a.pid.clone(), report(&s.a, vec![]));
    assert_eq!(s.c.received(&s.a.pid), Vec::<String>::new());
    s.c.call(&s.f, reconcile_operations(&[("op", Some(&s.a.id))]));
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_UNKNOWN: Reconciliation: Operation is unknown"]);
}

#[test]
fn a_late_reconciliation_answer_does_not_drop_a_finished_operation() {
    let mut s = scenario();
    let applied = s.reserve();
    // The reconciliation arrives while the agent still makes the result durable.
    s.c.forget();
    s.c.send(&s.a.pid.clone(), report(&s.a, vec![]));
    assert_eq!(s.c.received(&s.a.pid), ["ReconcileOperations 1"]);
    s.report(&applied, v1::OperationState::OperationFinished, Some(1));
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_FINISHED uuid 1: "]);
    // This report was made before the acknowledgement arrived, the answer after it.
    let operation = known_operation(&s.a, &applied, v1::OperationState::OperationFinished, Some(1));
    s.c.call(&s.f, acknowledge_operation(&s.a.id, "op", 1));
    s.c.send(&s.a.pid.clone(), report(&s.a, vec![operation]));
    s.c.forget();
    s.deny(&applied);
    assert_eq!(s.heard(), Vec::<String>::new());
    // The total is not in doubt, and the operation is over.
    assert_eq!(s.c.received(&s.a.pid), Vec::<String>::new());
    assert_eq!(s.next_offer(), AFTERWARDS);
    s.c.call(&s.f, reconcile_operations(&[("op", Some(&s.a.id))]));
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_UNKNOWN: Reconciliation: Operation is unknown"]);
}

#[test]
fn a_report_sent_before_an_acknowledgement_keeps_no_operation() {
    let mut s = scenario();
    s.accept(vec![reserve(reserved("r", "cpus:1"))]);
    let applied = s.applied().remove(0);
    s.report(&applied, v1::OperationState::OperationFinished, Some(1));
    // The agent made the report before it was told of the acknowledgement.
    let operation = known_operation(&s.a, &applied, v1::OperationState::OperationFinished, Some(1));
    s.c.forget();
    s.c.send(&s.a.pid.clone(), report(&s.a, vec![operation]));
    assert_eq!(s.c.received(&s.a.pid), ["ReconcileOperations 1", PLEASE_REGISTER]);
    s.c.operator(drain_agent(&s.a.id, false));
    let drain =
        |s: &Scenario| s.c.environment.registry.agents.values().next().and_then(|a| Some(a.drain.as_ref()?.state()));
    assert_eq!(drain(&s), Some(v1::DrainState::Draining));
    // The agent does not know the operation any more.
    s.c.forget();
    s.deny(&applied);
    assert_eq!(drain(&s), Some(v1::DrainState::Drained));
    assert_eq!(s.heard(), Vec::<String>::new());
    assert_eq!(s.c.received(&s.a.pid), Vec::<String>::new(), "it is not doubted what the agent has");
}

#[test]
fn a_registration_sent_before_an_operation_does_not_undo_it() {
    let mut s = scenario();
    let applied = s.reserve();
    let before = || reregister(&s.a, "cpus:4;mem:1024;disk:1000");
    let (first, second) = (before(), before());
    s.c.send(&s.a.pid.clone(), first);
    assert_eq!(s.next_offer(), AFTERWARDS);
    // The operation was never applied.
    s.report(&applied, v1::OperationState::OperationDropped, None);
    s.c.send(&s.a.pid.clone(), second);
    assert_eq!(s.next_offer(), "cpus:4; mem:1024; disk:1000");
}

fn version(number: u8) -> Option<v1::Uuid> {
    Some(v1::Uuid { value: uuid(number) })
}

#[test]
fn a_repeated_registration_does_not_undo_finished_operations() {
    let mut s = scenario();
    let before = reregister(&s.a, "cpus:4;mem:1024;disk:1000");
    let applied = s.reserve();
    s.report(&applied, v1::OperationState::OperationFinished, Some(1));
    s.c.call(&s.f, acknowledge_operation(&s.a.id, "op", 1));
    s.c.forget();
    // The agent sent it before it was answered, on a connection that was slower than the next.
    s.c.send(&s.a.pid.clone(), before);
    s.c.send(&s.a.pid.clone(), report(&s.a, vec![]));
    assert!(!s.c.received(&s.a.pid).contains(&PLEASE_REGISTER.to_owned()));
    assert_eq!(s.next_offer(), AFTERWARDS);
}

#[test]
fn a_registration_of_an_earlier_connection_is_detected() {
    let mut s = scenario();
    let mut before = reregister(&s.a, "cpus:4;mem:1024;disk:1000");
    before.resource_version_uuid = version(1);
    let applied = s.reserve();
    s.report(&applied, v1::OperationState::OperationFinished, Some(1));
    s.c.call(&s.f, acknowledge_operation(&s.a.id, "op", 1));
    s.c.forget();
    s.c.send(&s.a.pid.clone(), before);
    // The agent answers with the version of now.
    let mut answer = report(&s.a, vec![]);
    answer.resource_version_uuid = reregister(&s.a, "cpus:4").resource_version_uuid;
    s.c.send(&s.a.pid.clone(), answer);
    assert!(s.c.received(&s.a.pid).contains(&PLEASE_REGISTER.to_owned()));
    s.c.forget();
    let mut now = reregister(&s.a, "cpus:3;cpus(r):1;mem:1024;disk:1000");
    now.resource_version_uuid = version(2);
    s.c.send(&s.a.pid.clone(), now);
    let mut confirmed = report(&s.a, vec![]);
    confirmed.resource_version_uuid = version(2);
    s.c.send(&s.a.pid.clone(), confirmed);
    assert!(!s.c.received(&s.a.pid).contains(&PLEASE_REGISTER.to_owned()), "once is enough");
}

/// The master after one that had an agent make a reservation: the agent has registered, and has not reported yet.
struct Next {
    c: Cluster,
    a: AgentPeer,
    /// The framework that made the reservation under the previous master.
    framework: String,
    applied: internal::ApplyOperationMessage,
}

impl Next {
    fn new() -> Self {
        let mut s = scenario();
        let applied = s.reserve();
        let mut c = Cluster::new();
        let a = c.agent("cpus:4;mem:1024;disk:1000");
        c.forget();
        Next { c, a, framework: s.f.id, applied }
    }

    /// Sends the agent's report that the operation is finished.
    fn report(&mut self) {
        let operation = known_operation(&self.a, &self.applied, v1::OperationState::OperationFinished, Some(1));
        self.c.send(&self.a.pid, report(&self.a, vec![operation]));
    }

    fn reregister(&mut self) {
        self.c.send(&self.a.pid, reregister(&self.a, "cpus:3;cpus(r):1;mem:1024;disk:1000"));
    }
}

#[test]
fn an_operation_applied_after_the_registration_is_kept() {
    // Sent by another master, the operation arrived between the registration and the report.
    let mut next = Next::new();
    next.report();
    assert_eq!(next.c.received(&next.a.pid), ["ReconcileOperations 1", PLEASE_REGISTER]);
    next.reregister();
    next.c.forget();
    next.report();
    assert_eq!(next.c.received(&next.a.pid), [""; 0], "once is enough");
}

#[test]
fn a_new_master_gets_operations_from_the_agents() {
    let mut next = Next::new();
    next.report();
    let Next { mut c, a, framework, .. } = next;
    let f = c.subscribe(info().with_id(&framework));
    c.forget();
    c.call(&f, reconcile_operations(&[]));
    assert_eq!(c.heard(&f), ["UPDATE_OPERATION_STATUS op OPERATION_FINISHED: "]);
    c.forget();
    c.call(&f, acknowledge_operation(&a.id, "op", 1));
    assert_eq!(c.received(&a.pid), ["AcknowledgeOperationStatus uuid 1"]);
}

#[test]
fn operations_of_a_framework_that_does_not_return_are_acknowledged() {
    // The framework was torn down while the agent was disconnected, which the next master does not know.
    let mut next = Next::new();
    next.report();
    next.reregister();
    let Next { mut c, a, applied, .. } = next;
    for (wait, answer) in [(599, None), (2, Some("AcknowledgeOperationStatus uuid 1")), (2, None)] {
        c.pass(Duration::from_secs(wait));
        c.forget();
        c.send(&a.pid, operation_update(&a, &applied, v1::OperationState::OperationFinished, Some(1)));
        let heard = c.received(&a.pid);
        assert_eq!(heard.iter().map(String::as_str).collect::<Vec<_>>(), answer.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn drivers_get_no_operation_feedback() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4");
    let driver = "scheduler-1@127.0.0.1:9000".parse().unwrap();
    c.driver_call(&driver, &subscribe(info()), false);
    c.settle();
    let offer = c
        .sent_to(&driver)
        .into_iter()
        .find_map(|message| match message {
            Message::ResourceOffers(message) => message.offers.into_iter().next(),
            _ => None,
        })
        .unwrap();
    c.forget();
    let mut call = accept(
        &[&offer],
        vec![reserve(reserved("r", "cpus:1")), reserve(reserved("r", "cpus:1")).with_operation_id("op")],
    );
    call.framework_id = Some(offer.framework_id.clone());
    c.driver_call(&driver, &call, false);
    assert_eq!(c.received(&a.pid), ["ApplyOperation RESERVE"]);
    assert_eq!(
        c.received(&driver),
        ["FrameworkError: The 'id' field was set in an offer operation, but operation feedback is not supported for \
          the SchedulerDriver API; please use the HTTP scheduler API for this feature"]
    );
}

#[test]
fn operations_of_operators_rescind_offers() {
    let mut s = scenario();
    let answer = s.c.operator(reserve_resources(&s.a.id, reserved("r", "cpus:1")));
    assert_eq!(answer.status, Status::Accepted, "{}", answer.body);
    assert_eq!(s.c.heard(&s.f), [format!("RESCIND {}", s.offer.id.value)]);
    let applied = s.applied();
    assert_eq!((applied.len(), applied[0].framework_id.clone()), (1, None));
    assert_eq!(s.next_offer(), AFTERWARDS);
    let created = s.c.operator(create_volumes(&s.a.id, vec![volume("r", 1, "v")]));
    assert_eq!(created.status, Status::Conflict, "{}", created.body);
    assert!(created.body.contains("does not contain disk(reservations: [(DYNAMIC,r)]):1"), "{}", created.body);
}

#[test]
fn refused_operations_of_operators_get_the_messages_of_mesos() {
    let mut s = scenario();
    let check = |s: &mut Scenario, call: v1::master::Call, status: Status, body: &str| {
        let answer = s.c.operator(call);
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
    };
    let agent = s.a.id.clone();
    let text = "m-S0 at slave(1)@127.0.0.1:5051 (host)";
    check(
        &mut s,
        reserve_resources("nowhere", reserved("r", "cpus:1")),
        Status::BadRequest,
        "No agent found with specified ID",
    );
    let mut unreserved = reserve_resources(&agent, reserved("r", "cpus:1"));
    unreserved.reserve_resources.as_mut().unwrap().resources = resources("cpus:1");
    check(
        &mut s,
        unreserved,
        Status::BadRequest,
        &format!("Invalid RESERVE operation on agent {text}: Resource cpus:1 is not dynamically reserved"),
    );
    check(
        &mut s,
        destroy_volumes(&agent, vec![volume("r", 1, "v")]),
        Status::BadRequest,
        "Invalid DESTROY operation: Persistent volumes not found",
    );
    let much = reserve_resources(&agent, reserved("r", "cpus:100"));
    check(&mut s, much, Status::Conflict, "cpus:4; mem:1024; disk:1000 does not contain cpus:100");
}

#[test]
fn operators_can_create_and_destroy_volumes() {
    let mut s = scenario();
    let agent = s.a.id.clone();
    let accepted = |s: &mut Scenario, call: v1::master::Call| {
        let answer = s.c.operator(call);
        assert_eq!(answer.status, Status::Accepted, "{}", answer.body);
        for applied in s.applied() {
            s.report(&applied, v1::OperationState::OperationFinished, Some(7));
        }
        s.c.forget();
    };
    accepted(&mut s, reserve_resources(&agent, reserved("r", "disk:200")));
    accepted(&mut s, create_volumes(&agent, vec![volume("r", 100, "v")]));
    accepted(&mut s, grow_volume(&agent, volume("r", 100, "v"), reserved("r", "disk:50").remove(0)));
    accepted(&mut s, shrink_volume(&agent, volume("r", 150, "v"), 70.0));
    accepted(&mut s, destroy_volumes(&agent, vec![volume("r", 80, "v")]));
    accepted(&mut s, unreserve_resources(&agent, reserved("r", "disk:200")));
    s.c.pass(Duration::from_secs(6));
    assert_eq!(s.c.metrics.iter().find(|(name, _)| name == "master/operations/finished").unwrap().1, 6.0);
    assert!(s.c.metrics.iter().all(|(name, value)| name != "master/operations/pending" || value == 0.0));
}

#[test]
fn an_operator_can_replace_reservations() {
    let mut s = scenario();
    let agent = s.a.id.clone();
    assert_eq!(s.c.operator(reserve_resources(&agent, reserved("other", "cpus:1"))).status, Status::Accepted);
    assert_eq!(
        s.c.operator(exchange_reservations(&agent, reserved("other", "cpus:1"), reserved("r", "cpus:1"))).status,
        Status::Accepted
    );
    let different = exchange_reservations(&agent, reserved("r", "cpus:1"), reserved("other", "cpus:1"));
    let mut quantities = different.clone();
    quantities.reserve_resources.as_mut().unwrap().source = reserved("r", "cpus:2");
    let answer = s.c.operator(quantities);
    assert!(answer.body.contains("identical resource quantities: cpus:2 vs. cpus:1"), "{}", answer.body);
    s.c.pass(Duration::from_secs(6));
    assert_eq!(s.c.operator(different).status, Status::Accepted);
}

/// Returns the resources of a provider of the agent: 100 MB of a disk for volumes.
fn raw_disk() -> v1::Resource {
    let mut disk = resources("disk:100").remove(0);
    disk.provider_id = Some(v1::ResourceProviderId { value: "rp".to_owned() });
    disk.disk = Some(Box::new(v1::resource::DiskInfo {
        source: Some(Box::new(v1::resource::disk_info::Source {
            r#type: v1::resource::disk_info::source::Type::Raw as i32,
            profile: Some("fast".to_owned()),
            ..Default::default()
        })),
        ..Default::default()
    }));
    disk
}

fn made_disk() -> v1::Resource {
    let mut disk = raw_disk();
    let source = disk.disk.as_mut().unwrap().source.as_mut().unwrap();
    source.r#type = v1::resource::disk_info::source::Type::Mount as i32;
    source.id = Some("made".to_owned());
    disk
}

fn with_provider(
    agent: &AgentPeer,
    total: Vec<v1::Resource>,
    operations: Vec<v1::Operation>,
) -> internal::UpdateSlaveMessage {
    let mut message = report(agent, vec![]);
    let provider = internal::update_slave_message::ResourceProvider {
        info: Some(Box::new(v1::ResourceProviderInfo {
            id: Some(v1::ResourceProviderId { value: "rp".to_owned() }),
            ..Default::default()
        })),
        total_resources: total,
        operations: internal::update_slave_message::Operations { operations },
        resource_version_uuid: v1::Uuid { value: vec![8; 16] },
    };
    message.resource_providers =
        Some(Box::new(internal::update_slave_message::ResourceProviders { providers: vec![provider] }));
    message
}

const RAW: &str = "disk[RAW(,,fast)]:100";
const MADE: &str = "disk[MOUNT(,made,fast)]:100";

/// Returns everything that is offered within ten seconds.
fn everything(c: &mut Cluster, f: &Scheduler) -> String {
    c.forget();
    c.pass(Duration::from_secs(10));
    let all: Vec<v1::Resource> = c.offers(f).into_iter().flat_map(|offer| offer.resources).collect();
    resources::Resources::from_proto(&all).unwrap().unallocated().to_string()
}

/// Returns a framework that has asked a provider for a disk, and the message to the agent.
fn waiting_for_a_disk() -> (Scenario, internal::ApplyOperationMessage) {
    let mut s = scenario();
    let message = with_provider(&s.a, vec![raw_disk()], vec![]);
    s.c.send(&s.a.pid.clone(), message);
    let held = s.offer.clone();
    let f = s.f.clone();
    s.c.call(&f, decline(&held, 0.0));
    let offer = everything(&mut s.c, &f);
    assert!(offer.contains(RAW), "{offer}");
    s.offer = s.c.offers(&f).pop().unwrap();
    s.c.forget();
    s.accept(vec![create_disk(raw_disk()).with_operation_id("op")]);
    let applied = s.applied().remove(0);
    assert_eq!(applied.resource_version_uuid.uuid.value, vec![8; 16]);
    assert_eq!(applied.resource_version_uuid.resource_provider_id.as_ref().unwrap().value, "rp");
    (s, applied)
}

#[test]
fn a_disk_stays_allocated_until_its_conversion_finishes() {
    let (mut s, applied) = waiting_for_a_disk();
    let f = s.f.clone();
    assert_eq!(everything(&mut s.c, &f), "cpus:4; mem:1024; disk:1000");
    let rest = s.c.offers(&f).pop().unwrap();
    let mut done = operation_update(&s.a, &applied, v1::OperationState::OperationFinished, Some(1));
    done.status.converted_resources = vec![made_disk()];
    s.c.send(&s.a.pid.clone(), done);
    assert_eq!(s.heard(), ["UPDATE_OPERATION_STATUS op OPERATION_FINISHED uuid 1: "]);
    s.c.call(&f, decline(&rest, 0.0));
    assert_eq!(everything(&mut s.c, &f), format!("cpus:4; mem:1024; disk:1000; {MADE}"));
}

#[test]
fn a_failed_conversion_leaves_the_disk_unchanged() {
    let (mut s, applied) = waiting_for_a_disk();
    let f = s.f.clone();
    s.report(&applied, v1::OperationState::OperationFailed, Some(1));
    assert_eq!(everything(&mut s.c, &f), format!("cpus:4; mem:1024; disk:1000; {RAW}"));
}

#[test]
fn a_conversion_continues_after_the_removal_of_its_framework() {
    let (mut s, applied) = waiting_for_a_disk();
    s.c.call(&s.f, teardown());
    let next = s.c.subscribe(info());
    assert_eq!(everything(&mut s.c, &next), "cpus:4; mem:1024; disk:1000");
    let rest = s.c.offers(&next).pop().unwrap();
    s.c.forget();
    let mut done = operation_update(&s.a, &applied, v1::OperationState::OperationFinished, Some(1));
    done.status.converted_resources = vec![made_disk()];
    s.c.send(&s.a.pid.clone(), done);
    // No framework is left to acknowledge.
    assert_eq!(s.c.received(&s.a.pid.clone()), ["AcknowledgeOperationStatus uuid 1"]);
    s.c.call(&next, decline(&rest, 0.0));
    assert_eq!(everything(&mut s.c, &next), format!("cpus:4; mem:1024; disk:1000; {MADE}"));
}

#[test]
fn resources_of_a_removed_provider_are_not_offered() {
    let (mut s, _) = waiting_for_a_disk();
    let f = s.f.clone();
    let mut gone = with_provider(&s.a, vec![], vec![]);
    gone.resource_providers = Some(Box::default());
    s.c.send(&s.a.pid.clone(), gone);
    assert_eq!(everything(&mut s.c, &f), "cpus:4; mem:1024; disk:1000");
    s.c.forget();
    s.c.call(&f, reconcile_operations(&[]));
    assert_eq!(s.heard(), Vec::<String>::new());
}
