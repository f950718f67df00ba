//! A master, and an agent with the Docker containerizer that can be killed and started again.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::http::get_blocking;
use testkit::process::{Program, kill_containers_of};
use testkit::scratch::{find_file, free_port};
use testkit::wait::until;
use wire::http::Response;

use super::daemon::{Daemon, IMAGE};
use super::processes::{Master, TEPUI};

/// A cluster whose tasks run at a daemon.
pub struct Cluster {
    // The agent and the master end first, in this order.
    agent: Option<Program>,
    pub master: Master,
    pub work: tempfile::TempDir,
    port: u16,
    socket: PathBuf,
    flags: Vec<String>,
}

impl Cluster {
    pub fn start(daemon: &Daemon, flags: &[&str]) -> Self {
        Self::at_socket(&daemon.socket(), flags)
    }

    pub fn at_socket(socket: &Path, flags: &[&str]) -> Self {
        let master = Master::with(tempfile::tempdir().unwrap(), free_port(), &[]);
        let mut cluster = Cluster {
            agent: None,
            master,
            work: tempfile::tempdir().unwrap(),
            port: free_port(),
            socket: socket.to_owned(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        };
        cluster.start_agent();
        cluster
    }

    pub fn start_agent(&mut self) {
        let work = self.work.path();
        let mut command = Command::new(TEPUI);
        command
            .args(["agent", "--ip=127.0.0.1", "--hostname=localhost", "--containerizers=docker,mesos"])
            .arg(format!("--master=127.0.0.1:{}", self.master.port))
            .arg(format!("--port={}", self.port))
            .arg(format!("--work_dir={}", work.display()))
            .arg(format!("--runtime_dir={}", work.join("run").display()))
            .arg(format!("--fetcher_cache_dir={}", work.join("fetch").display()))
            .arg(format!("--cgroups_root=tepui-docker-{}", self.port))
            .arg(format!("--docker_socket={}", self.socket.display()))
            .args(["--resources=cpus:4;mem:2048;disk:1024;ports:[31000-31099]", "--registration_backoff_factor=100ms"])
            .args(&self.flags);
        let agent = Program::start(&mut command, "agent", work.join(format!("log-{}", free_port())));
        self.agent = Some(agent);
        until("the agent is registered", || {
            let agents = self.json(self.master.port, "/slaves")?;
            let is_active = |agent: &Value| agent["active"] == json!(true);
            agents["slaves"].as_array()?.iter().any(is_active).then_some(())
        });
    }

    /// Kills the agent with SIGKILL.
    pub fn kill_agent(&mut self) {
        self.agent.take().unwrap().kill();
    }

    pub fn agent_log(&self) -> String {
        self.agent.as_ref().unwrap().log()
    }

    fn json(&self, port: u16, path: &str) -> Option<Value> {
        serde_json::from_str(&get_blocking(port, path)?.body).ok()
    }

    pub fn agent_json(&self, path: &str) -> Value {
        self.json(self.port, path).unwrap()
    }

    /// Starts `mesos-execute` in the background.
    pub fn begin(&self, arguments: &[&str]) -> Program {
        let log = self.work.path().join(format!("execute-{}", free_port()));
        let mut command = Command::new(TEPUI);
        command.args(["mesos-execute", &format!("--master=127.0.0.1:{}", self.master.port)]).args(arguments);
        Program::start(&mut command, "mesos-execute", log)
    }

    /// Starts a task with further fields of its `docker`, its container and itself, as JSON objects.
    pub fn begin_task(&self, name: &str, command: &str, fields: Fields) -> Program {
        self.begin(&["--checkpoint", &format!("--task={}", task(name, command, fields))])
    }

    /// Runs `mesos-execute` to its end.
    pub fn execute(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(TEPUI);
        command.args(["mesos-execute", &format!("--master=127.0.0.1:{}", self.master.port)]).args(arguments);
        said(&command.output().unwrap())
    }

    /// Runs a task to its end.
    pub fn run(&self, name: &str, command: &str, fields: Fields) -> String {
        self.execute(&[&format!("--task={}", task(name, command, fields))])
    }

    /// Returns a task from the state of the master.
    pub fn task(&self, name: &str) -> Option<Value> {
        let state = self.json(self.master.port, "/state")?;
        let frameworks = ["frameworks", "completed_frameworks"].map(|key| state[key].as_array().cloned());
        let lists = frameworks.into_iter().flatten().flatten().flat_map(|framework| {
            ["tasks", "completed_tasks"].map(|key| framework[key].as_array().cloned().unwrap_or_default()).concat()
        });
        lists.into_iter().find(|task| task["id"] == json!(name))
    }

    /// Waits until a status of a task has this value at this place, as GET_TASKS shows it.
    pub fn until_status(&self, name: &str, pointer: &str, value: &Value) {
        until(&format!("{name} has {value} at {pointer}"), || {
            let answer = post(self.master.port, r#"{"type":"GET_TASKS"}"#)?;
            let tasks = answer["get_tasks"]["tasks"].as_array()?.clone();
            let task = tasks.into_iter().find(|task| task["task_id"]["value"] == json!(name))?;
            let statuses = task["statuses"].as_array()?.clone();
            statuses.iter().any(|status| status.pointer(pointer) == Some(value)).then_some(())
        });
    }

    /// Waits until a task is in this state, and returns the task.
    pub fn until_state(&self, name: &str, state: &str) -> Value {
        until(&format!("{name} is {state}"), || self.task(name).filter(|task| task["state"] == json!(state)))
    }

    /// Waits until a program of the test has printed a text.
    pub fn until_said(program: &Program, text: &str) {
        until(&format!("it says '{text}'"), || program.log().contains(text).then_some(()));
    }

    /// Returns the process of the executor of a task.
    pub fn executor_pid(&self, name: &str) -> u32 {
        let containers = self.agent_json("/containers");
        let found = containers.as_array().unwrap().iter().find(|container| container["executor_id"] == json!(name));
        u32::try_from(found.unwrap()["status"]["executor_pid"].as_u64().unwrap()).unwrap()
    }

    /// Returns the last status of a task with this state.
    pub fn status(&self, name: &str, state: &str) -> Value {
        let task = self.task(name).unwrap();
        let statuses = task["statuses"].as_array().unwrap();
        statuses.iter().rfind(|status| status["state"] == json!(state)).unwrap().clone()
    }

    /// Returns the text of the only file of this name in the sandboxes.
    pub fn written(&self, name: &str) -> String {
        let path = until("the file is there", || find_file(&self.work.path().join("slaves"), name));
        std::fs::read_to_string(path).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.agent.take();
        kill_containers_of(self.work.path());
        // The cgroups of the agent are empty as soon as its processes are gone.
        let root = format!("tepui-docker-{}", self.port);
        let hierarchies = std::fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        let roots: Vec<PathBuf> = hierarchies
            .map(|entry| entry.path().join(&root))
            .chain([Path::new("/sys/fs/cgroup").join(&root)])
            .filter(|path| path.is_dir())
            .collect();
        let begun = Instant::now();
        while roots.iter().any(|path| path.is_dir()) && begun.elapsed() < Duration::from_secs(5) {
            roots.iter().for_each(|path| remove_cgroups(path));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn remove_cgroups(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroups(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(directory);
}

/// Sends a call to the operator API, and returns the answer.
fn post(port: u16, call: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = call.len();
    write!(
        stream,
        "POST /api/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{call}"
    )
    .ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let mut response = Response::new(16 << 20);
    response.push(&bytes).ok()?;
    serde_json::from_slice(&response.take_body()).ok()
}

/// What a task has besides its command: fields of `docker`, of the container, and of the task.
#[derive(Default)]
pub struct Fields {
    pub docker: Value,
    pub container: Value,
    pub task: Value,
}

impl Fields {
    pub fn docker(docker: Value) -> Self {
        Fields { docker, ..Fields::default() }
    }

    pub fn container(container: Value) -> Self {
        Fields { container, ..Fields::default() }
    }

    pub fn task(task: Value) -> Self {
        Fields { task, ..Fields::default() }
    }
}

fn task(name: &str, command: &str, fields: Fields) -> Value {
    let with = |mut base: Value, further: Value| {
        for (key, value) in further.as_object().into_iter().flatten() {
            base[key] = value.clone();
        }
        base
    };
    let docker = with(json!({ "image": IMAGE }), fields.docker);
    let container = with(json!({ "type": "DOCKER", "docker": docker }), fields.container);
    let scalar = |name: &str, value: f64| json!({ "name": name, "type": "SCALAR", "scalar": { "value": value } });
    let base = json!({
        "name": name, "task_id": { "value": name }, "agent_id": { "value": "" },
        "command": { "value": command }, "container": container,
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
    });
    with(base, fields.task)
}

pub fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}
