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
    cluster_with(&[])
}

fn cluster_with(flags: &[&str]) -> Option<Cluster> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/registry.sh");
    let installed = Command::new(script).arg("install").output().unwrap();
    let why = match rustix::process::geteuid().is_root() {
        false => "only root can have containers with images".to_owned(),
        true if !Path::new(BUSYBOX).exists() => String::from_utf8_lossy(&installed.stderr).into_owned(),
        true => {
            let registry = Registry::start();
            registry.add_image("t", &[busybox().gzip(), layer().file("etc/greeting", "hello from the image\n").gzip()]);
            let flags = [&["--resources=cpus:4;mem:1024", "--launcher=linux"], flags].concat();
            let local = LocalCluster::start_with_images(TEPUI, 1, &flags);
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

/// The privileges, volumes, shared memory and host name that a task asks for are those of its program, which another
/// process than the first one of the container starts.
#[test]
fn a_task_in_an_image_is_isolated_as_it_asks() {
    let isolation = "--isolation=cgroups/cpu,docker/runtime,namespaces/pid,namespaces/ipc,linux/capabilities,\
                     linux/nnp,linux/seccomp,volume/secret";
    let Some(cluster) = cluster_with(&[isolation]) else { return };
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("given"), "from the host\n").unwrap();
    let volume = |container_path: &str, source: &str, mode: &str| {
        format!(r#"{{"container_path":"{container_path}","mode":"{mode}","source":{source}}}"#)
    };
    let host = format!(r#"{{"type":"HOST_PATH","host_path":{{"path":"{}"}}}}"#, data.path().display());
    let secret = r#"{"type":"SECRET","secret":{"type":"VALUE","value":{"data":"aHVudGVyMg=="}}}"#;
    let own = r#"{"type":"SANDBOX_PATH","sandbox_path":{"type":"SELF","path":"own"}}"#;
    let volumes = [
        volume("/data", &host, "RW"),
        volume("fixed", &host, "RO"),
        volume("/etc/secrets/password", secret, "RO"),
        volume("/own", own, "RW"),
    ];
    let command = "cat /proc/self/status > /data/status; cat /data/given /etc/secrets/password > /data/read; \
                   echo no > fixed/file; echo no > /etc/secrets/password; echo mine > /own/file; cat own/file >> /data/read; \
                   ls /dev/shm > /data/shm; cat /proc/sys/kernel/hostname > /data/hostname; \
                   cat /proc/self/mountinfo > /data/mounts; echo done > /data/done";
    let task = format!(
        r#"{{"name":"i","task_id":{{"value":"i"}},"command":{{"value":"{command}"}},
        "resources":[{{"name":"cpus","type":"SCALAR","scalar":{{"value":0.1}}}},
                     {{"name":"mem","type":"SCALAR","scalar":{{"value":32}}}}],
        "container":{{"type":"MESOS","hostname":"isolated","mesos":{{"image":{{"type":"DOCKER","docker":{{"name":"{}"}}}}}},
        "volumes":[{}],"linux_info":{{"ipc_mode":"PRIVATE","shm_size":7,
        "effective_capabilities":{{"capabilities":["KILL","DAC_OVERRIDE"]}}}}}}}}"#,
        cluster.registry.image("t"),
        volumes.join(",")
    );
    let output = Command::new(TEPUI)
        .args(["mesos-execute", &format!("--master=127.0.0.1:{}", cluster.local.port), &format!("--task={task}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}\n{}", cluster.local.output());
    let read = |name: &str| std::fs::read_to_string(data.path().join(name)).unwrap();
    let status = read("status");
    let has = |line: &str| assert!(status.lines().any(|other| other == line), "{line}: {status}");
    // KILL is the capability 5, DAC_OVERRIDE 1.
    has("CapEff:\t0000000000000022");
    has("CapBnd:\t0000000000000022");
    has("NoNewPrivs:\t1");
    has("Seccomp:\t2");
    assert_eq!(read("read"), "from the host\nhunter2mine\n");
    assert!(!data.path().join("file").exists(), "a read-only volume cannot be written");
    assert_eq!((read("shm").as_str(), read("hostname").as_str()), ("", "isolated\n"));
    let mounts = read("mounts");
    assert!(mounts.lines().any(|line| line.contains(" /dev/shm ") && line.contains("size=7168k")), "{mounts}");
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
}
