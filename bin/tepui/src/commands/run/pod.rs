//! `tepui run --pod FILE`: the file that describes a pod, as JSON.
//!
//! A pod is a group of tasks that run together on one agent and share its network: if one fails, the others end. The names of
//! the keys are those of Mesos' TaskInfo, in a shorter form; a key that does not exist is an error.

use std::collections::BTreeMap;
use std::path::Path;

use messages::v1;
use serde::Deserialize;
use serde_json::Value;

use super::capabilities;
use super::command::scalar;
use super::container::image;
use super::networks::{network_infos, port_resource, publish};
use super::volumes::{Mounted, mount, volume};
use crate::commands::cli::CommandError;
use crate::commands::numbers;
use crate::commands::operate::amounts;

/// The resources of the executor of a pod: more than enough for a process that waits.
pub(super) const EXECUTOR: [(&str, f64); 3] = [("cpus", 0.1), ("mem", 32.0), ("disk", 10.0)];

/// An example, which the errors and the help show.
pub const EXAMPLE: &str = r#"{
  "name": "web",
  "tasks": [
    { "name": "server", "command": "python3 -m http.server 8000", "cpus": 0.5, "mem": "128MB",
      "health_check": { "http": { "port": 8000 }, "interval": 5 } },
    { "name": "log", "command": ["tail", "-F", "/var/log/messages"], "limits": { "mem": "64MB" } }
  ]
}"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pod {
    name: Option<String>,
    tasks: Vec<Task>,
    /// The networks that all tasks join.
    #[serde(default)]
    networks: Vec<String>,
    /// Ports of the agent that lead to ports in the first network.
    #[serde(default)]
    ports: Vec<String>,
    hostname: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Task {
    name: String,
    command: Option<Value>,
    image: Option<String>,
    /// Whether it runs on a terminal.
    #[serde(default)]
    tty: bool,
    /// As `--volume` and `--mount` of `tepui run`.
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    mounts: Vec<String>,
    user: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    uris: Vec<String>,
    cpus: Option<Value>,
    mem: Option<Value>,
    disk: Option<Value>,
    #[serde(default)]
    limits: BTreeMap<String, Value>,
    health_check: Option<HealthCheck>,
    /// Further health checks by their names.
    #[serde(default)]
    health_checks: BTreeMap<String, HealthCheck>,
    check: Option<Check>,
    kill_grace: Option<String>,
    max_completion_time: Option<String>,
    #[serde(default)]
    cap_add: Vec<String>,
    #[serde(default)]
    cap_drop: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthCheck {
    command: Option<Value>,
    http: Option<Http>,
    tcp: Option<Tcp>,
    delay: Option<f64>,
    interval: Option<f64>,
    timeout: Option<f64>,
    grace: Option<f64>,
    failures: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    command: Option<Value>,
    http: Option<Http>,
    tcp: Option<Tcp>,
    delay: Option<f64>,
    interval: Option<f64>,
    timeout: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    port: u16,
    path: Option<String>,
    scheme: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tcp {
    port: u16,
}

/// The tasks of a pod and the name that the file gives it.
#[derive(Debug)]
pub struct PodPlan {
    pub name: Option<String>,
    pub tasks: Vec<v1::TaskInfo>,
    /// The container of the executor, whose network is that of all tasks.
    pub container: Option<Box<v1::ContainerInfo>>,
    /// The ports of the agent that the pod needs.
    pub ports: Option<v1::Resource>,
}

/// The values that a task gets if the file gives it no other ones.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    pub cpus: f64,
    /// In megabytes.
    pub mem: f64,
    /// The user on the agent.
    pub user: &'a str,
}

/// Reads the file of a pod.
///
/// # Errors
///
/// Fails with a sentence that names the file and the key.
pub fn read(path: &Path, defaults: Defaults<'_>) -> Result<PodPlan, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CommandError::Io { doing: format!("read {}", path.display()), source })?;
    parse(&text, defaults).map_err(|problem| CommandError::Lines(format!("{}: {problem}", path.display())))
}

/// Returns the executor of a pod of this name, which runs its tasks as a group, with these resources for itself.
pub fn executor(name: &str, resources: [(&str, f64); 3]) -> v1::ExecutorInfo {
    v1::ExecutorInfo {
        r#type: Some(v1::executor_info::Type::Default.into()),
        executor_id: v1::ExecutorId { value: name.to_owned() },
        resources: resources.map(|(name, amount)| scalar(name, amount)).to_vec(),
        ..Default::default()
    }
}

fn parse(text: &str, defaults: Defaults<'_>) -> Result<PodPlan, String> {
    let pod: Pod = serde_json::from_str(text)
        .map_err(|error| format!("{}. A pod looks like this:\n{EXAMPLE}", model::visible(&error.to_string())))?;
    if pod.tasks.is_empty() {
        return Err(format!("the pod has no tasks. A pod looks like this:\n{EXAMPLE}"));
    }
    // Tasks of a group share the cgroup of their executor, or none of them does (Mesos' validation); limits of their own
    // need cgroups of their own.
    let has_limits = pod.tasks.iter().any(|task| !task.limits.is_empty());
    let mut names = std::collections::BTreeSet::new();
    let mut tasks = Vec::new();
    for task in pod.tasks {
        let name = task.name.clone();
        if !names.insert(name.clone()) {
            return Err(format!("two tasks are called '{}'; give each a name of its own", model::visible(&name)));
        }
        let info = info(task, defaults, has_limits)
            .map_err(|problem| format!("task '{}': {problem}", model::visible(&name)))?;
        tasks.push(info);
    }
    let ports = pod.ports.iter().map(|text| publish(text)).collect::<Result<Vec<_>, _>>();
    let ports = ports.map_err(|problem| format!("ports: {problem}"))?.concat();
    let network_infos = network_infos(&pod.networks, &ports).map_err(|problem| format!("networks: {problem}"))?;
    let plain = v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() };
    let container = v1::ContainerInfo { network_infos, hostname: pod.hostname, ..plain.clone() };
    let container = (container != plain).then(|| Box::new(container));
    Ok(PodPlan { name: pod.name, tasks, container, ports: port_resource(&ports) })
}

