//! What Docker knows about a container.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Error;

/// What Docker knows about a container: the parts of its answer to an inspection that matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// The id that Docker has given to it.
    pub id: String,
    /// The first process, in the pid namespace of the daemon; `None` if the container does not run.
    pub pid: Option<u32>,
    /// Whether it runs.
    pub running: bool,
    /// Whether it was started, and may have ended since.
    pub started: bool,
    /// The exit status. That of a process that a signal has ended is 128 and the signal.
    pub exit_code: i32,
    /// Whether the kernel has killed a process of it for lack of memory.
    pub out_of_memory: bool,
    /// Why it could not be started; empty otherwise.
    pub error: String,
    /// The signal that tells the program to end; `SIGTERM` by default.
    pub stop_signal: String,
    /// The address in its network, unless that is the network of the host.
    pub ip: Option<String>,
    /// The IPv6 address in its network.
    pub ip6: Option<String>,
    /// The limit of its memory in bytes; zero for none.
    pub memory: u64,
    /// Where its sandbox is on the host, if one is mounted at this path in the container.
    pub mounts: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    id: String,
    state: State,
    #[serde(default)]
    config: Config,
    #[serde(default)]
    host_config: HostConfig,
    #[serde(default)]
    network_settings: NetworkSettings,
    #[serde(default)]
    mounts: Option<Vec<Mount>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default)]
    running: bool,
    #[serde(default)]
    pid: i64,
    #[serde(default)]
    exit_code: i32,
    #[serde(default, rename = "OOMKilled")]
    oom_killed: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    started_at: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    stop_signal: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default)]
    network_mode: String,
    #[serde(default)]
    memory: u64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default, rename = "IPAddress")]
    ip_address: Option<String>,
    #[serde(default)]
    networks: Option<BTreeMap<String, Endpoint>>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(default, rename = "IPAddress")]
    ip_address: Option<String>,
    #[serde(default, rename = "GlobalIPv6Address")]
    global_ipv6_address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(default)]
    source: String,
    #[serde(default)]
    destination: String,
}

/// The time of a start that has not taken place.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl Inspection {
    /// Reads the answer to an inspection.
    ///
    /// # Errors
    /// Returns [`Error::Invalid`] if it is none.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let document: Document =
            serde_json::from_slice(body).map_err(|error| Error::Invalid(format!("no inspection: {error}")))?;
        let State { running, pid, exit_code, oom_killed, error, started_at } = document.state;
        let networks = document.network_settings.networks.unwrap_or_default();
        // The mode is the name of the network, apart from `default`, which is the bridge.
        let mode = document.host_config.network_mode.as_str();
        let endpoint = networks.get(mode).or_else(|| networks.get("bridge")).or_else(|| networks.values().next());
        let endpoint = endpoint.cloned().unwrap_or_default();
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Inspection {
            id: document.id,
            pid: u32::try_from(pid).ok().filter(|pid| *pid > 0 && running),
            running,
            started: !started_at.is_empty() && started_at != NEVER,
            exit_code,
            out_of_memory: oom_killed,
            error,
            stop_signal: some(document.config.stop_signal).unwrap_or_else(|| "SIGTERM".to_owned()),
            ip: some(endpoint.ip_address).or_else(|| some(document.network_settings.ip_address)),
            ip6: some(endpoint.global_ipv6_address),
            memory: document.host_config.memory,
            mounts: document
                .mounts
                .unwrap_or_default()
                .into_iter()
                .map(|mount| (mount.source, mount.destination))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_container_has_a_process_and_an_address() {
        let text = br#"{"Id":"i","State":{"Running":true,"Pid":7,"StartedAt":"2026-11-30T15:55:14Z"},
            "HostConfig":{"NetworkMode":"n","Memory":33554432},"Config":{"StopSignal":"SIGQUIT"},
            "NetworkSettings":{"IPAddress":"","Networks":{"n":{"IPAddress":"10.0.0.2","GlobalIPv6Address":"fd00::2"}}},
            "Mounts":[{"Source":"/s","Destination":"/mnt/mesos/sandbox"}]}"#;
        let expect = Inspection {
            id: "i".into(),
            pid: Some(7),
            running: true,
            started: true,
            stop_signal: "SIGQUIT".into(),
            ip: Some("10.0.0.2".into()),
            ip6: Some("fd00::2".into()),
            memory: 32 << 20,
            mounts: vec![("/s".into(), "/mnt/mesos/sandbox".into())],
            ..Inspection::default()
        };
        assert_eq!(Inspection::parse(text).unwrap(), expect);
    }

    #[test]
    fn an_ended_container_has_an_exit_status() {
        let text = br#"{"Id":"i","State":{"Running":false,"Pid":0,"ExitCode":137,"OOMKilled":true,
            "StartedAt":"2026-11-30T15:55:14Z"},"HostConfig":{"NetworkMode":"host"},
            "NetworkSettings":{"Networks":{"host":{"IPAddress":""}}},"Mounts":null}"#;
        let found = Inspection::parse(text).unwrap();
        assert_eq!((found.pid, found.exit_code, found.out_of_memory), (None, 137, true));
        assert_eq!((found.ip.as_deref(), found.started), (None, true));
        let created = br#"{"Id":"i","State":{"StartedAt":"0001-01-01T00:00:00Z","Error":"no"}}"#;
        let created = Inspection::parse(created).unwrap();
        assert_eq!((created.started, created.error.as_str()), (false, "no"));
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in [&b"[]"[..], b"{}", b"", b"{\"Id\":1}", b"\"Id\""] {
            assert!(matches!(Inspection::parse(text), Err(Error::Invalid(_))));
        }
    }
}
