//! `tepui run --pod FILE`: the file that describes a pod, as JSON.
//!
//! A pod is a group of tasks that run together on one agent and share its network: if one fails, the others end. The names of
//! the keys are those of Mesos' TaskInfo, in a shorter form; a key that does not exist is an error.

use std::collections::BTreeMap;
use std::path::Path;

use messages::v1;
use serde::Deserialize;
use serde_json::Value;

use super::command::scalar;
use super::container::image;
use super::volumes::{mount, volume};
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
}

/// Reads the file of a pod. A task that does not name its cpus or memory gets these.
///
/// # Errors
///
/// Fails with a sentence that names the file and the key.
pub fn read(path: &Path, cpus: f64, mem: f64) -> Result<PodPlan, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| CommandError::Io { doing: format!("read {}", path.display()), source })?;
    parse(&text, cpus, mem).map_err(|problem| CommandError::Lines(format!("{}: {problem}", path.display())))
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

fn parse(text: &str, cpus: f64, mem: f64) -> Result<PodPlan, String> {
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
        let info = info(task, cpus, mem, has_limits)
            .map_err(|problem| format!("task '{}': {problem}", model::visible(&name)))?;
        tasks.push(info);
    }
    Ok(PodPlan { name: pod.name, tasks })
}

fn info(task: Task, cpus: f64, mem: f64, own_cgroup: bool) -> Result<v1::TaskInfo, String> {
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
    let plain = v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() };
    let volumes = task.volumes.iter().map(|text| volume(text).map_err(|why| format!("volumes: {why}")));
    let mounts = task.mounts.iter().map(|text| mount(text).map_err(|why| format!("mounts: {why}")));
    let container = v1::ContainerInfo {
        mesos: task.image.as_deref().map(image),
        tty_info: task.tty.then(Box::default),
        volumes: volumes.chain(mounts).collect::<Result<_, _>>()?,
        linux_info: own_cgroup
            .then(|| Box::new(v1::LinuxInfo { share_cgroups: Some(false), ..v1::LinuxInfo::default() })),
        ..plain.clone()
    };
    let info = (container != plain).then(|| Box::new(container));
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
        container: info,
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

    #[test]
    fn a_pod_becomes_tasks() {
        let pod = parse(EXAMPLE, 0.1, 32.0).unwrap();
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
        let tasks = parse(text, 0.1, 32.0).unwrap().tasks;
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
            let error = parse(text, 0.1, 32.0).unwrap_err();
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
        check(r#"{"tasks": [{"name": "a", "command": "x", "mounts": ["type=tmpfs"]}]}"#, "mounts: mounts of type");
        check(r#"{"tasks": [{"name": "a", "command": "x", "kill_grace": "soon"}]}"#, "kill_grace");
    }
}
