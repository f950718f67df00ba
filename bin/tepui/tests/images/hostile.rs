//! Images, tasks and volumes that try to reach the host. Each test fails for a runtime that believes an image.

use super::*;

/// The variables make the dynamic linker of a program write to its standard error. The program of the image is linked
/// statically and writes nothing, so that a message comes from a helper of the agent, which is root on the host
/// (CVE-2025-23266).
#[test]
fn variables_of_an_image_have_no_effect_on_the_helpers_of_the_agent() {
    let Some(cluster) = cluster() else { return };
    let config = r#"{"Cmd":["sh"],"Env":["LD_PRELOAD=./library.so","PATH=/bin"]}"#;
    cluster.registry.add_image_with("evil", &[busybox().gzip()], config);
    let evil = cluster.registry.image("evil");
    let check = |output: &Output, who: &str| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !text.contains("ld.so"), "{who}: {output:?}");
        assert!(text.contains("./library.so"), "the program gets the variable: {who}: {text}");
    };
    let mut run = Command::new(TEPUI);
    run.args(["run", "--quiet", "--image", &evil, "--", "echo $LD_PRELOAD"]);
    let output = run.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port)).stdin(Stdio::null()).output();
    check(&output.unwrap(), "the image of a command task");
    let output = cluster.run(&["--env", "LD_PRELOAD=./library.so", "--", "echo $LD_PRELOAD"]);
    check(&output, "the task");
    // A custom executor, whose first process is the init.
    let executor = format!(
        r#""executor":{{"type":"CUSTOM","executor_id":{{"value":"e"}},"resources":{RESOURCES},
        "command":{{"value":"echo $LD_PRELOAD > result"}},
        "container":{{"type":"MESOS","mesos":{{"image":{}}}}}}}"#,
        cluster.image_json("evil")
    );
    cluster.execute(&executor);
    assert_eq!(cluster.written("result"), "./library.so\n");
    let mut outputs = Vec::new();
    find_all(&cluster.local.work.path().join("agent-1/slaves"), "stderr", &mut outputs);
    assert!(outputs.len() >= 3);
    for path in outputs {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("ld.so"), "{}: {text}", path.display());
    }
}

/// Adds the files of this name below a directory.
fn find_all(directory: &Path, name: &str, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            find_all(&entry.path(), name, found);
        } else if kind.is_file() && entry.file_name() == name {
            found.push(entry.path());
        }
    }
}

#[test]
fn links_and_devices_of_an_image_do_not_reach_the_host() {
    let Some(cluster) = cluster() else { return };
    let outside = tempfile::tempdir().unwrap();
    let host = outside.path().to_str().unwrap();
    let run = |tag: &str, layers: &[testkit::registry::Layer], config: &str, command: &str| {
        cluster.registry.add_image_with(tag, layers, config);
        let mut run = Command::new(TEPUI);
        run.args(["run", "--quiet", "--image", &cluster.registry.image(tag), "--", command]);
        run.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port)).stdin(Stdio::null()).output().unwrap()
    };
    let plain = r#"{"Cmd":["sh"]}"#;
    let text = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    // The places of kernel file systems (CVE-2019-19921, CVE-2023-27561).
    for place in ["proc", "sys", "dev"] {
        let output = run(place, &[busybox().symlink(place, host).gzip()], plain, "true");
        assert!(!output.status.success() && text(&output).contains("symbolic link in its place"), "{output:?}");
    }
    // The files of names and the sandbox are mounted where links lead to, in the image. A dangling link is usual.
    let links = busybox()
        .directory("etc")
        .symlink("etc/resolv.conf", "../run/resolve/resolv.conf")
        .symlink("etc/hosts", &format!("{host}/hosts"))
        .symlink("mnt", host);
    let output = run("links", &[links.gzip()], plain, "cat /etc/hosts > /dev/null && echo x > file && echo written");
    assert!(output.status.success() && output.stdout == b"written\n", "{output:?}");
    // A working directory that is a descriptor of the launcher (CVE-2024-21626).
    for number in 3..12 {
        let config = format!(r#"{{"WorkingDir":"/proc/self/fd/{number}"}}"#);
        let output = run("descriptor", &[busybox().gzip()], &config, "pwd");
        assert!(!output.status.success() && text(&output).contains("working directory"), "{number}: {output:?}");
    }
    // Devices of the image cannot be opened: here that of zero bytes, as another could be a disk.
    let mut header = tar::Header::new_ustar();
    header.set_path("zero").unwrap();
    header.set_entry_type(EntryType::Char);
    header.set_device_major(1).unwrap();
    header.set_device_minor(5).unwrap();
    header.set_mode(0o666);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header.set_cksum();
    let command = "/bin/busybox head -c 1 /dev/zero > /dev/null && echo own; /bin/busybox head -c 1 /zero || echo denied; \
                   /bin/busybox mknod /made c 1 5; /bin/busybox head -c 1 /made || echo denied";
    let output = run("device", &[busybox().member(&header, b"").gzip()], plain, command);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "own\ndenied\ndenied\n", "{output:?}");
    // What the image has in place of /dev/null does not hide what is masked (CVE-2025-31133).
    let replaced = busybox().directory("dev").symlink("dev/null", "/proc/sys/kernel/core_pattern");
    let command = "/bin/busybox ls -l /proc/interrupts /dev/null; echo evil > /proc/interrupts";
    let pattern = std::fs::read("/proc/sys/kernel/core_pattern").unwrap();
    let output = run("null", &[replaced.gzip()], plain, command);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(shown.lines().filter(|line| line.starts_with('c') && line.contains("1,   3")).count(), 2, "{shown}");
    assert_eq!(std::fs::read("/proc/sys/kernel/core_pattern").unwrap(), pattern);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
}

