//! `tepui local`: starts, supervises and stops one master and some agents, each as its own process, as in production.

use std::ffi::OsString;
use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use agent_server::detect_resources;
use flags::{LauncherName, LocalFlags, Parsed};
use tepui_client::{Address, get_json};
use tokio::process::{Child, Command};

use super::parent_death::LOCAL_PARENT;
use crate::commands::{CommandError, block_on, fail, missing};
use crate::mesos_flags::parse_or_exit;
use crate::output;
use crate::signals::Cancel;
use crate::{logging, ports};

/// The time within which a process must start. It usually takes well under a second.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const MASTER: &str = "master";
const POLL: Duration = Duration::from_millis(50);
/// The time for the processes of a cluster that was just killed to end.
const PORT_HOLDER_TIMEOUT: Duration = Duration::from_secs(3);
/// The time for a process to end after SIGTERM before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

pub fn local(arguments: Vec<OsString>) -> ExitCode {
    let Parsed { flags, warnings, .. } = match parse_or_exit::<LocalFlags>(arguments) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    if let Err(failure) = logging::init(&flags.logging, &warnings, "mesos-local") {
        return fail(&failure);
    }
    block_on(async {
        let mut cluster = Cluster { processes: Vec::new() };
        let mut cancel = Cancel::listen();
        let result = cluster.run(&flags, &mut cancel).await;
        cluster.stop().await;
        result.map(|()| ExitCode::SUCCESS)
    })
}

struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

/// A process that has ended without having been stopped.
struct Exit {
    name: String,
    status: ExitStatus,
    log: PathBuf,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("\n");
        write!(f, "the {} ended ({}); the end of {}:\n{tail}", self.name, self.status, self.log.display())
    }
}

impl From<Exit> for CommandError {
    fn from(exit: Exit) -> Self {
        CommandError::Lines(exit.to_string())
    }
}

struct Cluster {
    processes: Vec<Process>,
}

impl Cluster {
    /// Starts everything, prints the next steps, and returns when it is stopped or when the master has ended.
    async fn run(&mut self, flags: &LocalFlags, cancel: &mut Cancel) -> Result<(), CommandError> {
        let work = work_dir(flags)?;
        let (ip, port, count) = (flags.ip.to_string(), flags.port, flags.num_slaves);
        let address = Address::new(ip.clone(), port);

        for number in 0..=count {
            check_port_is_free(&ip, port_of(port, number)?, port, count).await?;
        }
        self.start(
            MASTER,
            &work,
            &[
                format!("--ip={ip}"),
                format!("--port={port}"),
                format!("--hostname={ip}"),
                format!("--work_dir={}", work.join("master").display()),
            ],
        )?;
        self.until_ready(cancel, || async { get_json(&address, "/version").await.is_ok() }).await?;
        for number in 0..count {
            self.start_agent(flags, &work, &ip, port, number, count)?;
        }
        self.until_ready(cancel, || async {
            let agents = get_json(&address, "/slaves").await;
            agents.is_ok_and(|a| a["slaves"].as_array().is_some_and(|list| list.len() >= count))
        })
        .await?;

        print_guide(&address, count, &work);
        output::print(what_is_missing(flags).map(|line| format!("{line}\n")).unwrap_or_default());
        tokio::select! {
            _ = cancel.next() => Ok(()),
            failure = self.until_the_master_ends() => Err(failure),
        }
    }

    /// Waits until the master ends. An agent may be shut down by the master (its machine is down for maintenance, or it
    /// was marked gone), which is one of the uses of such a cluster. It is not started again, because the master would
    /// shut it down again.
    async fn until_the_master_ends(&mut self) -> CommandError {
        loop {
            let exit = self.next_exit().await;
            if exit.name == MASTER {
                return exit.into();
            }
            let agents = self.processes.iter().filter(|process| process.name != MASTER).count();
            output::write_stderr_lines(&format!("tepui: {exit}\nThe cluster goes on, its other agents: {agents}."));
        }
    }

