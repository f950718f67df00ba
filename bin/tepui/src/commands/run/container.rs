//! The flags of `tepui run` that describe the container of a task, and the messages of Mesos that carry them.

use std::path::PathBuf;
use std::time::Duration;

use messages::v1;
use validation::container_labels;

use super::capabilities::{self, Named, capability};
use super::docker::{Containerizer, DockerFlags, docker};
use super::environment::{self, Variable, variable};
use super::networks::{Publish, network_infos, port_resource, publish};
use super::pod;
use super::units::{duration, megabytes, seconds};
use super::volumes::{Mounted, mount, tmpfs, volume};
use crate::commands::cli::CommandError;

/// The flags, with the names that docker and podman have for them.
#[derive(clap::Args, Debug, Default)]
#[command(next_help_heading = "Container")]
pub struct ContainerFlags {
    /// The container image to run in; without a command it runs its own
    #[arg(long)]
    image: Option<String>,
    /// The program to run instead of the image's entrypoint, with the words after -- as its arguments; '' for none
    #[arg(long, value_name = "PROGRAM", requires = "image")]
    entrypoint: Option<String>,
    /// Who runs the container: mesos, or docker for the Docker daemons of agents with --containerizers=docker,mesos
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    containerizer: Containerizer,
    /// A further option of `docker run` for --containerizer docker, e.g. init or log-driver=journald
    #[arg(long, value_name = "NAME[=VALUE]")]
    docker_option: Vec<String>,
    /// The user to run as on the agents [default: the user of this command]
    #[arg(long, short, value_parser = user)]
    pub(super) user: Option<String>,
    /// A variable of the environment; with NAME alone it has the value that it has here
    #[arg(long, short, value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<Variable>,
    /// A file with a variable in each line; --env replaces what it has
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// The directory to run the command in; /bin/sh of the container changes to it
    #[arg(long, short, value_name = "PATH", value_parser = absolute)]
    workdir: Option<String>,
    #[arg(long, short, value_name = "[SOURCE:]PATH[:OPTIONS]", value_parser = volume)]
    #[arg(
        help = "A directory of the agent (/SOURCE:/PATH[:ro]), of a volume driver (NAME:/PATH) or of the sandbox (/PATH)"
    )]
    volume: Vec<v1::Volume>,
    #[arg(long, value_name = "FIELDS", value_parser = mount)]
    #[arg(
        help = "The same with names: type=bind,source=/SOURCE,target=/PATH[,readonly], or type=tmpfs,target=/PATH[,tmpfs-size=64m]"
    )]
    mount: Vec<Mounted>,
    /// Memory that is mounted on a path of the container with an image, e.g. /run:size=64m
    #[arg(long, value_name = "PATH[:OPTIONS]", value_parser = tmpfs)]
    tmpfs: Vec<String>,
    /// A network of the agents to join; host is the network of the agent [default: host]
    #[arg(long, alias = "net", value_name = "NAME")]
    network: Vec<String>,
    /// A port of the agent that leads to one of the container, in the first --network
    #[arg(long, short, value_name = "HOST:CONTAINER[/PROTOCOL]", value_parser = published)]
    publish: Vec<Published>,
    /// The hostname in the container
    #[arg(long)]
    hostname: Option<String>,
    /// The number of GPUs
    #[arg(long, value_name = "COUNT", value_parser = gpus)]
    gpus: Option<u32>,
    /// The size of /dev/shm, e.g. 64m, in an IPC namespace of the container's own
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    shm_size: Option<u32>,
    /// A capability to add to those of docker's containers, or ALL; users other than root get what is added alone
    #[arg(long, value_name = "NAME", value_parser = capability)]
    cap_add: Vec<Named>,
    /// A capability to take from those of docker's containers, or ALL
    #[arg(long, value_name = "NAME", value_parser = capability)]
    cap_drop: Vec<Named>,
    /// Make the root file system of the image read-only; volumes, --tmpfs and the sandbox can be written to
    #[arg(long)]
    read_only: bool,
    /// A label of the task
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// The time between SIGTERM and SIGKILL when the task is killed, in seconds or e.g. 1m [default: 3]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    stop_timeout: Option<Duration>,
    /// A shell command that tells whether the task is healthy; the task is killed if it fails too often
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    #[arg(long, value_name = "NAME=CHECK", value_parser = named_check)]
    #[arg(
        help = "A further health check: NAME=http:PORT[/PATH], https:PORT[/PATH], tcp:PORT or cmd:COMMAND; all must succeed"
    )]
    health_check: Vec<NamedCheck>,
    /// The time until the first check and between checks [default: 15s, then 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    health_interval: Option<Duration>,
    /// The time that one check may take [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    health_timeout: Option<Duration>,
    /// The number of failures in a row after which the task is killed [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    health_retries: Option<u32>,
    /// The time after the start in which failures do not count [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    health_start_period: Option<Duration>,
}

