//! Tests tasks in container images, from a registry of the test's own to the output on the terminal.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "images/hostile.rs"]
mod hostile;
mod processes;

#[path = "images/gpus.rs"]
mod gpus;

#[path = "images/nested.rs"]
mod nested;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use processes::TEPUI;
use tar::EntryType;
use testkit::http::get_blocking;
use testkit::process::LocalCluster;
use testkit::registry::{LayerBuilder, Registry, layer};
use testkit::scratch::find_file;
use testkit::skip::{current_test, skipped};
use testkit::wait::until;

/// A statically linked program. The image consists of a copy of it.
const BUSYBOX: &str = "/bin/busybox";

/// The shortest form of a task's resources.
const RESOURCES: &str =
    r#"[{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},{"name":"mem","type":"SCALAR","scalar":{"value":32}}]"#;

struct Cluster {
    local: LocalCluster,
    registry: Registry,
    /// The directory of the program, if it is a copy.
    _program: Option<tempfile::TempDir>,
}

/// Starts a cluster and a registry with an image of busybox. Returns `None` where that is not possible.
fn cluster() -> Option<Cluster> {
    cluster_with(&[])
}

/// Starts a cluster like [`cluster`], with further variables in its environment.
fn cluster_with(environment: &[(&str, &str)]) -> Option<Cluster> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/registry.sh");
    let installed = Command::new(script).arg("install").output().unwrap();
    let why = match rustix::process::geteuid().is_root() {
        false => "only root can have containers with images".to_owned(),
        true if !Path::new(BUSYBOX).exists() => String::from_utf8_lossy(&installed.stderr).into_owned(),
        true => {
            let registry = Registry::start();
            registry.add_image("t", &[busybox().gzip(), layer().file("etc/greeting", "hello from the image\n").gzip()]);
            registry.add_image("data", &[layer().file("data/text", "from a volume\n").gzip()]);
            let flags = ["--resources=cpus:4;mem:1024", "--launcher=linux"];
            let local = LocalCluster::start_with_images(TEPUI, 1, &flags, environment);
            return Some(Cluster { local, registry, _program: None });
        }
    };
    skipped(&current_test(), &why);
    None
}

