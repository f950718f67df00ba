//! Tests tasks in container images, from a registry of the test's own to the output on the terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod processes;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use processes::TEPUI;
use tar::EntryType;
use testkit::process::LocalCluster;
use testkit::registry::{LayerBuilder, Registry, layer};
use testkit::skip::{current_test, skipped};
use testkit::wait::until;

/// A statically linked program. The image consists of a copy of it.
const BUSYBOX: &str = "/bin/busybox";

struct Cluster {
    local: LocalCluster,
    registry: Registry,
}

/// Starts a cluster and a registry with an image of busybox. Returns `None` where that is not possible.
fn cluster() -> Option<Cluster> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/registry.sh");
    let installed = Command::new(script).arg("install").output().unwrap();
    let why = match rustix::process::geteuid().is_root() {
        false => "only root can have containers with images".to_owned(),
        true if !Path::new(BUSYBOX).exists() => String::from_utf8_lossy(&installed.stderr).into_owned(),
        true => {
            let registry = Registry::start();
            registry.add_image("t", &[busybox().gzip(), layer().file("etc/greeting", "hello from the image\n").gzip()]);
            let local = LocalCluster::start_with_images(TEPUI, 1, &["--resources=cpus:4;mem:1024", "--launcher=linux"]);
            return Some(Cluster { local, registry });
        }
    };
    skipped(&current_test(), &why);
    None
}

fn busybox() -> LayerBuilder {
    let program = std::fs::read(BUSYBOX).unwrap();
    layer()
        .directory("bin")
        .raw("bin/busybox", EntryType::Regular, &program, "", 0o755)
        .symlink("bin/sh", "busybox")
        .symlink("bin/cat", "busybox")
        .symlink("bin/id", "busybox")
        .symlink("bin/ls", "busybox")
        .symlink("bin/true", "busybox")
}

impl Cluster {
    /// Runs a task in the image.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(TEPUI);
        command.args(["run", "--quiet", "--image", &self.registry.image("t")]).args(arguments);
        command.env("TEPUI_MASTER", format!("127.0.0.1:{}", self.local.port)).stdin(Stdio::null()).output().unwrap()
    }

    fn printed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the number of directories that containers have left on the host.
    fn roots(&self) -> usize {
        let path = self.local.work.path().join("agent-1/provisioner/containers");
        std::fs::read_dir(path).map(|entries| entries.count()).unwrap_or(0)
    }
}

#[test]
fn a_task_runs_in_its_image() {
    let Some(cluster) = cluster() else { return };
    assert_eq!(cluster.printed(&["--", "cat /etc/greeting; id -u"]), "hello from the image\n0\n");
    assert_eq!(cluster.printed(&["--", "/bin/cat", "/etc/greeting"]), "hello from the image\n");
    // The image's `Cmd` is run: `sh`, which ends with its input.
    assert_eq!(cluster.printed(&[]), "");
    // The task gets the environment of the image, and starts in the sandbox.
    assert_eq!(
        cluster.printed(&["--", "echo $A; pwd; echo $MESOS_SANDBOX"]),
        "b\n/mnt/mesos/sandbox\n/mnt/mesos/sandbox\n"
    );
    // The root contains no files of the host, and the file systems that programs expect.
    assert_eq!(cluster.printed(&["--", "ls /"]), "bin\ndev\netc\nmnt\nproc\nsys\n");
    assert_eq!(cluster.printed(&["--", "ls -d /dev/null /dev/shm /proc/self/status"]).lines().count(), 3);
    let denied = cluster.run(&["--", "echo 1 > /proc/sys/vm/drop_caches"]);
    assert!(!denied.status.success(), "the settings of the host are read-only");
    // Another user can write into the sandbox, and not into the root.
    let written =
        cluster.printed(&["--user", "nobody", "--", "id -u; echo x > file; cat file; echo y > /file || echo no"]);
    assert_eq!(written.lines().skip(1).collect::<Vec<_>>(), ["x", "no"]);
    // The root of the next container does not contain the files of this one, and a root is removed with its container.
    cluster.printed(&["--", "echo x > /written; cat /written > /dev/null"]);
    assert!(!cluster.printed(&["--", "ls /"]).contains("written"));
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
}

#[test]
fn a_task_without_its_image_says_why() {
    let Some(cluster) = cluster() else { return };
    let check = |output: Output, code: i32, expect: &str| {
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(expect), "{text}");
    };
    check(cluster.run(&["--", "nosuch", "argument"]), 127, "the image has no program 'nosuch' in its PATH");
    check(cluster.run(&["--", "exit 3"]), 3, "");
    let mut missing = Command::new(TEPUI);
    missing.args(["run", "--image", &cluster.registry.image("missing"), "--", "true"]);
    missing.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port));
    check(missing.output().unwrap(), 1, "there is no 'app:missing'");
    let mut invalid = Command::new(TEPUI);
    invalid.args(["run", "--image", "../../etc", "--", "true"]);
    invalid.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port));
    check(invalid.output().unwrap(), 1, "names no image");
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
}
