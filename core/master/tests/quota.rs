//! Quota and partitions: the settings that operators may make, and their consequences for offers and tasks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]
#![allow(deprecated, reason = "SET_QUOTA and REMOVE_QUOTA are deprecated, and still served")]

mod common;

use common::*;
use machine::{CallResponse, Status};
use master::{Effect, Input, PartitionCall, PartitionRequest};
use messages::tepui::registry::Partition;
use messages::tepui::registry::partition::Share;
use messages::v1;
use messages::v1::master::call::{RemoveQuota, SetQuota, Type, UpdateQuota};
use messages::v1::quota::{QuotaConfig, QuotaRequest};
use model::ReplyId;
use model::master::Change;
use testkit::builders::*;

fn operator_call(kind: Type) -> v1::master::Call {
    v1::master::Call { r#type: Some(kind as i32), ..Default::default() }
}

/// Parses `cpus:1;mem:2` as amounts by name.
fn amounts(text: &str) -> std::collections::BTreeMap<String, v1::value::Scalar> {
    let pairs = text.split(';').filter_map(|pair| pair.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), v1::value::Scalar { value: value.parse().unwrap() })).collect()
}

fn config(role: &str, guarantees: &str, limits: &str) -> QuotaConfig {
    QuotaConfig { role: role.to_owned(), guarantees: amounts(guarantees), limits: amounts(limits) }
}

fn update(quota_configs: Vec<QuotaConfig>, force: bool) -> v1::master::Call {
    v1::master::Call {
        update_quota: Some(Box::new(UpdateQuota { force: Some(force), quota_configs })),
        ..operator_call(Type::UpdateQuota)
    }
}

fn set(role: &str, guarantee: &str, force: bool) -> v1::master::Call {
    let quota_request =
        QuotaRequest { role: Some(role.to_owned()), guarantee: resources(guarantee), force: Some(force) };
    v1::master::Call { set_quota: Some(Box::new(SetQuota { quota_request })), ..operator_call(Type::SetQuota) }
}

fn remove(role: &str) -> v1::master::Call {
    let role = role.to_owned();
    v1::master::Call { remove_quota: Some(RemoveQuota { role }), ..operator_call(Type::RemoveQuota) }
}

fn in_role(role: &str) -> v1::FrameworkInfo {
    v1::FrameworkInfo { roles: vec![role.to_owned()], ..framework_info() }
}

fn shown(c: &Cluster) -> Vec<String> {
    let shown = c.recorded.changes.iter().rev().find_map(|change| match change {
        Change::QuotasUpdated(quotas) => Some(quotas.keys().map(|role| role.to_string()).collect()),
        _ => None,
    });
    shown.unwrap_or_default()
}

fn invalid(text: &str) -> CallResponse {
    CallResponse::bad_request(format!("Invalid QuotaConfig: {text}"))
}

/// Returns a cluster of two agents with four cpus each.
fn cluster() -> Cluster {
    let mut c = Cluster::with(|config| {
        config.roles = Some(["r", "s", "a", "a/b", "a/c"].map(str::to_owned).into());
    });
    c.agent("cpus:4;mem:1024");
    c.agent("cpus:4;mem:1024");
    c
}

#[test]
fn update_quota_is_checked() {
    let check = |configs: Vec<QuotaConfig>, force: bool, expect: CallResponse| {
        let mut c = cluster();
        assert_eq!(c.operator(update(configs, force)), expect);
        let refused = expect != CallResponse::ok();
        assert_eq!(c.stored().quotas.is_empty(), refused);
    };
    check(vec![config("r", "cpus:2", "cpus:4")], false, CallResponse::ok());
    check(vec![config("r", "cpus:2", ""), config("s", "cpus:6", "")], false, CallResponse::ok());
    check(vec![config("nobody", "cpus:2", "")], false, invalid("'nobody' is not on the roles whitelist"));
    check(
        vec![config("r", "cpus:2", "cpus:1")],
        true,
        invalid("'QuotaConfig.guarantees' { cpus: 2 } is not contained within the 'QuotaConfig.limits' { cpus: 1 }"),
    );
    check(
        vec![config("r", "cpus:2;mem:1", ""), config("s", "cpus:7", "")],
        false,
        invalid(
            "total quota guarantees 'cpus:9; mem:1' exceed cluster capacity 'cpus:8; mem:2048' (use 'force' flag to \
             bypass this check)",
        ),
    );
    check(vec![config("r", "cpus:9", "")], true, CallResponse::ok());
}

