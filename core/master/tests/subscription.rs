//! Subscription, return and removal of HTTP frameworks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

mod common;

use std::time::Duration;

use common::*;
use machine::CallResponse;
use messages::v1;
use messages::v1::scheduler::attribute_constraint::{self, predicate, selector};
use messages::v1::scheduler::offer_constraints::{RoleConstraints, role_constraints};
use messages::v1::scheduler::{AttributeConstraint, OfferConstraints};
use model::StreamId;
use testkit::builders::*;

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Returns a framework that has ten minutes to return.
fn with_failover_timeout() -> v1::FrameworkInfo {
    v1::FrameworkInfo { failover_timeout: Some(600.0), ..framework_info() }
}

#[test]
fn subscribed_contains_framework_id_and_heartbeat_interval() {
    let mut c = Cluster::new();
    let f = c.framework();
    let events = c.events(f.stream);
    let subscribed = events[0].subscribed.as_ref().unwrap();
    assert_eq!(subscribed.heartbeat_interval_seconds, Some(15.0));
    let master = subscribed.master_info.as_ref().unwrap();
    assert_eq!((master.id.as_str(), master.ip, master.port), ("m", 16_777_343, 5050));
    assert_eq!(master.pid.as_deref(), Some("master@127.0.0.1:5050"));
    assert_eq!(master.version.as_deref(), Some("1.11.0"));
}

#[test]
fn heartbeats_are_sent_every_15_seconds() {
    let mut c = Cluster::new();
    let f = c.subscribe(with_failover_timeout());
    assert_eq!(c.heard(&f), ["SUBSCRIBED m-0000", "HEARTBEAT"]);
    c.pass(Duration::from_secs(14));
    assert_eq!(c.heard(&f), [""; 0]);
    c.pass(Duration::from_secs(2));
    assert_eq!(c.heard(&f), ["HEARTBEAT"]);
    c.pass(Duration::from_secs(30));
    assert_eq!(c.heard(&f), ["HEARTBEAT", "HEARTBEAT"]);
    c.hang_up(&f);
    c.pass(Duration::from_secs(60));
    assert_eq!(c.heard(&f), [""; 0]);
}

#[test]
fn refused_subscriptions_get_an_error_event_and_end() {
    let check = |change: fn(&mut v1::FrameworkInfo), reason: &str| {
        let mut c = Cluster::with(|config| {
            config.roles = Some(["r".to_owned(), "*".to_owned()].into());
            config.root_submissions = false;
        });
        let mut info = framework_info();
        change(&mut info);
        let f = c.subscribe(info);
        assert_eq!(c.heard(&f), [format!("ERROR {reason}"), "end of stream".to_owned()]);
        assert_eq!(c.metrics.frameworks_connected.get(), 0);
    };
    check(
        |info| info.roles = vec!["/bad".to_owned()],
        "'FrameworkInfo.roles' contains invalid role: Role '/bad' cannot start with a slash",
    );
    check(|info| info.roles = vec!["x".to_owned()], "Roles { x } are not present in the master's --roles");
    check(
        |info| info.user = "root".to_owned(),
        "User 'root' is not allowed to run frameworks without --root_submissions set",
    );
}

#[test]
fn suppressed_roles_must_be_among_the_roles() {
    let mut c = Cluster::new();
    let f = c.subscribe_with(v1::scheduler::call::Subscribe {
        framework_info: framework_info(),
        suppressed_roles: vec!["other".to_owned()],
        ..Default::default()
    });
    let heard = c.heard(&f);
    assert!(heard[0].starts_with("ERROR Suppressed role"), "{heard:?}");
    assert_eq!(heard[1..], ["end of stream"]);
}

/// Returns constraints: in `role`, agents must have a host name that matches.
fn only_on(role: &str, hostname: &str) -> OfferConstraints {
    let selector = selector::Selector::PseudoattributeType(selector::PseudoattributeType::Hostname as i32);
    let regex = hostname.to_owned();
    let predicate = predicate::Predicate::TextMatches(attribute_constraint::predicate::TextMatches { regex });
    let constraint = AttributeConstraint {
        selector: attribute_constraint::Selector { selector: Some(selector) },
        predicate: attribute_constraint::Predicate { predicate: Some(predicate) },
    };
    let groups = vec![role_constraints::Group { attribute_constraints: vec![constraint] }];
    OfferConstraints { role_constraints: [(role.to_owned(), RoleConstraints { groups })].into() }
}

