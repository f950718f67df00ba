//! Recorded responses of Mesos, and their comparison with those of the views.

#![allow(dead_code, reason = "each test needs a part of it")]

use std::collections::BTreeMap;
use std::ops::Index;

use messages::schema::HasDescriptor;
use serde_json::Value;
use views::master::Build;

/// Returns a recorded stream of events.
pub fn events(name: &str) -> Vec<Value> {
    serde_json::from_slice(&read(name)).unwrap()
}

pub fn message<M: HasDescriptor>(json: &Value) -> M {
    wire::json::decode(&serde_json::to_vec(json).unwrap(), &wire::Limits::default()).unwrap()
}

fn read(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/mesos/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub struct Recording {
    pub name: String,
    answers: BTreeMap<String, Value>,
}

impl Recording {
    pub fn load(name: &str) -> Self {
        Recording { name: name.to_owned(), answers: serde_json::from_slice(&read(name)).unwrap() }
    }

    pub fn answers(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.answers.iter().map(|(name, answer)| (name.as_str(), answer))
    }

    pub fn message<M: HasDescriptor>(&self, name: &str) -> M {
        message(&self[name])
    }
}

impl Index<&str> for Recording {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        &self.answers[name]
    }
}

/// Returns the build of the program that a recorded `/state` describes.
pub fn build(state: &Value) -> Build {
    let text = |key: &str| state.get(key).map(|value| value.as_str().unwrap().to_owned());
    Build {
        version: text("version").unwrap(),
        date: text("build_date").unwrap(),
        time: state["build_time"].as_f64().unwrap(),
        user: text("build_user").unwrap(),
        git_sha: text("git_sha"),
        git_branch: text("git_branch"),
        git_tag: text("git_tag"),
    }
}

/// Asserts that both are equal, except for the order of entities, which Mesos takes from hash maps, and the last digit
/// of a double.
pub fn assert_same(what: &str, expected: &Value, shown: &Value) {
    let (expected, shown) = (normal(expected), normal(shown));
    if let Some(difference) = difference("", &expected, &shown) {
        panic!("{what}{difference}");
    }
}

fn normal(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            // This field of v0 does not exist in v1.
            .filter(|(key, _)| !(*key == "checkpoint" && members.contains_key("attributes")))
            .map(|(key, value)| (key.clone(), normal(value)))
            .collect(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(normal).collect();
            if items.iter().all(Value::is_object) {
                items.sort_by_cached_key(entity_key);
            }
            Value::Array(items)
        }
        other => other.clone(),
    }
}

fn entity_key(entity: &Value) -> String {
    // Statuses keep their order, since they have none of these keys.
    let keys = ["id", "task_id", "executor_id", "container_id", "framework_id", "executor_info", "agent_info"];
    let key = keys.iter().find_map(|key| entity.get(*key)).map(Value::to_string);
    let resource = || entity.get("type").map(|_| format!("{}{}", entity["name"], entity["reservations"]));
    let has_state = entity.get("state").is_some() && entity.get("id").is_none() && entity.get("name").is_none();
    if has_state { String::new() } else { key.or_else(resource).unwrap_or_default() }
}

fn difference(path: &str, expected: &Value, shown: &Value) -> Option<String> {
    match (expected, shown) {
        (Value::Object(a), Value::Object(b)) => {
            if let Some(missing) = a.keys().find(|key| !b.contains_key(*key)) {
                return Some(format!("{path}: '{missing}' is missing; Mesos has {}", a[missing]));
            }
            if let Some(extra) = b.keys().find(|key| !a.contains_key(*key)) {
                return Some(format!("{path}: '{extra}' is not in Mesos: {}", b[extra]));
            }
            a.iter().find_map(|(key, value)| difference(&format!("{path}.{key}"), value, &b[key]))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(&format!("{path}[{i}]"), a, b))
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            ((a - b).abs() > 1e-6).then(|| format!("{path}: Mesos has {a}, not {b}"))
        }
        (a, b) => (a != b).then(|| format!("{path}: Mesos has {a}, not {b}")),
    }
}