/// Starts a cluster like [`cluster`] as the user `nobody`, where the kernel allows images without root.
fn rootless_cluster(environment: &[(&str, &str)]) -> Option<Cluster> {
    let Cluster { registry, .. } = cluster()?;
    let directory = tempfile::tempdir().unwrap();
    let (program, script) = (directory.path().join("tepui"), directory.path().join("start"));
    std::fs::copy(TEPUI, &program).unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let text = format!(
        "#!/bin/sh\ncd /\nfor word in \"$@\"; do case $word in --work_dir=*) chown 65534 \"${{word#--work_dir=}}\";; esac; done\n\
         exec {as_nobody} {} \"$@\"\n",
        program.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let probe = Command::new(&script).args(["container-launch", "--probe"]).output().unwrap();
    if !probe.status.success() {
        skipped(&current_test(), &String::from_utf8_lossy(&probe.stderr));
        return None;
    }
    let local = LocalCluster::start_with_images(&script, 1, &["--resources=cpus:4;mem:1024"], environment);
    Some(Cluster { local, registry, _program: Some(directory) })
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
        .symlink("bin/hostname", "busybox")
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

    /// Runs a task of which the fields are given as JSON, and returns what `mesos-execute` says.
    fn execute(&self, fields: &str) -> String {
        let task = format!(
            r#"{{"name":"t","task_id":{{"value":"t"}},"agent_id":{{"value":""}},"resources":{RESOURCES},{fields}}}"#
        );
        let output = Command::new(TEPUI)
            .args(["mesos-execute", &format!("--master=127.0.0.1:{}", self.local.port), &format!("--task={task}")])
            .output()
            .unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
    }

    /// Returns an image of the registry as JSON.
    fn image_json(&self, tag: &str) -> String {
        format!(r#"{{"type":"DOCKER","docker":{{"name":"{}"}}}}"#, self.registry.image(tag))
    }

    /// Returns the contents of the only file of this name in the sandboxes.
    fn written(&self, name: &str) -> String {
        let slaves = self.local.work.path().join("agent-1/slaves");
        let path = until("the file is there", || find_file(&slaves, name));
        std::fs::read_to_string(path).unwrap()
    }

    /// Sends a call to the agent and returns the status and the body of the answer.
    fn agent_call(&self, call: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.local.port + 1)).unwrap();
        let length = call.len();
        write!(
            stream,
            "POST /api/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{call}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// Returns the names of the images in the store.
    fn stored(&self) -> String {
        let mut command = Command::new(TEPUI);
        command.args(["image", "list", "--docker_store_dir"]).arg(self.local.work.path().join("images"));
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    /// Returns the number of directories that containers have left on the host.
    fn roots(&self) -> usize {
        let path = self.local.work.path().join("agent-1/provisioner/containers");
        std::fs::read_dir(path).map(|entries| entries.count()).unwrap_or(0)
    }
}

#[test]
fn images_are_counted_and_listed() {
    let registry = Registry::start();
    registry.add_image("one", &[layer().file("a/b/c", "x").gzip()]);
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let port = testkit::scratch::free_port();
    let tepui = |arguments: &[&str]| {
        let mut command = Command::new(TEPUI);
        command.args(arguments).arg("--docker_store_dir").arg(&store);
        command.env("TEPUI_MASTER", format!("127.0.0.1:{port}")).env("HOME", directory.path());
        command.stdin(Stdio::null()).output().unwrap()
    };
    let said = |arguments: &[&str]| {
        let output = tepui(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said(&["images"]).starts_with("No images in '"));
    assert!(!store.exists(), "a list makes no store");
    let image = registry.image("one");
    let pull = |name: &str| ["image", "pull", "--plain-http", name].map(str::to_owned);
    let pulled = said(&pull(&image).each_ref().map(String::as_str));
    assert!(pulled.ends_with(" (1 layer)\n"), "{pulled}");
    let listed = said(&["images"]);
    let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[2]), (image.as_str(), "1"), "{listed}");
    let removed = said(&["image", "remove", &image]);
    assert!(
        removed.ends_with("1 image and 1 layer are gone\n") || removed.contains("1 image and 2 layers"),
        "{removed}"
    );

    let refused = |name: &str, expect: &str| {
        let output = tepui(&pull(name).each_ref().map(String::as_str));
        let found = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && found.contains(expect), "{name}: {found}");
        assert_eq!(found.matches("what to do: ").count(), 1, "{found}");
    };
    refused(&registry.image("other"), "what to do: check the name and the tag");
}

/// Words after an image with an entrypoint are its arguments; `--entrypoint` replaces it.
#[test]
fn an_image_runs_its_entrypoint_with_the_words() {
    let Some(cluster) = cluster() else { return };
    let image = r#"{"Entrypoint":["/bin/busybox","echo","from","the","image:"],"Cmd":["nothing"]}"#;
    cluster.registry.add_image_with("entry", &[busybox().gzip()], image);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(TEPUI);
        command.args(["run", "--quiet", "--image", &cluster.registry.image("entry")]).args(arguments);
        command.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port)).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", cluster.local.output());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&[]), "from the image: nothing\n");
    assert_eq!(run(&["--", "a", "b c"]), "from the image: a b c\n");
    assert_eq!(run(&["--", "a"]), "from the image: a\n");
    assert_eq!(run(&["--entrypoint", "/bin/cat", "--", "/proc/self/comm"]), "cat\n");
    assert_eq!(run(&["--entrypoint", "", "--", "/bin/busybox", "echo", "x"]), "x\n");
    assert_eq!(run(&["--", "echo a; echo b"]), "a\nb\n");
    // Without an entrypoint, the words are the program and its arguments, whatever `Cmd` the image has.
    assert_eq!(cluster.printed(&["--", "cat", "/etc/greeting"]), "hello from the image\n");
}

#[test]
fn an_image_without_tar_says_so() {
    let Some(cluster) = cluster() else { return };
    let begun = cluster.printed(&["--detach", "--name", "long", "--", "echo x > file; /bin/busybox sleep 1000"]);
    assert_eq!(begun, "0000/long\n");
    let expect = "the container has no program `tar`";
    until("a copy is refused", || {
        let mut copy = Command::new(TEPUI);
        copy.args(["cp", "long:file", "-"]).env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port));
        let output = copy.stdin(Stdio::null()).output().unwrap();
        let found = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        found.contains(expect).then(|| assert!(found.contains("put tar (or busybox) into its image"), "{found}"))
    });
    let mut cancel = Command::new(TEPUI);
    cancel.args(["cancel", "0000"]).env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port));
    assert!(cancel.output().unwrap().status.success());
}

