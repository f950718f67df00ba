//! The effects of the calls of a subscribed framework.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::time::Duration;

use common::*;
use machine::{CallResponse, Status};
use master::{Caller, Effect, Input, KillTask};
use messages::{Message, internal, v1};
use model::ReplyId;
use testkit::builders::*;

/// Returns a framework that has an offer of one agent.
fn scenario(info: v1::FrameworkInfo) -> Scenario {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024;ports:[31000-31009];ephemeral_ports:[40000-40001]");
    let f = c.subscribe(info);
    let offer = c.offered(&f).remove(0);
    c.forget();
    Scenario { c, a, f, offer }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn without_heartbeats(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| line != "HEARTBEAT").collect()
}

#[test]
fn an_offer_contains_all_fields() {
    let Scenario { offer, .. } = scenario(framework_info());
    assert_eq!(offer.id.value, "m-O0");
    assert_eq!(offer.framework_id.value, "m-0000");
    assert_eq!(offer.hostname, "host");
    let url = offer.url.as_ref().unwrap();
    assert_eq!((url.scheme.as_str(), url.path.as_deref()), ("http", Some("/slave(1)")));
    assert_eq!(
        (url.address.hostname.as_deref(), url.address.ip.as_deref(), url.address.port),
        (Some("host"), Some("127.0.0.1"), 5051)
    );
    assert_eq!(offer.allocation_info.as_ref().unwrap().role.as_deref(), Some("r"));
    let names: Vec<&str> = offer.resources.iter().map(|resource| resource.name.as_str()).collect();
    assert!(!names.contains(&"ephemeral_ports"), "{names:?}");
    assert!(offer.resources.iter().all(|r| r.allocation_info.is_some()));
}

#[test]
fn frameworks_without_reservation_refinement_get_the_old_format() {
    let Scenario { offer, .. } = scenario(old_framework_info());
    assert_eq!(offer.allocation_info, None);
    assert!(offer.resources.iter().all(|r| r.allocation_info.is_none()));
    #[allow(deprecated, reason = "the old format is the point")]
    let roles: Vec<Option<&str>> = offer.resources.iter().map(|r| r.role.as_deref()).collect();
    assert!(roles.iter().all(|role| *role == Some("*")), "{roles:?}");
}

#[test]
fn decline_refuses_offers_for_the_requested_time() {
    let Scenario { mut c, f, offer, .. } = scenario(framework_info());
    assert_eq!(c.call(&f, decline(&offer, 1000.0)), CallResponse::accepted());
    c.pass(seconds(900));
    assert_eq!(without_heartbeats(c.heard(&f)), [""; 0]);
    c.call(&f, revive());
    assert_eq!(c.offered(&f).len(), 1);

    let Scenario { mut c, f, offer, .. } = scenario(framework_info());
    c.call(&f, decline(&offer, 0.0));
    c.pass(seconds(2));
    assert_eq!(c.offers(&f).len(), 1, "again within the allocation interval");

    let Scenario { mut c, f, offer, .. } = scenario(framework_info());
    c.call(&f, decline(&offer, -1.0));
    c.pass(seconds(4));
    assert_eq!(c.offers(&f).len(), 0);
    c.pass(seconds(2));
    assert_eq!(c.offers(&f).len(), 1, "a negative time is the default of five seconds");
}

#[test]
fn offers_of_other_frameworks_are_invalid() {
    let Scenario { mut c, f, offer, .. } = scenario(framework_info());
    let thief = c.framework();
    c.call(&thief, decline(&offer, 0.0));
    let stolen = accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1")])]);
    c.call(&thief, stolen);
    let last = c.heard(&thief).pop().unwrap();
    assert!(last.contains("has invalid framework m-0000 while framework m-0001 is expected"), "{last}");
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:32")])]));
    assert_eq!(c.heard(&f), [""; 0], "still its owner's to use");
}

#[test]
fn unused_resources_are_refused_for_five_seconds_by_default() {
    let Scenario { mut c, f, offer, .. } = scenario(framework_info());
    c.call(&f, accept(&[&offer], vec![]));
    c.pass(seconds(4));
    assert_eq!(c.offers(&f).len(), 0);
    c.pass(seconds(2));
    assert_eq!(c.offers(&f).len(), 1);
}