fn constrained(constraints: OfferConstraints) -> v1::scheduler::call::Subscribe {
    v1::scheduler::call::Subscribe {
        framework_info: framework_info(),
        offer_constraints: Some(Box::new(constraints)),
        ..Default::default()
    }
}

#[test]
fn offer_constraints_limit_offers_and_are_shown() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let constraints = only_on(&framework_info().roles[0], "other");
    let f = c.subscribe_with(constrained(constraints.clone()));
    assert_eq!(c.offered(&f), []);
    let shown = c.recorded.changes.iter().find_map(|change| match change {
        model::master::Change::FrameworkAdded(framework) => framework.offer_constraints.clone(),
        _ => None,
    });
    assert_eq!(shown.as_deref(), Some(&constraints));

    // UPDATE_FRAMEWORK replaces them; without any, none are left.
    c.forget();
    assert_eq!(c.call(&f, update_framework(framework_info().with_id(&f.id))), CallResponse::ok());
    assert_eq!(c.offered(&f).len(), 1);
    let model::master::Change::FrameworkUpdated(framework) = &c.recorded.changes[0] else {
        panic!("{:?}", c.recorded.changes)
    };
    assert_eq!(framework.offer_constraints, None);
}

#[test]
fn invalid_offer_constraints_are_refused() {
    let mut c = Cluster::new();
    let role = framework_info().roles[0].clone();
    let reason = format!(
        "Offer constraints are not valid: A role {role} has an invalid 'AttributeConstraint': Failed to construct regex \
         from pattern '[a': unclosed character class"
    );
    let f = c.subscribe_with(constrained(only_on(&role, "[a")));
    assert_eq!(c.heard(&f), [format!("ERROR {reason}"), "end of stream".to_owned()]);

    let f = c.framework();
    let mut call = update_framework(framework_info().with_id(&f.id));
    if let Some(update) = &mut call.update_framework {
        update.offer_constraints = Some(Box::new(only_on(&role, "[a")));
    }
    assert_eq!(c.call(&f, call), CallResponse::bad_request(format!("'UpdateFramework' call is not valid: {reason}")));
}

#[test]
fn only_whitelisted_agents_are_offered() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    c.deliver(master::Input::Whitelist(Some(["other".to_owned()].into())));
    let f = c.framework();
    assert_eq!(c.offered(&f), []);
    c.deliver(master::Input::Whitelist(Some(["host".to_owned()].into())));
    assert_eq!(c.offered(&f).len(), 1);
}

#[test]
fn the_authenticated_principal_is_filled_in() {
    let mut c = Cluster::new();
    let stream = StreamId(uuid::Uuid::from_u128(99));
    let principal = Some(model::Principal::new("alice"));
    c.deliver(master::Input::SchedulerSubscribe(master::SchedulerSubscribe {
        stream,
        caller: master::Caller { principal },
        subscribe: Box::new(v1::scheduler::call::Subscribe { framework_info: framework_info(), ..Default::default() }),
    }));
    let model::master::Change::FrameworkAdded(framework) = &c.recorded.changes[0] else {
        panic!("{:?}", c.recorded.changes)
    };
    assert_eq!(framework.info.principal.as_deref(), Some("alice"));
}

#[test]
fn a_second_subscription_replaces_the_first() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let old = c.subscribe(with_failover_timeout());
    let offer = c.offered(&old).remove(0);
    c.forget();

    let new = c.subscribe(with_failover_timeout().with_id(&old.id));
    assert_eq!(c.heard(&old), ["ERROR Framework failed over", "end of stream"]);
    assert_eq!(c.heard(&new)[..2], ["SUBSCRIBED m-0000", "HEARTBEAT"]);
    // The resources of the old scheduler's offers are offered to the new one.
    let again = c.offered(&new).remove(0);
    assert_ne!(again.id, offer.id);
    assert_eq!(again.agent_id.value, a.id);

    let stale = c.call_on(Some(Ok(old.stream)), &old.id, revive());
    assert_eq!(stale.status, machine::Status::BadRequest);
    assert_eq!(c.call(&new, revive()), CallResponse::accepted());
    // The edge reports the end of the old connection late, which does not disconnect the framework.
    c.hang_up(&old);
    assert_eq!(c.call(&new, revive()), CallResponse::accepted());
}

