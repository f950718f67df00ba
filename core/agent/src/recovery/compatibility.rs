//! The check whether an agent may continue under its id although its description has changed
//! (`--reconfiguration_policy`).

use std::fmt::{self, Write};

use messages::v1;
use resources::{Resource, Resources, Value};

/// `--reconfiguration_policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReconfigurationPolicy {
    /// The description may not change.
    #[default]
    Equal,
    /// Resources and attributes may be added; none may be removed.
    Additive,
    /// Every part of the description may change.
    Any,
}

/// The reason for which an agent cannot continue under its id. Its operator decides what to do; the text names the `rm`
/// that a new id takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Incompatible(pub String);

impl ReconfigurationPolicy {
    /// Resources that do not parse cannot have been those of an agent.
    pub(super) fn check(self, previous: &v1::AgentInfo, current: &v1::AgentInfo) -> Result<(), Incompatible> {
        match self {
            ReconfigurationPolicy::Any => Ok(()),
            ReconfigurationPolicy::Equal => equal(previous, current),
            ReconfigurationPolicy::Additive => additive(previous, current),
        }
    }
}

fn resources_of(info: &v1::AgentInfo) -> Resources {
    Resources::from_proto(&info.resources).unwrap_or_default()
}

fn equal(previous: &v1::AgentInfo, current: &v1::AgentInfo) -> Result<(), Incompatible> {
    let same_attributes = previous.attributes.len() == current.attributes.len()
        && previous.attributes.iter().all(|attribute| current.attributes.contains(attribute));
    let same = previous.hostname == current.hostname
        && previous.port() == current.port()
        && previous.domain == current.domain
        && previous.checkpoint() == current.checkpoint()
        && same_attributes
        && resources_of(previous) == resources_of(current);
    if same {
        return Ok(());
    }
    let line = "-".repeat(60);
    Err(Incompatible(format!(
        "Incompatible agent info detected. \n\n{line}\nOld agent info:\n{}\n\n{line}\nNew agent info:\n{}\n\n{line}",
        Shown(previous),
        Shown(current)
    )))
}

fn additive(previous: &v1::AgentInfo, current: &v1::AgentInfo) -> Result<(), Incompatible> {
    let refuse = |what: String| Err(Incompatible(format!("Configuration change not permitted under {what}")));
    if previous.hostname != current.hostname {
        let (old, new) = (&previous.hostname, &current.hostname);
        return refuse(format!("`additive` policy: Hostname changed from {old} to {new}"));
    }
    if previous.port() != current.port() {
        let (old, new) = (previous.port(), current.port());
        return refuse(format!("`additive` policy: Port changed from {old} to {new}"));
    }
    if previous.domain.is_some() && previous.domain != current.domain {
        let (old, new) = (domain(previous), domain(current));
        return refuse(format!("`additive` policy: Domain changed from {old} to {new}"));
    }
    let now = resources_of(current);
    for old in resources_of(previous).iter() {
        // Finds the resource that is the same except for its amount.
        let Some(new) = now.iter().find(|new| same_kind(old, new)) else {
            return refuse(format!("'additive' policy. Resource not found: {old}"));
        };
        if new.value().contains(old.value()) {
            continue;
        }
        let (name, was, is) = (old.name(), amount(old.value()), amount(new.value()));
        return refuse(match old.value() {
            Value::Scalar(_) => {
                format!("'additive' policy: Value of scalar resource '{name}' decreased from {was} to {is}")
            }
            Value::Ranges(_) => format!(
                "'additive' policy: Previous value of range resource '{name}' ({was}) not included in current {is}"
            ),
            Value::Set(_) => format!(
                "'additive' policy: Previous value of set resource '{name}' ({was}) not included in current {is}"
            ),
        });
    }
    for old in &previous.attributes {
        let Some(new) = current.attributes.iter().find(|new| new.name == old.name) else {
            return refuse(format!("'additive' policy: Couldn't find attribute {}", old.name));
        };
        if new.r#type != old.r#type {
            return refuse(format!(
                "'additive' policy: Type of attribute '{}' changed from {} to {}",
                old.name,
                old.r#type().as_str_name(),
                new.r#type().as_str_name()
            ));
        }
        let contained = match (&old.ranges, &new.ranges) {
            (Some(old), Some(new)) => old
                .range
                .iter()
                .all(|inner| new.range.iter().any(|outer| outer.begin <= inner.begin && inner.end <= outer.end)),
            _ => old.scalar == new.scalar && old.text == new.text,
        };
        if !contained {
            return refuse(format!(
                "'additive' policy: Value of attribute '{}' changed from {} to {}",
                old.name,
                Attribute(old),
                Attribute(new)
            ));
        }
    }
    Ok(())
}

/// Returns the fault domain of an agent in words.
fn domain(info: &v1::AgentInfo) -> String {
    match info.domain.as_deref().and_then(|domain| domain.fault_domain.as_deref()) {
        Some(fault) => format!("region '{}', zone '{}'", fault.region.name, fault.zone.name),
        None => "none".to_owned(),
    }
}

fn same_kind(old: &Resource, new: &Resource) -> bool {
    let kind = |resource: &Resource| v1::Resource { scalar: None, ranges: None, set: None, ..resource.to_proto() };
    kind(old) == kind(new)
}

fn amount(value: &Value) -> String {
    match value {
        Value::Scalar(scalar) => scalar.to_string(),
        Value::Ranges(ranges) => ranges.to_string(),
        Value::Set(set) => set.to_string(),
    }
}

/// The configurable part of an agent's description.
struct Shown<'a>(&'a v1::AgentInfo);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.0;
        write!(f, "hostname: {}\nport: {}\nresources: {}", info.hostname, info.port(), resources_of(info))?;
        for attribute in &info.attributes {
            write!(f, "\nattribute: {}:{}", attribute.name, Attribute(attribute))?;
        }
        if info.domain.is_some() {
            write!(f, "\ndomain: {}", domain(info))?;
        }
        Ok(())
    }
}

struct Attribute<'a>(&'a v1::Attribute);

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.0.text {
            return f.write_str(&text.value);
        }
        if let Some(scalar) = &self.0.scalar {
            return write!(f, "{}", scalar.value);
        }
        f.write_char('[')?;
        for (at, range) in self.0.ranges.iter().flat_map(|ranges| &ranges.range).enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{}-{}", range.begin, range.end)?;
        }
        f.write_char(']')
    }
}