#[test]
fn suppress_and_revive() {
    let mut c = Cluster::new();
    let f = c.framework();
    c.call(&f, suppress(&[]));
    c.agent("cpus:4;mem:1024");
    c.pass(seconds(60));
    assert_eq!(c.offers(&f).len(), 0);
    assert_eq!(c.call(&f, suppress(&["other"])), CallResponse::accepted(), "a foreign role is ignored silently");
    c.call(&f, revive());
    assert_eq!(c.offered(&f).len(), 1);
}

#[test]
fn an_accept_of_invalid_offers_drops_its_operations() {
    let check = |info, state: &str| {
        let Scenario { mut c, f, offer, .. } = scenario(info);
        let ids = vec![v1::OfferId { value: "junk".to_owned() }, offer.id.clone()];
        c.call(&f, accept_ids(ids, vec![launch(vec![task_on("t", &offer, "cpus:1")])]));
        assert_eq!(
            c.heard(&f),
            [format!(
                "UPDATE t {state} REASON_INVALID_OFFERS SOURCE_MASTER on m-S0: Task launched with invalid offers: \
                 Offer junk is no longer valid"
            )]
        );
        assert_eq!(c.offered(&f).len(), 1, "the valid offer has gone back");
    };
    check(framework_info(), "TASK_DROPPED");
    check(old_framework_info(), "TASK_LOST");
}

#[test]
fn an_accept_without_offers_is_an_error() {
    let Scenario { mut c, f, offer, .. } = scenario(framework_info());
    c.call(&f, accept_ids(vec![], vec![launch(vec![task_on("t", &offer, "cpus:1")])]));
    assert_eq!(
        c.heard(&f),
        ["UPDATE t TASK_DROPPED REASON_INVALID_OFFERS SOURCE_MASTER on m-S0: Task launched with invalid offers: \
          No offers specified"]
    );
}

#[test]
fn one_refused_task_does_not_stop_the_next() {
    let Scenario { mut c, a, f, offer } = scenario(framework_info());
    let tasks = vec![
        task_on("big", &offer, "cpus:40"),
        task_on("good", &offer, "cpus:1;mem:128"),
        task_on("good", &offer, "cpus:1;mem:128"),
    ];
    c.call(&f, accept(&[&offer], vec![launch(tasks)]));
    assert_eq!(c.received(&a.pid), ["RunTask good launch_executor=true"]);
    let heard = c.heard(&f);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with("UPDATE big TASK_ERROR REASON_TASK_INVALID SOURCE_MASTER on m-S0: Total resources"));
    assert!(
        heard[1].starts_with("UPDATE good TASK_ERROR REASON_TASK_INVALID SOURCE_MASTER on m-S0: Task has duplicate ID")
    );
    assert_eq!(c.metrics.tasks_error.get(), 2);
    assert_eq!(c.metrics.tasks_staging.get(), 1);
}

#[test]
fn invalid_resources_refuse_all_tasks_of_the_operation() {
    let Scenario { mut c, a, f, offer } = scenario(framework_info());
    let mut bad = task_on("bad", &offer, "cpus:1");
    bad.resources[0].scalar = Some(v1::value::Scalar { value: -1.0 });
    let with_id = v1::offer::Operation {
        id: Some(v1::OperationId { value: "op".to_owned() }),
        ..launch(vec![task_on("named", &offer, "cpus:1")])
    };
    let operations = vec![launch(vec![task_on("good", &offer, "cpus:1"), bad]), with_id];
    c.call(&f, accept(&[&offer], operations));
    let line = |task: &str, reason: &str| {
        format!("UPDATE {task} TASK_ERROR REASON_TASK_INVALID SOURCE_MASTER on m-S0: {reason}")
    };
    let scalar = "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0";
    assert_eq!(
        c.heard(&f),
        [line("good", scalar), line("bad", scalar), line("named", "The `id` field cannot be set on LAUNCH operations"),]
    );
    assert_eq!(c.received(&a.pid), [""; 0]);
}

