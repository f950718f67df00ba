//! `DockerInfo.parameters`: options of `docker run` by their long names. Each sets the field of the API that the `docker`
//! program sets for it (`cli/command/container/opts.go` of Docker).

use messages::v1;
use serde_json::json;

use super::document::Document;
use super::error::InvalidOptions;
use super::mount_parameter::mount;
use super::networks::expose;
use super::units;

/// Adds the parameters in their order: the last value of an option with one value counts.
///
/// # Errors
/// Returns the name of the first parameter that is unknown, or that has a wrong value.
pub fn add(document: &mut Document, parameters: &[v1::Parameter]) -> Result<(), InvalidOptions> {
    let mut names_network = false;
    for v1::Parameter { key, value } in parameters {
        if matches!(key.as_str(), "net" | "network") {
            if names_network {
                return Err(InvalidOptions::parameter(key, "is given twice, and a container starts in one network"));
            }
            names_network = true;
            document.network.clone_from(value);
            continue;
        }
        set(document, key, value).map_err(|problem| InvalidOptions::parameter(key, problem))?;
    }
    Ok(())
}

/// Sets what one parameter asks for.
fn set(document: &mut Document, key: &str, value: &str) -> Result<(), String> {
    match key {
        "add-host" => document.push_host("ExtraHosts", value),
        "blkio-weight" => document.set_host("BlkioWeight", number(value)?),
        "cap-add" => document.push_host("CapAdd", value),
        "cap-drop" => document.push_host("CapDrop", value),
        "cgroup-parent" => document.set_host("CgroupParent", value),
        "cgroupns" => document.set_host("CgroupnsMode", value),
        "cpu-period" => document.set_host("CpuPeriod", number(value)?),
        "cpu-quota" => document.set_host("CpuQuota", number(value)?),
        "cpu-rt-period" => document.set_host("CpuRealtimePeriod", number(value)?),
        "cpu-rt-runtime" => document.set_host("CpuRealtimeRuntime", number(value)?),
        "cpu-shares" => document.set_host("CpuShares", number(value)?),
        "cpus" => {
            let cpus: f64 = value.parse().map_err(|_| format!("has the value '{value}'; expected e.g. 0.5"))?;
            // Docker refuses both at once.
            document.unset_host("CpuQuota");
            document.set_host("NanoCpus", (cpus.clamp(0.0, 1e6) * 1e9) as i64);
        }
        "cpuset-cpus" => document.set_host("CpusetCpus", value),
        "cpuset-mems" => document.set_host("CpusetMems", value),
        "device" => document.push_host("Devices", device(value)),
        "device-cgroup-rule" => document.push_host("DeviceCgroupRules", value),
        "device-read-bps" => add_rate(document, "BlkioDeviceReadBps", value, units::size)?,
        "device-write-bps" => add_rate(document, "BlkioDeviceWriteBps", value, units::size)?,
        "device-read-iops" => add_rate(document, "BlkioDeviceReadIOps", value, whole)?,
        "device-write-iops" => add_rate(document, "BlkioDeviceWriteIOps", value, whole)?,
        "blkio-weight-device" => {
            let (path, weight) = pair(value, ':')?;
            document.push_host("BlkioWeightDevice", json!({ "Path": path, "Weight": number(weight)? }));
        }
        "dns" | "dns-search" | "dns-opt" | "dns-option" => {
            document.has_dns = true;
            let field = match key {
                "dns" => "Dns",
                "dns-search" => "DnsSearch",
                _ => "DnsOptions",
            };
            document.push_host(field, value);
        }
        "domainname" => document.set("Domainname", value),
        "entrypoint" => document.set("Entrypoint", if value.is_empty() { json!([""]) } else { json!([value]) }),
        "env" => {
            let (name, value) =
                value.split_once('=').ok_or("has no '='; a variable of the agent is not handed to containers")?;
            document.set_variable(name, value);
        }
        "expose" => expose(document, value),
        "gpus" => document.push_host("DeviceRequests", gpus(value)?),
        "group-add" => document.push_host("GroupAdd", value),
        "health-cmd" => document.insert("Healthcheck", "Test", json!(["CMD-SHELL", value])),
        "health-interval" => document.insert("Healthcheck", "Interval", units::nanoseconds(value)?),
        "health-timeout" => document.insert("Healthcheck", "Timeout", units::nanoseconds(value)?),
        "health-start-period" => document.insert("Healthcheck", "StartPeriod", units::nanoseconds(value)?),
        "health-retries" => document.insert("Healthcheck", "Retries", number(value)?),
        "no-healthcheck" if truth(value)? => document.insert("Healthcheck", "Test", json!(["NONE"])),
        "no-healthcheck" => {}
        "hostname" => document.set("Hostname", value),
        "init" => document.set_host("Init", truth(value)?),
        "interactive" => document.set("OpenStdin", truth(value)?),
        "ip" => document.insert_endpoint("IPAMConfig", "IPv4Address", value),
        "ip6" => document.insert_endpoint("IPAMConfig", "IPv6Address", value),
        "link-local-ip" => document.insert_endpoint("IPAMConfig", "LinkLocalIPs", json!([value])),
        "ipc" => document.set_host("IpcMode", value),
        "isolation" => document.set_host("Isolation", value),
        "kernel-memory" => document.set_host("KernelMemory", units::size(value)?),
        "label" => {
            let (name, value) = value.split_once('=').unwrap_or((value, ""));
            document.insert("Labels", name, value);
        }
        "link" if matches!(document.network.as_str(), "bridge" | "default") => document.push_host("Links", value),
        "link" => document.push_endpoint("Links", value),
        "log-driver" => document.insert_host("LogConfig", "Type", value),
        "log-opt" => {
            let (name, value) = pair(value, '=')?;
            document.insert_host_object("LogConfig", "Config", name, value);
        }
        "mac-address" => document.set("MacAddress", value),
        "memory" => document.set_host("Memory", units::size(value)?),
        "memory-reservation" => document.set_host("MemoryReservation", units::size(value)?),
        "memory-swap" if value == "-1" => document.set_host("MemorySwap", -1),
        "memory-swap" => document.set_host("MemorySwap", units::size(value)?),
        "memory-swappiness" => document.set_host("MemorySwappiness", number(value)?),
        "mount" => document.push_host("Mounts", mount(value)?),
        "net-alias" | "network-alias" => document.push_endpoint("Aliases", value),
        "oom-kill-disable" => document.set_host("OomKillDisable", truth(value)?),
        "oom-score-adj" => document.set_host("OomScoreAdj", number(value)?),
        "pid" => document.set_host("PidMode", value),
        "pids-limit" => document.set_host("PidsLimit", number(value)?),
        "privileged" => document.set_host("Privileged", truth(value)?),
        "publish" => publish(document, value)?,
        "publish-all" => document.set_host("PublishAllPorts", truth(value)?),
        "read-only" => document.set_host("ReadonlyRootfs", truth(value)?),
        "restart" if matches!(value, "no" | "") => {}
        "restart" => {
            return Err("asks Docker to start the task again, which is the framework's part; leave it out".into());
        }
        "rm" => document.remove = truth(value)?,
        "runtime" => document.set_host("Runtime", value),
        "security-opt" => {
            let is_profile = value.strip_prefix("seccomp=").or_else(|| value.strip_prefix("seccomp:"));
            if is_profile.is_some_and(|profile| profile != "unconfined") {
                return Err(format!(
                    "has the value '{value}': a profile is a file of the `docker` program's machine; use seccomp=unconfined, or the daemon's --seccomp-profile"
                ));
            }
            document.push_host("SecurityOpt", value);
        }
        "shm-size" => document.set_host("ShmSize", units::size(value)?),
        "stop-signal" => document.set("StopSignal", value),
        "stop-timeout" => document.set("StopTimeout", number(value)?),
        "storage-opt" => {
            let (name, value) = pair(value, '=')?;
            document.insert_host("StorageOpt", name, value);
        }
        "sysctl" => {
            let (name, value) = pair(value, '=')?;
            document.insert_host("Sysctls", name, value);
        }
        "tmpfs" => {
            let (path, options) = value.split_once(':').unwrap_or((value, ""));
            document.insert_host("Tmpfs", path, options);
        }
        "tty" => document.set("Tty", truth(value)?),
        "ulimit" => document.push_host("Ulimits", ulimit(value)?),
        "user" => document.set("User", value),
        "userns" => document.set_host("UsernsMode", value),
        "uts" => document.set_host("UTSMode", value),
        "volume" if value.contains(':') => document.push_host("Binds", value),
        "volume" => document.insert("Volumes", value, json!({})),
        "volume-driver" => document.set_host("VolumeDriver", value),
        "volumes-from" => document.push_host("VolumesFrom", value),
        "workdir" => document.set("WorkingDir", value),
        "env-file" | "label-file" => {
            return Err("names a file of the `docker` program's machine; give its lines as env or label".into());
        }
        "pull" => return Err("is decided by 'force_pull_image'; leave it out".into()),
        _ => return Err("is not an option of `docker run` that this agent can carry out".into()),
    }
    Ok(())
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("has the value '{text}'; expected a number"))
}