/// The mappings of one `--publish`.
#[derive(Debug, Clone)]
struct Published(Vec<Publish>);

fn published(text: &str) -> Result<Published, String> {
    publish(text).map(Published)
}

fn user(text: &str) -> Result<String, String> {
    match text {
        "" => Err("expected the name of a user".to_owned()),
        text if text.contains(':') => {
            Err(format!("'{text}': a task of Mesos has a user and no group; write the user alone"))
        }
        text => Ok(text.to_owned()),
    }
}

fn absolute(text: &str) -> Result<String, String> {
    if text.starts_with('/') {
        Ok(text.to_owned())
    } else {
        Err(format!("'{text}' is a path in the container, which begins with '/'"))
    }
}

fn gpus(text: &str) -> Result<u32, String> {
    let expected = || format!("'{text}': give the number of GPUs, e.g. 1, since agents offer them by number");
    text.strip_prefix("count=").unwrap_or(text).parse().ok().filter(|count| *count > 0).ok_or_else(expected)
}

/// The part of every task of a run that the flags determine.
#[derive(Debug, Default)]
pub struct Container {
    pub info: Option<Box<v1::ContainerInfo>>,
    pub variables: Vec<(String, String)>,
    /// Resources besides cpus and memory.
    pub resources: Vec<v1::Resource>,
    pub health_check: Option<Box<v1::HealthCheck>>,
    pub kill_policy: Option<Box<v1::KillPolicy>>,
    pub labels: Option<Box<v1::Labels>>,
    workdir: Option<String>,
    entrypoint: Option<String>,
}

impl ContainerFlags {
    pub fn has_gpus(&self) -> bool {
        self.gpus.is_some()
    }