#[test]
fn a_framework_returns_within_its_failover_timeout() {
    let mut c = Cluster::new();
    let f = c.subscribe(with_failover_timeout());
    c.hang_up(&f);
    assert_eq!(c.call(&f, revive()), CallResponse::forbidden("Framework is not subscribed"));
    c.pass(minutes(9));
    let again = c.subscribe(with_failover_timeout().with_id(&f.id));
    assert_eq!(c.heard(&again), ["SUBSCRIBED m-0000", "HEARTBEAT"]);
    c.pass(minutes(20));
    assert_eq!(c.call(&again, revive()), CallResponse::accepted());
}

#[test]
fn a_framework_is_removed_after_its_failover_timeout() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let f = c.subscribe(with_failover_timeout());
    let offer = c.offered(&f).remove(0);
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    c.hang_up(&f);
    c.forget();
    c.pass(minutes(9));
    let disturbed: Vec<_> = c.received(&a.pid).into_iter().filter(|line| !line.contains("Ping")).collect();
    assert_eq!(disturbed, [""; 0], "its tasks go on meanwhile");
    c.pass(minutes(2));
    let ended: Vec<_> = c.received(&a.pid).into_iter().filter(|line| !line.contains("Ping")).collect();
    assert_eq!(ended, ["ShutdownFramework m-0000"]);
    assert_eq!(c.metrics.tasks_killed.get(), 1);

    let late = c.subscribe(with_failover_timeout().with_id(&f.id));
    assert_eq!(c.heard(&late), ["ERROR Framework has been removed", "end of stream"]);
}

#[test]
fn without_failover_timeout_a_disconnected_framework_is_removed() {
    let mut c = Cluster::new();
    let f = c.framework();
    c.hang_up(&f);
    let late = c.subscribe(framework_info().with_id(&f.id));
    assert_eq!(c.heard(&late), ["ERROR Framework has been removed", "end of stream"]);
}

#[test]
fn a_stale_failover_timer_has_no_effect() {
    let mut c = Cluster::new();
    let f = c.subscribe(with_failover_timeout());
    c.hang_up(&f);
    c.pass(minutes(5));
    let again = c.subscribe(with_failover_timeout().with_id(&f.id));
    c.hang_up(&again);
    // The first timer was already in the queue when it was disarmed.
    c.deliver(master::Input::Timer(master::Timer::FrameworkFailover(model::FrameworkId::new(&f.id))));
    let third = c.subscribe(with_failover_timeout().with_id(&f.id));
    assert_eq!(c.heard(&third), ["SUBSCRIBED m-0000", "HEARTBEAT"]);
}

#[test]
fn changes_of_immutable_fields_are_ignored_or_refused() {
    let mut c = Cluster::new();
    let f = c.subscribe(v1::FrameworkInfo { principal: Some("p".to_owned()), ..with_failover_timeout() });
    c.hang_up(&f);
    let mut other = with_failover_timeout().with_id(&f.id);
    other.principal = Some("q".to_owned());
    let refused = c.subscribe(other);
    assert_eq!(c.heard(&refused), ["ERROR Changing framework's principal is not allowed.", "end of stream"]);
    let mut renamed = with_failover_timeout().with_id(&f.id);
    renamed.principal = Some("p".to_owned());
    renamed.user = "somebody else".to_owned();
    let accepted = c.subscribe(renamed);
    assert_eq!(c.heard(&accepted), ["SUBSCRIBED m-0000", "HEARTBEAT"]);
    let last = c.recorded.changes.iter().rev().find_map(|change| match change {
        model::master::Change::FrameworkUpdated(framework) => Some(framework.clone()),
        _ => None,
    });
    assert_eq!(last.unwrap().info.user, "u");
}

#[test]
fn a_framework_of_a_previous_master_keeps_its_id() {
    let mut c = Cluster::new();
    let f = c.subscribe(framework_info().with_id("elder-0003"));
    assert_eq!(c.heard(&f), ["SUBSCRIBED elder-0003", "HEARTBEAT"]);
}

#[test]
fn teardown_ends_tasks_executors_and_offers() {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    let executor = executor_with("e", "cpus:0.1;mem:32");
    let launched = vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128").under(executor)])];
    c.call(&f, accept(&[&offer], launched));
    c.forget();

    assert_eq!(c.call(&f, teardown()), CallResponse::accepted());
    assert_eq!(c.heard(&f), ["end of stream"]);
    assert_eq!(c.received(&a.pid), ["ShutdownFramework m-0000"]);
    let g = c.framework();
    c.settle();
    assert!(c.heard(&g).contains(&"OFFERS m-S0[cpus:4; mem:1024]".to_owned()), "all of the agent is free again");
    let late = c.subscribe(framework_info().with_id(&f.id));
    assert_eq!(c.heard(&late), ["ERROR Framework has been removed", "end of stream"]);
}