fn whole(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("has the value '{text}'; expected a number"))
}

/// Reads a truth value as Go does. The name alone means true.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "" | "true" | "True" | "TRUE" | "t" | "T" | "1" => Ok(true),
        "false" | "False" | "FALSE" | "f" | "F" | "0" => Ok(false),
        _ => Err(format!("has the value '{text}'; expected true or false")),
    }
}

fn pair(text: &str, separator: char) -> Result<(&str, &str), String> {
    text.split_once(separator).ok_or_else(|| format!("has the value '{text}'; expected NAME{separator}VALUE"))
}

/// Reads `HOST[:CONTAINER[:PERMISSIONS]]`; the permissions may come second.
fn device(text: &str) -> serde_json::Value {
    let mut parts = text.splitn(3, ':');
    let host = parts.next().unwrap_or_default();
    let (second, third) = (parts.next(), parts.next());
    let is_permissions = |part: &str| !part.is_empty() && part.chars().all(|c| "rwm".contains(c));
    let (container, permissions) = match (second, third) {
        (Some(second), None) if is_permissions(second) => (host, second),
        (second, third) => (second.unwrap_or(host), third.unwrap_or("rwm")),
    };
    json!({ "PathOnHost": host, "PathInContainer": container, "CgroupPermissions": permissions })
}

