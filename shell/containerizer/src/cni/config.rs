//! The configuration of a network, from the operator's file to the input of each plugin.
//!
//! A network is a chain of plugins. A file with one plugin (`type`), the only form that Mesos has, is a chain of one. A list
//! (`plugins`) is one of the later specification. The configuration of `mesos-cni-port-mapper`, the plugin that Mesos brings
//! along, becomes the chain of the plugin that it delegates to and of `portmap`, unless that program is installed.

use serde_json::{Map, Value, json};

use super::request::{AddressRequest, NetworkRequest, PortMapping};

/// The maximum size of a file of the operator, in bytes.
pub(crate) const MAX_CONFIG: u64 = 1 << 20;
/// The maximum number of plugins of a network.
const MAX_PLUGINS: usize = 16;
/// The maximum length of the name of a network. It is the name of a directory.
const MAX_NAME: usize = 200;
/// The names of files in the directory of a container, which no network can have.
const RESERVED: [&str; 4] = ["ns", "hosts", "hostname", "resolv.conf"];
/// The plugin of Mesos that maps ports.
const PORT_MAPPER: &str = "mesos-cni-port-mapper";
/// The first version of the specification with chains of plugins.
const FIRST_WITH_CHAINS: &str = "0.3.1";
/// The key of `args` for what Mesos tells plugins.
const MESOS: &str = "org.apache.mesos";
/// Plugins of the CNI project that do not read `args`, so that mappings of ports would have no effect.
const WITHOUT_PORTS: [&str; 8] = ["bridge", "dummy", "host-device", "ipvlan", "loopback", "macvlan", "ptp", "vlan"];

/// The reason for which a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("it is not a JSON object: {0}")]
    Json(String),
    #[error("'{path}' must be {expected}")]
    Field { path: String, expected: &'static str },
    #[error("the plugin '{0}' is in none of the directories of --network_cni_plugins_dir")]
    NoPlugin(String),
    #[error("'org.apache.mesos' in 'args' is reserved: leave it out")]
    Reserved,
    #[error("'excludeDevices' can name one device only, since one rule of iptables can exclude one")]
    ExcludedDevices,
}

/// The reason for which a network cannot give a container what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(
        "the CNI network '{0}' maps no ports: add the plugin 'portmap' with the capability 'portMappings' to its configuration"
    )]
    NoPortMappings(String),
    #[error("the description of the network '{0}' is not a JSON object")]
    Description(String),
}

/// The plugins of a network in the order of ADD, and what they have in common.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NetworkConfig {
    /// The name of the network.
    pub name: String,
    plugins: Vec<Map<String, Value>>,
    /// The original object of a network with one plugin, and not a list.
    is_list: bool,
}

