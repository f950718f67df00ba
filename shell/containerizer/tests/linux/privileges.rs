//! Capabilities, `no_new_privs` and filters of system calls, seen from inside.

use containerizer::{CapabilityRequest, CapabilitySet, SeccompRequest, User};

use super::*;

fn set(names: &str) -> CapabilitySet {
    names.split_whitespace().fold(CapabilitySet::EMPTY, |set, name| set.union(CapabilitySet::of_name(name).unwrap()))
}

fn nobody(host: &Host, id: &str) -> Option<User> {
    let user = containerizer::resolve_user("nobody").unwrap();
    std::os::unix::fs::chown(host.sandbox(id), Some(user.uid), Some(user.gid)).unwrap();
    Some(user)
}

/// The value of a line of `/proc/self/status` in the output of a container.
fn status(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap()
}

#[test]
fn a_container_has_the_capabilities_that_it_asks_for() {
    let test = "a_container_has_the_capabilities_that_it_asks_for";
    let Some(host) = linux(test, &["linux/capabilities", "namespaces/pid"]) else { return };
    let check = |id: &str, as_root: bool, effective: Option<&str>, bounding: Option<&str>, expect: (u64, u64, u64)| {
        let mut launch = host.shell(id, "grep -E '^Cap' /proc/self/status");
        launch.requests.capabilities = CapabilityRequest { effective: effective.map(set), bounding: bounding.map(set) };
        launch.user = if as_root { None } else { nobody(&host, id) };
        host.launch(launch);
        assert_eq!(host.exited(id), Some(0), "{}", host.read(id, "stderr"));
        let text = host.read(id, "stdout");
        let found = (status(&text, "CapEff"), status(&text, "CapBnd"), status(&text, "CapAmb"));
        assert_eq!(found, expect, "{id}: {text}");
        assert_eq!(status(&text, "CapPrm"), expect.0, "{id}");
    };
    let (raw, kill) = (set("NET_RAW").bits(), set("KILL").bits());
    check("root", true, Some("NET_RAW"), None, (raw, raw, 0));
    check("root-none", true, Some(""), None, (0, 0, 0));
    check("root-bounded", true, None, Some("NET_RAW KILL"), (raw | kill, raw | kill, 0));
    check("root-less", true, Some("NET_RAW"), Some("NET_RAW KILL"), (raw, raw | kill, raw));
    check("user", false, Some("NET_RAW"), None, (raw, raw, raw));
    check("user-bounded", false, None, Some("NET_RAW KILL"), (0, raw | kill, 0));
}

#[test]
fn a_container_cannot_have_more_capabilities_than_the_operator_allows() {
    let test = "a_container_cannot_have_more_capabilities_than_the_operator_allows";
    let Some(mut host) = linux(test, &["linux/capabilities"]) else { return };
    host.config.capabilities = CapabilityRequest { effective: Some(set("KILL")), bounding: Some(set("KILL CHOWN")) };
    host.restart();
    host.launch(host.shell("default", "grep -E '^Cap' /proc/self/status"));
    assert_eq!(host.exited("default"), Some(0));
    let text = host.read("default", "stdout");
    assert_eq!((status(&text, "CapEff"), status(&text, "CapBnd")), (set("KILL").bits(), set("KILL CHOWN").bits()));
    let mut launch = host.shell("more", "true");
    launch.requests.capabilities.effective = Some(set("NET_RAW"));
    host.containerizer().launch(launch).unwrap();
    let reason = "Requested capabilities '{ NET_RAW }', but only '{ CHOWN, KILL }' are allowed".to_owned();
    assert_eq!(host.event(), Event::LaunchFailed { id: id("more"), reason });
}

#[test]
fn no_program_gains_privileges() {
    let Some(host) = linux("no_program_gains_privileges", &["linux/nnp"]) else { return };
    host.launch(host.shell("c", "grep NoNewPrivs /proc/self/status"));
    assert_eq!(host.exited("c"), Some(0));
    assert_eq!(host.read("c", "stdout"), "NoNewPrivs:\t1\n");
}

#[test]
fn system_calls_are_filtered() {
    let test = "system_calls_are_filtered";
    for isolation in [&["linux/seccomp"][..], &["linux/seccomp", "linux/nnp", "linux/capabilities", "namespaces/pid"]] {
        let Some(mut host) = linux(test, isolation) else { return };
        let profiles = host.sandbox("profiles");
        let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","archMap":[
            {"architecture":"SCMP_ARCH_X86_64","subArchitectures":[]},{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":[]}],
            "syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38,"args":[],"includes":{},"excludes":{}}]}"#;
        fs::write(profiles.join("no-directories"), profile).unwrap();
        fs::write(profiles.join("broken"), "{").unwrap();
        host.config.seccomp_config_dir = Some(profiles);
        host.restart();
        let run = |id: &str, as_root: bool, request: SeccompRequest| {
            let command =
                "grep '^Seccomp:' /proc/self/status; mkdir new && echo made; unshare -U true && echo unshared; true";
            let mut launch = host.shell(id, command);
            launch.requests.seccomp = request;
            launch.user = if as_root { None } else { nobody(&host, id) };
            host.launch(launch);
            assert_eq!(host.exited(id), Some(0), "{}", host.read(id, "stderr"));
            (host.read(id, "stdout"), fs::read_to_string(host.sandbox(id).join("stderr")).unwrap())
        };
        let (out, err) = run("default", false, SeccompRequest::Default);
        assert_eq!(out, "Seccomp:\t2\nmade\n", "{err}");
        assert!(err.contains("Operation not permitted"), "{err}");
        let (out, err) = run("named", true, SeccompRequest::Profile("no-directories".into()));
        assert!(out.starts_with("Seccomp:\t2\n") && !out.contains("made"), "{out}");
        assert!(err.contains("Function not implemented"), "{err}");
        let (out, _) = run("unconfined", true, SeccompRequest::Unconfined);
        assert!(out.starts_with("Seccomp:\t0\nmade\n"), "{out}");
        for (profile, expect) in
            [("broken", "Failed to parse Seccomp profile"), ("../x", "is not the name of a profile")]
        {
            let mut launch = host.shell("refused", "true");
            launch.requests.seccomp = SeccompRequest::Profile(profile.into());
            host.containerizer().launch(launch).unwrap();
            let Event::LaunchFailed { reason, .. } = host.event() else { panic!("{profile}") };
            assert!(reason.contains(expect), "{reason}");
        }
    }
}
