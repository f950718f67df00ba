//! An agent that is killed while it pulls images, prepares containers, starts and removes them, and serves sessions:
//! nothing is lost, and nothing stays behind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::http::get_blocking;
use testkit::registry::{LayerBuilder, Registry, layer};
use testkit::scratch::{cgroup_roots, cgroups_below, cgroups_root, free_ports};
use testkit::skip::{current_test, skipped};
use testkit::wait::{until, until_within};

use super::processes::{Random, TEPUI, spawn};
use super::{Server, check_runs, number};

const BUSYBOX: &str = "/bin/busybox";
const TASKS: usize = 40;

struct Cluster {
    _master: Server,
    agent: Server,
    registry: Registry,
    port: u16,
    cgroups: String,
    directory: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/registry.sh");
        let installed = Command::new(script).arg("install").output().unwrap();
        if !rustix::process::geteuid().is_root() || !Path::new(BUSYBOX).exists() {
            let why = format!("only root has containers with images: {}", String::from_utf8_lossy(&installed.stderr));
            skipped(&current_test(), &why);
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let registry = Registry::start();
        for tag in ["one", "two", "three"] {
            let own = layer().file("name", tag).file("filler", &tag.repeat(100_000));
            registry.add_image(tag, &[busybox().gzip(), own.gzip()]);
        }
        let port = free_ports(2);
        let at = |name: &str| directory.path().join(name).display().to_string();
        std::fs::create_dir(at("shared")).unwrap();
        let common =
            |port: u16| vec!["--ip=127.0.0.1".to_owned(), "--hostname=localhost".to_owned(), format!("--port={port}")];
        let master = [vec!["master".to_owned(), format!("--work_dir={}", at("master"))], common(port)].concat();
        let cgroups = cgroups_root(directory.path());
        let agent = [
            vec![
                "agent".to_owned(),
                format!("--master=127.0.0.1:{port}"),
                "--launcher=linux".to_owned(),
                "--isolation=cgroups/cpu,docker/runtime,namespaces/pid,volume/host_path".to_owned(),
                "--resources=cpus:4;mem:4096;disk:1024".to_owned(),
                "--recovery_timeout=1mins".to_owned(),
                format!("--cgroups_root={cgroups}"),
                format!("--work_dir={}", at("agent")),
                format!("--runtime_dir={}", at("run")),
                format!("--docker_store_dir={}", at("store")),
            ],
            common(port + 1),
        ];
        let master = Server::start("master", directory.path(), master);
        until("the master leads", || get_blocking(port, "/state").filter(|answer| answer.status == 200));
        let agent = Server::start("agent", directory.path(), agent.concat());
        Some(Cluster { _master: master, agent, registry, port, cgroups, directory })
    }

    fn tepui(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TEPUI);
        command.args(arguments).env("TEPUI_MASTER", format!("127.0.0.1:{}", self.port)).stdin(Stdio::null());
        command
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts tasks in images, each of which records its number.
    fn batch(&self, number: usize, tag: &str) -> Batch {
        let (runs, said) = (self.at(&format!("shared/{number}")), self.at(&format!("said-{number}")));
        let command =
            format!("echo $TEPUI_INSTANCE >> /shared/{number}; /bin/busybox sleep 0.$(($TEPUI_INSTANCE % 10))");
        let volume = format!("{}:/shared", self.at("shared").display());
        let mut run = self.tepui(&["run", "--quiet", "--name=chaos", "--cpus=0.5", "--mem=16", "--volume", &volume]);
        run.args(["--image", &self.registry.image(tag), "-n", &TASKS.to_string(), "--", &command]);
        Batch { child: spawn(&mut run, std::fs::File::create(&said).unwrap()), runs, said }
    }