#[test]
fn a_container_has_nothing_of_the_host_open_and_cannot_change_it() {
    let Some(cluster) = cluster() else { return };
    // Descriptors (CVE-2024-21626): the streams, and the directory that `ls` reads.
    let opened = cluster.printed(&["--", "/bin/busybox ls -l /proc/self/fd"]);
    let targets: Vec<&str> = opened.lines().filter_map(|line| line.split_once(" -> ")).map(|(_, to)| to).collect();
    let is_own = |(to, name): (&&str, &str)| to.ends_with(name);
    assert!(targets.iter().zip(["/dev/null", "/stdout", "/stderr"]).all(is_own), "{opened}");
    assert_eq!(opened.lines().filter(|line| line.starts_with('l')).count(), 4, "{opened}");
    // The programs of the agent (CVE-2019-5736).
    let program = std::fs::read(TEPUI).unwrap();
    let command = "for pid in /proc/[0-9]*; do echo evil > $pid/exe; done 2> /dev/null; echo tried";
    assert_eq!(cluster.printed(&["--", command]), "tried\n");
    assert!(program == std::fs::read(TEPUI).unwrap(), "the program of the agent has been changed");
    // Settings of the kernel are read-only, its secrets hidden, and no hierarchy of cgroups can be written.
    let command = "for path in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/default_smp_affinity \
                   /sys/kernel/profiling /sys/fs/cgroup/release_agent; do [ ! -e $path ] || echo 1 > $path && echo $path; done \
                   2> /dev/null; for path in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/interrupts; do \
                   [ ! -e $path ] || /bin/busybox head -c 1 $path; done; [ ! -e /sys/firmware ] || ls /sys/firmware";
    let written = cluster.printed(&["--", command]);
    let missing: Vec<&str> = written.lines().filter(|path| Path::new(path).exists()).collect();
    assert_eq!(missing, [""; 0], "{written}");
    // Nobody inherits capabilities (CVE-2022-24769), and a task of another user does not see the root of the executor.
    let status = cluster.printed(&["--user", "nobody", "--", "cat /proc/self/status; ls /proc/1/root || echo denied"]);
    assert!(status.contains("CapInh:\t0000000000000000") && status.contains("CapEff:\t0000000000000000"), "{status}");
    assert!(status.ends_with("denied\n"), "{status}");
}

#[test]
fn a_volume_on_a_link_of_an_image_stays_in_the_image() {
    let isolation = "cgroups/cpu,docker/runtime,namespaces/pid,volume/host_path";
    let Some(cluster) = cluster_with(&[("MESOS_ISOLATION", isolation)]) else { return };
    let (data, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(data.path().join("given"), "from the host\n").unwrap();
    let links = busybox()
        .symlink("absolute", outside.path().to_str().unwrap())
        .symlink("up", "../../../../../../etc/inner")
        .symlink("kernel", "/proc/self");
    cluster.registry.add_image("links", &[links.gzip()]);
    let run = |place: &str, quiet: &[&str], command: &str| {
        let volume = format!("{}:{place}", data.path().display());
        let mut run = Command::new(TEPUI);
        run.args(["run", "--image", &cluster.registry.image("links"), "--volume", &volume]);
        run.args(quiet).args(["--", command]);
        run.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port)).stdin(Stdio::null()).output().unwrap()
    };
    let inside = format!("cat {}/given", outside.path().display());
    for (place, command) in [("/absolute", inside.as_str()), ("/up", "cat /etc/inner/given")] {
        let output = run(place, &["--quiet"], command);
        assert!(output.stdout == b"from the host\n", "{place}: {output:?}");
    }
    assert!(!Path::new("/etc/inner").exists() && std::fs::read_dir(outside.path()).unwrap().count() == 0);
    // A container whose /proc is not the kernel's (CVE-2019-16884, CVE-2025-52881).
    for place in ["/kernel", "/kernel/attr", "/proc/self"] {
        let output = run(place, &[], "true");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("/proc"), "{place}: {output:?}");
    }
}

/// The directories of a container may be nested so deeply that a removal that calls itself for each of them overflows
/// its stack, and ends the agent.
#[test]
fn an_agent_removes_what_a_container_leaves_however_deep_it_is() {
    let Some(cluster) = cluster() else { return };
    let deep = "p=d; for i in 1 2 3 4 5 6 7 8 9 10; do p=$p/$p; done; \
                for i in 1 2 3 4 5 6 7 8 9 10; do mkdir -p $p && cd -P $p || exit 1; done";
    let image = busybox().symlink("bin/mkdir", "busybox");
    cluster.registry.add_image("deep", &[image.gzip()]);
    let mut run = Command::new(TEPUI);
    run.args(["run", "--quiet", "--image", &cluster.registry.image("deep"), "--", &format!("cd /; {deep}")]);
    run.env("TEPUI_MASTER", format!("127.0.0.1:{}", cluster.local.port)).stdin(Stdio::null());
    let output = run.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    until("the root file systems are removed", || (cluster.roots() == 0).then_some(()));
    assert_eq!(cluster.printed(&["--", "echo alive"]), "alive\n");
}
