//! Programs that end with the test that started them.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::scratch::free_ports;
use crate::wait::until;

/// A running program. Its output goes to a file, which is shown if the test fails. The program is killed at the end of
/// the test.
#[derive(Debug)]
pub struct Program {
    /// The process, which may have ended.
    pub child: Child,
    name: String,
    log: PathBuf,
}

impl Program {
    /// Starts a program without standard input. Its output goes to `log`, which is overwritten.
    ///
    /// # Panics
    ///
    /// Panics if the program cannot be started or the file cannot be written.
    pub fn start(command: &mut Command, name: impl Into<String>, log: impl Into<PathBuf>) -> Self {
        let log = log.into();
        let output = std::fs::File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn();
        let name = name.into();
        let child = child.unwrap_or_else(|error| panic!("{name}: {error}"));
        Program { child, name, log }
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns the path of the file that the output goes to.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Returns whether the program has not ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends the program a signal, e.g. `-TERM`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Kills the program with SIGKILL and waits for its end. The program may have ended already.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} ({}):\n{}", self.name, self.log.display(), self.log());
        }
        self.kill();
    }
}

/// Sends a signal to a process of the test, e.g. `-TERM`.
///
/// # Panics
///
/// Panics if there is no such process.
pub fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(done.success(), "kill {name} {pid}");
}

/// Returns whether a process runs. A process that has ended and is not reaped does not run.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Kills the processes of the containers of an agent, which outlive it. Their environment names its work directory.
pub fn kill_containers_of(work_dir: &Path) {
    let below = format!("{}/", work_dir.display());
    let is_of = |variable: &[u8]| {
        let directory = variable.strip_prefix(b"MESOS_DIRECTORY=").or(variable.strip_prefix(b"MESOS_SANDBOX="));
        directory.is_some_and(|directory| directory.starts_with(below.as_bytes()))
    };
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let pid =
            entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(rustix::process::Pid::from_raw);
        if environment.split(|byte| *byte == 0).any(is_of) {
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        }
    }
}

/// An installation of Apache Mesos 1.11: a directory with `master`, `agent` and `libexec`.
#[derive(Debug, Clone)]
pub struct GenuineMesos {
    directory: PathBuf,
}

impl GenuineMesos {
    /// Returns the installation that the variable `CPP_MESOS` names, if it is set. A test that finds none is skipped
    /// and prints so.
    pub fn find() -> Option<Self> {
        std::env::var_os("CPP_MESOS").map(|directory| GenuineMesos { directory: directory.into() })
    }

    /// Returns the directory of the installation.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Starts a master that keeps its registry in memory and listens at this port. It does not take part in an
    /// election: its build has no ZooKeeper. Creates `work_dir`.
    pub fn master(&self, work_dir: &Path, port: u16) -> Program {
        std::fs::create_dir_all(work_dir).unwrap();
        let mut command = Command::new(self.directory.join("master"));
        command.arg(work_dir).env("MESOS_REGISTRY", "in_memory");
        Self::start(command, "genuine master", work_dir.join("log"), port)
    }

    /// Starts an agent with the POSIX launcher that listens at this port; `change` adds flags as arguments or
    /// variables.
    pub fn agent(
        &self,
        master: &str,
        (work_dir, runtime_dir): (&Path, &Path),
        port: u16,
        change: impl FnOnce(&mut Command),
    ) -> Program {
        std::fs::create_dir_all(work_dir).unwrap();
        let mut command = Command::new(self.directory.join("agent"));
        command
            .arg(format!("--master={master}"))
            .arg(format!("--work_dir={}", work_dir.display()))
            .arg(format!("--runtime_dir={}", runtime_dir.display()))
            .env("MESOS_LAUNCHER", "posix")
            .env("MESOS_ISOLATION", "posix/cpu,posix/mem")
            .env("MESOS_SYSTEMD_ENABLE_SUPPORT", "false")
            .env("MESOS_LAUNCHER_DIR", self.directory.join("libexec"));
        change(&mut command);
        Self::start(command, "genuine agent", work_dir.with_extension("log"), port)
    }