    /// Returns the name of a flag that is given and describes one task, whereas each task of a pod has its own; `None` if
    /// there is none. The user is a default for all tasks of a pod.
    pub fn for_one_task(&self) -> Option<&'static str> {
        let times = [self.health_interval, self.health_timeout, self.health_start_period];
        let given = [
            ("image", self.image.is_some()),
            ("containerizer", self.containerizer != Containerizer::default()),
            ("entrypoint", self.entrypoint.is_some()),
            ("tmpfs", !self.tmpfs.is_empty()),
            ("docker-option", !self.docker_option.is_empty()),
            ("env", !self.env.is_empty()),
            ("env-file", !self.env_file.is_empty()),
            ("workdir", self.workdir.is_some()),
            ("volume", !self.volume.is_empty()),
            ("mount", !self.mount.is_empty()),
            ("network", !self.network.is_empty()),
            ("publish", !self.publish.is_empty()),
            ("hostname", self.hostname.is_some()),
            ("gpus", self.gpus.is_some()),
            ("shm-size", self.shm_size.is_some()),
            ("cap-add", !self.cap_add.is_empty()),
            ("cap-drop", !self.cap_drop.is_empty()),
            ("read-only", self.read_only),
            ("label", !self.label.is_empty()),
            ("stop-timeout", self.stop_timeout.is_some()),
            ("health-cmd", self.health_cmd.is_some()),
            ("health-check", !self.health_check.is_empty()),
            ("health-interval", times.iter().any(Option::is_some) || self.health_retries.is_some()),
        ];
        given.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
    }

    /// Returns what the flags mean.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or flags contradict each other.
    pub fn container(&self, default_user: &str) -> Result<Container, CommandError> {
        let refused = |text: String| CommandError::message(text);
        let times = [self.health_interval, self.health_timeout, self.health_start_period];
        let has_check = self.health_cmd.is_some() || !self.health_check.is_empty();
        if !has_check && (times.iter().any(Option::is_some) || self.health_retries.is_some()) {
            return Err(refused("--health-interval and its siblings need --health-cmd or --health-check".to_owned()));
        }
        let ports: Vec<Publish> = self.publish.iter().flat_map(|Published(ports)| ports.clone()).collect();
        if self.containerizer == Containerizer::Docker {
            return self.at_docker(&ports);
        }
        if !self.docker_option.is_empty() {
            return Err(refused("--docker-option needs --containerizer docker".to_owned()));
        }
        let tmpfs = self.tmpfs();
        for (flag, is_given) in [("read-only", self.read_only), ("tmpfs", !tmpfs.is_empty())] {
            if is_given && self.image.is_none() {
                return Err(refused(format!(
                    "--{flag} needs --image: without one, the task has the root file system of its agent"
                )));
            }
        }
        let network_infos = network_infos(&self.network, &ports);
        let network_infos = network_infos.map_err(|problem| refused(format!("--network: {problem}")))?;
        let user = self.user.as_deref().unwrap_or(default_user);
        let info = self.info(network_infos, matches!(user, "root" | "0"));
        let mut container = self.with(info, &ports, self.workdir.clone())?;
        let label = |key: &str, value: &str| v1::Label { key: key.to_owned(), value: Some(value.to_owned()) };
        let read_only = self.read_only.then(|| label(container_labels::READ_ONLY, "true"));
        let further: Vec<_> =
            read_only.into_iter().chain(tmpfs.iter().map(|text| label(container_labels::TMPFS, text))).collect();
        if !further.is_empty() {
            container.labels.get_or_insert_default().labels.extend(further);
        }
        let own = container_labels::ContainerLabels::of(container.labels.as_deref());
        own.and_then(|own| own.check(container.info.as_deref())).map_err(|error| refused(error.to_string()))?;
        Ok(container)
    }

    /// Returns the mounts of memory, as texts of `--tmpfs`.
    fn tmpfs(&self) -> Vec<String> {
        let of_mount = |mounted: &Mounted| match mounted {
            Mounted::Tmpfs(text) => Some(text.clone()),
            Mounted::Volume(_) => None,
        };
        self.tmpfs.iter().cloned().chain(self.mount.iter().filter_map(of_mount)).collect()
    }

    fn volumes(&self) -> Vec<v1::Volume> {
        let of_mount = |mounted: &Mounted| match mounted {
            Mounted::Volume(volume) => Some(volume.clone()),
            Mounted::Tmpfs(_) => None,
        };
        self.volume.iter().cloned().chain(self.mount.iter().filter_map(of_mount)).collect()
    }

    /// Returns what the flags mean for a container at Docker.
    fn at_docker(&self, ports: &[Publish]) -> Result<Container, CommandError> {
        let flags = DockerFlags {
            image: self.image.as_deref(),
            networks: &self.network,
            ports,
            workdir: self.workdir.as_deref(),
            cap_add: &self.cap_add,
            cap_drop: &self.cap_drop,
            read_only: self.read_only,
            shm_size: self.shm_size,
            tmpfs: &self.tmpfs(),
            entrypoint: self.entrypoint.as_deref(),
            options: &self.docker_option,
        };
        let (docker, network) = docker(&flags).map_err(CommandError::message)?;
        let info = v1::ContainerInfo {
            r#type: v1::container_info::Type::Docker.into(),
            docker: Some(Box::new(docker)),
            volumes: self.volumes(),
            hostname: self.hostname.clone(),
            network_infos: network.into_iter().collect(),
            ..Default::default()
        };
        self.with(Some(Box::new(info)), ports, None)
    }

    /// Returns what the flags mean for a task with this container. Docker has an option for the directory of the command.
    fn with(
        &self,
        info: Option<Box<v1::ContainerInfo>>,
        ports: &[Publish],
        workdir: Option<String>,
    ) -> Result<Container, CommandError> {
        let mut resources: Vec<_> = port_resource(ports).into_iter().collect();
        resources.extend(self.gpus.map(|count| super::command::scalar("gpus", f64::from(count))));
        Ok(Container {
            info,
            variables: environment::variables(&self.env_file, &self.env, |name| std::env::var(name).ok())?,
            resources,
            health_check: self.health_check().map(Box::new),
            kill_policy: self.stop_timeout.map(kill_policy),
            labels: labels(self.label.iter().map(|text| label(text)).chain(self.named_checks()).collect()),
            workdir,
            entrypoint: self.entrypoint.clone(),
        })
    }

    fn info(&self, network_infos: Vec<v1::NetworkInfo>, is_root: bool) -> Option<Box<v1::ContainerInfo>> {
        let mut linux_info: Option<Box<v1::LinuxInfo>> = None;
        if let Some(size) = self.shm_size {
            let linux_info = linux_info.get_or_insert_default();
            linux_info.shm_size = Some(size);
            // Mesos' agents refuse a size for an IPC namespace that is shared.
            linux_info.ipc_mode = Some(v1::linux_info::IpcMode::Private.into());
        }
        capabilities::add_to(&mut linux_info, &self.cap_add, &self.cap_drop, is_root);
        let plain = v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() };
        let info = v1::ContainerInfo {
            volumes: self.volumes(),
            hostname: self.hostname.clone(),
            mesos: self.image.as_deref().map(image),
            network_infos,
            linux_info,
            ..plain.clone()
        };
        (info != plain).then(|| Box::new(info))
    }

    fn health_check(&self) -> Option<v1::HealthCheck> {
        Some(self.with_times(command_check(self.health_cmd.as_deref()?)))
    }

    /// Returns the labels of the further health checks.
    fn named_checks(&self) -> impl Iterator<Item = v1::Label> {
        self.health_check
            .iter()
            .map(|named| pod::health_check_label(&named.name, &self.with_times(named.check.clone())))
    }

    fn with_times(&self, check: v1::HealthCheck) -> v1::HealthCheck {
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
        v1::HealthCheck {
            // As in docker, the first check comes after an interval.
            delay_seconds: seconds(self.health_interval),
            interval_seconds: seconds(self.health_interval),
            timeout_seconds: seconds(self.health_timeout),
            consecutive_failures: self.health_retries,
            grace_period_seconds: seconds(self.health_start_period),
            ..check
        }
    }
}

