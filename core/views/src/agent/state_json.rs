//! `/state` of an agent.

use std::sync::Arc;

use messages::v1;
use resources::Resources;

use super::Snapshot;
use super::entity::{Description, Executor, Framework};
use super::operator::whole_seconds;
use super::task::Task;
use crate::json::{self, Object};
use crate::v0;

const NOTHING: [&str; 0] = [];

pub(super) fn state(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 * 1024);
    json::object(&mut out, |object| {
        let static_info = &snapshot.static_info;
        v0::build(object, &static_info.build);
        object.time("start_time", static_info.started);
        this_agent(object, snapshot);
        for name in ["log_dir", "external_log_file"] {
            if let Some(value) = static_info.flags.get(name) {
                object.string(name, value);
            }
        }
        object.object("flags", |object| {
            static_info.flags.iter().for_each(|(name, value)| json::string(object.entry(name), value))
        });
        object.array("frameworks", snapshot.visible_frameworks(), |out, one| framework(out, snapshot, one));
        object.array("completed_frameworks", snapshot.visible_completed(), |out, one| framework(out, snapshot, one));
    });
    out
}

fn this_agent(object: &mut Object<'_>, snapshot: &Snapshot) {
    let unknown = Description::default();
    let agent = snapshot.agent.as_deref().unwrap_or(&unknown);
    let info = &agent.info;
    object.string("id", info.id.as_ref().map_or("", |id| &id.value));
    object.string("pid", &snapshot.static_info.pid.to_string());
    object.string("hostname", &info.hostname);
    let capabilities = snapshot.static_info.capabilities.iter().map(|kind| v0::agent_capability(*kind));
    v0::names(object.member("capabilities"), capabilities);
    if let Some(domain) = &info.domain {
        v0::domain(object.member("domain"), domain);
    }
    if let Some(draining) = agent.draining.as_deref() {
        object.message("drain_config", &draining.config);
        object.integer("estimated_drain_start_time_seconds", whole_seconds(draining));
    }
    resources(object, &snapshot.visibility.shown(&agent.total), &snapshot.visibility.shown(&snapshot.allocated()));
    object.array("resource_providers", NOTHING, json::string);
    v0::attributes(object.member("attributes"), &info.attributes);
    if let Some(master) = &agent.master {
        object.string("master_hostname", master.hostname());
    }
}

fn resources(object: &mut Object<'_>, total: &Resources, allocated: &Resources) {
    v0::resources(object.member("resources"), total);
    let reserved = v0::by_role(total);
    object.object("reserved_resources", |object| {
        reserved.iter().for_each(|(role, reserved)| v0::resources(object.entry(role), reserved));
    });
    v0::resources(object.member("unreserved_resources"), &total.unreserved());
    object.object("reserved_resources_full", |object| {
        reserved.iter().for_each(|(role, reserved)| v0::full(object.entry(role), reserved));
    });
    v0::full(object.member("unreserved_resources_full"), &total.unreserved());
    object.object("reserved_resources_allocated", |object| {
        v0::by_role(allocated).iter().for_each(|(role, reserved)| v0::resources(object.entry(role), reserved));
    });
    v0::resources(object.member("unreserved_resources_allocated"), &allocated.unreserved());
}

fn framework(out: &mut Vec<u8>, view: &Snapshot, framework: &Framework) {
    let info = &framework.snapshot.info;
    json::object(out, |object| {
        object.string("id", framework.snapshot.id.as_str());
        object.string("name", &info.name);
        object.string("user", &info.user);
        object.double("failover_timeout", info.failover_timeout());
        object.boolean("checkpoint", info.checkpoint());
        object.string("hostname", info.hostname());
        if let Some(principal) = &info.principal {
            object.string("principal", principal);
        }
        v0::framework_roles(object, info);
        let executors = view.visible_executors(framework, framework.executors.iter());
        object.array("executors", executors, |out, one| executor(out, view, framework, one));
        let completed = view.visible_executors(framework, framework.completed.iter());
        object.array("completed_executors", completed, |out, one| executor(out, view, framework, one));
    });
}

fn executor(out: &mut Vec<u8>, view: &Snapshot, framework: &Framework, executor: &Executor) {
    let snapshot = &executor.snapshot;
    let info = &snapshot.info;
    json::object(out, |object| {
        object.string("id", snapshot.id.as_str());
        object.string("name", info.name());
        object.string("source", info.source());
        object.string("container", snapshot.container.as_str());
        object.string("directory", &snapshot.sandbox.to_string_lossy());
        v0::resources(object.member("resources"), &snapshot.resources);
        if !info.resources.is_empty() {
            object.string("role", v0::role(&info.resources));
        }
        if let Some(labels) = &info.labels {
            v0::labels(object.member("labels"), labels);
        }
        if info.r#type.is_some() {
            object.string("type", info.r#type().as_str_name());
        }
        object.array("tasks", view.visible_tasks(framework, executor.launched()), task);
        let queued = view.visible_tasks(framework, executor.queued());
        object.array("queued_tasks", queued, |out, task| queued_task(out, task));
        let completed = executor.completed.iter().chain(executor.terminated());
        object.array("completed_tasks", view.visible_tasks(framework, completed), task);
    });
}

fn task(out: &mut Vec<u8>, task: &Arc<Task>) {
    task.write_v0(out);
}

/// Writes a queued task. In Mesos it is still the description that its framework sent; its command is not known here.
fn queued_task(out: &mut Vec<u8>, queued: &Task) {
    let task: &v1::Task = &queued.task;
    json::object(out, |object| {
        object.string("id", &task.task_id.value);
        object.string("name", &task.name);
        object.string("slave_id", &task.agent_id.value);
        v0::resources(object.member("resources"), &queued.resources);
        object.string("role", v0::role(&task.resources));
        if let Some(executor) = &task.executor_id {
            object.string("executor_id", &executor.value);
        }
        if let Some(discovery) = &task.discovery {
            object.message("discovery", &**discovery);
        }
    });
}
