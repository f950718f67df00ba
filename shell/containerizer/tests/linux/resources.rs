//! Devices, processors, namespaces, disk space and secrets, seen from inside.

use std::time::Duration;

use containerizer::{IpcMode, IpcRequest, Volume, VolumeSource};

use super::*;

/// Returns whether the machine has the controllers of these isolators; reports it if not.
fn has_all(host: &Host, test: &str) -> bool {
    let missing = host.containerizer().missing_isolation();
    if !missing.is_empty() {
        skip(test, &missing.join("; "));
    }
    missing.is_empty()
}

#[test]
fn a_container_uses_the_devices_that_it_may() {
    let test = "a_container_uses_the_devices_that_it_may";
    let Some(host) = linux(test, &["cgroups/devices", "cgroups/cpuset", "cgroups/blkio"]) else { return };
    if !has_all(&host, test) {
        return;
    }
    let command = "cat /dev/null && echo null; head -c 1 /dev/zero > /dev/null && echo zero; \
                   (exec 3< /dev/kmsg) && echo kmsg; grep Cpus_allowed_list /proc/self/status; \
                   dd if=/dev/zero of=written bs=64k count=1 conv=fsync 2> /dev/null; echo done; exec sleep 1000";
    host.launch(host.shell("c", command));
    until(|| host.read("c", "stdout").ends_with("done\n").then_some(()));
    let processors = fs::read_to_string("/proc/self/status").unwrap();
    let processors = processors.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap();
    assert_eq!(host.read("c", "stdout"), format!("null\nzero\n{processors}\ndone\n"));
    let usage = host.containerizer().usage(&id("c")).unwrap();
    assert!(usage.devices.iter().all(|device| device.operations.write > 0 || device.bytes.write == 0), "{usage:?}");
    host.containerizer().destroy(&id("c")).unwrap();
    host.exited("c");
    assert!(host.cgroups().is_empty());
}

#[test]
fn all_controllers_of_the_machine_are_used() {
    let test = "all_controllers_of_the_machine_are_used";
    let Some(host) = linux(test, &["cgroups/all"]) else { return };
    assert_eq!(host.containerizer().missing_isolation(), [""; 0], "only what the machine has is wanted");
    host.launch(host.shell("c", "cat /proc/self/cgroup"));
    assert_eq!(host.exited("c"), Some(0));
    assert!(host.read("c", "stdout").lines().any(|line| line.ends_with("/c") || line.ends_with("/c/leaf")));
}

#[test]
fn a_container_has_its_own_ipc_and_host_name() {
    let test = "a_container_has_its_own_ipc_and_host_name";
    let Some(mut host) = linux(test, &["namespaces/ipc"]) else { return };
    let namespace = fs::read_link("/proc/self/ns/ipc").unwrap().display().to_string();
    let run = |host: &Host, id: &str, ipc: IpcRequest, hostname: Option<&str>| {
        let mut launch = host.shell(
            id,
            "readlink /proc/self/ns/ipc; cat /proc/sys/kernel/hostname; grep ' /dev/shm ' /proc/self/mountinfo",
        );
        (launch.requests.ipc, launch.requests.hostname) = (ipc, hostname.map(str::to_owned));
        host.containerizer().launch(launch).unwrap();
        match host.event() {
            Event::Launched { .. } => {
                host.exited(id);
                Ok(host.read(id, "stdout"))
            }
            Event::LaunchFailed { reason, .. } => Err(reason),
            event => panic!("{event:?}"),
        }
    };
    let private = IpcRequest { mode: Some(IpcMode::Private), shm_megabytes: Some(3) };
    let text = run(&host, "own", private, Some("isolated")).unwrap();
    assert!(!text.contains(&namespace) && text.contains("\nisolated\n") && text.contains("size=3072k"), "{text}");
    assert!(!run(&host, "default", IpcRequest::default(), None).unwrap().contains(&namespace));
    let shared = IpcRequest { mode: Some(IpcMode::ShareParent), shm_megabytes: None };
    let text = run(&host, "shared", shared, None).unwrap();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(text.contains(&namespace) && text.contains(&hostname), "{text}");
    let sized = IpcRequest { mode: None, shm_megabytes: Some(3) };
    assert!(run(&host, "sized", sized, None).unwrap_err().contains("when the IPC mode is `PRIVATE`"));
    host.config.disallow_sharing_agent_ipc_namespace = true;
    host.restart();
    assert!(run(&host, "refused", shared, None).unwrap_err().contains("is not allowed"));
}

