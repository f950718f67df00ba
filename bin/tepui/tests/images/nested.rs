//! Nested containers with images, volumes and IPC namespaces, and sessions beside them and beside executors in images.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::wait::{TIMEOUT, until};

use super::{Cluster, RESOURCES, TEPUI, cluster_with};

/// A program of the test that is killed at its end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn cluster() -> Option<Cluster> {
    cluster_with(&[("MESOS_ISOLATION", "cgroups/cpu,docker/runtime,namespaces/pid,namespaces/ipc")])
}

impl Cluster {
    fn execute_in_background(&self, flag: &str) -> Running {
        let log = std::fs::File::create(self.log()).unwrap();
        let mut command = Command::new(TEPUI);
        command.args(["mesos-execute", &format!("--master=127.0.0.1:{}", self.local.port), flag]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Running(command.spawn().unwrap())
    }

    fn log(&self) -> PathBuf {
        self.local.work.path().join("mesos-execute.log")
    }

    /// Runs a command beside a task, once the task can have one, and returns its output.
    fn exec(&self, task: &str, command: &str) -> String {
        let begun = Instant::now();
        loop {
            let mut exec = Command::new(TEPUI);
            exec.args(["exec", task, "--", command]).env("TEPUI_MASTER", format!("127.0.0.1:{}", self.local.port));
            let output = exec.stdin(Stdio::null()).output().unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap();
            }
            let log = std::fs::read_to_string(self.log()).unwrap();
            assert!(begun.elapsed() < TIMEOUT, "{task}: {command}: {output:?}\n{log}\n{}", self.local.output());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn task(&self, id: &str, command: &str, container: &str) -> String {
        let command = serde_json::Value::from(command);
        format!(
            r#"{{"name":"{id}","task_id":{{"value":"{id}"}},"agent_id":{{"value":""}},"resources":{RESOURCES},
            "command":{{"value":{command}}},"container":{{"type":"MESOS"{container}}}}}"#
        )
    }
}

const IPC: &str = "/bin/busybox readlink /proc/self/ns/ipc";

#[test]
fn tasks_of_a_pod_have_images_and_volumes() {
    let Some(cluster) = cluster() else { return };
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("given"), "from the host\n").unwrap();
    let shm = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    let shm = shm.path().display();
    let (root, data) = (cluster.image_json("t"), cluster.image_json("data"));
    let image_volume = |path: &str| format!(r#"{{"container_path":"{path}","mode":"RO","image":{data}}}"#);
    let source = |path: &str, kind: &str, of: &str| {
        format!(r#"{{"container_path":"{path}","mode":"RW","source":{{"type":"{kind}",{of}}}}}"#)
    };
    let parent = |path: &str| source(path, "SANDBOX_PATH", r#""sandbox_path":{"type":"PARENT","path":"shared"}"#);
    let from_host = source("/host", "HOST_PATH", &format!(r#""host_path":{{"path":"{}"}}"#, host.path().display()));
    let container = |image: bool, volumes: &[String], ipc: &str| {
        let mesos = if image { format!(r#","mesos":{{"image":{root}}}"#) } else { String::new() };
        let ipc = if ipc.is_empty() { String::new() } else { format!(r#","linux_info":{{"ipc_mode":"{ipc}"}}"#) };
        format!(r#"{mesos}{ipc},"volumes":[{}]"#, volumes.join(","))
    };
    let in_image = "(cat /etc/greeting /vol/data/text /host/given; echo shared > common/file) > result; sleep 1000";
    let on_host = "cat vol/data/text > result; until cat common/file >> result; do sleep 0.1; done; sleep 1000";
    let waits = "sleep 1000";
    let tasks = [
        cluster.task("a", in_image, &container(true, &[image_volume("/vol"), parent("common"), from_host], "")),
        cluster.task("b", on_host, &container(false, &[image_volume("vol"), parent("common")], "")),
        cluster.task("private", waits, &container(true, &[], "PRIVATE")),
        cluster.task("shared", waits, &container(true, &[], "SHARE_PARENT")),
    ];
    let _pod = cluster.execute_in_background(&format!(r#"--task_group={{"tasks":[{}]}}"#, tasks.join(",")));
    let until_result = |task: &str, expect: &str| {
        until(&format!("the result of {task}"), || {
            (cluster.exec(task, "cat result 2>&1; true") == expect).then_some(())
        });
    };
    until_result("a", "hello from the image\nfrom a volume\nfrom the host\n");
    until_result("b", "from a volume\nshared\n");
    // The session has the root of the task that it is beside.
    assert_eq!(cluster.exec("a", "cat /etc/greeting; pwd"), "hello from the image\n/mnt/mesos/sandbox\n");

    // All containers of a pod share the IPC namespace of their executor, except those that ask for their own.
    let [of_a, of_b, private, shared] = ["a", "b", "private", "shared"].map(|task| cluster.exec(task, IPC));
    let own = std::fs::read_link("/proc/self/ns/ipc").unwrap().display().to_string();
    assert!(of_a == of_b && of_a == shared && of_a != private, "{of_a} {of_b} {private} {shared}");
    assert!(!of_a.contains(&own) && !private.contains(&own), "{own}");
    // `/dev/shm` is that of the parent, which has the host's, or a memory of the container's own in an image.
    let sees = |task: &str| cluster.exec(task, &format!("test -e {shm} && echo yes || echo no"));
    assert_eq!(["a", "b", "private", "shared"].map(sees), ["no\n", "yes\n", "no\n", "yes\n"]);
}

/// A session runs beside an executor whose image is its root or a volume.
#[test]
fn sessions_run_beside_executors_with_images() {
    let Some(cluster) = cluster() else { return };
    let volumes =
        format!(r#""volumes":[{{"container_path":"vol","mode":"RO","image":{}}}]"#, cluster.image_json("data"));
    let root = format!(r#""mesos":{{"image":{}}}"#, cluster.image_json("t"));
    let executor = |id: &str, container: &str| {
        format!(
            r#"--task={{"name":"{id}","task_id":{{"value":"{id}"}},"agent_id":{{"value":""}},"resources":{RESOURCES},
            "executor":{{"type":"CUSTOM","executor_id":{{"value":"{id}"}},"resources":{RESOURCES},
            "command":{{"value":"sleep 1000"}},"container":{{"type":"MESOS",{container}}}}}}}"#
        )
    };
    let _in_image = cluster.execute_in_background(&executor("in-image", &root));
    let _with_volume = cluster.execute_in_background(&executor("with-volume", &volumes));
    assert_eq!(cluster.exec("in-image", "cat /etc/greeting"), "hello from the image\n");
    assert_eq!(cluster.exec("with-volume", "cat vol/data/text"), "from a volume\n");
}