#[test]
fn the_number_of_completed_frameworks_is_bounded() {
    let mut c = Cluster::with(|config| config.max_completed_frameworks = 2);
    let ids: Vec<String> = (0..3)
        .map(|_| {
            let f = c.framework();
            c.call(&f, teardown());
            f.id
        })
        .collect();
    let first = c.subscribe(framework_info().with_id(&ids[0]));
    assert_eq!(c.heard(&first)[0], "SUBSCRIBED m-0000");
    let last = c.subscribe(framework_info().with_id(&ids[2]));
    assert_eq!(c.heard(&last)[0], "ERROR Framework has been removed");
}

#[test]
fn calls_are_checked_in_the_order_of_mesos() {
    let mut c = Cluster::new();
    let f = c.subscribe(with_failover_timeout());
    let other = StreamId(uuid::Uuid::from_u128(77));
    let refused = |c: &mut Cluster, stream, id: &str, expect: &str| {
        let answer = c.call_on(stream, id, revive());
        assert_eq!(answer, CallResponse::bad_request(expect));
    };
    refused(&mut c, None, "nobody", "Framework cannot be found");
    refused(&mut c, None, "m-0000", "All non-subscribe calls should include the 'Mesos-Stream-Id' header");
    refused(
        &mut c,
        Some(Ok(other)),
        "m-0000",
        &format!(
            "The stream ID '{other}' included in this request didn't match the stream ID currently associated with \
             framework ID m-0000"
        ),
    );
    refused(
        &mut c,
        Some(Err("junk".to_owned())),
        "m-0000",
        "The stream ID 'junk' included in this request didn't match the stream ID currently associated with \
         framework ID m-0000",
    );
    assert_eq!(c.call(&f, unknown_call()).status, machine::Status::NotImplemented);
}

#[test]
fn update_framework_rescinds_offers_of_removed_roles() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let f = c.framework();
    let offer = c.offered(&f).remove(0);
    let mut info = framework_info().with_id(&f.id);
    info.roles = vec!["other".to_owned()];
    c.forget();
    assert_eq!(c.call(&f, update_framework(info.clone())), CallResponse::ok());
    assert_eq!(c.heard(&f), [format!("RESCIND {}", offer.id.value)]);
    assert_eq!(c.offered(&f)[0].allocation_info.as_ref().unwrap().role.as_deref(), Some("other"));

    info.user = "somebody else".to_owned();
    assert_eq!(
        c.call(&f, update_framework(info)),
        CallResponse::bad_request(
            "FrameworkInfo update is not valid: Updating 'FrameworkInfo.user' is unsupported; attempted to update \
             from 'u' to 'somebody else'"
        )
    );
}

#[test]
fn an_operator_can_tear_down_a_framework() {
    let mut c = Cluster::new();
    let f = c.framework();
    assert_eq!(
        c.operator(teardown_framework("nobody")),
        CallResponse::bad_request("No framework found with specified ID")
    );
    c.forget();
    assert_eq!(c.operator(teardown_framework(&f.id)), CallResponse::ok());
    assert_eq!(c.heard(&f), ["end of stream"]);
    let other = v1::master::Call { r#type: Some(v1::master::call::Type::MarkAgentGone as i32), ..Default::default() };
    assert_eq!(c.operator(other).status, machine::Status::NotImplemented);
}

#[test]
fn each_subscription_replaces_the_suppressed_roles() {
    let mut c = Cluster::new();
    let f = c.subscribe(with_failover_timeout());
    c.call(&f, suppress(&[]));
    c.agent("cpus:4;mem:1024");
    assert_eq!(c.offered(&f).len(), 0);
    let f = c.subscribe(with_failover_timeout().with_id(&f.id));
    assert_eq!(c.offered(&f).len(), 1);
    let f = c.subscribe_with(v1::scheduler::call::Subscribe {
        framework_info: with_failover_timeout().with_id(&f.id),
        suppressed_roles: vec!["r".to_owned()],
        ..Default::default()
    });
    assert_eq!(c.offered(&f).len(), 0);
}

#[test]
fn a_framework_without_roles_gets_no_offers() {
    let mut c = Cluster::new();
    c.agent("cpus:4;mem:1024");
    let f = c.subscribe(v1::FrameworkInfo { roles: Vec::new(), ..framework_info() });
    assert_eq!(c.offered(&f).len(), 0);
    assert_eq!(c.heard(&f), ["SUBSCRIBED m-0000", "HEARTBEAT"]);
}