/// Returns the container of a task; `None` if it needs none of its own.
fn container(task: &Task, user: &str, own_cgroup: bool) -> Result<Option<Box<v1::ContainerInfo>>, String> {
    let of_list = |key: &str, list: &[String]| {
        let read = list.iter().map(|name| capabilities::capability(name)).collect::<Result<Vec<_>, _>>();
        read.map_err(|problem| format!("{key}: {problem}"))
    };
    let mut linux_info: Option<Box<v1::LinuxInfo>> = None;
    let (add, drop) = (of_list("cap_add", &task.cap_add)?, of_list("cap_drop", &task.cap_drop)?);
    capabilities::add_to(&mut linux_info, &add, &drop, matches!(user, "root" | "0"));
    if own_cgroup {
        linux_info.get_or_insert_default().share_cgroups = Some(false);
    }
    let volumes = task.volumes.iter().map(|text| volume(text).map_err(|why| format!("volumes: {why}")));
    let mounts = task.mounts.iter().map(|text| match mount(text).map_err(|why| format!("mounts: {why}"))? {
        Mounted::Volume(volume) => Ok(volume),
        Mounted::Tmpfs(_) => Err(format!("mounts: '{text}': tasks of a pod cannot have a tmpfs")),
    });
    let plain = v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() };
    let info = v1::ContainerInfo {
        mesos: task.image.as_deref().map(image),
        volumes: volumes.chain(mounts).collect::<Result<_, String>>()?,
        tty_info: task.tty.then(Box::default),
        linux_info,
        ..plain.clone()
    };
    Ok((info != plain).then(|| Box::new(info)))
}