#[test]
fn run_task_message_contains_all_fields() {
    let Scenario { mut c, a, f, offer } = scenario(framework_info());
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    let Some(Message::RunTask(run)) = c.sent_to(&a.pid).pop() else { panic!() };
    assert_eq!(run.framework.id.as_ref().unwrap().value, f.id);
    assert_eq!(run.pid.as_deref(), Some("@0.0.0.0:0"), "an HTTP scheduler is reached through the master");
    assert_eq!(run.resource_version_uuids[0].uuid.value, vec![9; 16]);
    assert!(run.task.resources.iter().all(|r| r.allocation_info.is_some()));
}

#[test]
fn tasks_can_share_an_executor() {
    let Scenario { mut c, a, f, offer } = scenario(framework_info());
    let of = |id: &str| task_on(id, &offer, "cpus:1;mem:128").under(executor_with("e", "cpus:0.5;mem:64"));
    c.call(&f, accept(&[&offer], vec![launch(vec![of("t1"), of("t2")])]));
    assert_eq!(c.received(&a.pid), ["RunTask t1 launch_executor=true", "RunTask t2 launch_executor=false"]);
    c.pass(seconds(6));
    let offer = c.offers(&f).remove(0);
    assert_eq!(offer.executor_ids[0].value, "e");
    assert!(c.heard(&f).iter().any(|line| line.starts_with("OFFERS m-S0[cpus:1.5; mem:704")));

    let exited = internal::ExitedExecutorMessage {
        slave_id: v1::AgentId { value: a.id.clone() },
        framework_id: v1::FrameworkId { value: f.id.clone() },
        executor_id: v1::ExecutorId { value: "e".to_owned() },
        status: 9,
    };
    c.send(&a.pid, exited.clone());
    assert_eq!(c.heard(&f), ["FAILURE agent m-S0 executor e status 9"]);
    c.send(&a.pid, exited);
    assert_eq!(c.heard(&f), [""; 0], "it cannot exit twice");
}

#[test]
fn a_group_is_launched_as_a_whole_or_not_at_all() {
    let scenario = |second: &str| {
        let mut c = Cluster::new();
        let a = c.agent("cpus:4;mem:1024;disk:1024");
        let f = c.framework();
        let offer = c.offered(&f).remove(0);
        c.forget();
        let pod = v1::ExecutorInfo {
            command: None,
            ..executor_with("pod", "cpus:0.1;mem:32;disk:10")
                .of_framework(&f.id)
                .of_type(v1::executor_info::Type::Default)
        };
        let tasks = vec![task_on("t1", &offer, "cpus:1;mem:128"), task_on("t2", &offer, second)];
        c.call(&f, accept(&[&offer], vec![launch_group(pod, tasks)]));
        (c.received(&a.pid), c.heard(&f))
    };
    let (received, heard) = scenario("cpus:1;mem:128");
    assert_eq!(received, ["RunTaskGroup [\"t1\", \"t2\"] launch_executor=true"]);
    assert_eq!(heard, [""; 0]);

    let (received, heard) = scenario("cpus:100;mem:128");
    assert_eq!(received, [""; 0]);
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|line| line.contains("TASK_ERROR REASON_TASK_GROUP_INVALID SOURCE_MASTER")));
}

#[test]
fn invalid_operations_get_an_operation_error() {
    let Scenario { mut c, f, offer, .. } = scenario(framework_info());
    c.call(
        &f,
        accept(&[&offer], vec![reserve(resources("cpus:1")).with_operation_id("op"), reserve(resources("cpus:1"))]),
    );
    assert_eq!(
        c.heard(&f),
        ["UPDATE_OPERATION_STATUS op OPERATION_ERROR: Resource cpus(allocated: r):1 is not dynamically reserved; on \
          agent m-S0 at slave(1)@127.0.0.1:5051 (host)"]
    );
}

