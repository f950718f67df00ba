//! The linux launcher with real cgroups and namespaces. The tests need root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of a test")]

#[path = "linux/cgroup2.rs"]
mod cgroup2;
mod common;
#[path = "linux/disk_xfs.rs"]
mod disk_xfs;
#[path = "linux/gpus.rs"]
mod gpus;
#[path = "linux/privileges.rs"]
mod privileges;
#[path = "linux/resources.rs"]
mod resources;
#[path = "linux/volumes.rs"]
mod volumes;

use std::fs;
use std::path::PathBuf;

use common::{Host, id, is_root, skip, until};
use containerizer::{
    Bind, Config, Containerizer, Error, Event, Launch, Launcher, LimitationKind, Limits, SealedProgram,
};
use testkit::process::is_alive;

const ALL: [&str; 6] =
    ["cgroups/cpu", "cgroups/mem", "cgroups/pids", "namespaces/pid", "filesystem/linux", "posix/rlimits"];

/// Returns a host; `None`, with a message, where the machine does not support it.
fn linux(test: &str, isolation: &[&str]) -> Option<Host> {
    if !is_root() {
        skip(test, "it needs root");
        return None;
    }
    match Host::new(Launcher::Linux, isolation) {
        Ok(host) => Some(host),
        Err(error @ Error::LinuxLauncher(_)) => {
            skip(test, &error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn has_memory_controller(host: &Host, test: &str) -> bool {
    let missing: Vec<String> = host.containerizer().missing_isolation();
    if let Some(why) = missing.iter().find(|sentence| sentence.starts_with("memory")) {
        skip(test, why);
        return false;
    }
    true
}

#[test]
fn a_container_leaves_nothing_behind_on_the_machine() {
    let Some(host) = linux("a_container_leaves_nothing_behind_on_the_machine", &ALL) else { return };
    host.launch(host.shell("c", "echo $$; ls /proc | grep -c '^[0-9]'; cat /proc/self/cgroup; exit 4"));
    assert_eq!(host.exited("c"), Some(4 << 8));
    let output = host.read("c", "stdout");
    let mut lines = output.lines();
    assert_eq!(lines.next(), Some("1"), "the first process of its pid namespace");
    assert!(lines.next().unwrap().parse::<u32>().unwrap() <= 3, "only its own processes are in /proc");
    assert!(lines.any(|line| line.ends_with("/c") || line.ends_with("/c/leaf")), "it is in cgroups of its own");
    assert!(host.cgroups().is_empty());
    assert_eq!(host.mounts(), [""; 0], "nothing is mounted on the host");
}

#[test]
fn destroy_leaves_no_process() {
    let Some(host) = linux("destroy_leaves_no_process", &["cgroups/cpu"]) else { return };
    // The command starts daemons that leave session, group and parent, and a process that ignores SIGTERM.
    let command = "trap '' TERM; (setsid sh -c 'sleep 1000 & echo $!' &); (setsid setsid sleep 1000 &); echo ready; while :; do sleep 1; done";
    let pid = host.launch(host.shell("c", command));
    let daemon: u32 = until(|| host.read("c", "stdout").lines().find_map(|line| line.parse().ok()));
    assert!(is_alive(daemon));
    host.containerizer().destroy(&id("c")).unwrap();
    assert_eq!(host.exited("c"), Some(9));
    assert!(!is_alive(pid) && !is_alive(daemon));
    assert!(host.cgroups().is_empty());
}

#[test]
fn daemons_end_with_the_first_process() {
    for isolation in [&["cgroups/cpu"][..], &["cgroups/cpu", "namespaces/pid"]] {
        let Some(host) = linux("daemons_end_with_the_first_process", isolation) else { return };
        host.launch(host.shell("c", "(setsid sleep 1000 &); exit 0"));
        assert_eq!(host.exited("c"), Some(0));
        assert!(host.cgroups().is_empty(), "a cgroup can only be removed when no process is in it");
    }
}

#[test]
fn a_container_that_exceeds_its_memory_is_ended_with_the_limitation() {
    let test = "a_container_that_exceeds_its_memory_is_ended_with_the_limitation";
    let Some(host) = linux(test, &ALL) else { return };
    if !has_memory_controller(&host, test) {
        return;
    }
    // The shell that reads everything into a variable is a child, and the first process would survive it.
    let mut launch = host.shell(
        "c",
        "sh -c 'x=$(tail -c 200000000 /dev/zero | tr \"\\0\" x); echo $x | wc -c'; echo survived; sleep 1000",
    );
    launch.limits = Limits { cpus: 1.0, memory: 32 << 20, ..Limits::default() };
    host.launch(launch);
    let Event::Exited { limitation: Some(limitation), .. } = host.event() else { panic!("it has a limit") };
    assert_eq!(limitation.kind, LimitationKind::Memory { limit: 32 << 20 });
    assert!(
        limitation.message.starts_with("Memory limit exceeded: Requested: 32MB Maximum Used: "),
        "{}",
        limitation.message
    );
    assert!(limitation.message.contains("MEMORY STATISTICS"));
    if fs::File::open("/dev/kmsg").is_ok() {
        assert!(limitation.message.contains("\nKilled by the kernel: sh (pid "), "{}", limitation.message);
    }
    assert!(host.cgroups().is_empty());
}

#[test]
fn a_fork_bomb_stays_within_its_number_of_processes() {
    let test = "a_fork_bomb_stays_within_its_number_of_processes";
    let Some(host) = linux(test, &["cgroups/pids"]) else { return };
    if !host.containerizer().missing_isolation().is_empty() {
        return skip(test, &host.containerizer().missing_isolation().join("; "));
    }
    let mut launch = host.shell("c", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; echo all");
    launch.limits.pids = Some(5);
    host.launch(launch);
    host.exited("c");
    assert!(host.read("c", "stderr").contains("fork"), "the shell cannot start them all");
}

#[test]
fn limits_can_be_seen_and_changed() {
    let test = "limits_can_be_seen_and_changed";
    let Some(host) = linux(test, &ALL) else { return };
    if !has_memory_controller(&host, test) {
        return;
    }
    let mut launch = host.shell("c", "exec sleep 1000");
    launch.limits = Limits { cpus: 0.5, memory: 64 << 20, ..Limits::default() };
    let pid = host.launch(launch);
    let usage = host.containerizer().usage(&id("c")).unwrap();
    assert_eq!(usage.mem_limit_bytes, Some(64 << 20));
    assert!(usage.mem_total_bytes > Some(0));
    assert_eq!((usage.cpus_soft_limit, usage.cpus_limit), (Some(0.5), None));

    host.containerizer().update(&id("c"), Limits { cpus: 2.0, memory: 128 << 20, ..Limits::default() }).unwrap();
    let usage = host.containerizer().usage(&id("c")).unwrap();
    assert_eq!((usage.mem_limit_bytes, usage.cpus_soft_limit), (Some(128 << 20), Some(2.0)));

    let in_force = || {
        let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let line = own.lines().find(|line| line.contains(":memory:")).map(|line| line.rsplit(':').next().unwrap());
        line.map(|path| fs::read_to_string(format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes")).unwrap())
    };
    let before = in_force();
    let limits = Limits { cpus: 2.0, memory: 48 << 20, cpu_limit: Some(3.0), ..Limits::default() };
    host.containerizer().update(&id("c"), limits).unwrap();
    let usage = host.containerizer().usage(&id("c")).unwrap();
    assert_eq!((usage.mem_limit_bytes, usage.cpus_limit), (Some(48 << 20), Some(3.0)), "what was asked for last");
    assert_eq!(in_force(), before, "never lowered under a running task");
}

#[test]
fn a_container_runs_as_its_user() {
    let Some(host) = linux("a_container_runs_as_its_user", &ALL) else { return };
    let user = containerizer::resolve_user("nobody").unwrap();
    let mut launch = host.shell("c", "id -u; id -g; id -G; touch mine && echo wrote");
    std::os::unix::fs::chown(host.sandbox("c"), Some(user.uid), Some(user.gid)).unwrap();
    let groups: Vec<String> = user.groups.iter().map(u32::to_string).collect();
    let expected = format!("{}\n{}\n{}\nwrote\n", user.uid, user.gid, groups.join(" "));
    launch.user = Some(user);
    host.launch(launch);
    assert_eq!(host.exited("c"), Some(0));
    assert_eq!(host.read("c", "stdout"), expected);
}

#[test]
fn a_restarted_agent_recovers_containers_and_destroys_orphans() {
    let Some(mut host) = linux("a_restarted_agent_recovers_containers_and_destroys_orphans", &ALL) else { return };
    let stays = host.launch(host.shell("stays", "exec sleep 1000"));
    let goes = host.launch(host.shell("goes", "exec sleep 1000"));
    host.containerizer = None;
    let goes = rustix::process::Pid::from_raw(goes.cast_signed()).unwrap();
    rustix::process::kill_process(goes, rustix::process::Signal::KILL).unwrap();
    until(|| (!is_alive(goes.as_raw_nonzero().get().cast_unsigned())).then_some(()));
    host.restart();
    assert_eq!(host.containerizer().recovered().alive, [(id("stays"), stays)]);
    until(|| host.cgroups().iter().all(|path| path.ends_with("stays")).then_some(()));
    host.containerizer().destroy(&id("stays")).unwrap();
    host.exited("stays");
    assert!(host.cgroups().is_empty());
}

/// The process sees itself as the first of its pid namespace; its record has to have the pid on the host.
#[test]
fn a_process_without_a_checkpoint_is_found() {
    let Some(mut host) = linux("a_process_without_a_checkpoint_is_found", &ALL) else { return };
    let pid = host.launch(host.shell("recorded", "exec sleep 1000"));
    host.containerizer = None;
    fs::remove_file(host.directory.path().join("run/containers/recorded/state")).unwrap();
    host.restart();
    assert_eq!(host.containerizer().recovered().alive, [(id("recorded"), pid)]);
    host.containerizer().destroy(&id("recorded")).unwrap();
    host.exited("recorded");
    assert!(host.cgroups().is_empty());
}

#[test]
fn directories_of_the_host_are_bound_into_a_container_only() {
    let test = "directories_of_the_host_are_bound_into_a_container_only";
    let Some(host) = linux(test, &ALL) else { return };
    let bind = |name: &str, read_only| {
        let source = host.sandbox("volumes").join(name);
        let bind = Bind { source, root: host.sandbox("c"), path: name.into(), read_only, volume: None };
        fs::create_dir_all(&bind.source).unwrap();
        fs::create_dir_all(bind.target()).unwrap();
        bind
    };
    let (data, fixed, late) = (bind("data", false), bind("fixed", true), bind("late", false));
    fs::write(fixed.source.join("file"), "fixed").unwrap();
    let command = "echo kept > data/file; cat fixed/file; (echo no > fixed/file) 2>/dev/null || echo ' read-only'; \
                   until test -e late/begin; do sleep 0.01; done; echo late > late/file; \
                   while test -e late/begin; do sleep 0.01; done; echo taken";
    let launch = Launch { binds: vec![data.clone(), fixed], ..host.shell("c", command) };
    host.launch(launch);
    until(|| host.read("c", "stdout").ends_with(" read-only\n").then_some(()));
    assert_eq!(host.read("c", "stdout"), "fixed read-only\n");
    fs::write(late.source.join("begin"), "").unwrap();
    host.containerizer().bind(&id("c"), &late).unwrap();
    // An existing mount is kept.
    host.containerizer().bind(&id("c"), &late).unwrap();
    until(|| late.source.join("file").exists().then_some(()));
    assert_eq!(fs::read_dir(late.target()).unwrap().count(), 0, "the host sees the empty mount point");
    assert_eq!(host.mounts(), [""; 0], "nothing is mounted on the host");
    host.containerizer().unbind(&id("c"), &late).unwrap();
    assert_eq!(host.exited("c"), Some(0));
    assert!(host.read("c", "stdout").ends_with("taken\n"));
    assert_eq!(fs::read_to_string(data.source.join("file")).unwrap(), "kept\n");
}

#[test]
fn a_volume_is_not_mounted_over_a_link() {
    let Some(host) = linux("a_volume_is_not_mounted_over_a_link", &ALL) else { return };
    let (source, elsewhere) = (host.sandbox("volume"), host.sandbox("elsewhere"));
    fs::create_dir(elsewhere.join("inner")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, host.sandbox("c").join("data")).unwrap();
    for path in ["data", "data/inner"] {
        let bind =
            Bind { source: source.clone(), root: host.sandbox("c"), path: path.into(), read_only: false, volume: None };
        host.containerizer().launch(Launch { binds: vec![bind], ..host.shell("c", "true") }).unwrap();
        match host.event() {
            Event::LaunchFailed { reason, .. } => assert!(reason.contains("mount a volume"), "{reason}"),
            event => panic!("{event:?}"),
        }
    }
}

/// The container replaces the directory above a volume's mount point by a link: the mount that the link leads to stays.
#[test]
fn a_link_in_the_sandbox_is_not_followed_when_a_volume_is_taken_away() {
    let Some(host) = linux("a_link_in_the_sandbox_is_not_followed_when_a_volume_is_taken_away", &ALL) else { return };
    let bind = |path: &str| {
        let source = host.sandbox("volumes").join(path);
        let bind = Bind { source, root: host.sandbox("c"), path: path.into(), read_only: false, volume: None };
        fs::create_dir_all(&bind.source).unwrap();
        fs::create_dir_all(bind.target()).unwrap();
        bind
    };
    let (given, kept) = (bind("one/data"), bind("two/data"));
    fs::write(kept.source.join("kept"), "").unwrap();
    let command = "mv one moved; ln -s two one; echo linked > linked; until [ -e go ]; do sleep 0.01; done; \
                   if [ -e two/data/kept ]; then echo kept > left; else echo gone > left; fi";
    host.launch(Launch { binds: vec![given.clone(), kept], ..host.shell("c", command) });
    host.read("c", "linked");
    assert!(host.containerizer().unbind(&id("c"), &given).is_err());
    fs::write(host.sandbox("c").join("go"), "").unwrap();
    assert_eq!(host.exited("c"), Some(0));
    assert_eq!(host.read("c", "left"), "kept\n");
}

#[test]
fn the_own_programs_run_from_a_sealed_copy() {
    let Some(host) = linux("the_own_programs_run_from_a_sealed_copy", &ALL) else { return };
    let program = SealedProgram::copy_of(std::path::Path::new("/bin/sh")).unwrap();
    let launch = Launch {
        program: containerizer::Program::Sealed(std::sync::Arc::new(program)),
        ..host.shell("c", "readlink /proc/self/exe >/dev/null; (echo x > /proc/$$/exe) 2>/dev/null || echo refused")
    };
    host.launch(launch);
    assert_eq!(host.exited("c"), Some(0));
    assert_eq!(host.read("c", "stdout"), "refused\n");
}

#[test]
fn a_nested_container_has_a_cgroup_in_that_of_its_parent() {
    let Some(host) = linux("a_nested_container_has_a_cgroup_in_that_of_its_parent", &ALL) else { return };
    host.launch(host.shell("c", "exec sleep 1000"));
    let mut child = host.shell("n", "cat /proc/self/cgroup; exec sleep 1000");
    child.id = id("c.n");
    host.launch(child);
    assert!(host.read("n", "stdout").lines().any(|line| line.ends_with("/c/mesos/n")));
    host.containerizer().destroy(&id("c.n")).unwrap();
    host.exited("c.n");
    assert_eq!(host.containerizer().containers(), [id("c")]);
    host.containerizer().destroy(&id("c")).unwrap();
    host.exited("c");
    assert!(host.cgroups().is_empty());
}

#[test]
fn a_hundred_at_once() {
    let Some(host) = linux("a_hundred_at_once", &ALL) else { return };
    for number in 0..100 {
        host.containerizer().launch(host.shell(&number.to_string(), "exit 7")).unwrap();
    }
    let mut ended = 0;
    while ended < 100 {
        match host.event() {
            Event::Launched { .. } => {}
            Event::Exited { status, limitation: None, .. } => {
                assert_eq!(status, Some(7 << 8));
                ended += 1;
            }
            event => panic!("{event:?}"),
        }
    }
    assert!(host.cgroups().is_empty());
}

#[test]
fn the_root_of_all_cgroups_is_refused() {
    if !is_root() {
        return skip("the_root_of_all_cgroups_is_refused", "it needs root");
    }
    for root in ["", "/", "..", "a/../..", "."] {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            launcher: Launcher::Linux,
            cgroups_root: root.into(),
            runtime_dir: directory.path().into(),
            ..Config::default()
        };
        assert!(matches!(Containerizer::new(config, |_| {}), Err(Error::InvalidCgroupsRoot(_))), "{root:?}");
    }
}
