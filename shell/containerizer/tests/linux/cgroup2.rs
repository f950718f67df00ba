//! The v2 hierarchy with all controllers, as current distributions have it: values, nested limits, out of memory. On other
//! machines, `make cgroup2` runs these tests.

use containerizer::Nesting;

use super::*;

const CONTROLLERS: [&str; 2] = ["cgroups/all", "namespaces/pid"];

/// Returns a host on a machine with a pure v2 hierarchy.
fn pure_v2(test: &str) -> Option<Host> {
    if !fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap() {
        skip(test, "the machine has no pure cgroup v2 hierarchy: make cgroup2 runs it on one");
        return None;
    }
    let host = linux(test, &CONTROLLERS)?;
    assert_eq!(host.containerizer().missing_isolation(), [""; 0]);
    Some(host)
}

/// Returns the value of a file of the cgroup of a container.
fn value(host: &Host, container: &str, file: &str) -> String {
    let path = format!("/sys/fs/cgroup/{}/{container}/{file}", host.config.cgroups_root);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
}

fn nested(host: &Host, name: &str, command: &str, limits: Limits) -> Launch {
    let mut launch = host.shell(name, command);
    launch.id = id("c").child(name).unwrap();
    launch.limits = limits;
    launch.nesting = Some(Nesting { own_cgroups: true, ..Nesting::default() });
    launch
}

#[test]
fn all_limits_are_in_force() {
    let Some(mut host) = pure_v2("all_limits_are_in_force") else { return };
    (host.config.cgroups_limit_swap, host.config.cgroups_enable_cfs) = (true, true);
    host.restart();
    let mut launch = host.shell("c", "cat /proc/self/cgroup; exec sleep 1000");
    launch.limits = Limits { cpus: 0.5, cpu_limit: Some(1.5), memory: 64 << 20, pids: Some(50), ..Limits::default() };
    launch.limits.memory_limit = Some(96 << 20);
    host.launch(launch);
    let own = format!("0::/{}/c/leaf\n", host.config.cgroups_root);
    assert_eq!(host.read("c", "stdout"), own);
    for (file, expect) in [
        ("cpu.weight", "50"),
        ("cpu.max", "150000 100000"),
        ("memory.low", &(64 << 20).to_string()),
        ("memory.max", &(96 << 20).to_string()),
        ("memory.swap.max", "0"),
        ("memory.oom.group", "1"),
        ("pids.max", "50"),
        ("cgroup.procs", ""),
    ] {
        assert_eq!(value(&host, "c", file), expect, "{file}");
    }
    // The protection of a cgroup counts only up to that of the cgroup above.
    host.launch(host.shell("other", "exec sleep 1000"));
    assert_eq!(value(&host, "", "memory.low"), (128 << 20).to_string());
    host.containerizer().destroy(&id("other")).unwrap();
    host.exited("other");
    assert_eq!(value(&host, "", "memory.low"), (64 << 20).to_string());
    for file in ["cpuset.cpus.effective", "io.stat", "hugetlb.2MB.max", "cgroup.freeze"] {
        value(&host, "c", file);
    }
    let usage = host.containerizer().usage(&id("c")).unwrap();
    assert!(usage.threads == Some(1) && usage.mem_total_bytes > Some(0) && usage.cpus_user_secs.is_some(), "{usage:?}");
    let limits = Limits { cpus: 2.0, cpu_limit: Some(f64::INFINITY), memory: 128 << 20, ..Limits::default() };
    host.containerizer().update(&id("c"), limits).unwrap();
    let changed = ["cpu.weight", "cpu.max", "memory.max", "pids.max"].map(|file| value(&host, "c", file));
    assert_eq!(changed, ["200", "max 100000", &(128 << 20).to_string(), "max"]);
}