    fn start_agent(
        &mut self,
        flags: &LocalFlags,
        work: &Path,
        ip: &str,
        master_port: u16,
        number: usize,
        count: usize,
    ) -> Result<(), CommandError> {
        let name = format!("agent-{}", number + 1);
        let directory = work.join(&name);
        let port = port_of(master_port, number + 1)?;
        let mut arguments = vec![
            format!("--master={ip}:{master_port}"),
            format!("--ip={ip}"),
            format!("--port={port}"),
            format!("--hostname={ip}"),
            format!("--work_dir={}", directory.display()),
            format!("--runtime_dir={}", directory.join("run").display()),
            format!("--fetcher_cache_dir={}", directory.join("fetch").display()),
            // Each agent has its own root, so that agents do not clean up each other's containers.
            format!("--cgroups_root=tepui-local-{master_port}-{}", number + 1),
            format!("--resources={}", flags.resources.clone().unwrap_or_else(|| share(work, number, count))),
            "--registration_backoff_factor=100ms".to_owned(),
        ];
        let launcher = flags.launcher.map(LauncherName::as_str);
        let passed_on = [
            ("attributes", flags.attributes.as_deref()),
            ("isolation", flags.isolation.as_deref()),
            ("launcher", launcher),
            ("container_logger", flags.container_logger.as_deref()),
        ];
        for (name, value) in passed_on {
            arguments.extend(value.map(|value| format!("--{name}={value}")));
        }
        self.start(&name, work, &arguments)
    }