#[test]
fn reconciliation_sends_the_state_of_tasks() {
    let check = |info: v1::FrameworkInfo, gone: &str, unknown: &str| {
        let Scenario { mut c, a, f, .. } = scenario(info);
        c.call(&f, reconcile(&[("x", Some(&a.id)), ("y", Some("nowhere")), ("z", None)]));
        let line = |task: &str, state: &str, agent: &str, message: &str| {
            format!("UPDATE {task} {state} REASON_RECONCILIATION SOURCE_MASTER{agent}: Reconciliation: {message}")
        };
        assert_eq!(
            c.heard(&f),
            [
                line("x", gone, " on m-S0", "Task is unknown to the agent"),
                line("y", unknown, " on nowhere", "Task is unknown"),
                line("z", unknown, "", "Task is unknown"),
            ]
        );
    };
    check(framework_info(), "TASK_GONE", "TASK_UNKNOWN");
    check(old_framework_info(), "TASK_LOST", "TASK_LOST");
}

#[test]
fn reconciliation_of_an_unreachable_agent_contains_the_time() {
    let Scenario { mut c, a, f, .. } = scenario(framework_info());
    c.environment.silent.insert(a.pid.clone());
    c.pass(seconds(91));
    c.forget();
    c.call(&f, reconcile(&[("x", Some(&a.id))]));
    let update = c.events(f.stream).pop().unwrap();
    let status = &update.update.as_ref().unwrap().status;
    assert_eq!(status.state(), TaskUnreachable);
    assert!(status.unreachable_time.is_some());
}

#[test]
fn a_running_task_is_reconciled_with_its_forwarded_state() {
    let Scenario { mut c, a, f, offer } = scenario(framework_info());
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    // The agent knows a later state than it has sent: updates wait for acknowledgement.
    let mut message = update(&a, &f.id, "t", TaskRunning, 1);
    message.update.latest_state = Some(TaskFinished as i32);
    c.send(&a.pid, message);
    c.forget();
    c.call(&f, reconcile(&[("t", None)]));
    assert_eq!(
        c.heard(&f),
        ["UPDATE t TASK_RUNNING REASON_RECONCILIATION SOURCE_MASTER on m-S0: Reconciliation: Latest task state"]
    );
    c.settle();
    assert!(c.heard(&f)[0].starts_with("OFFERS m-S0[cpus:4; mem:1024"), "its resources are free already");
}

#[test]
fn kill_is_forwarded_to_the_agent() {
    let Scenario { mut c, a, f, offer } = scenario(framework_info());
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    c.received(&a.pid);
    c.call(&f, kill("t", Some("elsewhere")));
    assert_eq!(c.received(&a.pid), [""; 0]);
    c.call(&f, kill("t", Some(&a.id)));
    assert_eq!(c.received(&a.pid), ["KillTask t"]);
    c.call(&f, kill("ghost", None));
    assert_eq!(
        c.heard(&f),
        ["UPDATE ghost TASK_UNKNOWN REASON_RECONCILIATION SOURCE_MASTER: Reconciliation: Task is unknown"]
    );
}

#[test]
fn kill_task_of_an_operator_ends_a_task() {
    let Scenario { mut c, a, f, offer } = scenario(framework_info());
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    c.received(&a.pid);
    let kill = |c: &mut Cluster, framework: &str, task: &str| {
        let (framework, task) = (framework.to_owned(), task.to_owned());
        c.deliver(Input::KillTask(KillTask { reply: ReplyId(777), caller: Caller::default(), framework, task }));
        let answer = c.recorded.effects.iter().rev().find_map(|effect| match effect {
            Effect::Reply { reply: ReplyId(777), response: answer } => Some(answer.status),
            _ => None,
        });
        (answer.unwrap(), c.received(&a.pid))
    };
    assert_eq!(kill(&mut c, &f.id, "t"), (Status::Accepted, vec!["KillTask t".to_owned()]));
    assert_eq!(kill(&mut c, &f.id, "ghost"), (Status::NotFound, Vec::new()));
    assert_eq!(kill(&mut c, "nobody", "t"), (Status::NotFound, Vec::new()));
}

