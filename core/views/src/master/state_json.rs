//! `/state`, `/slaves` and `/frameworks`.
//!
//! Entities contribute JSON that was encoded once for their version, so that most of the work is concatenation.

use super::entity::{Agent, EncodedOffer, Executor, Framework};
use super::{Snapshot, StaticInfo};
use crate::Query;
use crate::json::{self, Object};
use crate::v0;
use messages::v1;

pub(super) fn state(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::with_capacity(size_hint(snapshot));
    json::object(&mut out, |object| {
        this_master(object, snapshot);
        object.array("slaves", snapshot.visible_agents(), |out, one| agent(out, &one));
        object.array("recovered_slaves", snapshot.visible_recovered(), |out, info| recovered_agent(out, &info));
        object.array("frameworks", snapshot.visible_frameworks(), |out, one| framework(out, snapshot, one));
        object.array("completed_frameworks", snapshot.visible_completed(), |out, one| framework(out, snapshot, one));
        // Mesos has had none for a long time either; clients still read the member.
        object.array("orphan_tasks", NOTHING, json::string);
        object.array("unregistered_frameworks", NOTHING, json::string);
    });
    out
}

const NOTHING: [&str; 0] = [];

/// Returns the expected length. Reserving too little costs copies of megabytes, too much costs only address space.
fn size_hint(snapshot: &Snapshot) -> usize {
    let tasks: usize = snapshot
        .frameworks
        .iter()
        .chain(snapshot.visible_completed())
        .map(|framework| framework.tasks.len() + framework.unreachable.len() + framework.completed.len())
        .sum();
    let offers: usize = snapshot.visible_frameworks().map(|framework| framework.offers.len()).sum();
    16 * 1024 + snapshot.agents.len() * 1024 + tasks * 1024 + offers * 512
}

