//! The larger reads of the operator API as JSON, from the encoded parts of entities.
//!
//! Mesos writes these by hand: empty lists are present, unlike in the generic mapping of protobuf to JSON.

use messages::v1;
use messages::v1::master::{Call, call};
use model::master::OfferFormat;

use super::entity::{Agent, Framework};
use super::{Snapshot, operator};
use crate::json::{self, Object};

pub(super) fn answer(snapshot: &Snapshot, call: &Call) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match call.r#type() {
        call::Type::GetState => json::typed(&mut out, "GET_STATE", |object| {
            object.object("get_state", |object| state(object, snapshot));
        }),
        call::Type::GetAgents => json::typed(&mut out, "GET_AGENTS", |object| agents(object, snapshot)),
        call::Type::GetFrameworks => json::typed(&mut out, "GET_FRAMEWORKS", |object| frameworks(object, snapshot)),
        call::Type::GetExecutors => json::typed(&mut out, "GET_EXECUTORS", |object| executors(object, snapshot)),
        call::Type::GetTasks => json::typed(&mut out, "GET_TASKS", |object| tasks(object, snapshot)),
        _ => json::message(&mut out, &operator::answer(snapshot, call)?),
    }
    Some(out)
}

pub(super) fn subscribed(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::new();
    json::typed(&mut out, "SUBSCRIBED", |object| {
        object.object("subscribed", |object| {
            object.object("get_state", |object| state(object, snapshot));
            object.double("heartbeat_interval_seconds", snapshot.static_info.heartbeat_interval.as_secs_f64());
        });
    });
    out
}

fn state(object: &mut Object<'_>, snapshot: &Snapshot) {
    tasks(object, snapshot);
    executors(object, snapshot);
    frameworks(object, snapshot);
    agents(object, snapshot);
}

fn agents(object: &mut Object<'_>, snapshot: &Snapshot) {
    object.object("get_agents", |object| {
        object.array("agents", snapshot.visible_agents(), |out, one| agent(out, &one));
        object.array("recovered_agents", snapshot.visible_recovered(), |out, info| json::message(out, &**info));
    });
}

fn agent(out: &mut Vec<u8>, agent: &Agent) {
    agent.usage.v1.append(out, |out| json::message(out, &operator::agent(agent)));
}

fn frameworks(object: &mut Object<'_>, snapshot: &Snapshot) {
    object.object("get_frameworks", |object| {
        object.array("frameworks", snapshot.visible_frameworks(), framework);
        object.array("completed_frameworks", snapshot.visible_completed(), framework);
    });
}

/// Writes a framework as the generic mapping does, with its offers from encoded parts.
fn framework(out: &mut Vec<u8>, framework: &Framework) {
    let shown = operator::framework_without_offers(framework);
    let resource = |out: &mut Vec<u8>, resource: &v1::Resource| json::message(out, resource);
    json::object(out, |object| {
        object.message("framework_info", &shown.framework_info);
        object.boolean("active", shown.active);
        object.boolean("connected", shown.connected);
        object.boolean("recovered", shown.recovered);
        let times = [
            ("registered_time", &shown.registered_time),
            ("reregistered_time", &shown.reregistered_time),
            ("unregistered_time", &shown.unregistered_time),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                object.message(name, time);
            }
        }
        if framework.offers.len() > 0 {
            object.array("offers", framework.offers.iter(), |out, shown| {
                shown.v1.append(out, |out| json::message(out, &shown.offer.to_proto(OfferFormat::FULL)));
            });
        }
        if !shown.allocated_resources.is_empty() {
            object.array("allocated_resources", &shown.allocated_resources, resource);
        }
        if !shown.offered_resources.is_empty() {
            object.array("offered_resources", &shown.offered_resources, resource);
        }
        if let Some(constraints) = &shown.offer_constraints {
            object.message("offer_constraints", &**constraints);
        }
    });
}

fn executors(object: &mut Object<'_>, snapshot: &Snapshot) {
    let all = snapshot.visible_frameworks().flat_map(|framework| snapshot.visible_executors(framework));
    object.object("get_executors", |object| {
        object.array("executors", all, |out, one| json::message(out, &operator::executor(one)));
    });
}

fn tasks(object: &mut Object<'_>, snapshot: &Snapshot) {
    let everywhere = || snapshot.visible_frameworks().chain(snapshot.visible_completed());
    object.object("get_tasks", |object| {
        object.array(
            "tasks",
            everywhere().flat_map(|framework| snapshot.visible_tasks(framework, framework.tasks.iter())),
            |out, one| one.write_v1(out),
        );
        let unreachable =
            everywhere().flat_map(|framework| snapshot.visible_tasks(framework, framework.unreachable.iter()));
        object.array("unreachable_tasks", unreachable, |out, one| one.write_v1(out));
        let completed =
            everywhere().flat_map(|framework| snapshot.visible_tasks(framework, framework.completed.iter()));
        object.array("completed_tasks", completed, |out, one| one.write_v1(out));
    });
}