impl Container {
    /// Returns a command line of the shell, in the directory of `--workdir`.
    pub fn shell_command(&self, line: &str) -> v1::CommandInfo {
        let value = match &self.workdir {
            Some(directory) => format!("cd {} || exit\n{line}", quoted(directory)),
            None => line.to_owned(),
        };
        v1::CommandInfo { value: Some(value), shell: Some(true), ..Default::default() }
    }

    /// Returns the command of a task for its words, and the label that goes with it. One word is a shell command line, several
    /// are a program and its arguments, and none is the command of the image. In an image, words that are no command line are
    /// arguments of its entrypoint, as in docker, or of `--entrypoint`.
    ///
    /// # Errors
    ///
    /// `--workdir` or an empty `--entrypoint` is given without a command.
    pub fn command(&self, words: &[String]) -> Result<(v1::CommandInfo, Option<v1::Label>), CommandError> {
        // Docker puts the value before the arguments; Mesos expects it among them, as execve(2) does.
        let is_docker = self.info.as_ref().is_some_and(|info| info.docker.is_some());
        let has_image = is_docker || self.info.as_ref().is_some_and(|info| info.mesos.is_some());
        let program = |words: &[String]| v1::CommandInfo {
            value: words.first().cloned(),
            shell: Some(false),
            arguments: words.get(usize::from(is_docker && !words.is_empty())..).unwrap_or_default().to_vec(),
            ..Default::default()
        };
        let is_line = |line: &str| !has_image || self.entrypoint.is_none() && line.contains(NOT_IN_A_NAME);
        let directory = self.workdir.as_deref();
        // Docker puts its own `entrypoint` before the words.
        let entrypoint = self.entrypoint.as_ref().filter(|entrypoint| !is_docker && !entrypoint.is_empty());
        let words: Vec<String> = entrypoint.into_iter().chain(words).cloned().collect();
        if words.is_empty() && !is_docker && (directory.is_some() || self.entrypoint.is_some()) {
            let flag = if directory.is_some() { "--workdir" } else { "--entrypoint ''" };
            return Err(CommandError::message(format!(
                "{flag} needs a command, because Mesos has no field for it beside the image's own: give the command after --"
            )));
        }
        let command = match (words.as_slice(), directory) {
            ([line], _) if is_line(line) => self.shell_command(line),
            (words, None) => program(words),
            // The shell replaces itself by the program.
            (words, Some(directory)) => {
                let script = ["/bin/sh", "-c", r#"cd "$0" && exec "$@""#, directory].map(str::to_owned);
                program(&[&script[..], words].concat())
            }
        };
        let extends = has_image && !is_docker && self.entrypoint.is_none() && directory.is_none();
        let label = (extends && !words.is_empty() && command.shell == Some(false)).then(|| v1::Label {
            key: container_labels::COMMAND.to_owned(),
            value: Some(container_labels::ARGUMENTS.to_owned()),
        });
        Ok((command, label))
    }
}

/// Tells whether a character makes a word a command line of the shell: blanks, and what POSIX has quoted (2.2), without `=`
/// and `%`, which are part of arguments.
const NOT_IN_A_NAME: fn(char) -> bool = |char| char.is_whitespace() || "|&;<>()$`\\\"'*?[]#~!{}".contains(char);

/// Returns a word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

pub(super) fn image(name: &str) -> Box<v1::container_info::MesosInfo> {
    let docker = v1::image::Docker { name: name.to_owned(), ..Default::default() };
    let r#type = v1::image::Type::Docker as i32;
    let image = v1::Image { r#type, docker: Some(Box::new(docker)), ..Default::default() };
    Box::new(v1::container_info::MesosInfo { image: Some(Box::new(image)) })
}

fn kill_policy(grace: Duration) -> Box<v1::KillPolicy> {
    let nanoseconds = i64::try_from(grace.as_nanos()).unwrap_or(i64::MAX);
    Box::new(v1::KillPolicy { grace_period: Some(v1::DurationInfo { nanoseconds }) })
}

fn label(text: &str) -> v1::Label {
    match text.split_once('=') {
        Some((key, value)) => v1::Label { key: key.to_owned(), value: Some(value.to_owned()) },
        None => v1::Label { key: text.to_owned(), value: None },
    }
}

fn labels(labels: Vec<v1::Label>) -> Option<Box<v1::Labels>> {
    (!labels.is_empty()).then(|| Box::new(v1::Labels { labels }))
}

/// A health check of `--health-check`, without its times.
#[derive(Debug, Clone)]
struct NamedCheck {
    name: String,
    check: v1::HealthCheck,
}

fn command_check(line: &str) -> v1::HealthCheck {
    let command = v1::CommandInfo { value: Some(line.to_owned()), shell: Some(true), ..Default::default() };
    let r#type = Some(v1::health_check::Type::Command.into());
    v1::HealthCheck { r#type, command: Some(Box::new(command)), ..Default::default() }
}

fn named_check(text: &str) -> Result<NamedCheck, String> {
    use v1::health_check::{HttpCheckInfo, TcpCheckInfo, Type};
    let expected = || {
        format!("'{text}': expected NAME=http:PORT[/PATH], NAME=https:PORT[/PATH], NAME=tcp:PORT or NAME=cmd:COMMAND")
    };
    let (name, check) = text.split_once('=').ok_or_else(expected)?;
    let (kind, rest) = check.split_once(':').ok_or_else(expected)?;
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).map(u32::from).ok_or_else(expected);
    let check = match kind {
        "cmd" if !rest.is_empty() => command_check(rest),
        "tcp" => {
            let tcp = Some(TcpCheckInfo { port: port(rest)?, protocol: None });
            v1::HealthCheck { r#type: Some(Type::Tcp.into()), tcp, ..Default::default() }
        }
        "http" | "https" => {
            let at = rest.find('/').unwrap_or(rest.len());
            let (number, path) = rest.split_at(at);
            let path = if path.is_empty() { "/" } else { path };
            let (port, scheme) = (port(number)?, Some(kind.to_owned()));
            let http =
                Some(Box::new(HttpCheckInfo { port, scheme, path: Some(path.to_owned()), ..Default::default() }));
            v1::HealthCheck { r#type: Some(Type::Http.into()), http, ..Default::default() }
        }
        _ => return Err(expected()),
    };
    let named = NamedCheck { name: name.to_owned(), check };
    let labels = v1::Labels { labels: vec![pod::health_check_label(&named.name, &named.check)] };
    validation::health_checks::named(Some(&labels)).map_err(|error| error.to_string())?;
    Ok(named)
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;
