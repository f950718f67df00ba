//! A cluster of real processes, the command line that operates it, and guides that are executed line by line.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::process::{Program, signal};
use testkit::scratch::free_port;
use testkit::wait::until_within;

/// A master and agents, which are killed at the end.
pub struct Cluster {
    pub master: String,
    pub work: tempfile::TempDir,
    agent_flags: Vec<String>,
    processes: Vec<Program>,
}

/// The output of a command, and whether it succeeded.
#[derive(Debug)]
pub struct CommandOutput {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Cluster {
    /// Starts a cluster with one agent on the host node7.
    pub fn start() -> Self {
        Cluster::with_agents(&["node7"])
    }

    /// Starts a cluster with an agent for each host, in the order of their ids.
    pub fn with_agents(hosts: &[&str]) -> Self {
        Cluster::with_flags(hosts, &[], &[])
    }

    pub fn with_flags(hosts: &[&str], master_flags: &[String], agent_flags: &[String]) -> Self {
        let work = tempfile::tempdir().unwrap();
        let port = free_port();
        let agent_flags = agent_flags.to_vec();
        let mut cluster = Cluster { master: format!("127.0.0.1:{port}"), work, agent_flags, processes: Vec::new() };
        let directory = cluster.work.path().join("master").display().to_string();
        let flags = [
            "--ip=127.0.0.1".into(),
            "--hostname=localhost".into(),
            format!("--port={port}"),
            format!("--work_dir={directory}"),
        ];
        cluster.spawn("master", &[&flags, master_flags].concat());
        until("the master serves", || cluster.try_tepui(&["agents"]).ok.then_some(()));
        for (index, host) in hosts.iter().enumerate() {
            cluster.start_agent(host, &format!("127.0.0.{}", index + 1));
            until("the agent registers", || (cluster.agents().len() > index).then_some(()));
        }
        cluster
    }

    pub fn start_agent(&mut self, host: &str, ip: &str) {
        let (port, directory) = (free_port(), self.agent_directory(host).display().to_string());
        let master = self.master.clone();
        let flags = [
            format!("--master={master}"),
            format!("--port={port}"),
            format!("--ip={ip}"),
            format!("--hostname={host}"),
            format!("--work_dir={directory}"),
            format!("--runtime_dir={directory}/run"),
            format!("--cgroups_root=tepui-operating-{port}"),
            "--resources=cpus:4;mem:1024;disk:1024;ports:[31000-31099]".into(),
            "--isolation=posix/cpu".into(),
            "--registration_backoff_factor=100ms".into(),
        ];
        self.spawn("agent", &[&flags[..], &self.agent_flags].concat());
    }

    pub fn agent_directory(&self, host: &str) -> PathBuf {
        self.work.path().join(host)
    }

    fn spawn(&mut self, program: &str, arguments: &[String]) {
        let name = format!("{program}-{}", self.processes.len());
        let log = self.work.path().join(format!("{name}.log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tepui"));
        self.processes.push(Program::start(command.arg(program).args(arguments), name, log));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tepui"));
        command.args(arguments).env("TEPUI_MASTER", &self.master).stdin(Stdio::null());
        command
    }

