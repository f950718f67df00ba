//! JSON of messages that are valid, generated from their descriptors.

use messages::schema::{FieldDescriptor, Kind, Label, MessageDescriptor};
use serde_json::{Value, json};

/// The entities of the cluster that the messages name.
#[derive(Debug, Clone)]
pub struct Samples {
    /// The id of a framework.
    pub framework: String,
    /// The id of an agent.
    pub agent: String,
    /// The id of an offer of it to the framework.
    pub offer: String,
}

impl Samples {
    /// Returns a plausible value of a field; `i` makes it differ from others.
    pub fn value(&self, field: &FieldDescriptor, i: usize) -> Value {
        match field.kind {
            Kind::Bool => Value::from(true),
            Kind::Bytes => Value::from("AAAAAAAAQACAAAAAAAAAAA=="),
            Kind::Double | Kind::Float => Value::from(1.0),
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 => Value::from(i),
            Kind::String => Value::from(format!("s{i}")),
            Kind::Enum(desc) => Value::from(desc.values.get(1).or(desc.values.first()).map_or("", |(_, name)| *name)),
            Kind::Message(desc) => self.message(desc, i),
            Kind::Map(_) | Kind::Duration => json!({}),
        }
    }

    /// Returns a valid message of a type.
    pub fn message(&self, desc: &MessageDescriptor, i: usize) -> Value {
        let cpus = |amount: f64| json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": amount}, "allocation_info": {"role": "r"}});
        let of = |name: &str, amount: f64| json!({"name": name, "type": "SCALAR", "scalar": {"value": amount}, "allocation_info": {"role": "r"}});
        match desc.name.rsplit('.').next().unwrap_or_default() {
            "FrameworkID" => json!({"value": self.framework}),
            "AgentID" => json!({"value": self.agent}),
            "OfferID" if i == 0 => json!({"value": self.offer}),
            "Resource" => json!({"name": format!("r{i}"), "type": "SCALAR", "scalar": {"value": 1.0}}),
            "Range" => json!({"begin": 2 * i + 1, "end": 2 * i + 1}),
            "TaskInfo" => json!({
                "name": "t", "task_id": {"value": format!("t{i}")}, "agent_id": {"value": self.agent},
                "resources": [cpus(0.001), of("mem", 1.0)], "command": {"value": "true"},
            }),
            "ExecutorInfo" => json!({
                "executor_id": {"value": format!("e{i}")}, "type": "DEFAULT",
                "framework_id": {"value": self.framework}, "resources": [cpus(0.01), of("mem", 32.0), of("disk", 1.0)],
            }),
            "LaunchGroup" => json!({
                "executor": {
                    "executor_id": {"value": "e"}, "type": "DEFAULT", "framework_id": {"value": self.framework},
                    "resources": [cpus(0.01), of("mem", 32.0), of("disk", 1.0)],
                },
                "task_group": {"tasks": []},
            }),
            "AttributeConstraint" => json!({
                "selector": {"attribute_name": "a"}, "predicate": {"text_matches": {"regex": "a"}},
            }),
            _ => {
                let required = desc.fields.iter().filter(|field| field.label == Label::Required);
                required.map(|field| (field.name.to_owned(), self.value(field, i))).collect()
            }
        }
    }
}

/// Puts a value at the end of a path into a message. Missing messages on the path are created, and `type` fields are
/// set to name the inserted message.
pub fn insert(
    desc: &MessageDescriptor,
    into: &mut Value,
    path: &[&'static FieldDescriptor],
    value: Value,
    samples: &Samples,
) {
    let [field, rest @ ..] = path else { return };
    if let Some(FieldDescriptor { kind: Kind::Enum(kinds), .. }) = desc.by_name("type")
        && kinds.number_of(&field.name.to_uppercase()).is_some()
    {
        into["type"] = Value::from(field.name.to_uppercase());
    }
    if matches!(field.name, "ranges" | "set" | "text")
        && let Some(object) = into.as_object_mut()
    {
        object.remove("scalar");
    }
    if rest.is_empty() {
        into[field.name] = value;
        return;
    }
    let Kind::Message(nested) = field.kind else { return };
    let slot = &mut into[field.name];
    if slot.is_null() {
        *slot = samples.message(nested, 0);
        if field.label == Label::Repeated {
            *slot = json!([slot.clone()]);
        }
    }
    match slot.as_array_mut() {
        Some(list) => {
            if list.is_empty() {
                list.push(samples.message(nested, 0));
            }
            insert(nested, &mut list[0], rest, value, samples);
        }
        None => insert(nested, slot, rest, value, samples),
    }
}