fn info(task: Task, defaults: Defaults<'_>, own_cgroup: bool) -> Result<v1::TaskInfo, String> {
    let Defaults { cpus, mem, user } = defaults;
    let container = container(&task, task.user.as_deref().unwrap_or(user), own_cgroup)?;
    let amount = |value: &Option<Value>, read: fn(&str) -> Result<f64, String>| value.as_ref().map(|v| number(v, read));
    let mut resources = vec![
        scalar("cpus", amount(&task.cpus, numbers::cpus).transpose()?.unwrap_or(cpus)),
        scalar("mem", amount(&task.mem, amounts::megabytes).transpose()?.unwrap_or(mem)),
    ];
    if let Some(disk) = amount(&task.disk, amounts::megabytes).transpose()? {
        resources.push(scalar("disk", disk));
    }
    let mut command = match (&task.command, &task.image) {
        (Some(command), _) => command_info(command)?,
        // Without a command, that of the image runs.
        (None, Some(_)) => v1::CommandInfo { shell: Some(false), ..Default::default() },
        (None, None) => return Err("it needs a command, or an image that has one".to_owned()),
    };
    let variables = task.env.into_iter().map(|(name, value)| v1::environment::Variable {
        name,
        value: Some(value),
        ..Default::default()
    });
    command.environment = Some(Box::new(v1::Environment { variables: variables.collect() }));
    command.uris = task.uris.into_iter().map(|value| v1::command_info::Uri { value, ..Default::default() }).collect();
    command.user = task.user;
    let mut labels = Vec::new();
    for (name, given) in task.health_checks {
        labels.push(health_check_label(
            &name,
            &health_check(given).map_err(|why| format!("health_checks.{name}: {why}"))?,
        ));
    }
    let labels = (!labels.is_empty()).then(|| Box::new(v1::Labels { labels }));
    validation::health_checks::named(labels.as_deref()).map_err(|error| error.to_string())?;
    Ok(v1::TaskInfo {
        labels,
        name: task.name.clone(),
        task_id: v1::TaskId { value: task.name },
        resources,
        command: Some(Box::new(command)),
        container,
        limits: limits(&task.limits)?,
        health_check: task.health_check.map(health_check).transpose()?.map(Box::new),
        check: task.check.map(check).transpose()?.map(Box::new),
        kill_policy: duration("kill_grace", task.kill_grace)?
            .map(|grace| Box::new(v1::KillPolicy { grace_period: Some(grace) })),
        max_completion_time: duration("max_completion_time", task.max_completion_time)?,
        ..Default::default()
    })
}

/// Reads an amount, which is a number or a text with a unit.
fn number(value: &Value, read: fn(&str) -> Result<f64, String>) -> Result<f64, String> {
    match value {
        Value::String(text) => read(text),
        Value::Number(number) => read(&number.to_string()),
        other => Err(format!("{other} is no amount; write e.g. 0.5 or \"2GB\"")),
    }
}

/// Reads a command: a text is a command line of the shell, a list is a program with its arguments.
fn command_info(value: &Value) -> Result<v1::CommandInfo, String> {
    let expected = || format!("{value} is no command; write \"a command line\" or [\"program\", \"argument\"]");
    match value {
        Value::String(line) if !line.is_empty() => {
            Ok(v1::CommandInfo { value: Some(line.clone()), shell: Some(true), ..Default::default() })
        }
        Value::Array(words) if !words.is_empty() => {
            let words: Option<Vec<String>> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            let arguments = words.ok_or_else(expected)?;
            Ok(v1::CommandInfo {
                value: arguments.first().cloned(),
                shell: Some(false),
                arguments,
                ..Default::default()
            })
        }
        _ => Err(expected()),
    }
}

fn limits(given: &BTreeMap<String, Value>) -> Result<BTreeMap<String, v1::value::Scalar>, String> {
    let read = |(name, value): (&String, &Value)| {
        let unlimited = value.as_str() == Some("unlimited");
        let value = match name.as_str() {
            "cpus" | "mem" if unlimited => f64::INFINITY,
            "cpus" => number(value, numbers::cpus)?,
            "mem" => number(value, amounts::megabytes)?,
            other => return Err(format!("there is no limit of '{}'; cpus and mem have one", model::visible(other))),
        };
        Ok((name.clone(), v1::value::Scalar { value }))
    };
    given.iter().map(read).collect()
}

fn duration(key: &str, given: Option<String>) -> Result<Option<v1::DurationInfo>, String> {
    let Some(text) = given else { return Ok(None) };
    let duration = model::parse_duration(&text).map_err(|error| format!("{key}: {error}"))?;
    let nanoseconds = i64::try_from(duration.as_nanos()).map_err(|_| format!("{key}: '{text}' is too long"))?;
    Ok(Some(v1::DurationInfo { nanoseconds }))
}

/// The texts of probes that do not say which one of their kinds they are.
const ONE_KIND: &str = "a check has exactly one of \"command\", \"http\" and \"tcp\"";

