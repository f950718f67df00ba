//! Sessions beside executors in images.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::wait::TIMEOUT;

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