impl NetworkConfig {
    /// Reads a configuration. `is_installed` tells whether there is a plugin with this name.
    ///
    /// # Errors
    /// Returns [`ConfigError`] if the file is not one of a network, or a plugin is missing.
    pub(crate) fn parse(bytes: &[u8], is_installed: &dyn Fn(&str) -> bool) -> Result<Self, ConfigError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| ConfigError::Json(error.to_string()))?;
        let Value::Object(object) = value else { return Err(ConfigError::Json("it is another value".to_owned())) };
        let name = network_name(&object)?;
        let config = match object.get("plugins") {
            Some(plugins) => NetworkConfig::list(name, &object, plugins)?,
            None if plugin_type(&object, "type")? == PORT_MAPPER && !is_installed(PORT_MAPPER) => {
                NetworkConfig::port_mapper(name, &object)?
            }
            None => NetworkConfig { name, plugins: vec![object], is_list: false },
        };
        config.check(is_installed)?;
        Ok(config)
    }

    fn list(name: String, object: &Map<String, Value>, plugins: &Value) -> Result<Self, ConfigError> {
        let field = |expected| ConfigError::Field { path: "plugins".to_owned(), expected };
        let entries = plugins.as_array().ok_or(field("a list"))?;
        if entries.is_empty() || entries.len() > MAX_PLUGINS {
            return Err(field("a list of 1 to 16 plugins"));
        }
        let version = object.get("cniVersion").cloned().unwrap_or_else(|| json!(FIRST_WITH_CHAINS));
        let plugin = |entry: &Value| {
            let mut plugin = entry.as_object().cloned().ok_or(field("a list of objects"))?;
            plugin.insert("name".to_owned(), json!(name));
            plugin.insert("cniVersion".to_owned(), version.clone());
            Ok(plugin)
        };
        let plugins = entries.iter().map(plugin).collect::<Result<_, ConfigError>>()?;
        Ok(NetworkConfig { name, plugins, is_list: true })
    }

    /// Translates the configuration of Mesos' port mapper. Its `chain` has no counterpart: `portmap` names its chains itself.
    fn port_mapper(name: String, object: &Map<String, Value>) -> Result<Self, ConfigError> {
        let field = |path: &str, expected| ConfigError::Field { path: path.to_owned(), expected };
        object.get("chain").and_then(Value::as_str).ok_or(field("chain", "a text"))?;
        let delegate = object.get("delegate").and_then(Value::as_object).ok_or(field("delegate", "an object"))?;
        let excluded = match object.get("excludeDevices") {
            None => &[],
            Some(devices) => devices.as_array().ok_or(field("excludeDevices", "a list"))?.as_slice(),
        };
        let device = |value: &Value| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
            let name = value.as_str().filter(|name| (1..16).contains(&name.len()) && name.bytes().all(plain));
            name.map(str::to_owned).ok_or(field("excludeDevices", "a list of names of devices"))
        };
        let excluded = excluded.iter().map(device).collect::<Result<Vec<_>, _>>()?;
        // Versions before 0.3.0 have no results that another plugin can read.
        let version = object.get("cniVersion").or_else(|| delegate.get("cniVersion")).and_then(Value::as_str);
        let version = version.filter(|version| !version.starts_with("0.1.") && !version.starts_with("0.2."));
        let version = version.unwrap_or(FIRST_WITH_CHAINS);
        let mut portmap = json!({ "type": "portmap", "capabilities": { "portMappings": true } });
        match excluded.as_slice() {
            [] => {}
            [device] => portmap["conditionsV4"] = json!(["!", "-i", device]),
            _ => return Err(ConfigError::ExcludedDevices),
        }
        let mut list = json!({ "name": name, "cniVersion": version, "plugins": [delegate, portmap] });
        if let Some(args) = object.get("args") {
            list["plugins"][0]["args"] = args.clone();
        }
        match (list.as_object(), list.get("plugins")) {
            (Some(object), Some(plugins)) => NetworkConfig::list(name, object, plugins),
            _ => Err(field("delegate", "an object")),
        }
    }

    fn check(&self, is_installed: &dyn Fn(&str) -> bool) -> Result<(), ConfigError> {
        for plugin in &self.plugins {
            let kind = plugin_type(plugin, "type")?;
            if !is_installed(kind) {
                return Err(ConfigError::NoPlugin(kind.to_owned()));
            }
            let ipam = match plugin.get("ipam") {
                None | Some(Value::Null) => None,
                Some(ipam) => Some(ipam.as_object().ok_or(field("ipam", "an object"))?),
            };
            if let Some(ipam) = ipam.filter(|ipam| ipam.contains_key("type")) {
                let kind = plugin_type(ipam, "ipam.type")?;
                if !is_installed(kind) {
                    return Err(ConfigError::NoPlugin(kind.to_owned()));
                }
            }
            let args = match plugin.get("args") {
                None | Some(Value::Null) => None,
                Some(args) => Some(args.as_object().ok_or(field("args", "an object"))?),
            };
            if args.is_some_and(|args| args.contains_key(MESOS)) {
                return Err(ConfigError::Reserved);
            }
        }
        Ok(())
    }

    /// Returns the attachment of a container to this network: the configuration with everything that plugins are told about
    /// the container.
    ///
    /// # Errors
    /// Returns [`RequestError`] if the plugins of the network would ignore what the container asks for.
    pub(crate) fn attachment(&self, request: &NetworkRequest) -> Result<Attachment, RequestError> {
        let info: Value = serde_json::from_str(&request.network_info).unwrap_or_default();
        if !info.is_object() {
            return Err(RequestError::Description(self.name.clone()));
        }
        if !request.port_mappings.is_empty() && !self.maps_ports() {
            return Err(RequestError::NoPortMappings(self.name.clone()));
        }
        let plugins = self.plugins.iter().map(|plugin| with_request(plugin.clone(), &info, request)).collect();
        Ok(Attachment { config: NetworkConfig { plugins, ..self.clone() } })
    }

    fn maps_ports(&self) -> bool {
        let maps = |plugin: &Map<String, Value>| {
            let kind = plugin.get("type").and_then(Value::as_str).unwrap_or_default();
            // A plugin that is not known here may read the mappings in `args`, as that of Mesos does.
            has_capability(plugin, "portMappings") || (!self.is_list && !WITHOUT_PORTS.contains(&kind))
        };
        self.plugins.iter().any(maps)
    }
}

/// The configuration of a network for one container. It is kept until the container is detached.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attachment {
    config: NetworkConfig,
}

