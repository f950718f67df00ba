//! Tasks and their statuses.

use messages::v1;
use resources::Resources;

use super::{labels, quantities};
use crate::json::{self, Object};

/// Writes a task. `resources` are those of the task.
pub(crate) fn task(out: &mut Vec<u8>, task: &v1::Task, resources: &Resources) {
    json::object(out, |object| {
        object.string("id", &task.task_id.value);
        object.string("name", &task.name);
        object.string("framework_id", &task.framework_id.value);
        object.string("executor_id", task.executor_id.as_ref().map_or("", |id| &id.value));
        object.string("slave_id", &task.agent_id.value);
        object.string("state", task.state().as_str_name());
        quantities::resources(object.member("resources"), resources);
        if !task.limits.is_empty() {
            object.object("limits", |object| limits(object, task));
        }
        object.string("role", role(&task.resources));
        object.array("statuses", &task.statuses, status);
        if let Some(user) = &task.user {
            object.string("user", user);
        }
        if let Some(of_task) = &task.labels {
            labels(object.member("labels"), of_task);
        }
        if let Some(discovery) = &task.discovery {
            object.message("discovery", &**discovery);
        }
        if let Some(container) = &task.container {
            object.message("container", &**container);
        }
        if let Some(health_check) = &task.health_check {
            object.message("health_check", &**health_check);
        }
    });
}

/// Writes the limits. A limit may be infinite, which resources cannot be.
fn limits(object: &mut Object<'_>, task: &v1::Task) {
    for (name, limit) in &task.limits {
        json::double(object.entry(name), limit.value);
    }
}

/// Returns the role that everything of a task or an executor is allocated to (MESOS-6636).
pub(crate) fn role(resources: &[v1::Resource]) -> &str {
    resources
        .first()
        .and_then(|resource| resource.allocation_info.as_ref())
        .and_then(|allocation| allocation.role.as_deref())
        .unwrap_or_default()
}

fn status(out: &mut Vec<u8>, status: &v1::TaskStatus) {
    json::object(out, |object| {
        object.string("state", status.state().as_str_name());
        object.seconds("timestamp", status.timestamp.unwrap_or_default());
        if let Some(of_status) = &status.labels {
            labels(object.member("labels"), of_status);
        }
        if let Some(container) = &status.container_status {
            container_status(object.member("container_status"), container);
        }
        if let Some(healthy) = status.healthy {
            object.boolean("healthy", healthy);
        }
    });
}

fn container_status(out: &mut Vec<u8>, status: &v1::ContainerStatus) {
    json::object(out, |object| {
        if let Some(id) = &status.container_id {
            container_id(object.member("container_id"), id);
        }
        if !status.network_infos.is_empty() {
            object.array("network_infos", &status.network_infos, network_info);
        }
        if let Some(cgroup) = &status.cgroup_info {
            object.message("cgroup_info", &**cgroup);
        }
    });
}

/// Writes a container id like the generic mapping, only faster: it is in every status of every task.
fn container_id(out: &mut Vec<u8>, id: &v1::ContainerId) {
    json::object(out, |object| {
        object.string("value", &id.value);
        if let Some(parent) = &id.parent {
            container_id(object.member("parent"), parent);
        }
    });
}

/// Writes an address like the generic mapping, only faster.
fn ip_address(out: &mut Vec<u8>, address: &v1::network_info::IpAddress) {
    json::object(out, |object| {
        object.string("protocol", address.protocol().as_str_name());
        if let Some(text) = &address.ip_address {
            object.string("ip_address", text);
        }
    });
}

fn network_info(out: &mut Vec<u8>, info: &v1::NetworkInfo) {
    json::object(out, |object| {
        if !info.groups.is_empty() {
            object.array("groups", &info.groups, |out, group| json::string(out, group));
        }
        if let Some(of_network) = &info.labels {
            labels(object.member("labels"), of_network);
        }
        if !info.ip_addresses.is_empty() {
            object.array("ip_addresses", &info.ip_addresses, ip_address);
        }
        if let Some(name) = &info.name {
            object.string("name", name);
        }
        if !info.port_mappings.is_empty() {
            object.array("port_mappings", &info.port_mappings, json::message);
        }
    });
}