#[test]
fn a_container_shares_the_processes_of_the_agent_only_if_it_may() {
    let test = "a_container_shares_the_processes_of_the_agent_only_if_it_may";
    let Some(mut host) = linux(test, &["namespaces/pid", "cgroups/pids"]) else { return };
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap().display().to_string();
    let launch = |host: &Host, id: &str, shares: bool| {
        let mut launch = host.shell(id, "readlink /proc/self/ns/pid; sleep 1000 & exec sleep 1000");
        launch.requests.share_pid_namespace = shares;
        host.containerizer().launch(launch).unwrap();
        match host.event() {
            Event::Launched { .. } => Ok(()),
            Event::LaunchFailed { reason, .. } => Err(reason),
            event => panic!("{event:?}"),
        }
    };
    for (id, shares) in [("own", false), ("shared", true)] {
        launch(&host, id, shares).unwrap();
        until(|| host.read(id, "stdout").ends_with('\n').then_some(()));
        assert_eq!(host.read(id, "stdout").trim_end() == namespace, shares, "{id}");
        // The processes are those of the container in both cases: its init, its program and what that has started.
        let count = |usage: containerizer::Usage| usage.processes.zip(usage.threads).filter(|counts| counts.0 >= 2);
        if host.containerizer().missing_isolation().is_empty() {
            let (processes, threads) = until(|| count(host.containerizer().usage(&crate::id(id)).unwrap()));
            assert!(processes <= 3 && processes <= threads, "{processes} {threads}");
        }
        host.containerizer().destroy(&crate::id(id)).unwrap();
        host.exited(id);
    }
    host.config.disallow_sharing_agent_pid_namespace = true;
    host.restart();
    let refused = launch(&host, "refused", true).unwrap_err();
    assert!(refused.contains("Sharing agent pid namespace with top-level container is not allowed"), "{refused}");
}

#[test]
fn a_container_that_uses_too_much_disk_is_ended() {
    let test = "a_container_that_uses_too_much_disk_is_ended";
    let Some(mut host) = linux(test, &["disk/du", "cgroups/mem"]) else { return };
    host.config.container_disk_watch_interval = Duration::from_millis(100);
    host.config.enforce_container_disk_quota = true;
    host.restart();
    let write = "head -c 3000000 /dev/zero > file; echo written; exec sleep 1000";
    let mut launch = host.shell("c", write);
    launch.limits.disk = Some(1 << 20);
    host.launch(launch);
    let Event::Exited { limitation: Some(limitation), .. } = host.event() else { panic!("it has a limit") };
    assert_eq!(limitation.kind, LimitationKind::Disk { limit: 1 << 20 });
    assert!(
        limitation.message.starts_with("Disk usage (") && limitation.message.ends_with(") exceeds quota (1MB)"),
        "{limitation:?}"
    );

    // A restarted agent knows the sandbox of a container by its environment, and its limit from the agent.
    let mut launch = host.shell("stays", write);
    launch.limits.disk = Some(1 << 30);
    launch.environment.push(("MESOS_DIRECTORY".into(), launch.working_directory.clone().into()));
    host.launch(launch);
    assert_eq!(host.read("stays", "stdout"), "written\n");
    until(|| (host.containerizer().usage(&id("stays")).unwrap().disk_used_bytes > Some(2_900_000)).then_some(()));
    host.restart();
    let limits = Limits { cpus: 0.1, memory: 64 << 20, disk: Some(2 << 20), ..Limits::default() };
    host.containerizer().update(&id("stays"), limits).unwrap();
    let Event::Exited { limitation: Some(limitation), .. } = host.event() else { panic!("it has a limit") };
    assert_eq!(limitation.kind, LimitationKind::Disk { limit: 2 << 20 });
}

#[test]
fn a_secret_is_a_file_of_the_container_only() {
    let Some(host) = linux("a_secret_is_a_file_of_the_container_only", &["volume/secret"]) else { return };
    let user = containerizer::resolve_user("nobody").unwrap();
    let sandbox = host.sandbox("c");
    std::os::unix::fs::chown(&sandbox, Some(user.uid), Some(user.gid)).unwrap();
    let mut launch = host.shell(
        "c",
        "cat keys/token; stat -c %u keys/token; grep -c 'keys/token .* ramfs ' /proc/self/mountinfo; echo up > up; \
                                      until [ -e go ]; do sleep 0.01; done",
    );
    launch.user = Some(user.clone());
    let source = VolumeSource::Secret(containerizer::SecretData::new(b"hunter2\n".to_vec()));
    launch.requests.volumes = vec![Volume { source, container_path: "keys/token".into(), read_only: false }];
    assert!(!format!("{launch:?}").contains("hunter2"));
    host.launch(launch);
    host.read("c", "up");
    assert_eq!(fs::read_to_string(sandbox.join("keys/token")).unwrap(), "", "the host sees the mount point");
    fs::write(sandbox.join("go"), "").unwrap();
    assert_eq!(host.exited("c"), Some(0));
    assert_eq!(host.read("c", "stdout"), format!("hunter2\n{}\n1\n", user.uid));
}