fn health_check(given: HealthCheck) -> Result<v1::HealthCheck, String> {
    use v1::health_check::{HttpCheckInfo, TcpCheckInfo, Type};
    let mut check = v1::HealthCheck {
        delay_seconds: given.delay,
        interval_seconds: given.interval,
        timeout_seconds: given.timeout,
        grace_period_seconds: given.grace,
        consecutive_failures: given.failures,
        ..Default::default()
    };
    let kind = match (given.command, given.http, given.tcp) {
        (Some(command), None, None) => {
            check.command = Some(Box::new(command_info(&command)?));
            Type::Command
        }
        (None, Some(http), None) => {
            let http = HttpCheckInfo {
                port: http.port.into(),
                path: Some(http.path.unwrap_or_else(|| "/".to_owned())),
                scheme: http.scheme,
                ..Default::default()
            };
            check.http = Some(Box::new(http));
            Type::Http
        }
        (None, None, Some(tcp)) => {
            check.tcp = Some(TcpCheckInfo { port: tcp.port.into(), protocol: None });
            Type::Tcp
        }
        _ => return Err(format!("health_check: {ONE_KIND}")),
    };
    check.r#type = Some(kind.into());
    Ok(check)
}

/// Returns the label of a task for a further health check.
pub(super) fn health_check_label(name: &str, check: &v1::HealthCheck) -> v1::Label {
    let json = String::from_utf8_lossy(&wire::json::encode(check)).into_owned();
    v1::Label { key: format!("{}{name}", validation::health_checks::LABEL), value: Some(json) }
}

