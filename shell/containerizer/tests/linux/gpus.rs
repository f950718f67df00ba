//! GPUs, with device nodes of NVIDIA's numbers that no driver serves: the kernel refuses to open one with EPERM if the
//! container may not use it, and with ENXIO if it may.

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::*;

const GPU: [&str; 3] = ["cgroups/devices", "filesystem/linux", "gpu/nvidia"];

/// Returns a host with two GPUs; `None` where nodes cannot be made.
fn two_gpus(test: &str) -> Option<Host> {
    let mut host = linux(test, &GPU)?;
    let missing = host.containerizer().missing_isolation();
    if !missing.is_empty() {
        skip(test, &missing.join("; "));
        return None;
    }
    let directory = host.sandbox("dev");
    for (name, minor) in [("nvidiactl", 255), ("nvidia0", 0), ("nvidia1", 1)] {
        let made = mknodat(
            CWD,
            directory.join(name),
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o666),
            makedev(195, minor),
        );
        if let Err(error) = made {
            skip(test, &format!("device nodes cannot be made: {error}"));
            return None;
        }
    }
    host.config.gpu.minors = vec![0, 1];
    host.config.gpu.device_directory = directory;
    host.restart();
    Some(host)
}

/// Returns a container that tries all devices whenever the file `again` appears.
fn prober(host: &Host, name: &str, gpus: u64) -> Launch {
    let command = "while :; do for node in nvidiactl nvidia0 nvidia1; do \
                   if (exec 3< ../dev/$node) 2>&1 | grep -q 'not permitted'; then echo $node denied; else echo $node allowed; fi; \
                   done > new; mv new seen; until [ -e again ]; do sleep 0.02; done; rm again; done";
    let mut launch = host.shell(name, command);
    launch.limits.gpus = gpus;
    launch
}

fn seen(host: &Host, name: &str, expect: &[&str]) {
    let lines: String = ["nvidiactl", "nvidia0", "nvidia1"]
        .iter()
        .map(|node| format!("{node} {}\n", if expect.contains(node) { "allowed" } else { "denied" }))
        .collect();
    let path = host.sandbox(name);
    until(|| {
        let found = fs::read_to_string(path.join("seen")).unwrap_or_default();
        if found == lines {
            return Some(());
        }
        let _ = fs::write(path.join("again"), "");
        None
    });
}

#[test]
fn a_container_uses_its_gpus_and_no_others() {
    let Some(mut host) = two_gpus("a_container_uses_its_gpus_and_no_others") else { return };
    host.launch(prober(&host, "a", 1));
    host.launch(prober(&host, "b", 1));
    host.launch(prober(&host, "none", 0));
    seen(&host, "a", &["nvidiactl", "nvidia0"]);
    seen(&host, "b", &["nvidiactl", "nvidia1"]);
    seen(&host, "none", &["nvidiactl"]);
    let refused = |host: &Host| {
        host.containerizer().launch(prober(host, "c", 1)).unwrap();
        match host.event() {
            Event::LaunchFailed { reason, .. } => reason,
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(refused(&host), "Requested 1 GPUs but only 0 available");
    // The next agent knows which containers have them.
    host.restart();
    assert_eq!(refused(&host), "Requested 1 GPUs but only 0 available");
    let limits = Limits { cpus: 0.1, memory: 64 << 20, ..Limits::default() };
    host.containerizer().update(&id("a"), limits.clone()).unwrap();
    host.containerizer().update(&id("b"), Limits { gpus: 2, ..limits }).unwrap();
    seen(&host, "a", &["nvidiactl"]);
    seen(&host, "b", &["nvidiactl", "nvidia0", "nvidia1"]);
    host.containerizer().destroy(&id("b")).unwrap();
    assert_eq!(host.exited("b"), Some(9));
    host.launch(prober(&host, "c", 2));
    seen(&host, "c", &["nvidiactl", "nvidia0", "nvidia1"]);
}

#[test]
fn gpus_need_the_isolators_that_keep_others_from_them() {
    let Some(mut host) = linux("gpus_need_the_isolators_that_keep_others_from_them", &ALL) else { return };
    let before = host.config.isolation.clone();
    host.config.isolation = vec!["filesystem/linux".into(), "gpu/nvidia".into()];
    let refused = host.try_restart().unwrap_err().to_string();
    assert_eq!(refused, "The 'cgroups/devices' isolator must be enabled in order to use the 'gpu/nvidia' isolator");
    host.config.isolation = before;
}
