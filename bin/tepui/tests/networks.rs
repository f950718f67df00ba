//! Tasks in networks of their own, with the plugins of Debian, and the check of ports of the others. Each test has a network
//! namespace of its own. It needs root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod processes;

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use processes::{Master, TEPUI};
use serde_json::Value;
use tar::EntryType;
use testkit::network::{ADDRESS, isolated};
use testkit::process::{Program, kill_containers_of};
use testkit::registry::{Registry, layer};
use testkit::scratch::{cgroup_roots, cgroups_root, free_port};
use testkit::skip::{current_test, skipped};
use testkit::wait::until;

/// A master on the loopback interface, and an agent that tasks in networks reach.
struct Cluster {
    master: Master,
    agent: Program,
    work: tempfile::TempDir,
    flags: Vec<String>,
    port: u16,
}

impl Cluster {
    fn start(prepare: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let work = tempfile::tempdir().unwrap();
        let flags = prepare(work.path());
        let master = Master::with(tempfile::tempdir().unwrap(), free_port(), &[]);
        let port = free_port();
        let agent = Self::agent(&master, work.path(), port, &flags);
        let cluster = Cluster { master, agent, work, flags, port };
        until("the agent is there", || (cluster.master.agents().len() == 1).then_some(()));
        cluster
    }

    fn agent(master: &Master, work: &Path, port: u16, flags: &[String]) -> Program {
        let mut command = Command::new(TEPUI);
        command
            .args(["agent", &format!("--ip={ADDRESS}"), "--hostname=localhost", "--launcher=linux"])
            .arg(format!("--port={port}"))
            .arg(format!("--master=127.0.0.1:{}", master.port))
            .arg(format!("--work_dir={}", work.join("work").display()))
            .arg(format!("--runtime_dir={}", work.join("run").display()))
            .arg(format!("--docker_store_dir={}", work.join("images").display()))
            .arg(format!("--cgroups_root={}", cgroups_root(work)))
            .arg("--resources=cpus:2;mem:512;disk:512;ports:[31000-31999]")
            .args(flags);
        Program::start(&mut command, "agent", work.join("log"))
    }

    /// Kills the agent and starts it again.
    fn restart_agent(&mut self) {
        self.agent.kill();
        self.agent = Self::agent(&self.master, self.work.path(), self.port, &self.flags);
    }

