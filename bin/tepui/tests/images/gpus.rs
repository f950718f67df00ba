//! GPUs through a whole agent, with a stand-in for NVIDIA's library NVML. No driver serves the devices: the kernel refuses to
//! open one with EPERM if the task may not use it, and with ENXIO if it may.

use std::path::Path;
use std::process::{Command, Stdio};

use testkit::skip::{current_test, skipped};
use testkit::wait::until;

use super::{Cluster, TEPUI, busybox, cluster_with};

/// A library with the functions of nvml.h that an agent calls, for two GPUs.
const STAND_IN: &str = r#"
#include <string.h>
static int minors[] = {3, 5};
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    if (index > 1) return 2;
    *device = &minors[index];
    return 0;
}
int nvmlDeviceGetMinorNumber(void *device, unsigned *minor) { *minor = *(int *)device; return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, "535.183.01", length); return 0; }
const char *nvmlErrorString(int code) { return code == 2 ? "Invalid Argument" : "Unknown Error"; }
"#;
const ISOLATION: &str = "cgroups/cpu,cgroups/devices,docker/runtime,namespaces/pid,gpu/nvidia";

/// Compiles the library. Returns whether there is a compiler.
fn compile(directory: &Path) -> bool {
    std::fs::write(directory.join("nvml.c"), STAND_IN).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(directory.join("libnvidia-ml.so.1")).arg(directory.join("nvml.c"));
    compiler.status().is_ok_and(|status| status.success())
}

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
    if !compile(libraries.path()) {
        return skipped(&current_test(), "there is no C compiler for the library that stands in for NVML");
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