impl Attachment {
    /// Returns the bytes to keep. For a network with one plugin they are its configuration, as in Mesos.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        match self.config.plugins.as_slice() {
            [plugin] if !self.config.is_list => Value::Object(plugin.clone()),
            plugins => json!({ "name": self.config.name, "plugins": plugins }),
        }
        .to_string()
        .into_bytes()
    }

    /// Reads what [`Attachment::to_json`] or an agent of Mesos has kept.
    ///
    /// # Errors
    /// Returns [`ConfigError`] if it is damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| ConfigError::Json(error.to_string()))?;
        let Value::Object(object) = value else { return Err(ConfigError::Json("it is another value".to_owned())) };
        let name = network_name(&object)?;
        let (plugins, is_list) = match object.get("plugins") {
            None => (vec![object], false),
            Some(Value::Array(entries)) => {
                (entries.iter().filter_map(|entry| entry.as_object().cloned()).collect(), true)
            }
            Some(_) => return Err(ConfigError::Field { path: "plugins".to_owned(), expected: "a list" }),
        };
        for plugin in &plugins {
            plugin_type(plugin, "type")?;
        }
        Ok(Attachment { config: NetworkConfig { name, plugins, is_list } })
    }

    /// Returns the names of the plugins in the order of ADD.
    pub(crate) fn plugins(&self) -> impl DoubleEndedIterator<Item = (usize, &str)> {
        let kind = |plugin: &'_ Map<String, Value>| plugin.get("type").and_then(Value::as_str).is_some();
        debug_assert!(self.config.plugins.iter().all(kind));
        let plugins = self.config.plugins.iter().enumerate();
        plugins.map(|(index, plugin)| (index, plugin.get("type").and_then(Value::as_str).unwrap_or_default()))
    }

    /// Returns the input of a plugin of ADD: what the plugin before it has answered is part of it.
    pub(crate) fn add_input(&self, index: usize, previous: Option<&[u8]>) -> Vec<u8> {
        self.input(index, previous)
    }

    /// Returns the input of a plugin of DEL. Since version 0.4.0 it has the answer to ADD.
    pub(crate) fn delete_input(&self, index: usize, answer: Option<&[u8]>) -> Vec<u8> {
        let version =
            self.config.plugins.get(index).and_then(|plugin| plugin.get("cniVersion")).and_then(Value::as_str);
        let is_before =
            version.is_none_or(|version| ["0.1.", "0.2.", "0.3."].iter().any(|old| version.starts_with(old)));
        self.input(index, answer.filter(|_| !is_before))
    }

    fn input(&self, index: usize, previous: Option<&[u8]>) -> Vec<u8> {
        let mut plugin = self.config.plugins.get(index).cloned().unwrap_or_default();
        if let Some(previous) = previous.and_then(|previous| serde_json::from_slice::<Value>(previous).ok()) {
            plugin.insert("prevResult".to_owned(), previous);
        }
        Value::Object(plugin).to_string().into_bytes()
    }

    /// Returns the `NetworkInfo` in JSON that the container asked for.
    pub(crate) fn network_info(&self) -> Option<String> {
        let info = self.config.plugins.first()?.get("args")?.get(MESOS)?.get("network_info")?;
        info.is_object().then(|| info.to_string())
    }
}

fn field(path: &str, expected: &'static str) -> ConfigError {
    ConfigError::Field { path: path.to_owned(), expected }
}

/// Adds to the configuration of a plugin what it is told about a container.
fn with_request(mut plugin: Map<String, Value>, info: &Value, request: &NetworkRequest) -> Map<String, Value> {
    let mut args = plugin.get("args").and_then(Value::as_object).cloned().unwrap_or_default();
    args.insert(MESOS.to_owned(), json!({ "network_info": info }));
    plugin.insert("args".to_owned(), Value::Object(args));
    let mut runtime = Map::new();
    if has_capability(&plugin, "portMappings") {
        let mapping = |mapping: &PortMapping| {
            let protocol = if mapping.udp { "udp" } else { "tcp" };
            json!({ "hostPort": mapping.host_port, "containerPort": mapping.container_port, "protocol": protocol })
        };
        runtime.insert("portMappings".to_owned(), request.port_mappings.iter().map(mapping).collect());
    }
    let address = |wanted: &AddressRequest| match wanted {
        AddressRequest::Address(address) => Some(address.to_string()),
        AddressRequest::V4 | AddressRequest::V6 => None,
    };
    let addresses: Vec<String> = request.addresses.iter().filter_map(address).collect();
    if has_capability(&plugin, "ips") && !addresses.is_empty() {
        runtime.insert("ips".to_owned(), json!(addresses));
    }
    // What the container does not ask for is left out.
    runtime.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
    if !runtime.is_empty() {
        plugin.insert("runtimeConfig".to_owned(), Value::Object(runtime));
    }
    plugin
}