fn this_master(object: &mut Object<'_>, snapshot: &Snapshot) {
    let StaticInfo { build, pid, info, started, elected, leader, flags, heartbeat_interval: _, settings: _, limits: _ } =
        &*snapshot.static_info;
    v0::build(object, build);
    object.time("start_time", *started);
    if let Some(elected) = elected {
        object.time("elected_time", *elected);
    }
    object.string("id", &info.id);
    object.string("pid", &pid.to_string());
    object.string("hostname", info.hostname.as_deref().unwrap_or_default());
    let capabilities = info.capabilities.iter().map(|capability| Some(capability.r#type().as_str_name()));
    v0::names(object.member("capabilities"), capabilities);
    let active = snapshot.agents.iter().filter(|agent| agent.snapshot.active).count();
    object.double("activated_slaves", active as f64);
    object.double("deactivated_slaves", (snapshot.agents.len() - active) as f64);
    object.double("unreachable_slaves", snapshot.unreachable_agents as f64);
    if let Some(domain) = &info.domain {
        v0::domain(object.member("domain"), domain);
    }
    if let Some(leader) = leader {
        object.string("leader", leader.pid.as_deref().unwrap_or_default());
        v0::master_info(object.member("leader_info"), leader);
    }
    for name in ["cluster", "log_dir", "external_log_file"] {
        if let Some(value) = flags.get(name) {
            object.string(name, value);
        }
    }
    object.object("flags", |object| flags.iter().for_each(|(name, value)| json::string(object.entry(name), value)));
}

pub(super) fn slaves(snapshot: &Snapshot, query: &Query) -> Vec<u8> {
    let selected = snapshot.visible_agents().filter(|agent| query.selects("slave_id", agent.snapshot.id.as_str()));
    let mut out = Vec::new();
    json::object(&mut out, |object| {
        object.array("slaves", selected, |out, agent| {
            json::object(out, |object| {
                agent_members(object, &agent);
                agent_members_in_full(object, &agent);
            });
        });
        let recovered = snapshot
            .visible_recovered()
            .filter(|info| query.selects("slave_id", info.id.as_ref().map_or("", |id| &id.value)));
        object.array("recovered_slaves", recovered, |out, info| recovered_agent(out, &info));
    });
    out
}

pub(super) fn frameworks(snapshot: &Snapshot, query: &Query) -> Vec<u8> {
    let selected = |framework: &&Framework| query.selects("framework_id", framework.snapshot.id.as_str());
    let mut out = Vec::new();
    json::object(&mut out, |object| {
        object.array("frameworks", snapshot.visible_frameworks().filter(selected), |out, one| {
            framework(out, snapshot, one)
        });
        object.array("completed_frameworks", snapshot.visible_completed().filter(selected), |out, one| {
            framework(out, snapshot, one)
        });
        object.array("unregistered_frameworks", NOTHING, json::string);
    });
    out
}

fn agent(out: &mut Vec<u8>, agent: &Agent) {
    json::object(out, |object| agent_members(object, agent));
}

pub(super) fn agent_members(object: &mut Object<'_>, agent: &Agent) {
    object.members(|out| {
        agent.description.summary.append(out, |out| describe_agent(&mut Object::begun(out), &agent.snapshot));
    });
    object.members(|out| {
        agent.usage.summary.append(out, |out| {
            let mut object = Object::begun(out);
            v0::resources(object.member("used_resources"), &agent.total_used());
            v0::resources(object.member("offered_resources"), &agent.offered);
        });
    });
}

fn recovered_agent(out: &mut Vec<u8>, info: &std::sync::Arc<v1::AgentInfo>) {
    json::object(out, |object| describe_info(object, info));
}

fn describe_info(object: &mut Object<'_>, info: &v1::AgentInfo) {
    object.string("id", info.id.as_ref().map_or("", |id| &id.value));
    object.string("hostname", &info.hostname);
    object.integer("port", i64::from(info.port()));
    v0::attributes(object.member("attributes"), &info.attributes);
    if let Some(domain) = &info.domain {
        v0::domain(object.member("domain"), domain);
    }
}

fn describe_agent(object: &mut Object<'_>, snapshot: &model::master::AgentSnapshot) {
    describe_info(object, &snapshot.info);
    object.string("pid", &snapshot.pid.to_string());
    object.time("registered_time", snapshot.registered);
    if let Some(reregistered) = snapshot.reregistered {
        object.time("reregistered_time", reregistered);
    }
    v0::resources(object.member("resources"), &snapshot.total);
    object.object("reserved_resources", |object| {
        for (role, reserved) in &v0::by_role(&snapshot.total) {
            v0::resources(object.entry(role), reserved);
        }
    });
    v0::resources(object.member("unreserved_resources"), &snapshot.total.unreserved());
    object.boolean("active", snapshot.active);
    object.boolean("deactivated", snapshot.deactivated);
    object.string("version", &snapshot.version);
    let capabilities = snapshot.capabilities.iter().map(|kind| v0::agent_capability(*kind));
    v0::names(object.member("capabilities"), capabilities);
    if let Some(drain) = &snapshot.drain {
        object.message("drain_info", drain);
        if let Some(started) = snapshot.drain_started {
            object.time("estimated_drain_start_time_seconds", started);
        }
    }
}

/// Writes resources in full. Operators copy from them what `/unreserve` and `/destroy-volumes` require.
fn agent_members_in_full(object: &mut Object<'_>, agent: &Agent) {
    let total = &agent.snapshot.total;
    object.members(|out| {
        agent.description.full.append(out, |out| {
            let mut object = Object::begun(out);
            object.object("reserved_resources_full", |object| {
                for (role, reserved) in &v0::by_role(total) {
                    v0::full(object.entry(role), reserved);
                }
            });
            v0::full(object.member("unreserved_resources_full"), &total.unreserved());
        });
    });
    object.members(|out| {
        agent.usage.full.append(out, |out| {
            let mut object = Object::begun(out);
            v0::full(object.member("used_resources_full"), &agent.total_used());
            v0::full(object.member("offered_resources_full"), &agent.offered);
        });
    });
}

fn framework(out: &mut Vec<u8>, view: &Snapshot, framework: &Framework) {
    let snapshot = &framework.snapshot;
    let info = &snapshot.info;
    json::object(out, |object| {
        framework_summary(object, framework);
        object.string("user", &info.user);
        object.double("failover_timeout", info.failover_timeout());
        object.boolean("checkpoint", info.checkpoint());
        object.time("registered_time", snapshot.registered);
        object.time("unregistered_time", snapshot.unregistered.unwrap_or_default());
        if let Some(principal) = &info.principal {
            object.string("principal", principal);
        }
        v0::resources(object.member("resources"), &(&framework.used + &framework.offered));
        if let Some(reregistered) = snapshot.reregistered.filter(|at| *at != snapshot.registered) {
            object.time("reregistered_time", reregistered);
        }
        v0::framework_roles(object, info);
        let tasks = view.visible_tasks(framework, framework.tasks.iter());
        object.array("tasks", tasks, |out, one| one.write_v0(out));
        let unreachable = view.visible_tasks(framework, framework.unreachable.iter());
        object.array("unreachable_tasks", unreachable, |out, one| one.write_v0(out));
        let completed = view.visible_tasks(framework, framework.completed.iter());
        object.array("completed_tasks", completed, |out, one| one.write_v0(out));
        object.array("offers", framework.offers.iter(), |out, one| offer(out, one));
        object.array("executors", view.visible_executors(framework), |out, one| executor(out, one));
        if let Some(labels) = &info.labels {
            v0::labels(object.member("labels"), labels);
        }
        match &snapshot.offer_constraints {
            Some(constraints) => json::message(object.member("offer_constraints"), &**constraints),
            None => object.object("offer_constraints", |_| {}),
        }
    });
}

pub(super) fn framework_summary(object: &mut Object<'_>, framework: &Framework) {
    let snapshot = &framework.snapshot;
    let info = &snapshot.info;
    object.string("id", snapshot.id.as_str());
    object.string("name", &info.name);
    if let Some(pid) = &snapshot.pid {
        object.string("pid", &pid.to_string());
    }
    v0::resources(object.member("used_resources"), &framework.used);
    v0::resources(object.member("offered_resources"), &framework.offered);
    let capabilities = info.capabilities.iter().map(|capability| Some(capability.r#type().as_str_name()));
    v0::names(object.member("capabilities"), capabilities);
    object.string("hostname", info.hostname());
    object.string("webui_url", info.webui_url());
    object.boolean("active", snapshot.active);
    object.boolean("connected", snapshot.connected);
    object.boolean("recovered", snapshot.recovered);
}

fn executor(out: &mut Vec<u8>, executor: &Executor) {
    executor.json.append(out, |out| {
        json::object(out, |object| {
            v0::executor_info(object, &executor.snapshot.info, &executor.resources);
            object.string("slave_id", executor.snapshot.agent.as_str());
        });
    });
}

fn offer(out: &mut Vec<u8>, shown: &EncodedOffer) {
    let made = &shown.offer;
    shown.json.append(out, |out| {
        json::object(out, |object| {
            object.string("id", made.id.as_str());
            object.string("framework_id", made.framework.as_str());
            object.object("allocation_info", |object| object.string("role", made.role.as_str()));
            object.string("slave_id", made.agent.id.as_str());
            v0::resources(object.member("resources"), &made.resources);
        });
    });
}