    /// Starts `tepui <role>` with its output in a file of the work directory.
    fn start(&mut self, name: &str, work: &Path, arguments: &[String]) -> Result<(), CommandError> {
        let io = |doing: String| move |source| CommandError::Io { doing, source };
        let program = std::env::current_exe().map_err(io("find this program".to_owned()))?;
        let log = work.join(format!("{name}.log"));
        // The log is appended to, because its lines before a crash may explain the crash.
        let file = std::fs::File::options().create(true).append(true).open(&log);
        let file = file.map_err(io(format!("open {}", log.display())))?;
        let copy = file.try_clone().map_err(io(format!("open {}", log.display())))?;
        let role = name.split('-').next().unwrap_or(name);
        let child = Command::new(program)
            .arg(role)
            .args(arguments)
            .env(LOCAL_PARENT, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            // Ctrl-C at the terminal is meant for this process, which then stops the others in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(io(format!("start the {name}")))?;
        self.processes.push(Process { name: name.to_owned(), log, child });
        Ok(())
    }

    async fn until_ready<F: Future<Output = bool>>(
        &mut self,
        cancel: &mut Cancel,
        ready: impl Fn() -> F,
    ) -> Result<(), CommandError> {
        let wait = async {
            while !ready().await {
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            () = wait => Ok(()),
            exit = self.next_exit() => Err(exit.into()),
            _ = cancel.next() => Err(CommandError::message("stopped while starting")),
            () = tokio::time::sleep(START_TIMEOUT) => {
                let logs: Vec<String> = self.processes.iter().map(|p| p.log.display().to_string()).collect();
                Err(CommandError::message(format!("the cluster did not come up in {START_TIMEOUT:?}; see {}", logs.join(", "))))
            }
        }
    }

    /// Waits until any process ends by itself, and removes the process from the cluster.
    async fn next_exit(&mut self) -> Exit {
        loop {
            let ended =
                self.processes.iter_mut().enumerate().find_map(|(index, process)| match process.child.try_wait() {
                    Ok(status) => Some((index, status?)),
                    Err(_) => None,
                });
            if let Some((index, status)) = ended {
                let Process { name, log, .. } = self.processes.remove(index);
                return Exit { name, status, log };
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Stops the agents first, so that they can end their containers and unregister.
    async fn stop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            terminate(process).await;
        }
    }
}

async fn terminate(process: &mut Process) {
    let Some(pid) = process.child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) else { return };
    // SIGUSR1 makes an agent end its tasks, too; nothing of a local cluster remains.
    let signal = match process.name.starts_with("agent") {
        true => rustix::process::Signal::USR1,
        false => rustix::process::Signal::TERM,
    };
    if rustix::process::kill_process(pid, signal).is_err() {
        return;
    }
    if tokio::time::timeout(STOP_TIMEOUT, process.child.wait()).await.is_err() {
        tracing::warn!("the {} does not stop, killing it", process.name);
        // The process may have ended in the meantime.
        let _ = process.child.kill().await;
    }
}

/// Returns the port of the master, or of an agent; agents use the ports after that of the master.
fn port_of(master: u16, number: usize) -> Result<u16, CommandError> {
    let port = u16::try_from(number).ok().and_then(|number| master.checked_add(number));
    port.ok_or_else(|| {
        CommandError::message(format!(
            "--port={master} leaves no port for agent {number}: the agents take the ports after it, up to 65535"
        ))
    })
}

/// Checks that a port is free before anything is started. Another server at the port would answer instead of the
/// cluster.
async fn check_port_is_free(ip: &str, port: u16, first: u16, agents: usize) -> Result<(), CommandError> {
    let begun = Instant::now();
    loop {
        match TcpListener::bind((ip, port)) {
            Ok(_) => return Ok(()),
            // The process that needs the port reports this error.
            Err(error) if error.kind() != ErrorKind::AddrInUse => return Ok(()),
            Err(_) if begun.elapsed() < PORT_HOLDER_TIMEOUT => tokio::time::sleep(POLL).await,
            Err(_) => {
                let count = u16::try_from(agents).unwrap_or(u16::MAX).saturating_add(1);
                let held = match ip.parse() {
                    Ok(ip) => ports::taken_of_row(SocketAddrV4::new(ip, port), first, count),
                    Err(_) => format!("{ip}:{port} is in use"),
                };
                return Err(CommandError::message(format!("{held}; if a cluster runs there already, use it")));
            }
        }
    }
}

fn work_dir(flags: &LocalFlags) -> Result<PathBuf, CommandError> {
    let io = |doing: String| move |source| CommandError::Io { doing, source };
    match &flags.work_dir {
        Some(path) => {
            std::fs::create_dir_all(path).map_err(io(format!("create {}", path.display())))?;
            path.canonicalize().map_err(io(format!("resolve {}", path.display())))
        }
        None => tempfile::Builder::new()
            .prefix("tepui-local-")
            .tempdir()
            .map(tempfile::TempDir::keep)
            .map_err(io("create a temporary directory".to_owned())),
    }
}

/// Returns an equal share of the machine's resources for one agent, with ports of its own.
fn share(work: &Path, number: usize, count: usize) -> String {
    let machine = detect_resources(work);
    let part = |amount: f64| (amount / count as f64 * 10.0).floor() / 10.0;
    let first = 31_000 + number * 1_000 / count;
    let last = 31_000 + (number + 1) * 1_000 / count - 1;
    format!(
        "cpus:{};mem:{};disk:{};ports:[{first}-{last}]",
        part(machine.cpus),
        part(machine.mem_mb).floor(),
        part(machine.disk_mb).floor()
    )
}

/// Returns what an agent does not isolate without root; `None` if `--isolation` or `--launcher` is given.
fn what_is_missing(flags: &LocalFlags) -> Option<String> {
    if rustix::process::geteuid().is_root() || flags.isolation.is_some() || flags.launcher.is_some() {
        return None;
    }
    let missing = missing("posix/cpu,posix/mem,posix/rlimits")?;
    Some(format!("Without root {missing}; all tasks run as you."))
}

fn print_guide(address: &Address, count: usize, work: &Path) {
    let master = if address.port == 5050 { String::new() } else { format!(" --master {address}") };
    output::print(format!(
        "\nA cluster is running: a master at http://{address} and {count} agents. Files and logs: {}\n\n  \
         tepui run{master} -- echo hello        run a task\n  \
         tepui status{master}                   show the state of the cluster\n  \
         tepui tasks{master}                    list the tasks\n  \
         tepui logs{master} TASK                show the output of a task\n  \
         tepui examples                 show more examples\n\n\
         Frameworks for Mesos connect to {address}. Ctrl-C stops everything.\n",
        model::visible(&work.display().to_string())
    ));
}
