//! The body of the request that creates a container, to which the other modules add.

use serde_json::{Map, Value, json};

/// The body in the making: the container itself, the part for the host, and its place in a network.
#[derive(Debug, Default)]
pub struct Document {
    config: Map<String, Value>,
    host: Map<String, Value>,
    endpoint: Map<String, Value>,
    /// The network: `host`, `bridge`, `none`, `container:<name>`, or the name of one.
    pub network: String,
    /// Whether the container is removed when it ends.
    pub remove: bool,
    /// Whether an option has named name servers.
    pub has_dns: bool,
}

impl Document {
    /// Sets a field of the container.
    pub fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.config.insert(field.to_owned(), value.into());
    }

    /// Adds to a list of the container.
    pub fn push(&mut self, field: &str, value: impl Into<Value>) {
        push(&mut self.config, field, value.into());
    }

    /// Adds an entry to an object of the container.
    pub fn insert(&mut self, field: &str, key: &str, value: impl Into<Value>) {
        insert(&mut self.config, field, key, value.into());
    }

    /// Sets a field of the part for the host.
    pub fn set_host(&mut self, field: &str, value: impl Into<Value>) {
        self.host.insert(field.to_owned(), value.into());
    }

    /// Removes a field of the part for the host.
    pub fn unset_host(&mut self, field: &str) {
        self.host.remove(field);
    }

    /// Adds to a list of the part for the host.
    pub fn push_host(&mut self, field: &str, value: impl Into<Value>) {
        push(&mut self.host, field, value.into());
    }

    /// Adds an entry to an object of the part for the host.
    pub fn insert_host(&mut self, field: &str, key: &str, value: impl Into<Value>) {
        insert(&mut self.host, field, key, value.into());
    }

    /// Sets the field of an object of the part for the host.
    pub fn insert_host_object(&mut self, field: &str, object: &str, key: &str, value: impl Into<Value>) {
        let outer = self.host.entry(field).or_insert_with(|| json!({}));
        if let Some(outer) = outer.as_object_mut() {
            insert(outer, object, key, value.into());
        }
    }

    /// Sets a variable of the environment. The last value counts.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        let start = format!("{name}=");
        if let Some(list) = self.config.get_mut("Env").and_then(Value::as_array_mut) {
            list.retain(|variable| !variable.as_str().is_some_and(|text| text.starts_with(&start)));
        }
        self.push("Env", format!("{start}{value}"));
    }

    /// Adds a port of the host that leads to one of the container.
    pub fn publish(&mut self, container: u16, protocol: &str, host: u16, ip: &str) {
        let port = format!("{container}/{protocol}");
        self.insert("ExposedPorts", &port, json!({}));
        let bindings = self.host.entry("PortBindings").or_insert_with(|| json!({}));
        if let Some(bindings) = bindings.as_object_mut() {
            push(bindings, &port, json!({ "HostIp": ip, "HostPort": host.to_string() }));
        }
    }

    /// Adds to a list of the place in the network.
    pub fn push_endpoint(&mut self, field: &str, value: impl Into<Value>) {
        push(&mut self.endpoint, field, value.into());
    }

    /// Adds an entry to an object of the place in the network.
    pub fn insert_endpoint(&mut self, field: &str, key: &str, value: impl Into<Value>) {
        insert(&mut self.endpoint, field, key, value.into());
    }

    /// Returns whether the container has a terminal.
    pub fn has_terminal(&self) -> bool {
        self.config.get("Tty").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Returns the body.
    pub fn finish(mut self) -> Value {
        self.host.insert("NetworkMode".to_owned(), self.network.clone().into());
        if !self.endpoint.is_empty() {
            let endpoints = json!({ self.network: self.endpoint });
            self.config.insert("NetworkingConfig".to_owned(), json!({ "EndpointsConfig": endpoints }));
        }
        self.config.insert("HostConfig".to_owned(), self.host.into());
        self.config.into()
    }
}

fn push(object: &mut Map<String, Value>, field: &str, value: Value) {
    let list = object.entry(field).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut() {
        list.push(value);
    }
}

fn insert(object: &mut Map<String, Value>, field: &str, key: &str, value: Value) {
    let inner = object.entry(field).or_insert_with(|| json!({}));
    if let Some(inner) = inner.as_object_mut() {
        inner.insert(key.to_owned(), value);
    }
}