/// The kernel allows limited children only where the parent has no processes of its own, which are in a leaf.
#[test]
fn a_nested_container_has_limits_of_its_own() {
    let Some(mut host) = pure_v2("a_nested_container_has_limits_of_its_own") else { return };
    let mut launch = host.shell("c", "exec sleep 1000");
    launch.limits = Limits { cpus: 1.0, memory: 256 << 20, ..Limits::default() };
    host.launch(launch);
    let limits = Limits { cpus: 0.5, memory: 40 << 20, pids: Some(20), ..Limits::default() };
    host.containerizer().launch(nested(&host, "stays", "exec sleep 1000", limits.clone())).unwrap();
    assert!(matches!(host.event(), Event::Launched { .. }));
    assert_eq!(value(&host, "c/mesos/stays", "memory.max"), (40 << 20).to_string());
    assert_eq!(value(&host, "c/mesos/stays", "pids.max"), "20");
    assert_eq!(value(&host, "c/mesos/stays", "cpu.weight"), "50");

    // Its parent goes on, whose counters include those of the child.
    let greedy = "sh -c 'x=$(head -c 100000000 /dev/zero | tr \"\\0\" x); echo $x | wc -c'; sleep 1000";
    host.containerizer().launch(nested(&host, "goes", greedy, limits.clone())).unwrap();
    assert!(matches!(host.event(), Event::Launched { .. }));
    let Event::Exited { id: ended, limitation: Some(limitation), .. } = host.event() else { panic!("it has a limit") };
    assert_eq!((ended, limitation.kind), (id("c.goes"), LimitationKind::Memory { limit: 40 << 20 }));
    assert_eq!(host.containerizer().containers(), [id("c"), id("c.stays")]);

    // The next agent finds the limits, also those of the nested container.
    host.restart();
    let alive: Vec<_> = host.containerizer().recovered().alive.into_iter().map(|(id, _)| id).collect();
    assert_eq!(alive, [id("c"), id("c.stays")]);
    host.containerizer().update(&id("c.stays"), Limits { memory: 48 << 20, ..limits }).unwrap();
    assert_eq!(value(&host, "c/mesos/stays", "memory.max"), (48 << 20).to_string());
    host.containerizer().destroy(&id("c")).unwrap();
    let ended = [host.event(), host.event()];
    assert!(ended.iter().all(|event| matches!(event, Event::Exited { limitation: None, .. })), "{ended:?}");
    assert!(host.cgroups().is_empty());
}

/// The kernel refuses what the program that is attached to the cgroup does not allow.
#[test]
fn devices_are_limited_by_a_program() {
    let Some(host) = pure_v2("devices_are_limited_by_a_program") else { return };
    let command = "head -c 1 /dev/zero > /dev/null && echo zero; (exec 3< /dev/kmsg) || echo refused; \
                   mknod node c 1 3 && echo made; (exec 3< /dev/vda) || echo refused";
    host.launch(host.shell("c", command));
    assert_eq!(host.exited("c"), Some(0));
    assert_eq!(host.read("c", "stdout"), "zero\nrefused\nmade\nrefused\n");
}

/// A container that is frozen, as a checkpoint or an operator may leave it, can still be ended.
#[test]
fn a_frozen_container_can_be_destroyed() {
    let Some(host) = pure_v2("a_frozen_container_can_be_destroyed") else { return };
    let pid = host.launch(host.shell("c", "exec sleep 1000"));
    let path = format!("/sys/fs/cgroup/{}/c", host.config.cgroups_root);
    fs::write(format!("{path}/cgroup.freeze"), "1").unwrap();
    until(|| value(&host, "c", "cgroup.events").contains("frozen 1").then_some(()));
    host.containerizer().destroy(&id("c")).unwrap();
    assert_eq!(host.exited("c"), Some(9));
    assert!(!is_alive(pid) && host.cgroups().is_empty());
}

/// The events of the kernel are counted on every machine; those of the processor only where it has counters.
#[test]
fn performance_events_are_counted() {
    let test = "performance_events_are_counted";
    let Some(mut host) = linux(test, &["cgroups/perf_event"]) else { return };
    host.config.perf = containerizer::PerfConfig {
        events: ["task-clock", "context-switches", "page-faults", "cycles"].map(str::to_owned).to_vec(),
        interval: std::time::Duration::from_millis(300),
        duration: std::time::Duration::from_millis(200),
    };
    host.restart();
    let missing = host.containerizer().missing_isolation();
    if let Some(why) = missing.iter().find(|sentence| sentence.contains("'task-clock'")) {
        return skip(test, why);
    }
    host.launch(host.shell("c", "while :; do sh -c :; done"));
    host.launch(host.shell("idle", "exec sleep 1000"));
    let perf = |name: &str| host.containerizer().usage(&id(name)).unwrap().perf;
    let counted = until(|| perf("c").filter(|usage| usage.values.iter().any(|(_, value)| *value > 0.0)));
    let value = |name: &str| counted.values.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
    assert!(counted.duration >= 0.2 && counted.timestamp > 0.0, "{counted:?}");
    assert!(value("task_clock") > Some(0.0) && value("page_faults") > Some(0.0), "{counted:?}");
    let has_processor_events = !missing.iter().any(|sentence| sentence.contains("'cycles'"));
    assert_eq!(value("cycles").is_some(), has_processor_events, "{missing:?}");
    let idle = until(|| perf("idle"));
    let faults = idle.values.iter().find(|(field, _)| *field == "page_faults").map(|(_, value)| *value);
    assert!(faults < value("page_faults"), "{idle:?}");

    host.config.perf.events = vec!["cycles".into(), "no-such-event".into()];
    let refused = host.try_restart().unwrap_err().to_string();
    assert!(refused.starts_with("Invalid perf events: { cycles, no-such-event }: 'no-such-event'"), "{refused}");
    host.config.perf.events.clear();
}
