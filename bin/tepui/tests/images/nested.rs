//! Nested containers with images, volumes and IPC namespaces, and sessions beside them and beside executors in images.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::http::Scheduler;
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

/// Tasks of a pod on terminals, in the agent's root and in an image: their size, their input and their end.
#[test]
fn tasks_of_a_pod_have_terminals() {
    let Some(cluster) = cluster() else { return };
    let command = |stty: &str| format!("{stty} size > size; read line; echo \"got $line\"; exit 3");
    let container = |image: String| format!(r#",{image}"tty_info":{{"window_size":{{"rows":5,"columns":77}}}}"#);
    let root = format!(r#""mesos":{{"image":{}}},"#, cluster.image_json("t"));
    let on_host = cluster.task("on-host", &command("stty"), &container(String::new()));
    let in_image = cluster.task("in-image", &command("/bin/busybox stty"), &container(root));
    for (id, task) in [("on-host", on_host), ("in-image", in_image)] {
        let _pod = cluster.execute_in_background(&format!(r#"--task_group={{"tasks":[{task}]}}"#));
        assert_eq!(cluster.exec(id, "until test -s size; do :; done; cat size"), "5 77\n", "{id}");
        let mut attach = Command::new(TEPUI);
        attach.args(["attach", id]).env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port));
        attach.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut attached = attach.spawn().unwrap();
        attached.stdin.take().unwrap().write_all(b"typed\n").unwrap();
        let ended = attached.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(shown.contains("got typed\r\n"), "{id}: {shown:?} {ended:?}");
        assert_eq!(ended.status.code(), Some(3), "{id}: {ended:?}");
        until("the pod has ended", || {
            std::fs::read_to_string(cluster.log()).unwrap().contains("TASK_FAILED").then_some(())
        });
    }
}

/// What the container of a default executor has is there for its tasks: images and directories of the agent as volumes.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_see_the_volumes_of_their_default_executor() {
    let Some(cluster) = cluster() else { return };
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("given"), "from the host\n").unwrap();
    let inside = tempfile::tempdir().unwrap();
    let image: Value = serde_json::from_str(&cluster.image_json("data")).unwrap();
    let master = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster.local.port));
    let mut scheduler = Scheduler::subscribe(master, r#"{"user":"root","name":"volumes"}"#).await;
    let offer = scheduler.offer().await;
    let resources = [("cpus", 0.1), ("mem", 32.0), ("disk", 10.0)].map(|(name, value)| Scheduler::scalar(name, value));
    let executor = json!({
        "type": "DEFAULT", "executor_id": { "value": "pod" }, "framework_id": { "value": scheduler.framework },
        "resources": resources,
        "container": { "type": "MESOS", "volumes": [
            { "container_path": "vol", "mode": "RO", "image": image },
            { "container_path": inside.path(), "mode": "RO",
              "source": { "type": "HOST_PATH", "host_path": { "path": host.path() } } },
        ] },
    });
    let given = inside.path().join("given");
    let task = |id: &str, command: String, volumes: Value| {
        let mut task = Scheduler::small_task(id, &offer);
        task["command"] = json!({ "value": command });
        task["container"] = json!({ "type": "MESOS", "volumes": volumes });
        task
    };
    let parent = json!([{ "container_path": "of-executor", "mode": "RO",
        "source": { "type": "SANDBOX_PATH", "sandbox_path": { "type": "PARENT", "path": "vol" } } }]);
    let tasks = [
        task("a", format!("set -e; cat {} ../../vol/data/text", given.display()), json!([])),
        task("b", "cat of-executor/data/text && ! touch of-executor/data/text".to_owned(), parent),
    ];
    let group = json!({ "executor": executor, "task_group": { "tasks": tasks } });
    scheduler.accept(&offer, json!([{ "type": "LAUNCH_GROUP", "launch_group": group }])).await;
    let mut finished = 0;
    while finished < 2 {
        let status = scheduler.acknowledged_status().await;
        let early = ["TASK_STARTING", "TASK_RUNNING"].iter().any(|early| status["state"] == *early);
        assert!(early || status["state"] == "TASK_FINISHED", "{status} {}", cluster.written("stderr"));
        finished += usize::from(!early);
    }
    let outputs = |id: &str| -> String {
        let logs = Command::new(TEPUI).args(["logs", id]).env("TEPUI_MASTER", master.to_string()).output().unwrap();
        String::from_utf8(logs.stdout).unwrap()
    };
    assert_eq!(outputs("a"), "from the host\nfrom a volume\n");
    assert_eq!(outputs("b"), "from a volume\n");
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

/// The variables of a session and of a check are those of the program that they are beside: those of its image, replaced by
/// those of its command.
#[test]
fn sessions_and_checks_have_the_environment_of_the_program_in_the_image() {
    let Some(cluster) = cluster() else { return };
    let config = r#"{"Env":["PATH=/of/the/image:/bin","A=image","B=image"]}"#;
    let program = super::busybox().symlink("bin/env", "busybox").symlink("bin/sleep", "busybox");
    cluster.registry.add_image_with("env", &[program.gzip()], config);
    let task = |id: &str, further: &str| {
        format!(
            r#"{{"name":"{id}","task_id":{{"value":"{id}"}},"agent_id":{{"value":""}},"resources":{RESOURCES},
            "command":{{"value":"sleep 1000","environment":{{"variables":[{{"name":"FOO","value":"task"}},{{"name":"B","value":"task"}}]}}}},
            "container":{{"type":"MESOS","mesos":{{"image":{}}}}}{further}}}"#,
            cluster.image_json("env")
        )
    };
    let check = r#","check":{"type":"COMMAND","interval_seconds":0.1,"delay_seconds":0,
        "command":{"command":{"value":"env > checked.part; mv checked.part checked"}}}"#;
    let expect = |environment: &str| {
        for line in ["PATH=/of/the/image:/bin", "A=image", "B=task", "FOO=task", "MESOS_SANDBOX=/mnt/mesos/sandbox"] {
            assert!(environment.lines().any(|other| other == line), "{line}: {environment}");
        }
        assert!(!environment.contains("TEPUI_PROGRAM_"), "{environment}");
    };
    let _alone = cluster.execute_in_background(&format!("--task={}", task("alone", "")));
    expect(&cluster.exec("alone", "env"));
    let _pod = cluster.execute_in_background(&format!(r#"--task_group={{"tasks":[{}]}}"#, task("member", check)));
    expect(&cluster.exec("member", "env"));
    expect(&cluster.exec("member", "until cat checked 2>/dev/null; do sleep 0.1; done"));
}