    fn tepui(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(TEPUI);
        command.args(arguments).env("TEPUI_MASTER", format!("127.0.0.1:{}", self.master.port)).stdin(Stdio::null());
        command.output().unwrap()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.tepui(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.tepui(arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Returns the tasks with this state and name.
    fn task(&self, name: &str, state: &str) -> Option<Value> {
        let answer = self.master.get("/state")?;
        let state_json: Value =
            serde_json::from_str(&answer.body[answer.body.find('{')?..=answer.body.rfind('}')?]).ok()?;
        let frameworks = ["frameworks", "completed_frameworks"].map(|list| state_json[list].as_array().cloned());
        let frameworks = frameworks.into_iter().flatten().flatten();
        let mut tasks = frameworks.flat_map(|framework| {
            ["tasks", "completed_tasks"].map(|list| framework[list].as_array().cloned()).into_iter().flatten().flatten()
        });
        tasks.find(|task| task["name"] == name && task["state"] == state)
    }

    fn attachments(&self) -> PathBuf {
        self.work.path().join("run/isolators/network/cni")
    }

    fn attached(&self) -> usize {
        std::fs::read_dir(self.attachments()).unwrap().count()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The tasks end with the agent and not with the test. Nothing here may panic, since the test may have failed.
        for task in ["web", "other"] {
            let mut cancel = Command::new(TEPUI);
            cancel.args(["cancel", task]).env("TEPUI_MASTER", format!("127.0.0.1:{}", self.master.port));
            let _ = cancel.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        let begun = Instant::now();
        while self.agent.is_running() && !self.is_empty() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.agent.kill();
        kill_containers_of(self.work.path());
        for root in cgroup_roots(&cgroups_root(self.work.path())) {
            let _ = std::fs::remove_dir(root);
        }
    }
}

impl Cluster {
    fn is_empty(&self) -> bool {
        let containers = self.work.path().join("run/containers");
        std::fs::read_dir(containers).map_or(0, Iterator::count) == 0
    }
}

/// Returns the configurations of the guide for operators, with a directory of their own for leases.
fn documented(leases: &Path) -> Vec<String> {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/networks.md")).unwrap();
    let blocks = guide.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    let own = format!("\"type\": \"host-local\", \"dataDir\": \"{}\",", leases.display());
    blocks.map(|block| block.replace("\"type\": \"host-local\",", &own)).collect()
}

/// Writes the configurations and returns the flags of an agent that uses them.
fn networks(work: &Path, plugins: &Path) -> Vec<String> {
    let configs = work.join("configs");
    std::fs::create_dir(&configs).unwrap();
    for (number, config) in documented(&work.join("leases")).iter().enumerate() {
        std::fs::write(configs.join(format!("{number}.conf")), config).unwrap();
    }
    vec![
        format!("--network_cni_config_dir={}", configs.display()),
        format!("--network_cni_plugins_dir={}", plugins.display()),
        format!(
            "--default_container_dns={}",
            r#"{"mesos":[{"network_mode":"CNI","dns":{"nameservers":["10.77.0.53"]}}]}"#
        ),
    ]
}

fn read_from(port: u16) -> Option<String> {
    let address = format!("{ADDRESS}:{port}").parse().unwrap();
    let mut text = String::new();
    let mut connection = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    connection.read_to_string(&mut text).ok().filter(|length| *length > 0)?;
    Some(text)
}

const SERVER: &str = "import socket\ns = socket.create_server(('', 80))\nwhile True:\n c = s.accept()[0]\n c.sendall(b'hello')\n c.close()";

#[test]
fn a_published_port_leads_to_the_task_whatever_happens_to_the_agent() {
    isolated(|plugins| {
        let mut cluster = Cluster::start(|work| networks(work, plugins));
        cluster.said(&[
            "run",
            "--detach",
            "--name",
            "web",
            "--network",
            "web",
            "--publish",
            "31080:80",
            "--",
            "python3",
            "-c",
            SERVER,
        ]);
        until("the port leads to the task", || read_from(31080).filter(|text| text == "hello"));
        let status = |cluster: &Cluster| {
            let task = until("the task runs", || cluster.task("web", "TASK_RUNNING"));
            let statuses = task["statuses"].as_array().unwrap().clone();
            statuses.last().unwrap()["container_status"]["network_infos"][0].clone()
        };
        let info = status(&cluster);
        assert_eq!(info["name"], "web");
        assert_eq!(info["ip_addresses"][0]["ip_address"], "10.77.0.2", "{info}");
        assert_eq!(
            (&info["port_mappings"][0]["host_port"], &info["port_mappings"][0]["container_port"]),
            (&31080.into(), &80.into())
        );

        // A command beside the task is in its network.
        let inside = cluster.said(&["exec", "web", "--", "ip", "-o", "-4", "addr", "show", "eth0"]);
        assert!(inside.contains("10.77.0.2/16"), "{inside}");
        let names = cluster.said(&["exec", "web", "--", "cat", "/etc/hosts", "/etc/resolv.conf"]);
        assert!(names.contains("10.77.0.2 ") && names.contains("nameserver 10.77.0.53"), "{names}");

        cluster.restart_agent();
        until("the agent is there again", || cluster.agent.log().contains("agent listens on").then_some(()));
        until("the port still leads to the task", || read_from(31080).filter(|text| text == "hello"));
        // The container is detached by an agent that has not started it.
        cluster.said(&["cancel", "web"]);
        until("the container is detached", || (cluster.attached() == 0).then_some(()));
        assert_eq!(read_from(31080), None);
        let leases = std::fs::read_dir(cluster.work.path().join("leases/web")).unwrap().flatten();
        let names: Vec<String> = leases.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert!(!names.iter().any(|name| name.starts_with("10.77.")), "{names:?}");
    });
}

/// The health checks of a task are made where its program listens, which nobody else does.
#[test]
fn health_checks_are_made_in_the_network_of_the_task() {
    isolated(|plugins| {
        let cluster = Cluster::start(|work| networks(work, plugins));
        let mut run = vec!["run", "--detach", "--name", "web", "--network", "web", "--health-interval", "1s"];
        for check in ["a=http:80/", "b=tcp:80", "c=cmd:ip -o -4 addr show eth0 | grep -q 10.77."] {
            run.extend(["--health-check", check]);
        }
        run.extend(["--", "python3", "-m", "http.server", "80"]);
        cluster.said(&run);
        until("the task is healthy", || {
            let task = cluster.task("web", "TASK_RUNNING")?;
            (task["statuses"].as_array()?.last()?["healthy"] == true).then_some(())
        });
        cluster.said(&["cancel", "web"]);
        let run =
            ["run", "--name", "other", "--network", "web", "--health-check", "a=tcp:81", "--health-interval", "1s"];
        let retries = ["--health-retries", "2", "--health-start-period", "0s", "--", "sleep", "1000"];
        cluster.refused(&[&run[..], &retries].concat());
        assert!(cluster.task("other", "TASK_RUNNING").is_none());
    });
}

#[test]
fn networks_say_what_they_cannot_do() {
    isolated(|plugins| {
        let mut cluster = Cluster::start(|work| networks(work, plugins));
        let said = cluster.refused(&["run", "--network", "nowhere", "--", "true"]);
        assert!(said.contains("Unknown CNI network 'nowhere'"), "{said}");
        assert_eq!(cluster.attached(), 0);
        // The second configuration of the guide is the one that Mesos documents.
        let addresses = cluster.said(&["run", "--network", "port-mapper-test", "--", "ip", "-o", "-4", "addr"]);
        assert!(addresses.contains("10.78.0.2/16"), "{addresses}");
        // A network that appears later is found.
        let config = documented(&cluster.work.path().join("leases"))[0].replace("\"web\"", "\"late\"");
        std::fs::write(cluster.work.path().join("configs/late.conflist"), config).unwrap();
        let addresses = cluster.said(&[
            "run",
            "--network",
            "late",
            "--network",
            "port-mapper-test",
            "--",
            "ip",
            "-o",
            "-4",
            "addr",
        ]);
        assert!(
            addresses.contains("eth0    inet 10.77.0.") && addresses.contains("eth1    inet 10.78.0."),
            "{addresses}"
        );
        until("the containers are detached", || (cluster.attached() == 0).then_some(()));
        assert!(cluster.agent.is_running());
    });
}

/// A statically linked program.
const BUSYBOX: &str = "/bin/busybox";

#[test]
fn a_task_in_an_image_has_the_names_of_its_network() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/registry.sh");
    let installed = Command::new(script).arg("install").output().unwrap();
    if !Path::new(BUSYBOX).exists() {
        return skipped(&current_test(), &String::from_utf8_lossy(&installed.stderr));
    }
    isolated(|plugins| {
        let registry = Registry::start();
        let program = std::fs::read(BUSYBOX).unwrap();
        let busybox = layer().directory("bin").raw("bin/busybox", EntryType::Regular, &program, "", 0o755);
        let busybox = ["sh", "cat", "hostname", "ifconfig"]
            .iter()
            .fold(busybox, |layer, name| layer.symlink(&format!("bin/{name}"), "busybox"));
        registry.add_image("t", &[busybox.gzip()]);
        let cluster = Cluster::start(|work| networks(work, plugins));
        let image = registry.image("t");
        let script = "cat /etc/hosts /etc/hostname /etc/resolv.conf; hostname; ifconfig eth0";
        for hostname in [Some("db"), None] {
            let own: Vec<&str> = hostname.map(|name| vec!["--hostname", name]).unwrap_or_default();
            let arguments =
                [&["run", "--quiet", "--image", &image, "--network", "web"][..], &own, &["--", script]].concat();
            let said = cluster.said(&arguments);
            if let Some(name) = hostname {
                assert!(
                    said.starts_with(&format!(
                        "127.0.0.1 localhost\n10.77.0.2 {name}\n{name}\nnameserver 10.77.0.53\n{name}\n"
                    )),
                    "{said}"
                );
            }
            assert!(said.contains("inet addr:10.77.0.") && said.contains("nameserver 10.77.0.53"), "{said}");
        }
    });
}

#[test]
fn a_task_that_listens_on_a_port_of_others_is_ended() {
    isolated(|_| {
        let flags = [
            "--isolation=cgroups/cpu,network/ports",
            "--enforce_container_ports",
            "--container_ports_watch_interval=200ms",
        ];
        let cluster = Cluster::start(|_| flags.map(str::to_owned).to_vec());
        let server = SERVER.replace("80", "31999");
        let said = cluster.refused(&["run", "--name", "other", "--", "python3", "-c", &server]);
        assert!(said.contains("is listening on unallocated port(s): [31999-31999]"), "{said}");
        until("the task has failed", || cluster.task("other", "TASK_FAILED"));
    });
}