fn has_capability(plugin: &Map<String, Value>, name: &str) -> bool {
    plugin.get("capabilities").and_then(|capabilities| capabilities.get(name)) == Some(&Value::Bool(true))
}

/// Returns the name of a network, which is also the name of a directory.
fn network_name(object: &Map<String, Value>) -> Result<String, ConfigError> {
    let is_plain = |name: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=MAX_NAME).contains(&name.len())
            && name.bytes().all(plain)
            && !name.starts_with('.')
            && !RESERVED.contains(name)
    };
    let name = object.get("name").and_then(Value::as_str).filter(is_plain);
    let expected = "a name of letters, digits, '.', '_' and '-' that is not 'ns', 'hosts', 'hostname' or 'resolv.conf'";
    name.map(str::to_owned).ok_or(field("name", expected))
}

/// Returns the name of a plugin, which is also the name of a file.
fn plugin_type<'a>(object: &'a Map<String, Value>, path: &str) -> Result<&'a str, ConfigError> {
    let is_plain =
        |name: &&str| (1..=255).contains(&name.len()) && !name.contains(['/', '\0']) && *name != "." && *name != "..";
    let name = object.get("type").and_then(Value::as_str).filter(is_plain);
    name.ok_or_else(|| field(path, "the name of a plugin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &dyn Fn(&str) -> bool = &|_| true;
    const DEBIAN: &dyn Fn(&str) -> bool = &|name| name != PORT_MAPPER;

    fn request(ports: &[(u16, u16, bool)]) -> NetworkRequest {
        let mapping = |(host_port, container_port, udp): &(u16, u16, bool)| PortMapping {
            host_port: *host_port,
            container_port: *container_port,
            udp: *udp,
        };
        NetworkRequest {
            name: "net".into(),
            network_info: r#"{"name":"net","labels":{"labels":[{"key":"a","value":"b"}]}}"#.into(),
            port_mappings: ports.iter().map(mapping).collect(),
            addresses: vec![AddressRequest::Address("10.0.0.9".parse().unwrap())],
        }
    }

    fn inputs(config: &NetworkConfig, request: &NetworkRequest) -> Vec<Value> {
        let attachment = config.attachment(request).unwrap();
        let kept = Attachment::parse(&attachment.to_json()).unwrap();
        assert_eq!(kept.plugins().collect::<Vec<_>>(), attachment.plugins().collect::<Vec<_>>());
        let input = |index| serde_json::from_slice(&attachment.add_input(index, None)).unwrap();
        kept.plugins().map(|(index, _)| input(index)).collect()
    }

    #[test]
    fn a_plugin_of_mesos_is_told_the_network_info() {
        let text = br#"{"name":"net","type":"calico","args":{"own":1},"ipam":{"type":"host-local"}}"#;
        let config = NetworkConfig::parse(text, ALL).unwrap();
        // The plugin may read the mappings itself.
        let inputs = inputs(&config, &request(&[(31000, 80, false)]));
        let info = json!({ "name": "net", "labels": { "labels": [{ "key": "a", "value": "b" }] } });
        let args = json!({ "own": 1, "org.apache.mesos": { "network_info": info } });
        let expect = json!({ "name": "net", "type": "calico", "args": args, "ipam": { "type": "host-local" } });
        assert_eq!(inputs, [expect]);
        let attachment = config.attachment(&request(&[])).unwrap();
        let told: Value = serde_json::from_str(&attachment.network_info().unwrap()).unwrap();
        assert_eq!(told, info);
    }

    #[test]
    fn a_list_gives_each_plugin_what_it_can_do() {
        let text = json!({ "name": "net", "cniVersion": "1.0.0", "plugins": [
            { "type": "bridge", "capabilities": { "ips": true } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ] });
        let config = NetworkConfig::parse(text.to_string().as_bytes(), ALL).unwrap();
        let inputs = inputs(&config, &request(&[(31000, 80, false), (31053, 53, true)]));
        assert_eq!(inputs[0]["runtimeConfig"], json!({ "ips": ["10.0.0.9"] }));
        assert_eq!(inputs[0]["cniVersion"], "1.0.0");
        let ports = json!([
            { "hostPort": 31000, "containerPort": 80, "protocol": "tcp" },
            { "hostPort": 31053, "containerPort": 53, "protocol": "udp" },
        ]);
        assert_eq!(inputs[1]["runtimeConfig"], json!({ "portMappings": ports }));
        let attachment = config.attachment(&request(&[])).unwrap();
        let input: Value = serde_json::from_slice(&attachment.add_input(1, Some(br#"{"ips":[]}"#))).unwrap();
        assert_eq!(input["prevResult"], json!({ "ips": [] }));
    }

    #[test]
    fn the_port_mapper_of_mesos_becomes_a_chain() {
        let text = json!({ "name": "net", "type": PORT_MAPPER, "chain": "MESOS", "excludeDevices": ["cni0"],
            "delegate": { "type": "bridge", "bridge": "cni0", "ipam": { "type": "host-local" } } });
        let bytes = text.to_string().into_bytes();
        let config = NetworkConfig::parse(&bytes, DEBIAN).unwrap();
        let names: Vec<String> =
            config.attachment(&request(&[])).unwrap().plugins().map(|(_, name)| name.to_owned()).collect();
        assert_eq!(names, ["bridge", "portmap"]);
        let inputs = inputs(&config, &request(&[(31000, 80, false)]));
        assert_eq!(
            (&inputs[0]["bridge"], &inputs[0]["name"], &inputs[0]["cniVersion"]),
            (&json!("cni0"), &json!("net"), &json!("0.3.1"))
        );
        assert_eq!(inputs[1]["conditionsV4"], json!(["!", "-i", "cni0"]));
        assert_eq!(inputs[1]["runtimeConfig"]["portMappings"][0]["hostPort"], 31000);
        // The program of Mesos is used if it is there.
        let config = NetworkConfig::parse(&bytes, ALL).unwrap();
        assert_eq!(config.attachment(&request(&[])).unwrap().plugins().count(), 1);
        let mut several = text;
        several["excludeDevices"] = json!(["a", "b"]);
        let refused = NetworkConfig::parse(several.to_string().as_bytes(), DEBIAN).unwrap_err();
        assert_eq!(refused, ConfigError::ExcludedDevices);
    }

    #[test]
    fn mappings_that_would_have_no_effect_are_refused() {
        let check = |text: Value, refused: bool| {
            let config = NetworkConfig::parse(text.to_string().as_bytes(), ALL).unwrap();
            let attachment = config.attachment(&request(&[(31000, 80, false)]));
            assert_eq!(attachment.is_err(), refused, "{text}");
        };
        check(json!({ "name": "net", "type": "bridge" }), true);
        check(json!({ "name": "net", "type": "bridge", "capabilities": { "portMappings": true } }), false);
        check(json!({ "name": "net", "type": "calico" }), false);
        check(json!({ "name": "net", "plugins": [{ "type": "bridge" }] }), true);
        check(json!({ "name": "net", "plugins": [{ "type": "bridge" }, { "type": "portmap" }] }), true);
    }

    #[test]
    fn a_file_that_is_no_configuration_says_why() {
        let check = |text: &str, expect: &str| {
            let error = NetworkConfig::parse(text.as_bytes(), &|name| name == "bridge").unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check("", "not a JSON object");
        check("[1]", "not a JSON object");
        check("{}", "'name' must be");
        for name in ["../x", "", "a/b", ".hidden", "ns", "hosts", "a b"] {
            check(&json!({ "name": name, "type": "bridge" }).to_string(), "'name' must be");
        }
        check(r#"{"name":"net"}"#, "'type' must be the name of a plugin");
        check(r#"{"name":"net","type":"../bin/sh"}"#, "'type' must be the name of a plugin");
        check(r#"{"name":"net","type":"macvlan"}"#, "the plugin 'macvlan' is in none");
        check(r#"{"name":"net","type":"bridge","ipam":{"type":"dhcp"}}"#, "the plugin 'dhcp' is in none");
        check(r#"{"name":"net","type":"bridge","ipam":7}"#, "'ipam' must be an object");
        check(r#"{"name":"net","type":"bridge","args":[]}"#, "'args' must be an object");
        check(r#"{"name":"net","type":"bridge","args":{"org.apache.mesos":{}}}"#, "reserved");
        check(r#"{"name":"net","plugins":[]}"#, "'plugins' must be a list of 1 to 16");
        check(r#"{"name":"net","plugins":{}}"#, "'plugins' must be a list");
        check(r#"{"name":"net","plugins":[1]}"#, "'plugins' must be a list of objects");
        check(r#"{"name":"net","type":"mesos-cni-port-mapper"}"#, "'chain' must be");
        check(r#"{"name":"net","type":"mesos-cni-port-mapper","chain":"C"}"#, "'delegate' must be");
    }
}