#[test]
fn quota_of_nested_roles_must_fit_into_that_of_their_parents() {
    let mut c = cluster();
    assert_eq!(c.operator(update(vec![config("a", "cpus:4", "cpus:6")], false)), CallResponse::ok());
    assert_eq!(c.operator(update(vec![config("a/b", "cpus:3", "")], false)), CallResponse::ok());
    let refused = c.operator(update(vec![config("a/c", "cpus:2", "")], true));
    assert_eq!(refused, invalid("the roles below 'a' are guaranteed 5 cpus together, more than its guarantee of 4"));
    // The guarantee of the child is part of the parent's and does not count twice.
    assert_eq!(c.operator(update(vec![config("r", "cpus:4", "")], false)), CallResponse::ok());
    let refused = c.operator(update(vec![config("a", "cpus:1", "")], true));
    assert_eq!(refused.status, Status::BadRequest);
    assert_eq!(shown(&c), ["a", "a/b", "r"]);
}

#[test]
fn limits_below_what_is_used_need_force() {
    let mut c = cluster();
    let f = c.subscribe(in_role("r"));
    let offers = c.offered(&f);
    let tasks = vec![task_on("t", &offers[0], "cpus:3;mem:100")];
    c.call(&f, accept(&[&offers[0]], vec![launch(tasks)]));
    let refused = c.operator(update(vec![config("r", "", "cpus:2;mem:50")], false));
    assert_eq!(
        refused,
        invalid(
            "Role 'r' is already consuming 'cpus:3; mem:100'; this is more than the requested limits 'cpus:2; \
             mem:50' (use 'force' flag to bypass this check)"
        )
    );
    assert_eq!(c.operator(update(vec![config("r", "", "cpus:2;mem:50")], true)), CallResponse::ok());
    assert_eq!(c.operator(update(vec![config("r", "", "cpus:3;gpus:0")], false)), CallResponse::ok());
}

#[test]
fn offers_beyond_a_new_limit_are_rescinded() {
    let mut c = cluster();
    let f = c.subscribe(in_role("r"));
    assert_eq!(c.offered(&f).len(), 2);
    c.forget();
    assert_eq!(c.operator(update(vec![config("r", "", "cpus:4;mem:1024")], false)), CallResponse::ok());
    assert_eq!(c.heard(&f).len(), 1, "one of two is enough");
    assert_eq!(c.offered(&f).len(), 0, "and does not come back");
}

#[test]
fn offers_are_rescinded_for_a_guarantee() {
    let mut c = cluster();
    let greedy = c.subscribe(in_role("s"));
    assert_eq!(c.offered(&greedy).len(), 2);
    let f = c.subscribe(in_role("r"));
    assert_eq!(c.offered(&f).len(), 0);
    c.forget();
    assert_eq!(c.operator(update(vec![config("r", "cpus:4", "")], false)), CallResponse::ok());
    assert_eq!(c.heard(&greedy).len(), 1, "no more than needed");
    assert_eq!(c.offered(&f).len(), 1);
}

#[test]
fn set_quota_and_remove_quota_follow_mesos() {
    let mut c = cluster();
    let refused = |text: &str| CallResponse::bad_request(format!("Failed to validate set quota request: {text}"));
    assert_eq!(c.operator(set("nobody", "cpus:1", false)), refused("Unknown role 'nobody'"));
    assert_eq!(c.operator(set("r", "", false)), refused("QuotaInfo with empty 'guarantee'"));
    let overcommitted = c.operator(set("r", "cpus:9", false));
    assert_eq!(overcommitted.status, Status::Conflict);
    assert_eq!(
        overcommitted.body,
        "Quota guarantees overcommit the cluster (use 'force' to bypass this check): Total quota guarantees 'cpus:9' \
         exceed cluster capacity 'cpus:8; mem:2048'"
    );
    assert_eq!(c.operator(set("r", "cpus:9", true)), CallResponse::ok());
    assert_eq!(c.stored().quotas["r"], config("r", "cpus:9", "cpus:9"), "the guarantee is the limit");
    assert_eq!(c.operator(set("r", "cpus:1", true)), refused("Cannot set quota for role 'r' which already has quota"));
    assert_eq!(c.operator(remove("r")), CallResponse::ok());
    assert_eq!(shown(&c), [""; 0]);
    assert_eq!(
        c.operator(remove("r")),
        CallResponse::bad_request("Failed to remove quota for path '/master/quota/r': Role 'r' has no quota set")
    );
}

