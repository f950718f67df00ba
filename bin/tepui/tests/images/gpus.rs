//! GPUs through a whole agent, with a stand-in for NVIDIA's library NVML. No driver serves the devices: the kernel refuses to
//! open one with EPERM if the task may not use it, and with ENXIO if it may.

use std::process::{Command, Stdio};

use testkit::nvml::{TWO_GPUS, library};
use testkit::skip::current_test;
use testkit::wait::until;

use super::{Cluster, TEPUI, busybox, cluster_with};

const ISOLATION: &str = "cgroups/cpu,cgroups/devices,docker/runtime,namespaces/pid,gpu/nvidia";

fn tepui(cluster: &Cluster, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(TEPUI);
    command.args(arguments).env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port)).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), text)
}

/// Starts a task with one GPU and returns the devices that it sees, the libraries, and whether it may open its device.
fn begin(cluster: &Cluster, name: &str) -> String {
    let image = cluster.registry.image("gpu");
    let (begun, said) =
        tepui(cluster, &["run", "--detach", "--gpus", "1", "--image", &image, "--name", name, "--", "sleep 1000"]);
    assert!(begun, "{said}\n{}", cluster.local.output());
    devices(cluster, name)
}

fn devices(cluster: &Cluster, name: &str) -> String {
    let command =
        "cd /dev; for d in nvidia?; do (exec 3< $d) 2>&1 | grep -q 'not permitted' && echo $d denied || echo $d; done";
    until("the task shows its devices", || {
        let (succeeded, said) = tepui(cluster, &["exec", name, "--", command]);
        succeeded.then_some(said)
    })
}

#[test]
fn tasks_have_gpus_of_their_own_also_after_a_restart() {
    let libraries = tempfile::tempdir().unwrap();
    if library(&current_test(), libraries.path(), TWO_GPUS).is_none() {
        return;
    }
    let path = libraries.path().display().to_string();
    let environment = [("MESOS_ISOLATION", ISOLATION), ("LD_LIBRARY_PATH", path.as_str())];
    let Some(mut cluster) = cluster_with(&environment) else { return };
    let label = r#"{"Cmd":["sh"],"Labels":{"com.nvidia.volumes.needed":"nvidia_driver"}}"#;
    cluster.registry.add_image_with("gpu", &[busybox().symlink("bin/grep", "busybox").gzip()], label);

    let (a, b) = (begin(&cluster, "a"), begin(&cluster, "b"));
    let mut both = [a.as_str(), b.as_str()];
    both.sort_unstable();
    assert_eq!(both, ["nvidia3\n", "nvidia5\n"]);
    let (_, driver) = tepui(&cluster, &["exec", "a", "--", "ls /usr/local/nvidia/lib64"]);
    assert_eq!(driver, "libnvidia-ml.so.1\n");

    let flags = ["--resources=cpus:4;mem:1024", "--launcher=linux"];
    cluster.local = cluster.local.restart_with_images(1, &flags, &environment);
    assert_eq!((devices(&cluster, "a"), devices(&cluster, "b")), (a.clone(), b));
    // The GPU of a task that has ended is free for the next one.
    let (cancelled, said) = tepui(&cluster, &["cancel", "a"]);
    assert!(cancelled, "{said}");
    assert_eq!(begin(&cluster, "c"), a);
}