    fn start(mut command: Command, name: &str, log: PathBuf, port: u16) -> Program {
        command
            .env("LIBPROCESS_IP", "127.0.0.1")
            .env("LIBPROCESS_PORT", port.to_string())
            .env("MESOS_HOSTNAME", "127.0.0.1");
        let program = Program::start(&mut command, name, log);
        until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        program
    }
}

/// A cluster of `tepui local` on this machine: a master and agents whose tasks are real processes.
#[derive(Debug)]
pub struct LocalCluster {
    /// The port of its master, on the loopback interface. The agents have the ports after it.
    pub port: u16,
    /// The process of the cluster.
    pub program: Program,
    /// The directory in which the cluster keeps all its files.
    pub work: tempfile::TempDir,
    tepui: PathBuf,
}

impl LocalCluster {
    /// Starts a cluster with `agents` agents and waits until they are registered. `tepui` is the program: in Tepui's
    /// own tests `env!("CARGO_BIN_EXE_tepui")`.
    pub fn start(tepui: impl AsRef<Path>, agents: usize, flags: &[&str]) -> Self {
        Self::start_in(tepui.as_ref(), tempfile::tempdir().unwrap(), free_ports(agents + 1), agents, flags)
    }

    /// Starts a cluster like [`LocalCluster::start`], with an image store below its own directory and
    /// further variables in its environment.
    pub fn start_with_images(
        tepui: impl AsRef<Path>,
        agents: usize,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let work = tempfile::tempdir().unwrap();
        Self::start_with_store(tepui.as_ref(), work, free_ports(agents + 1), agents, flags, environment)
    }

    fn start_with_store(
        tepui: &Path,
        work: tempfile::TempDir,
        port: u16,
        agents: usize,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(tepui);
        command.env("MESOS_DOCKER_STORE_DIR", work.path().join("images")).envs(environment.iter().copied());
        Self::start_command(command, tepui, work, port, agents, flags)
    }

    /// Starts a cluster in a directory, which another cluster may have used, at a port.
    pub fn start_in(tepui: &Path, work: tempfile::TempDir, port: u16, agents: usize, flags: &[&str]) -> Self {
        Self::start_command(Command::new(tepui), tepui, work, port, agents, flags)
    }

    fn start_command(
        mut command: Command,
        tepui: &Path,
        work: tempfile::TempDir,
        port: u16,
        agents: usize,
        flags: &[&str],
    ) -> Self {
        command
            .args(["local", &format!("--port={port}"), &format!("--num_slaves={agents}")])
            .arg(format!("--work_dir={}", work.path().display()))
            .args(flags);
        let program = Program::start(&mut command, format!("local cluster at {port}"), work.path().join("said"));
        let cluster = LocalCluster { port, program, work, tepui: tepui.to_owned() };
        until("all agents are there", || cluster.output().contains("A cluster is running").then_some(()));
        cluster
    }

    /// Returns the output so far.
    pub fn output(&self) -> String {
        self.program.log()
    }

    /// Kills the process and starts it again with the files that it has left on disk.
    pub fn restart(mut self, agents: usize, flags: &[&str]) -> Self {
        self.program.kill();
        let work = std::mem::replace(&mut self.work, tempfile::tempdir().unwrap());
        Self::start_in(&self.tepui.clone(), work, self.port, agents, flags)
    }
}

impl LocalCluster {
    /// Restarts a cluster like [`LocalCluster::restart`], with the image store and the environment of
    /// [`LocalCluster::start_with_images`].
    pub fn restart_with_images(mut self, agents: usize, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        self.program.kill();
        let work = std::mem::replace(&mut self.work, tempfile::tempdir().unwrap());
        Self::start_with_store(&self.tepui.clone(), work, self.port, agents, flags, environment)
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        // SIGINT or SIGTERM also ends the tasks of the cluster. A process that has ended gets no signal, since its id
        // may belong to another process by now.
        if self.program.is_running() {
            self.program.signal("-TERM");
        }
        let _ = self.program.child.wait();
    }
}