#[test]
fn set_quota_rescinds_offers_of_at_least_one_agent_for_each_framework() {
    let mut c = cluster();
    let greedy = c.subscribe(in_role("s"));
    c.offered(&greedy);
    let (f, g) = (c.subscribe(in_role("r")), c.subscribe(in_role("r")));
    c.settle();
    c.forget();
    assert_eq!(c.operator(set("r", "cpus:1", false)), CallResponse::ok());
    assert_eq!(c.heard(&greedy).iter().filter(|line| line.starts_with("RESCIND")).count(), 2);
    let _ = (f, g);
}

#[test]
fn quota_survives_a_failover() {
    let mut c = cluster();
    c.operator(update(vec![config("r", "cpus:2", "cpus:4"), config("s", "", "cpus:0")], false));
    let mut next = Cluster::taking_over(c.stored(), |_| {});
    assert_eq!(shown(&next), ["r", "s"]);
    next.agent("cpus:4;mem:1024");
    next.agent("cpus:4;mem:1024");
    let f = next.subscribe(in_role("s"));
    let cpus = |offer: &v1::Offer| offer.resources.iter().any(|resource| resource.name == "cpus");
    assert!(!next.offered(&f).iter().any(cpus), "a limit of zero is one");
}

#[test]
fn concurrent_updates_are_checked_against_each_other() {
    let mut c = cluster();
    c.disk_is_slow = true;
    let mut ask = |reply, call| {
        let call = master::OperatorCall { reply: ReplyId(reply), caller: Default::default(), call: Box::new(call) };
        c.deliver(Input::OperatorCall(call));
    };
    ask(70, update(vec![config("r", "cpus:5", "")], false));
    ask(71, update(vec![config("s", "cpus:5", "")], false));
    assert!(!c.recorded.replies.contains_key(&ReplyId(70)), "not before it is durable");
    assert_eq!(c.recorded.replies[&ReplyId(71)][0].status, Status::BadRequest);
    c.confirm();
    assert_eq!(c.recorded.replies[&ReplyId(70)], [CallResponse::ok()]);
}

// ---- partitions

fn partition(id: &str, role: &str, min: f64, max: Option<f64>) -> Partition {
    Partition {
        id: id.to_owned(),
        role: role.to_owned(),
        resources: vec![Share { name: "cpus".to_owned(), min: Some(min), max }],
        lends: Some(true),
        preemptible: Some(true),
        ..Partition::default()
    }
}

fn ask(c: &mut Cluster, request: PartitionRequest) -> CallResponse {
    let reply = ReplyId(1_000_000 + c.recorded.replies.len() as u64);
    c.deliver(Input::PartitionCall(PartitionCall { reply, caller: Default::default(), request }));
    c.recorded.replies[&reply][0].clone()
}

fn put(c: &mut Cluster, partition: Partition) -> CallResponse {
    ask(c, PartitionRequest::Put { partition: Box::new(partition), force: false })
}

