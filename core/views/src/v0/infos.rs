//! Descriptions of executors, machines and masters.

use messages::v1;
use resources::{Ranges, Resources, Set};

use super::{quantities, tasks};
use crate::json::{self, Object};
use crate::master::Build;

pub(crate) fn labels(out: &mut Vec<u8>, labels: &v1::Labels) {
    json::array(out, &labels.labels, json::message);
}

/// Writes enum values by name; numbers without a name are left out.
pub(crate) fn names<'a>(out: &mut Vec<u8>, names: impl IntoIterator<Item = Option<&'a str>>) {
    json::array(out, names.into_iter().flatten(), json::string);
}

/// Writes an executor. `resources` are those of the executor.
pub(crate) fn executor_info(object: &mut Object<'_>, info: &v1::ExecutorInfo, resources: &Resources) {
    object.string("executor_id", &info.executor_id.value);
    object.string("name", info.name.as_deref().unwrap_or_default());
    object.string("framework_id", info.framework_id.as_ref().map_or("", |id| &id.value));
    command(object.member("command"), info.command.as_deref());
    quantities::resources(object.member("resources"), resources);
    if !info.resources.is_empty() {
        object.string("role", tasks::role(&info.resources));
    }
    if let Some(of_executor) = &info.labels {
        labels(object.member("labels"), of_executor);
    }
    if info.r#type.is_some() {
        object.string("type", info.r#type().as_str_name());
    }
}

fn command(out: &mut Vec<u8>, command: Option<&v1::CommandInfo>) {
    let none = v1::CommandInfo::default();
    let command = command.unwrap_or(&none);
    json::object(out, |object| {
        if let Some(shell) = command.shell {
            object.boolean("shell", shell);
        }
        if let Some(value) = &command.value {
            object.string("value", value);
        }
        object.array("argv", &command.arguments, |out, argument| json::string(out, argument));
        if let Some(environment) = &command.environment {
            object.message("environment", &**environment);
        }
        object.array("uris", &command.uris, |out, uri| {
            json::object(out, |object| {
                object.string("value", &uri.value);
                object.boolean("executable", uri.executable.unwrap_or_default());
            });
        });
    });
}

pub(crate) fn attributes(out: &mut Vec<u8>, attributes: &[v1::Attribute]) {
    json::object(out, |object| {
        for attribute in attributes {
            let member = object.entry(&attribute.name);
            if let Some(scalar) = &attribute.scalar {
                json::double(member, scalar.value);
            } else if let Some(ranges) = &attribute.ranges {
                let ranges = ranges.range.iter().map(|range| resources::Range { begin: range.begin, end: range.end });
                json::string(member, &Ranges::new(ranges).to_string());
            } else if let Some(set) = &attribute.set {
                json::string(member, &Set::new(&set.item).to_string());
            } else {
                json::string(member, attribute.text.as_ref().map_or("", |text| &text.value));
            }
        }
    });
}

pub(crate) fn domain(out: &mut Vec<u8>, domain: &v1::DomainInfo) {
    json::object(out, |object| {
        if let Some(fault) = &domain.fault_domain {
            object.object("fault_domain", |object| {
                object.object("region", |object| object.string("name", &fault.region.name));
                object.object("zone", |object| object.string("name", &fault.zone.name));
            });
        }
    });
}

/// Writes the short form; `/state` of a master has a longer one of its own.
pub(crate) fn master_info(out: &mut Vec<u8>, info: &v1::MasterInfo) {
    json::object(out, |object| {
        object.string("id", &info.id);
        object.string("pid", info.pid.as_deref().unwrap_or_default());
        object.integer("port", i64::from(info.port));
        object.string("hostname", info.hostname.as_deref().unwrap_or_default());
        if let Some(of_master) = &info.domain {
            domain(object.member("domain"), of_master);
        }
    });
}

#[allow(deprecated, reason = "frameworks without MULTI_ROLE have a role")]
pub(crate) fn framework_roles(object: &mut Object<'_>, info: &v1::FrameworkInfo) {
    use v1::framework_info::capability::Type;
    if info.capabilities.iter().any(|capability| capability.r#type() == Type::MultiRole) {
        object.array("roles", &info.roles, |out, role| json::string(out, role));
    } else {
        object.string("role", info.role());
    }
}

/// Returns the name of a capability; `None` for numbers that this program does not know, which are left out.
pub(crate) fn agent_capability(kind: i32) -> Option<&'static str> {
    use v1::agent_info::capability::Type;
    Type::try_from(kind).ok().map(|kind| kind.as_str_name())
}

pub(crate) fn build(object: &mut Object<'_>, build: &Build) {
    object.string("version", &build.version);
    for (name, value) in [("git_sha", &build.git_sha), ("git_branch", &build.git_branch), ("git_tag", &build.git_tag)] {
        if let Some(value) = value {
            object.string(name, value);
        }
    }
    object.string("build_date", &build.date);
    object.double("build_time", build.time);
    object.string("build_user", &build.user);
}