#[test]
fn messages_are_forwarded_in_both_directions() {
    let Scenario { mut c, a, f, .. } = scenario(framework_info());
    c.call(&f, framework_message(&a.id, "e", "hello"));
    assert_eq!(c.received(&a.pid), ["FrameworkToExecutor e: hello"]);
    c.call(&f, framework_message("nowhere", "e", "hello"));
    assert_eq!(c.metrics.invalid_framework_to_executor_messages.get(), 1);
    c.send(
        &a.pid,
        internal::ExecutorToFrameworkMessage {
            slave_id: v1::AgentId { value: a.id.clone() },
            framework_id: v1::FrameworkId { value: f.id.clone() },
            executor_id: v1::ExecutorId { value: "e".to_owned() },
            data: b"hi".to_vec(),
        },
    );
    assert_eq!(c.heard(&f), ["MESSAGE m-S0 e: hi"]);
    c.call(&f, shutdown("e", &a.id));
    assert_eq!(c.received(&a.pid), ["ShutdownExecutor e"]);
}

#[test]
fn unexpected_acknowledgements_are_not_forwarded() {
    let Scenario { mut c, a, f, offer } = scenario(framework_info());
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    c.received(&a.pid);
    c.call(&f, acknowledge(&a.id, "t", 1));
    assert_eq!(c.received(&a.pid), [""; 0]);
    c.update(&a, &f.id, "t", TaskFinished, 1);
    // An acknowledgement of another update does not complete the task.
    c.call(&f, acknowledge(&a.id, "t", 7));
    assert_eq!(c.received(&a.pid), ["Acknowledgement t uuid 7"]);
    c.heard(&f);
    c.call(&f, reconcile(&[("t", None)]));
    assert_eq!(c.heard(&f).len(), 1);
    c.call(&f, acknowledge("nowhere", "t", 1));
    assert_eq!(c.metrics.invalid_status_update_acknowledgements.get(), 2);
}

/// The simulator found this case: if the reconciliation sent the end of the task, its beginning would follow, which the
/// agent still repeats.
#[test]
fn reconciliation_does_not_skip_states_for_a_returning_framework() {
    let Scenario { mut c, a, f, offer } =
        scenario(v1::FrameworkInfo { failover_timeout: Some(600.0), ..framework_info() });
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    c.hang_up(&f);
    let mut message = update(&a, &f.id, "t", TaskRunning, 1);
    message.update.latest_state = Some(TaskFinished as i32);
    c.send(&a.pid, message);
    let again = c.subscribe(framework_info().with_id(&f.id));
    c.heard(&again);
    c.call(&again, reconcile(&[("t", None)]));
    let heard = c.heard(&again);
    assert!(heard.iter().any(|line| line.starts_with("UPDATE t TASK_RUNNING")), "{heard:?}");
}

#[test]
fn updates_of_a_disconnected_framework_stay_on_the_agent() {
    let Scenario { mut c, a, f, offer } =
        scenario(v1::FrameworkInfo { failover_timeout: Some(600.0), ..framework_info() });
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    c.hang_up(&f);
    c.update(&a, &f.id, "t", TaskRunning, 1);
    assert_eq!(c.metrics.invalid_status_updates.get(), 1);
    assert_eq!(c.metrics.tasks_running.get(), 1);
    let again = c.subscribe(framework_info().with_id(&f.id));
    c.heard(&again);
    // The new scheduler was not sent the update, so its acknowledgement is not valid yet.
    c.call(&again, acknowledge(&a.id, "t", 1));
    assert_eq!(c.metrics.invalid_status_update_acknowledgements.get(), 1);
    c.update(&a, &f.id, "t", TaskRunning, 1);
    assert_eq!(c.heard(&again), ["UPDATE t TASK_RUNNING SOURCE_EXECUTOR on m-S0 uuid 1"]);
}

#[test]
fn offers_time_out() {
    let mut c = Cluster::with(|config| config.offer_timeout = Some(Duration::from_secs(30)));
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    c.offered(&f);
    c.heard(&f);
    c.pass(seconds(31));
    let heard = without_heartbeats(c.heard(&f));
    assert_eq!(heard[0], "RESCIND m-O0");
    assert!(heard[1].starts_with("OFFERS"), "{heard:?}");
}

#[test]
fn offers_events_have_a_bounded_size() {
    let mut c = Cluster::with(|config| config.max_offers_per_event = 2);
    for _ in 0..5 {
        c.agent("cpus:4;mem:1024");
    }
    let f = c.framework();
    c.settle();
    let sizes: Vec<usize> =
        c.events(f.stream).iter().filter_map(|event| event.offers.as_ref()).map(|offers| offers.offers.len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
}