#[test]
fn partitions_are_checked() {
    let check = |change: &dyn Fn(&mut Partition), status: Status, expect: &str| {
        let mut c = cluster();
        let mut wanted = partition("p", "r", 2.0, Some(4.0));
        change(&mut wanted);
        let answer = put(&mut c, wanted);
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(expect), "{}", answer.body);
    };
    let bad = Status::BadRequest;
    check(&|_| {}, Status::Ok, "");
    check(&|p| p.id = "a/b".to_owned(), bad, "'a/b' is no id of a partition; use up to 64 letters");
    check(&|p| p.id = "..".to_owned(), bad, "no id of a partition");
    check(&|p| p.role = "a b".to_owned(), bad, "'role' is no role");
    check(&|p| p.role = "nobody".to_owned(), bad, "is not among those of --roles");
    check(&|p| p.weight = Some(0.0), bad, "'weight' is not positive");
    check(&|p| p.resources.clear(), bad, "'resources' has to name between 1 and 64 resources");
    check(&|p| p.resources[0].min = Some(-1.0), bad, "'min' of 'cpus' is no amount: Negative values");
    check(&|p| p.resources[0].min = Some(5.0), bad, "'min' of 'cpus' is above its 'max'");
    check(&|p| p.resources[0].max = Some(1e18), bad, "larger than any cluster");
    check(
        &|p| (p.resources[0].min, p.resources[0].max) = (Some(9.0), None),
        Status::Conflict,
        "All minimums and quota guarantees together are 'cpus:9', more than the cluster has: 'cpus:8; mem:2048'.",
    );
}

#[test]
fn a_role_cannot_have_both_partition_and_quota() {
    let mut c = cluster();
    assert_eq!(put(&mut c, partition("p", "r", 2.0, None)), CallResponse::ok());
    assert_eq!(put(&mut c, partition("p", "r", 3.0, None)), CallResponse::ok(), "it may change");
    let second = put(&mut c, partition("q", "r", 1.0, None));
    assert_eq!(second.status, Status::Conflict);
    assert!(second.body.contains("DELETE /partitions/p"), "{}", second.body);
    let quota = c.operator(update(vec![config("r", "cpus:1", "")], false));
    assert!(quota.body.contains("PUT or DELETE /partitions/p"), "{}", quota.body);
    c.operator(update(vec![config("s", "cpus:1", "")], false));
    let over_quota = put(&mut c, partition("q", "s", 1.0, None));
    assert!(over_quota.body.contains("DELETE /quota/s"), "{}", over_quota.body);
    assert_eq!(ask(&mut c, PartitionRequest::Remove("p".to_owned())), CallResponse::ok());
    assert_eq!(ask(&mut c, PartitionRequest::Remove("p".to_owned())).status, Status::NotFound);
    assert!(c.stored().partitions.is_empty());
}

/// Returns a cluster of eight cpus that is full of a borrower's tasks of one cpu each; the lender's minimum is four.
fn borrowed(info: v1::FrameworkInfo) -> (Cluster, Scheduler) {
    let mut c = cluster();
    assert_eq!(put(&mut c, partition("low", "r", 2.0, None)), CallResponse::ok());
    assert_eq!(put(&mut c, Partition { priority: Some(10), ..partition("high", "s", 4.0, None) }), CallResponse::ok());
    let borrower = c.subscribe(v1::FrameworkInfo { roles: vec!["r".to_owned()], ..info });
    let offers = c.offered(&borrower);
    assert_eq!(offers.len(), 2, "what is not wanted by its owner is lent");
    for (n, offer) in offers.iter().enumerate() {
        let tasks = (0..4).map(|t| task_on(&format!("t{n}{t}"), offer, "cpus:1;mem:256")).collect();
        c.call(&borrower, accept(&[offer], vec![launch(tasks)]));
    }
    c.settle();
    c.forget();
    (c, borrower)
}

fn killed(c: &Cluster) -> Vec<(String, String)> {
    let kill = |effect: &Effect| match effect {
        Effect::Send { to, message: messages::Message::KillTask(kill), .. } => {
            Some((to.to_string(), kill.task_id.value.clone()))
        }
        _ => None,
    };
    c.recorded.effects.iter().filter_map(kill).collect()
}

/// Sends the report of the agent that a task was killed.
fn end(c: &mut Cluster, pid: &str, framework: &str, task: &str) {
    let id = if pid.ends_with("5051") { "m-S0" } else { "m-S1" };
    let agent = AgentPeer { pid: pid.parse().unwrap(), id: id.to_owned() };
    c.update(&agent, framework, task, TaskKilled, 1);
}