fn gpus(text: &str) -> Result<serde_json::Value, String> {
    let count = match text.strip_prefix("count=").unwrap_or(text) {
        "all" => -1,
        count => count.parse::<i64>().map_err(|_| format!("has the value '{text}'; expected all or a number"))?,
    };
    Ok(json!({ "Count": count, "Capabilities": [["gpu"]] }))
}

/// Reads `NAME=SOFT[:HARD]`.
fn ulimit(text: &str) -> Result<serde_json::Value, String> {
    let (name, limits) = pair(text, '=')?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Ok(json!({ "Name": name, "Soft": number(soft)?, "Hard": number(hard)? }))
}

fn add_rate(
    document: &mut Document,
    field: &str,
    text: &str,
    rate: fn(&str) -> Result<u64, String>,
) -> Result<(), String> {
    let (path, value) = pair(text, ':')?;
    document.push_host(field, json!({ "Path": path, "Rate": rate(value)? }));
    Ok(())
}

/// Reads `[[IP:]HOST:]CONTAINER[/PROTOCOL]`.
fn publish(document: &mut Document, text: &str) -> Result<(), String> {
    let expected = || format!("has the value '{text}'; expected e.g. 8080:80, 8080:80/udp or 127.0.0.1:8080:80");
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let port = |text: &str| text.parse::<u16>().map_err(|_| expected());
    let (container, rest) = match ports.rsplit_once(':') {
        Some((rest, container)) => (container, Some(rest)),
        None => (ports, None),
    };
    let (ip, host) = match rest.map(|rest| rest.rsplit_once(':').unwrap_or(("", rest))) {
        None => ("", 0),
        Some((ip, "")) => (ip, 0),
        Some((ip, host)) => (ip, port(host)?),
    };
    document.publish(port(container)?, protocol, host, ip.trim_matches(['[', ']']));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Returns the body with one parameter, and without what every body has.
    fn with(key: &str, value: &str) -> Result<Value, String> {
        let mut document = Document::default();
        document.network = "bridge".into();
        let parameter = v1::Parameter { key: key.into(), value: value.into() };
        add(&mut document, &[parameter]).map_err(|error| error.to_string())?;
        let mut body = document.finish();
        body["HostConfig"].as_object_mut().unwrap().remove("NetworkMode");
        if body["HostConfig"] == json!({}) {
            body.as_object_mut().unwrap().remove("HostConfig");
        }
        Ok(body)
    }

    #[test]
    fn parameters_are_fields_of_the_api() {
        let check = |key: &str, value: &str, expect: Value| assert_eq!(with(key, value), Ok(expect), "{key}={value}");
        let host = |fields: Value| json!({ "HostConfig": fields });
        check("cap-add", "NET_ADMIN", host(json!({ "CapAdd": ["NET_ADMIN"] })));
        check("memory-swap", "-1", host(json!({ "MemorySwap": -1 })));
        check("memory", "64m", host(json!({ "Memory": 64 << 20 })));
        check("cpus", "0.5", host(json!({ "NanoCpus": 500_000_000 })));
        check("ulimit", "nofile=10:20", host(json!({ "Ulimits": [{ "Name": "nofile", "Soft": 10, "Hard": 20 }] })));
        let device = |container: &str, permissions: &str| {
            host(
                json!({ "Devices": [{ "PathOnHost": "/dev/a", "PathInContainer": container, "CgroupPermissions": permissions }] }),
            )
        };
        check("device", "/dev/a", device("/dev/a", "rwm"));
        check("device", "/dev/a:/dev/b:r", device("/dev/b", "r"));
        check("device", "/dev/a:rw", device("/dev/a", "rw"));
        check("log-opt", "max-size=1m", host(json!({ "LogConfig": { "Config": { "max-size": "1m" } } })));
        check("tmpfs", "/t:size=1m", host(json!({ "Tmpfs": { "/t": "size=1m" } })));
        check("label", "a=b=c", json!({ "Labels": { "a": "b=c" } }));
        check("label", "a", json!({ "Labels": { "a": "" } }));
        check("env", "A=b=c", json!({ "Env": ["A=b=c"] }));
        check("expose", "80", json!({ "ExposedPorts": { "80/tcp": {} } }));
        check("volume", "/data", json!({ "Volumes": { "/data": {} } }));
        check("volume", "/a:/b:ro", host(json!({ "Binds": ["/a:/b:ro"] })));
        check("entrypoint", "/bin/x", json!({ "Entrypoint": ["/bin/x"] }));
        check("health-interval", "1m", json!({ "Healthcheck": { "Interval": 60_000_000_000_u64 } }));
        check("no-healthcheck", "true", json!({ "Healthcheck": { "Test": ["NONE"] } }));
        check("restart", "no", json!({}));
        check("rm", "true", json!({}));
        check(
            "device-read-bps",
            "/dev/a:1m",
            host(json!({ "BlkioDeviceReadBps": [{ "Path": "/dev/a", "Rate": 1 << 20 }] })),
        );
        let published = |ip: &str, port: &str| {
            json!({ "ExposedPorts": { "80/tcp": {} },
                "HostConfig": { "PortBindings": { "80/tcp": [{ "HostIp": ip, "HostPort": port }] } } })
        };
        check("publish", "8080:80", published("", "8080"));
        check("publish", "127.0.0.1:8080:80/tcp", published("127.0.0.1", "8080"));
        check("publish", "[::1]::80", published("::1", "0"));
        let endpoint = |fields: Value| json!({ "NetworkingConfig": { "EndpointsConfig": { "bridge": fields } } });
        check("network-alias", "web", endpoint(json!({ "Aliases": ["web"] })));
        check("ip", "10.0.0.9", endpoint(json!({ "IPAMConfig": { "IPv4Address": "10.0.0.9" } })));
    }

    #[test]
    fn a_parameter_that_cannot_be_carried_out_is_named() {
        for (key, value, expect) in [
            ("name", "x", "the docker parameter 'name' is not an option"),
            ("no-such-option", "", "'no-such-option' is not an option"),
            ("v", "/a:/b", "'v' is not an option"),
            ("restart", "always", "is the framework's part"),
            ("memory", "much", "'memory' has the value 'much'; expected a size"),
            ("privileged", "maybe", "expected true or false"),
            ("env", "HOME", "has no '='"),
            ("security-opt", "seccomp=/etc/x.json", "use seccomp=unconfined"),
            ("publish", "a:b", "expected e.g. 8080:80"),
            ("env-file", "/etc/x", "names a file"),
            ("sysctl", "x", "expected NAME=VALUE"),
        ] {
            let error = with(key, value).unwrap_err();
            assert!(error.contains(expect), "{key}: {error}");
        }
        let parameter = |value: &str| v1::Parameter { key: "net".into(), value: value.into() };
        let mut document = Document::default();
        assert!(add(&mut document, &[parameter("a"), parameter("b")]).is_err());
        let mut document = Document::default();
        add(&mut document, &[parameter("a")]).unwrap();
        assert_eq!(document.network, "a");
    }

    #[test]
    fn a_later_value_counts() {
        let mut document = Document::default();
        document.set_host("CpuQuota", 5);
        let parameter = |key: &str, value: &str| v1::Parameter { key: key.into(), value: value.into() };
        let given = [
            parameter("cpus", "2"),
            parameter("hostname", "a"),
            parameter("hostname", "b"),
            parameter("env", "A=1"),
            parameter("env", "A=2"),
        ];
        add(&mut document, &given).unwrap();
        let body = document.finish();
        assert_eq!(body["HostConfig"]["CpuQuota"], Value::Null);
        assert_eq!((&body["Hostname"], &body["Env"]), (&json!("b"), &json!(["A=2"])));
    }
}