    /// Starts a pod whose tasks are in an image.
    fn pod(&self, number: usize) -> Child {
        let path = self.at(&format!("pod-{number}.json"));
        let image = self.registry.image("one");
        let task = |name: &str| {
            format!(
                r#"{{"name":"{name}-{number}","image":"{image}","command":"/bin/busybox sleep 0.3","cpus":0.1,"mem":16}}"#
            )
        };
        let text = format!(r#"{{"name":"pod-{number}","tasks":[{},{}]}}"#, task("a"), task("b"));
        std::fs::write(&path, text).unwrap();
        let mut run = self.tepui(&["run", "--quiet", "--pod", path.to_str().unwrap()]);
        spawn(&mut run, std::fs::File::create(self.at(&format!("pod-{number}.said"))).unwrap())
    }

    /// Starts a program in the container of some task, which may not be there.
    fn session(&self, instance: u64) -> Child {
        let task = format!("chaos.{instance}");
        let mut exec = self.tepui(&["exec", &task, "--", "/bin/busybox sleep 0.2"]);
        spawn(&mut exec, std::fs::File::create(self.at("sessions")).unwrap())
    }

    fn kill(&mut self, pause: Duration) {
        self.agent.down();
        std::thread::sleep(pause);
        self.agent.up();
    }

    /// Returns what is left of containers: their files, records, processes and cgroups.
    fn remains(&self) -> Vec<String> {
        let names = |directory: PathBuf| -> Vec<String> {
            let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
            entries.map(|entry| entry.path().display().to_string()).collect()
        };
        let mut remains = names(self.at("agent/provisioner/containers"));
        remains.extend(names(self.at("run/containers")));
        for name in ["in-use", "staging"] {
            remains.extend(names(self.at("store").join(name)));
        }
        remains.extend(cgroups_below(&self.cgroups).iter().map(|path| path.display().to_string()));
        let work = format!("MESOS_DIRECTORY={}", self.at("agent").display());
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let variables = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if variables.split(|byte| *byte == 0).any(|variable| variable.starts_with(work.as_bytes())) {
                remains.push(entry.path().display().to_string());
            }
        }
        remains
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Containers that a failed test leaves behind end with an agent that finds them, and removes their cgroups.
        self.agent.down();
        for root in cgroup_roots(&self.cgroups) {
            let _ = std::fs::remove_dir(root);
        }
    }
}

struct Batch {
    child: Child,
    runs: PathBuf,
    said: PathBuf,
}

fn busybox() -> LayerBuilder {
    let program = std::fs::read(BUSYBOX).unwrap();
    let members = layer().directory("bin").raw("bin/busybox", tar::EntryType::Regular, &program, "", 0o755);
    members.symlink("bin/sh", "busybox")
}

fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap()
}

/// Waits for the end of a process for which the agent stays up.
fn ended(cluster: &mut Cluster, what: &str, child: &mut Child) {
    until_within(Duration::from_secs(120), what, || {
        cluster.agent.supervise();
        child.try_wait().unwrap()
    });
}

#[test]
fn an_agent_that_dies_while_it_makes_containers_leaves_nothing() {
    let Some(mut cluster) = Cluster::start() else { return };
    let mounts_before = mounts();
    let (seconds, mut random) = (number("CHAOS_SECONDS", 10), Random::new(number("CHAOS_SEED", 1)));
    let (begun, mut round, mut finished) = (Instant::now(), 0, 0);
    while round == 0 || begun.elapsed() < Duration::from_secs(seconds) {
        round += 1;
        let tag = ["one", "two", "three"][round % 3];
        let mut batch = cluster.batch(round, tag);
        let mut others = vec![cluster.pod(round)];
        while batch.child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(300 + random.below(1200)));
            if random.below(4) == 0 {
                others.push(cluster.session(random.below(TASKS as u64)));
            }
            // The next image has to be pulled again.
            if random.below(4) == 0 {
                let store = format!("--docker_store_dir={}", cluster.at("store").display());
                let _ = cluster.tepui(&["image", "prune", &store]).output();
            }
            cluster.kill(Duration::from_millis(random.below(300)));
        }
        ended(&mut cluster, "the batch ends", &mut batch.child);
        for mut other in others {
            ended(&mut cluster, "a pod or session ends", &mut other);
        }
        finished += check_runs(&batch.runs, &batch.said, TASKS);
    }
    println!("{finished} of {} tasks finished in {:?}", round * TASKS, begun.elapsed());
    let mut remains = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        remains = cluster.remains();
        if remains.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(remains, [""; 0]);
    assert!(finished > TASKS / 4, "{finished} of {} tasks finished", round * TASKS);
    assert_eq!(mounts(), mounts_before);
    let store = provisioner::Store::open(&cluster.at("store")).unwrap();
    for image in store.list().unwrap() {
        assert!(store.find(&image.reference.parse().unwrap()).unwrap().is_some(), "{}", image.reference);
    }
}