    pub fn try_tepui(&self, arguments: &[&str]) -> CommandOutput {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        CommandOutput { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Returns the output of a command that must succeed.
    pub fn tepui(&self, arguments: &[&str]) -> String {
        let said = self.try_tepui(arguments);
        assert!(said.ok, "{arguments:?}: {said:?}");
        said.out
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let text = self.tepui(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    }

    /// Returns the message of a command that must fail.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let said = self.try_tepui(arguments);
        assert!(!said.ok, "{arguments:?}: {said:?}");
        said.err
    }

    /// Starts a command that continues. It is killed at the end.
    pub fn begin(&self, arguments: &[&str]) -> Program {
        self.begin_command(self.command(arguments), arguments.join(" "))
    }

    fn begin_command(&self, mut command: Command, name: String) -> Program {
        let log = tempfile::Builder::new().prefix("command-").tempfile_in(self.work.path()).unwrap();
        Program::start(&mut command, name, log.into_temp_path().keep().unwrap())
    }

    pub fn agents(&self) -> Vec<Value> {
        self.json(&["agents"])["agents"].as_array().cloned().unwrap_or_default()
    }

    /// Returns the number of tasks in this state, live or completed.
    pub fn tasks(&self, state: &str) -> usize {
        let tasks = self.json(&["tasks"]);
        let all =
            ["tasks", "completed_tasks"].into_iter().flat_map(|list| tasks[list].as_array().into_iter().flatten());
        all.filter(|task| task["state"] == state).count()
    }
}

/// A command of a guide and its expected output.
#[derive(Debug, PartialEq)]
struct Step<'a> {
    command: &'a str,
    shown: Vec<&'a str>,
}

/// Returns the text of the blocks of a guide that have this mark.
pub fn blocks<'a>(guide: &'a str, mark: &str) -> Vec<&'a str> {
    let begun = guide.split("\n```").skip(1).step_by(2);
    begun.filter_map(|block| block.strip_prefix(mark)?.strip_prefix('\n')).collect()
}

/// Reads the blocks marked `console`: `$ command`, and below it its output.
fn steps(guide: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    let mut inside = false;
    for line in guide.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            steps.push(Step { command, shown: Vec::new() });
        } else if let (true, Some(step)) = (inside, steps.last_mut()) {
            step.shown.push(line);
        }
    }
    steps
}

impl Cluster {
    /// Runs every step. `…` stands for output that differs from run to run. A command that ends in `&` continues, and
    /// the next step is run when its tasks run.
    pub fn follow(&self, guide: &str) {
        let mut running = Vec::new();
        for step in steps(guide) {
            if let Some(command) = step.command.strip_suffix(" &") {
                let before = self.tasks("TASK_RUNNING");
                running.push(self.begin_command(self.shell(&format!("exec {command}")), command.to_owned()));
                until(step.command, || (self.tasks("TASK_RUNNING") > before).then_some(()));
                continue;
            }
            let output = self.shell(&format!("{} 2>&1", step.command)).output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            let lines: Vec<&str> = printed.lines().collect();
            let as_shown = lines.len() == step.shown.len()
                && lines.iter().zip(&step.shown).all(|(line, shown)| is_like(line, shown));
            assert!(as_shown, "{}\nprints\n{printed}\nbut the guide shows\n{}", step.command, step.shown.join("\n"));
        }
    }

    fn shell(&self, command: &str) -> Command {
        let programs = PathBuf::from(env!("CARGO_BIN_EXE_tepui")).parent().unwrap().display().to_string();
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("TEPUI_MASTER", &self.master).stdin(Stdio::null());
        shell.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()));
        shell
    }
}

fn is_like(line: &str, shown: &str) -> bool {
    let mut rest = line;
    for (index, part) in shown.split('…').enumerate() {
        // The number of blanks before varying text may differ.
        match rest.find(part.trim_end()) {
            Some(0) => rest = &rest[part.trim_end().len()..],
            Some(at) if index > 0 => rest = &rest[at + part.trim_end().len()..],
            _ => return false,
        }
    }
    rest.is_empty() || shown.ends_with('…')
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The agents end first. The signal also ends their tasks.
        for mut program in std::mem::take(&mut self.processes).into_iter().rev() {
            let is_agent =
                program.log_path().file_name().is_some_and(|name| name.to_string_lossy().starts_with("agent"));
            if program.is_running() {
                signal(program.pid(), "-USR1");
            }
            let begun = Instant::now();
            while is_agent && begun.elapsed() < Duration::from_secs(10) && program.is_running() {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Waits for a condition. On an idle machine this takes seconds at most.
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    until_within(Duration::from_secs(120), what, probe)
}
