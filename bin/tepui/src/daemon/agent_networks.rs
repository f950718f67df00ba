//! The flags of the networks and ports of containers.

use std::path::Path;

use containerizer::{Dns, NetworkDns, PortsConfig};
use flags::{AgentFlags, ExecutorContainerizer, Json};
use messages::v1;

use crate::commands::CommandError;

/// Sets the options of `network/cni` and `network/ports`. `resources` are those of the agent.
///
/// # Errors
/// Fails with a sentence that names the flag and says what it accepts.
pub(super) fn configure(
    flags: &AgentFlags,
    work_dir: &Path,
    resources: &[v1::Resource],
    config: &mut containerizer::Config,
) -> Result<(), CommandError> {
    let given = &flags.network_isolation;
    let base = if given.network_cni_root_dir_persist { work_dir } else { &config.runtime_dir };
    config.networks.root = base.join("isolators/network/cni");
    config.networks.metrics = given.network_cni_metrics;
    let uses_docker = flags.containerizers.0.contains(&ExecutorContainerizer::Docker);
    config.networks.dns = dns(flags.default_container_dns.as_ref(), uses_docker)?;
    config.networks.directories = match (&given.network_cni_config_dir, given.network_cni_plugins_dir.as_deref()) {
        (None, None) => None,
        (_, None | Some("")) => {
            return Err(CommandError::message(
                "Missing required '--network_cni_plugins_dir' flag: it belongs to --network_cni_config_dir; expected e.g. /usr/lib/cni",
            ));
        }
        (None, Some(_)) => {
            return Err(CommandError::message(
                "Missing required '--network_cni_config_dir' flag: it belongs to --network_cni_plugins_dir; expected e.g. /etc/cni/net.d",
            ));
        }
        (Some(directory), Some(plugins)) => {
            if !directory.is_dir() {
                return Err(CommandError::message(format!(
                    "The CNI network configuration directory '{}' does not exist: make it, or change --network_cni_config_dir",
                    directory.display()
                )));
            }
            if !rustix::process::geteuid().is_root() {
                return Err(CommandError::message(
                    "--network_cni_config_dir: The 'network/cni' isolator requires root permissions",
                ));
            }
            let directory = std::path::absolute(directory).map_err(|source| CommandError::Io {
                doing: format!("resolve --network_cni_config_dir={}", directory.display()),
                source,
            })?;
            // As in Mesos, the isolator needs no entry of --isolation.
            if !config.isolation.iter().any(|name| name.trim() == "network/cni") {
                config.isolation.push("network/cni".to_owned());
            }
            Some((directory, plugins.to_owned()))
        }
    };
    config.ports = ports(flags, resources)?;
    Ok(())
}

fn ports(flags: &AgentFlags, resources: &[v1::Resource]) -> Result<PortsConfig, CommandError> {
    let given = &flags.network_isolation;
    let isolated = match (&given.container_ports_isolated_range, given.check_agent_port_range_only) {
        (Some(_), true) => {
            return Err(CommandError::message(
                "Only one of --check_agent_port_range_only and --container_ports_isolated_range should be specified",
            ));
        }
        (None, false) => None,
        (None, true) => Some(agent_server::ports(resources)),
        (Some(text), false) => {
            let wanted = || {
                CommandError::message(format!(
                    "--container_ports_isolated_range={text}: expected ranges of ports, e.g. [0-35000]"
                ))
            };
            Some(ranges(text).ok_or_else(wanted)?)
        }
    };
    Ok(PortsConfig {
        watch_interval: given.container_ports_watch_interval,
        enforced: given.enforce_container_ports,
        isolated,
    })
}

/// Reads `[first-last, …]`.
fn ranges(text: &str) -> Option<Vec<(u16, u16)>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let range = |text: &str| {
        let (first, last) = text.split_once('-')?;
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some((first, last))
    };
    inner.split(',').map(range).collect()
}

/// Reads a `ContainerDNSInfo` in JSON. Its part for Docker has no effect here.
fn dns(given: Option<&Json>, uses_docker: bool) -> Result<Vec<NetworkDns>, CommandError> {
    let Some(Json(text)) = given else { return Ok(Vec::new()) };
    let wanted = |problem: &str| {
        let example = r#"{"mesos":[{"network_mode":"CNI","network_name":"net","dns":{"nameservers":["8.8.8.8"]}}]}"#;
        CommandError::message(format!("--default_container_dns: {problem}; expected e.g. {example}"))
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| wanted(&error.to_string()))?;
    let object = value.as_object().ok_or_else(|| wanted("it is not an object"))?;
    if let Some(key) = object.keys().find(|key| !matches!(key.as_str(), "mesos" | "docker")) {
        return Err(wanted(&format!("'{}' is neither 'mesos' nor 'docker'", model::visible(key))));
    }
    if value.get("docker").is_some() && !uses_docker {
        tracing::warn!("--default_container_dns: 'docker' has no effect, since this agent does not use Docker");
    }
    let list = match value.get("mesos") {
        None => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(|| wanted("'mesos' is not a list"))?,
    };
    let mut found: Vec<NetworkDns> = Vec::new();
    for entry in list {
        if entry["network_mode"] != "CNI" {
            return Err(wanted("'network_mode' must be CNI"));
        }
        let network = match &entry["network_name"] {
            serde_json::Value::Null => None,
            name => Some(name.as_str().ok_or_else(|| wanted("'network_name' must be a text"))?.to_owned()),
        };
        let dns = Dns::parse(&entry["dns"], "dns").map_err(|error| wanted(&error.to_string()))?;
        if found.iter().any(|other| other.network == network) {
            return Err(wanted("two entries are for the same networks"));
        }
        found.push(NetworkDns { network, dns });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_resources() {
        assert_eq!(ranges("[0-35000]"), Some(vec![(0, 35000)]));
        assert_eq!(ranges(" [1-2, 5-5] "), Some(vec![(1, 2), (5, 5)]));
        for wrong in ["", "[]", "1-2", "[2-1]", "[1]", "[0-70000]", "[a-b]"] {
            assert_eq!(ranges(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn name_servers_are_those_of_networks() {
        let read = |text: &str| dns(Some(&Json(text.to_owned())), false).map_err(|error| error.to_string());
        let found = read(
            r#"{"mesos":[{"network_mode":"CNI","dns":{"nameservers":["8.8.8.8"],"search":["a.example"]}},
                {"network_mode":"CNI","network_name":"net","dns":{"nameservers":["fd00::1"]}}]}"#,
        )
        .unwrap();
        assert_eq!((found[0].network.as_deref(), found[1].network.as_deref()), (None, Some("net")));
        assert_eq!(found[0].dns.search, ["a.example"]);
        for (wrong, expect) in [
            ("[]", "not an object"),
            (r#"{"nonsense":0}"#, "'nonsense' is neither 'mesos' nor 'docker'"),
            (r#"{"mesos":{}}"#, "'mesos' is not a list"),
            (r#"{"mesos":[{}]}"#, "'network_mode' must be CNI"),
            (r#"{"mesos":[{"network_mode":"CNI","dns":{"nameservers":["x"]}}]}"#, "'dns.nameservers[0]' must be an IP"),
            (r#"{"mesos":[{"network_mode":"CNI"},{"network_mode":"CNI"}]}"#, "two entries"),
        ] {
            assert!(read(wrong).is_err_and(|said| said.contains(expect)), "{wrong}");
        }
    }
}