fn check(given: Check) -> Result<v1::CheckInfo, String> {
    use v1::check_info::{Command, Http, Tcp, Type};
    let mut check = v1::CheckInfo {
        delay_seconds: given.delay,
        interval_seconds: given.interval,
        timeout_seconds: given.timeout,
        ..Default::default()
    };
    let kind = match (given.command, given.http, given.tcp) {
        (Some(command), None, None) => {
            check.command = Some(Box::new(Command { command: command_info(&command)? }));
            Type::Command
        }
        (None, Some(http), None) => {
            if http.scheme.is_some_and(|scheme| scheme != "http") {
                return Err("check: only health checks can use https".to_owned());
            }
            check.http = Some(Http { port: http.port.into(), path: http.path });
            Type::Http
        }
        (None, None, Some(tcp)) => {
            check.tcp = Some(Tcp { port: tcp.port.into() });
            Type::Tcp
        }
        _ => return Err(format!("check: {ONE_KIND}")),
    };
    check.r#type = Some(kind.into());
    Ok(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults<'_> = Defaults { cpus: 0.1, mem: 32.0, user: "root" };

    #[test]
    fn a_pod_has_networks_and_its_tasks_have_volumes_and_capabilities() {
        let text = r#"{"networks": ["net"], "ports": ["8080:80"], "hostname": "h", "tasks": [{
            "name": "a", "command": "x", "volumes": ["/a:/b:ro"], "mounts": ["type=bind,source=/c,target=/d"],
            "cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"], "tty": true}, {"name": "b", "command": "x"}]}"#;
        let pod = parse(text, DEFAULTS).unwrap();
        let shared = pod.container.unwrap();
        let mappings = &shared.network_infos[0].port_mappings;
        assert_eq!((shared.network_infos[0].name(), mappings[0].host_port, shared.hostname()), ("net", 8080, "h"));
        assert_eq!(pod.ports.unwrap().ranges.unwrap().range[0].begin, 8080);
        let own = pod.tasks[0].container.as_deref().unwrap();
        let paths: Vec<_> = own.volumes.iter().map(|volume| volume.container_path.as_str()).collect();
        let effective = own.linux_info.as_ref().unwrap().effective_capabilities.as_ref().unwrap();
        assert_eq!((paths, effective.capabilities.len(), own.tty_info.is_some()), (vec!["/b", "/d"], 1, true));
        assert_eq!(pod.tasks[1].container, None);
    }

    #[test]
    fn a_pod_becomes_tasks() {
        let pod = parse(EXAMPLE, DEFAULTS).unwrap();
        assert_eq!(pod.name.as_deref(), Some("web"));
        let [server, log] = pod.tasks.as_slice() else { panic!("two tasks") };
        let amounts = |task: &v1::TaskInfo| {
            let scalars = task.resources.iter().filter_map(|r| Some((r.name.clone(), r.scalar.as_ref()?.value)));
            scalars.collect::<Vec<_>>()
        };
        assert_eq!(amounts(server), [("cpus".to_owned(), 0.5), ("mem".to_owned(), 128.0)]);
        assert_eq!(amounts(log), [("cpus".to_owned(), 0.1), ("mem".to_owned(), 32.0)]);
        assert_eq!(log.limits["mem"].value, 64.0);
        let command = log.command.as_deref().unwrap();
        assert_eq!((command.shell(), command.value(), command.arguments.len()), (false, "tail", 3));
        let health = server.health_check.as_deref().unwrap();
        assert_eq!((health.r#type(), health.interval_seconds()), (v1::health_check::Type::Http, 5.0));
        // Limits need cgroups of their own, and then all tasks have them.
        for task in [server, log] {
            let linux = task.container.as_ref().and_then(|container| container.linux_info.as_ref());
            assert_eq!(linux.and_then(|linux| linux.share_cgroups), Some(false));
        }
    }

    #[test]
    fn tasks_of_a_pod_have_terminals_and_volumes() {
        let text = r#"{"tasks": [
            {"name": "a", "command": "x", "tty": true, "volumes": ["/a:/b:ro"], "mounts": ["type=image,source=i,target=/c"]},
            {"name": "b", "command": "x"}]}"#;
        let tasks = parse(text, DEFAULTS).unwrap().tasks;
        let container = tasks[0].container.as_deref().unwrap();
        assert!(container.tty_info.is_some());
        let [directory, of_image] = container.volumes.as_slice() else { panic!("two volumes") };
        assert_eq!((directory.container_path.as_str(), of_image.container_path.as_str()), ("/b", "/c"));
        assert!(directory.source.is_some() && of_image.image.is_some());
        assert_eq!(tasks[1].container, None);
    }

    #[test]
    fn the_invalid_part_is_named() {
        let check = |text: &str, expect: &str| {
            let error = parse(text, DEFAULTS).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check("", "A pod looks like this");
        check(r#"{"tasks": []}"#, "no tasks");
        check(r#"{"tasks": [{"name": "a", "comment": "x"}]}"#, "unknown field `comment`");
        check(r#"{"tasks": [{"name": "a"}]}"#, "task 'a': it needs a command");
        check(r#"{"tasks": [{"name": "a", "command": 1}]}"#, "1 is no command");
        check(r#"{"tasks": [{"name": "a", "command": []}]}"#, "no command");
        check(r#"{"tasks": [{"name": "a", "command": "x"}, {"name": "a", "command": "x"}]}"#, "two tasks");
        check(r#"{"tasks": [{"name": "a", "command": "x", "cpus": -1}]}"#, "cpus");
        check(r#"{"tasks": [{"name": "a", "command": "x", "mem": "much"}]}"#, "no size");
        check(r#"{"tasks": [{"name": "a", "command": "x", "limits": {"gpus": 1}}]}"#, "no limit of 'gpus'");
        check(r#"{"tasks": [{"name": "a", "command": "x", "check": {}}]}"#, "exactly one of");
        check(r#"{"tasks": [{"name": "a", "command": "x", "volumes": ["/a:b"]}]}"#, "volumes: 'b' is not a path");
        check(r#"{"tasks": [{"name": "a", "command": "x", "mounts": ["type=npipe"]}]}"#, "mounts: mounts of type");
        check(r#"{"tasks": [{"name": "a", "command": "x", "kill_grace": "soon"}]}"#, "kill_grace");
        check(r#"{"tasks": [{"name": "a", "command": "x", "volumes": ["a/b:/c"]}]}"#, "volumes: 'a/b'");
        check(
            r#"{"tasks": [{"name": "a", "command": "x", "mounts": ["type=tmpfs,target=/a"]}]}"#,
            "tasks of a pod cannot have a tmpfs",
        );
        check(r#"{"tasks": [{"name": "a", "command": "x", "cap_add": ["FLY"]}]}"#, "cap_add: there is no capability");
        check(r#"{"ports": ["80:80"], "tasks": [{"name": "a", "command": "x"}]}"#, "networks: a port needs a network");
        check(r#"{"networks": ["none"], "tasks": [{"name": "a", "command": "x"}]}"#, "networks: 'none'");
    }
}