#[test]
fn the_root_is_read_only_and_memory_is_mounted() {
    let Some(cluster) = cluster() else { return };
    check_read_only(&cluster);
}

#[test]
fn the_root_is_read_only_and_memory_is_mounted_without_root() {
    let Some(cluster) = rootless_cluster(&[]) else { return };
    check_read_only(&cluster);
}

fn check_read_only(cluster: &Cluster) {
    let script = "for path in / /etc /bin /memory /scratch /mnt/mesos/sandbox /dev/shm; do \
                  (echo x > $path/file) 2>/dev/null && echo $path; done; \
                  cat /proc/mounts | /bin/busybox grep -E ' /(memory|scratch) ' | /bin/busybox cut -d ' ' -f 2,3,4; \
                  /bin/busybox stat -c %a /memory /scratch; (echo x > /etc/greeting) 2>&1";
    let output = cluster.run(&[
        "--read-only",
        "--tmpfs",
        "/memory:size=1m,mode=0700",
        "--mount",
        "type=tmpfs,target=/scratch",
        "--",
        script,
    ]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(
        lines[..4],
        ["/memory", "/scratch", "/mnt/mesos/sandbox", "/dev/shm"],
        "{output:?}\n{}",
        cluster.local.output()
    );
    for (line, path) in lines[4..6].iter().zip(["/memory", "/scratch"]) {
        assert!(line.starts_with(&format!("{path} tmpfs rw,nosuid,nodev,noexec")), "{printed}");
    }
    assert!(lines[4].contains("size=1024k"), "{printed}");
    assert_eq!(lines[6..8], ["700", "1777"], "{printed}");
    assert!(lines[8].contains("Read-only file system"), "{printed}");
    // A command beside the task finds the same.
    let writable = cluster.run(&["--", "echo x > /etc/file && echo written"]);
    assert_eq!(String::from_utf8_lossy(&writable.stdout), "written\n", "only where it is asked for: {writable:?}");
}

#[test]
fn what_labels_cannot_have_is_refused() {
    let Some(cluster) = cluster() else { return };
    let refused = |fields: &str, expect: &str| {
        let printed = cluster.execute(fields);
        assert!(printed.contains(expect), "{fields}: {printed}");
    };
    let labels = |key: &str, value: &str| format!(r#""labels":{{"labels":[{{"key":"{key}","value":"{value}"}}]}}"#);
    let command = r#""command":{"value":"true"}"#;
    let container = format!(r#""container":{{"type":"MESOS","mesos":{{"image":{}}}}}"#, cluster.image_json("t"));
    refused(
        &format!("{command},{}", labels("tepui.read_only", "true")),
        "are for containers of type MESOS with an image",
    );
    refused(&format!("{command},{container},{}", labels("tepui.tmpfs", "/proc")), "which the agent mounts");
    refused(
        &format!("{command},{container},{}", labels("tepui.tmpfs", "/mnt/mesos/sandbox/x")),
        "would be hidden by the sandbox",
    );
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
fn a_task_whose_image_is_missing_fails_with_the_reason() {
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

#[test]
fn images_are_volumes_and_containers_have_names() {
    let Some(cluster) = cluster() else { return };
    let (root, data) = (cluster.image_json("t"), cluster.image_json("data"));
    let volume = |path: &str, mode: &str| format!(r#"{{"mode":"{mode}","container_path":"{path}","image":{data}}}"#);
    let volumes = [volume("/vol/ro", "RO"), volume("rw", "RW")].join(",");
    let command = "cat /vol/ro/data/text rw/data/text; echo x > /vol/ro/new || echo read-only; \
                   echo y > rw/new && cat rw/new; hostname; cat /etc/hostname";
    let task = |command: &str, container: &str| {
        let command = serde_json::Value::from(format!("({command}) > result 2> errors"));
        format!(r#""command":{{"value":{command}}},"container":{{"type":"MESOS",{container}}}"#)
    };
    let said = cluster
        .execute(&task(command, &format!(r#""hostname":"web-1","mesos":{{"image":{root}}},"volumes":[{volumes}]"#)));
    assert!(said.contains("TASK_FINISHED"), "{said}");
    let text = "from a volume\n";
    assert_eq!(cluster.written("result"), format!("{text}{text}read-only\ny\nweb-1\nweb-1\n"));
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
}

#[test]
fn images_are_volumes_of_containers_on_the_host() {
    let Some(cluster) = cluster() else { return };
    let data = cluster.image_json("data");
    let task = |path: &str| {
        let volume = format!(r#"{{"mode":"RO","container_path":"{path}","image":{data}}}"#);
        format!(
            r#""command":{{"value":"cat {path}/data/text > result"}},"container":{{"type":"MESOS","volumes":[{volume}]}}"#
        )
    };
    let said = cluster.execute(&task("a/b"));
    assert!(said.contains("TASK_FINISHED"), "{said}");
    assert_eq!(cluster.written("result"), "from a volume\n");
    let said = cluster.execute(&task("/no/such/directory"));
    assert!(said.contains("TASK_FAILED"), "{said}");
    assert!(!Path::new("/no/such").exists());
    // A volume needs a source.
    let empty =
        r#""command":{"value":"true"},"container":{"type":"MESOS","volumes":[{"mode":"RO","container_path":"a"}]}"#;
    let said = cluster.execute(empty);
    assert!(said.contains("'host_path', 'image' and 'source'"), "{said}");
}

#[test]
fn a_custom_executor_runs_in_its_image() {
    let Some(cluster) = cluster() else { return };
    let command = "cat /etc/greeting > result; echo $A $C $MESOS_SANDBOX >> result; pwd >> result; id -u >> result";
    let executor = |command: &str, user: &str| {
        format!(
            r#""executor":{{"type":"CUSTOM","executor_id":{{"value":"e"}},"resources":{RESOURCES},
            "command":{{{command},"environment":{{"variables":[{{"name":"C","value":"d"}}]}}{user}}},
            "container":{{"type":"MESOS","mesos":{{"image":{}}}}}}}"#,
            cluster.image_json("t")
        )
    };
    let said = cluster.execute(&executor(&format!(r#""value":"{command}""#), r#","user":"nobody""#));
    assert!(said.contains("Executor terminated"), "{said}");
    let nobody = Command::new("id").args(["-u", "nobody"]).output().unwrap().stdout;
    let nobody = String::from_utf8(nobody).unwrap();
    assert_eq!(
        cluster.written("result"),
        format!("hello from the image\nb d /mnt/mesos/sandbox\n/mnt/mesos/sandbox\n{nobody}")
    );
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
    let said = cluster.execute(&executor(r#""shell":false,"value":"nosuch""#, ""));
    assert!(said.contains("Executor terminated"), "{said}");
}

#[test]
fn images_are_removed_unless_they_are_used() {
    let Some(cluster) = cluster() else { return };
    cluster.printed(&["--", "true"]);
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
    let excluded =
        format!(r#"{{"type":"PRUNE_IMAGES","prune_images":{{"excluded_images":[{}]}}}}"#, cluster.image_json("t"));
    assert_eq!(cluster.agent_call(&excluded), (200, String::new()));
    assert!(cluster.stored().contains("app:t"));
    let invalid =
        r#"{"type":"PRUNE_IMAGES","prune_images":{"excluded_images":[{"type":"DOCKER","docker":{"name":"A"}}]}}"#;
    let (status, text) = cluster.agent_call(invalid);
    assert!(status == 400 && text.contains("excluded_images"), "{status} {text}");
    assert_eq!(cluster.agent_call(r#"{"type":"PRUNE_IMAGES"}"#), (200, String::new()));
    assert!(!cluster.stored().contains("app:t"));
    let pending = get_blocking(cluster.local.port + 1, "/containerizer/debug").unwrap();
    assert_eq!(pending.body, r#"{"pending":[]}"#);
    // The image is pulled again when it is needed.
    cluster.printed(&["--", "true"]);
}

/// Every part of a full file system is more than its headroom.
#[test]
fn images_are_removed_when_the_disk_is_full_and_copies_work() {
    let config = r#"{"image_disk_headroom":0.999999,"image_disk_watch_interval":{"nanoseconds":1000000000}}"#;
    let environment = [("MESOS_IMAGE_GC_CONFIG", config), ("MESOS_IMAGE_PROVISIONER_BACKEND", "copy")];
    let Some(cluster) = cluster_with(&environment) else { return };
    let printed = cluster.printed(&["--", "cat /etc/greeting; echo x > /new; cat /new; ls /dev/null"]);
    assert_eq!(printed, "hello from the image\nx\n/dev/null\n");
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
    until("the image is removed", || (!cluster.stored().contains("app:t")).then_some(()));
}

#[test]
fn a_task_has_its_image_without_root() {
    let Some(cluster) = rootless_cluster(&[]) else { return };
    let command = "cat /etc/greeting; id -u; ls /; echo x > /new && cat /new; echo y > file && cat file; \
                   ls /dev/null /proc/self/status; echo z > /proc/sys/kernel/hostname || echo read-only; \
                   cat /proc/self/setgroups";
    let printed = cluster.printed(&["--", command]);
    let root = "bin\ndev\netc\nmnt\nproc\nsys\n";
    assert_eq!(
        printed,
        format!("hello from the image\n0\n{root}x\ny\n/dev/null\n/proc/self/status\nread-only\ndeny\n")
    );
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
}

/// Without root, overlayfs in a user namespace and the backend `copy` show the same tree: types, modes, owners, links and
/// contents, after whiteouts, opaque directories and replaced files.
#[test]
fn backends_show_the_same_tree_without_root() {
    let tree = |backend: &str| {
        let cluster = rootless_cluster(&[("MESOS_IMAGE_PROVISIONER_BACKEND", backend)])?;
        let lower = busybox()
            .file("a/kept", "kept\n")
            .file("a/removed", "removed\n")
            .file("b/hidden/file", "hidden\n")
            .file("c/file", "a file that becomes a directory\n")
            .raw("a/secret", EntryType::Regular, b"for its owner\n", "", 0o600)
            .raw("a/setuid", EntryType::Regular, b"program\n", "", 0o4755)
            .raw("a/other-name", EntryType::Link, b"", "a/kept", 0o644)
            .symlink("a/link", "kept")
            .symlink("a/absolute", "/a/secret");
        let upper = layer()
            .raw("a/.wh.removed", EntryType::Regular, b"", "", 0o644)
            .raw("b/.wh..wh..opq", EntryType::Regular, b"", "", 0o644)
            .file("b/new", "new\n")
            .raw("c/.wh.file", EntryType::Regular, b"", "", 0o644)
            .file("c/other/file", "deeper\n");
        cluster.registry.add_image("tree", &[lower.gzip(), upper.gzip()]);
        let command = r#"export PATH=/nowhere; b=/bin/busybox
            $b find /a /b /c /bin -exec $b stat -c '%n %F %a %u %g %N' {} \; | $b sort
            $b find /a /b /c -type f -exec $b md5sum {} \; | $b sort
            $b stat -c %h /a/kept; echo more >> /a/kept; $b cat /a/kept; $b rm /b/new; $b ls /b"#;
        let mut run = Command::new(TEPUI);
        run.args(["run", "--quiet", "--image", &cluster.registry.image("tree"), "--", command]);
        let output = run.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port)).output().unwrap();
        assert!(output.status.success(), "{backend}: {output:?}\n{}", cluster.local.output());
        let mounts = cluster.printed(&[
            "--",
            "while read -r a b c d e f; do case $e in /) echo $f;; esac; done < /proc/self/mountinfo",
        ]);
        assert_eq!(mounts.contains(" overlay "), backend == "overlay", "{mounts}");
        Some(String::from_utf8(output.stdout).unwrap())
    };
    let Some((overlay, copy)) = tree("overlay").zip(tree("copy")) else { return };
    assert_eq!(overlay, copy);
    for present in
        ["/a/kept regular file 644 0 0", "/a/setuid regular file 4755", "/c/other/file", "'/a/link' -> 'kept'"]
    {
        assert!(overlay.contains(present), "{present}: {overlay}");
    }
    assert!(!overlay.contains("removed") && !overlay.contains("hidden"), "{overlay}");
}

/// The privileges, volumes, shared memory and host name that a task asks for are those of its program, which another
/// process than the first one of the container starts.
#[test]
fn a_task_in_an_image_is_isolated_as_it_asks() {
    let isolation = "cgroups/cpu,docker/runtime,namespaces/pid,namespaces/ipc,linux/capabilities,\
                     linux/nnp,linux/seccomp,volume/secret";
    let Some(cluster) = cluster_with(&[("MESOS_ISOLATION", isolation)]) else { return };
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

/// The agent's description of a container is for executors and command tasks without one.
#[test]
fn a_task_without_a_container_has_that_of_the_agent() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "of the agent\n").unwrap();
    let default = format!(
        r#"{{"type":"MESOS","volumes":[{{"container_path":"given","mode":"RO","source":{{"type":"HOST_PATH","host_path":{{"path":"{}"}}}}}}]}}"#,
        directory.path().display()
    );
    let Some(cluster) = cluster_with(&[("MESOS_DEFAULT_CONTAINER_INFO", &default)]) else { return };
    let mut run = Command::new(TEPUI);
    run.args(["run", "--quiet", "--", "cat given/file"]);
    let output = run.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port)).stdin(Stdio::null()).output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), "of the agent\n");
    let executor = format!(
        r#""executor":{{"type":"CUSTOM","executor_id":{{"value":"e"}},"resources":{RESOURCES},
        "command":{{"value":"cp given/file result"}}}}"#
    );
    cluster.execute(&executor);
    assert_eq!(cluster.written("result"), "of the agent\n");
    // A container of its own replaces it.
    assert_eq!(cluster.printed(&["--", "ls -d given 2>/dev/null || cat /etc/greeting"]), "hello from the image\n");
}

#[test]
fn an_agent_checks_the_container_of_tasks_without_one() {
    let check = |text: &str, expect: &str| {
        let work = tempfile::tempdir().unwrap();
        let output = Command::new(TEPUI)
            .args(["agent", "--master=127.0.0.1:1", "--port=0", "--ip=127.0.0.1"])
            .arg(format!("--work_dir={}", work.path().display()))
            .arg(format!("--runtime_dir={}", work.path().join("run").display()))
            .args(["--launcher=posix", "--isolation=posix/cpu"])
            .arg(format!("--default_container_info={text}"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("--default_container_info"), "{text}: {output:?}");
        assert!(said.contains(expect), "{text}: {said}");
    };
    check("[]", "");
    check(r#"{"type":"DOCKER","docker":{"image":"x"}}"#, "'type' must be MESOS");
    check(r#"{"type":"MESOS","linux_info":{"shm_size":1}}"#, "'namespaces/ipc'");
}

/// `linux/devices` makes a node for each device of the operator, with its numbers and the rights that the operator gives.
#[test]
fn a_task_in_an_image_has_the_devices_of_the_operator() {
    let Some(path) = ["/dev/kmsg", "/dev/fuse", "/dev/loop-control"].into_iter().find(|path| Path::new(path).exists())
    else {
        return skipped(&current_test(), "the machine has no device besides those of every container");
    };
    let allowed = format!(r#"{{"allowed_devices":[{{"device":{{"path":"{path}"}},"access":{{"read":true}}}}]}}"#);
    let isolation = ("MESOS_ISOLATION", "cgroups/cpu,docker/runtime,namespaces/pid,linux/devices");
    let Some(cluster) = cluster_with(&[isolation, ("MESOS_ALLOWED_DEVICES", &allowed)]) else { return };
    let printed = cluster.printed(&["--", &format!("ls -l {path}; ls /dev")]);
    let numbers = std::os::unix::fs::MetadataExt::rdev(&std::fs::metadata(path).unwrap());
    let (major, minor) = (rustix::fs::major(numbers), rustix::fs::minor(numbers));
    let words: Vec<&str> = printed.lines().next().unwrap().split_whitespace().collect();
    assert_eq!((words[0], words[4], words[5]), ("cr--r--r--", &*format!("{major},"), &*minor.to_string()), "{printed}");
    assert!(printed.contains("null\n") && !printed.contains("mem\n"), "{printed}");
}