#[test]
fn preemption_kills_as_few_tasks_as_possible() {
    let (mut c, borrower) = borrowed(framework_info());
    let lender = c.subscribe(in_role("s"));
    c.settle();
    let ended = killed(&c);
    assert_eq!(ended.len(), 4, "{ended:?}");
    assert_eq!(c.metrics.partition_preemptions.get(), 4);
    // No task is killed twice while the tasks end.
    c.forget();
    c.pass(std::time::Duration::from_secs(5));
    assert_eq!(killed(&c), []);
    c.heard(&borrower);
    for (pid, task) in &ended {
        end(&mut c, pid, &borrower.id, task);
    }
    let heard = c.heard(&borrower);
    assert_eq!(heard.len(), 4, "{heard:?}");
    assert!(
        heard[0].contains("TASK_GONE REASON_CONTAINER_PREEMPTED SOURCE_MASTER") && heard[0].contains("uuid 1"),
        "{heard:?}"
    );
    assert!(
        heard[0].ends_with("Preempted: partition 'high' needs the resources that partition 'low' had borrowed"),
        "{heard:?}"
    );
    let offers = c.offered(&lender);
    let cpus: f64 = offers
        .iter()
        .flat_map(|offer| &offer.resources)
        .filter(|r| r.name == "cpus")
        .map(|r| r.scalar.unwrap().value)
        .sum();
    assert_eq!(cpus, 4.0);
    assert_eq!(killed(&c), []);
    assert_eq!(c.metrics.tasks_gone.get(), 4);
    assert_eq!(c.metrics.tasks_killed.get(), 0);
}

#[test]
fn frameworks_without_partition_aware_get_lost_for_preempted_tasks() {
    use v1::framework_info::capability::Type::MultiRole;
    let (mut c, borrower) = borrowed(framework_info().with_capabilities(&[MultiRole]));
    c.subscribe(in_role("s"));
    c.settle();
    let ended = killed(&c);
    c.forget();
    end(&mut c, &ended[0].0, &borrower.id, &ended[0].1);
    let heard = c.heard(&borrower);
    assert!(heard[0].contains("TASK_LOST REASON_CONTAINER_PREEMPTED"), "{heard:?}");
}

#[test]
fn a_preempted_task_that_finishes_stays_finished() {
    let (mut c, borrower) = borrowed(framework_info());
    c.subscribe(in_role("s"));
    c.settle();
    let (pid, task) = killed(&c).remove(0);
    c.forget();
    let id = if pid.ends_with("5051") { "m-S0" } else { "m-S1" };
    let agent = AgentPeer { pid: pid.parse().unwrap(), id: id.to_owned() };
    c.update(&agent, &borrower.id, &task, TaskFinished, 1);
    assert!(c.heard(&borrower)[0].contains("TASK_FINISHED"));
}

#[test]
fn partitions_without_preemption_keep_their_tasks() {
    let mut c = cluster();
    put(&mut c, Partition { preemptible: Some(false), ..partition("low", "r", 2.0, None) });
    put(&mut c, partition("high", "s", 4.0, None));
    let borrower = c.subscribe(in_role("r"));
    for (n, offer) in c.offered(&borrower).iter().enumerate() {
        let tasks = vec![task_on(&format!("t{n}"), offer, "cpus:4;mem:1024")];
        c.call(&borrower, accept(&[offer], vec![launch(tasks)]));
    }
    c.subscribe(in_role("s"));
    c.settle();
    assert_eq!(killed(&c), []);
}

#[test]
fn offers_are_rescinded_before_tasks_are_killed() {
    let mut c = cluster();
    put(&mut c, partition("low", "r", 2.0, None));
    put(&mut c, partition("high", "s", 4.0, None));
    let borrower = c.subscribe(in_role("r"));
    assert_eq!(c.offered(&borrower).len(), 2);
    c.forget();
    let lender = c.subscribe(in_role("s"));
    c.settle();
    assert_eq!(killed(&c), []);
    assert_eq!(c.heard(&borrower).iter().filter(|line| line.starts_with("RESCIND")).count(), 1);
    assert_eq!(c.offered(&lender).len() + c.offers(&lender).len(), 1);
}

#[test]
fn partitions_survive_a_failover() {
    let mut c = cluster();
    put(&mut c, partition("low", "r", 2.0, None));
    let next = Cluster::taking_over(c.stored(), |_| {});
    let shown = next.recorded.changes.iter().find_map(|change| match change {
        Change::PartitionsUpdated(partitions) => Some(partitions.keys().cloned().collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(shown.unwrap(), ["low"]);
}
