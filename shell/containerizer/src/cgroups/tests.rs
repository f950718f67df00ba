//! Tests both versions against a kernel in memory: which values are written to which files, in which order.

use std::path::Path;

use ids::ContainerId;

use super::{CgroupTree, ContainerCgroups, Controller, Hierarchies, Version};
use crate::isolation::{Isolation, Tracking};
use crate::kernel::fake::FakeKernel;
use crate::{Config, Error, Launcher, Limits, Usage};

const V1_FILES: &[(&str, &str)] = &[
    ("cgroup.procs", ""),
    ("cpu.shares", "1024"),
    ("cpu.cfs_period_us", "100000"),
    ("cpu.cfs_quota_us", "-1"),
    ("memory.limit_in_bytes", "9223372036854771712"),
    ("memory.soft_limit_in_bytes", "9223372036854771712"),
    ("memory.memsw.limit_in_bytes", "9223372036854771712"),
    ("memory.usage_in_bytes", "4096"),
    ("memory.stat", "total_rss 2048\ntotal_cache 1024\n"),
    ("pids.max", "max"),
    ("freezer.state", "THAWED"),
    ("cpuset.cpus", ""),
    ("cpuset.mems", ""),
    ("devices.allow", ""),
    ("devices.deny", ""),
    ("net_cls.classid", "0"),
];

const V2_FILES: &[(&str, &str)] = &[
    ("cgroup.procs", ""),
    ("cgroup.controllers", "cpuset cpu io memory pids"),
    ("cgroup.subtree_control", ""),
    ("cgroup.kill", ""),
    ("cpu.weight", "100"),
    ("cpu.max", "max 100000"),
    ("cpu.stat", "usage_usec 3000000\nuser_usec 2000000\nsystem_usec 1000000\nnr_throttled 7\n"),
    ("memory.low", "0"),
    ("memory.max", "max"),
    ("memory.swap.max", "max"),
    ("memory.oom.group", "0"),
    ("memory.current", "8192"),
    ("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n"),
    ("memory.stat", "anon 5000\nfile 3000\n"),
    ("pids.max", "max"),
    ("pids.current", "4"),
];

const V1_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
";

const V2_MOUNTS: &str = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

fn v1() -> FakeKernel {
    let kernel = FakeKernel::with_mounts(V1_MOUNTS);
    for hierarchy in ["cpu,cpuacct", "memory", "freezer", "pids"] {
        kernel.hierarchy(&format!("/sys/fs/cgroup/{hierarchy}"), V1_FILES);
    }
    kernel
}

fn v2() -> FakeKernel {
    let kernel = FakeKernel::with_mounts(V2_MOUNTS);
    kernel.hierarchy("/sys/fs/cgroup", V2_FILES);
    kernel
}

/// The hybrid mode of systemd: v2 tracks processes, v1 has the controllers.
fn hybrid() -> FakeKernel {
    let kernel = v1();
    let mounts = format!("{V1_MOUNTS}41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    kernel.file("/proc/self/mountinfo", &mounts);
    kernel.hierarchy(
        "/sys/fs/cgroup/unified",
        &[("cgroup.procs", ""), ("cgroup.controllers", "hugetlb"), ("cgroup.kill", "")],
    );
    kernel
}

fn config() -> Config {
    let isolation = ["cgroups/cpu", "cgroups/mem", "cgroups/pids"].map(str::to_owned).to_vec();
    Config { launcher: Launcher::Linux, isolation, ..Config::default() }
}

fn tree(kernel: &FakeKernel) -> CgroupTree {
    let Tracking::Cgroups(tree) = Isolation::prepare(kernel, &config()).unwrap().tracking else {
        panic!("the linux launcher tracks by cgroups");
    };
    tree
}

fn group_without_log(kernel: &FakeKernel) -> ContainerCgroups {
    let tree = tree(kernel);
    let group = tree.group(&ContainerId::new("c"));
    group.create(kernel, &tree).unwrap();
    group
}

fn group(kernel: &FakeKernel) -> ContainerCgroups {
    let group = group_without_log(kernel);
    kernel.log();
    group
}

fn limits() -> Limits {
    Limits { cpus: 0.5, memory: 64 << 20, pids: Some(100), ..Limits::default() }
}

#[derive(Clone, Copy)]
struct Options {
    cfs: bool,
    swap: bool,
}

const PLAIN: Options = Options { cfs: false, swap: false };

/// Sets all limits in the order of the isolators.
fn limit(group: &ContainerCgroups, kernel: &FakeKernel, limits: &Limits, options: Options, first: bool) {
    group.limit_cpu(kernel, limits, options.cfs).unwrap();
    group.limit_memory(kernel, limits, options.swap, first).unwrap();
    group.limit_pids(kernel, limits).unwrap();
}

fn usage(kernel: &FakeKernel) -> Usage {
    let isolation = Isolation::prepare(kernel, &config()).unwrap();
    let (id, group) = (ContainerId::new("c"), group(kernel));
    isolation.isolators.usage(&Isolation::context(kernel, &id, Some(&group), None), &limits())
}

fn check(kernel: &FakeKernel, limits: Limits, options: Options, expect: &[&str]) {
    limit(&group(kernel), kernel, &limits, options, true);
    assert_eq!(kernel.log(), expect);
}

#[test]
fn controllers_are_found_wherever_they_are() {
    let location = |kernel: &FakeKernel, controller| {
        let hierarchies = Hierarchies::detect(kernel, Path::new("/sys/fs/cgroup")).unwrap();
        hierarchies.location(controller).map(|(version, path)| (version, path.display().to_string()))
    };
    let v1_cpu = Some((Version::V1, "/sys/fs/cgroup/cpu,cpuacct".to_owned()));
    assert_eq!(location(&v1(), Controller::Cpu), v1_cpu);
    assert_eq!(location(&hybrid(), Controller::Cpuacct), v1_cpu);
    let unified = Some((Version::V2, "/sys/fs/cgroup".to_owned()));
    for controller in [Controller::Cpu, Controller::Cpuacct, Controller::Memory, Controller::Freezer] {
        assert_eq!(location(&v2(), controller), unified);
    }
    let elsewhere = Hierarchies::detect(&v1(), Path::new("/other")).unwrap();
    assert_eq!(elsewhere, Hierarchies::default());
}

#[test]
fn limits_in_v1() {
    check(
        &v1(),
        limits(),
        PLAIN,
        &[
            "/sys/fs/cgroup/cpu,cpuacct/mesos/c/cpu.shares = 512",
            "/sys/fs/cgroup/memory/mesos/c/memory.soft_limit_in_bytes = 67108864",
            "/sys/fs/cgroup/memory/mesos/c/memory.limit_in_bytes = 67108864",
            "/sys/fs/cgroup/pids/mesos/c/pids.max = 100",
        ],
    );
}

#[test]
fn revocable_processors_have_a_low_priority() {
    let revocable = Limits { low_priority: true, ..limits() };
    let first = |kernel: FakeKernel| {
        limit(&group(&kernel), &kernel, &revocable, PLAIN, true);
        kernel.log().remove(0)
    };
    assert_eq!(first(v1()), "/sys/fs/cgroup/cpu,cpuacct/mesos/c/cpu.shares = 5");
    assert_eq!(first(v2()), "/sys/fs/cgroup/mesos/c/cpu.weight = 1");
}

#[test]
fn limits_in_v2() {
    check(
        &v2(),
        limits(),
        Options { cfs: true, swap: true },
        &[
            "/sys/fs/cgroup/mesos/c/cpu.weight = 50",
            "/sys/fs/cgroup/mesos/c/cpu.max = 50000 100000",
            "/sys/fs/cgroup/mesos/c/memory.low = 67108864",
            "/sys/fs/cgroup/mesos/c/memory.max = 67108864",
            "/sys/fs/cgroup/mesos/c/memory.swap.max = 0",
            "/sys/fs/cgroup/mesos/c/memory.oom.group = 1",
            "/sys/fs/cgroup/mesos/c/pids.max = 100",
        ],
    );
}

#[test]
fn the_least_of_everything() {
    check(
        &v1(),
        Limits::default(),
        Options { cfs: true, swap: true },
        &[
            "/sys/fs/cgroup/cpu,cpuacct/mesos/c/cpu.shares = 2",
            "/sys/fs/cgroup/cpu,cpuacct/mesos/c/cpu.cfs_period_us = 100000",
            "/sys/fs/cgroup/cpu,cpuacct/mesos/c/cpu.cfs_quota_us = 1000",
            "/sys/fs/cgroup/memory/mesos/c/memory.soft_limit_in_bytes = 33554432",
            "/sys/fs/cgroup/memory/mesos/c/memory.limit_in_bytes = 33554432",
            "/sys/fs/cgroup/memory/mesos/c/memory.memsw.limit_in_bytes = 33554432",
            "/sys/fs/cgroup/pids/mesos/c/pids.max = max",
        ],
    );
}

#[test]
fn a_limit_of_its_own_is_enforced_without_cfs_for_all() {
    let infinite = Limits { cpu_limit: Some(f64::INFINITY), memory_limit: Some(u64::MAX), ..limits() };
    check(
        &v2(),
        infinite,
        Options { cfs: true, swap: false },
        &[
            "/sys/fs/cgroup/mesos/c/cpu.weight = 50",
            "/sys/fs/cgroup/mesos/c/cpu.max = max 100000",
            "/sys/fs/cgroup/mesos/c/memory.low = 67108864",
            "/sys/fs/cgroup/mesos/c/memory.max = max",
            "/sys/fs/cgroup/mesos/c/memory.oom.group = 1",
            "/sys/fs/cgroup/mesos/c/pids.max = 100",
        ],
    );
    let kernel = v1();
    let group = group(&kernel);
    limit(&group, &kernel, &Limits { cpu_limit: Some(1.5), ..limits() }, PLAIN, true);
    assert!(kernel.log().contains(&"/sys/fs/cgroup/cpu,cpuacct/mesos/c/cpu.cfs_quota_us = 150000".to_owned()));
}

#[test]
fn memory_is_raised_but_not_lowered_under_a_running_task() {
    for kernel in [v1(), v2()] {
        let group = group(&kernel);
        limit(&group, &kernel, &limits(), PLAIN, true);
        limit(&group, &kernel, &Limits { memory: 128 << 20, ..limits() }, PLAIN, false);
        assert_eq!(group.memory_limit(&kernel), Some(128 << 20));
        limit(&group, &kernel, &Limits { memory: 64 << 20, ..limits() }, PLAIN, false);
        assert_eq!(group.memory_limit(&kernel), Some(128 << 20));
    }
}

#[test]
fn v2_controllers_are_passed_down_to_our_root() {
    let kernel = v2();
    tree(&kernel);
    let expect = ["cpu", "memory", "pids"].iter().flat_map(|controller| {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/mesos"].map(|path| format!("{path}/cgroup.subtree_control = +{controller}"))
    });
    let expect: Vec<String> = std::iter::once("mkdir /sys/fs/cgroup/mesos".to_owned()).chain(expect).collect();
    assert_eq!(kernel.log(), expect);
}

#[test]
fn missing_controllers_are_reported() {
    let kernel = v2();
    kernel.refuse("/sys/fs/cgroup/cgroup.subtree_control");
    let isolation = Isolation::prepare(&kernel, &config()).unwrap();
    assert_eq!(isolation.missing[1], "memory is not limited: no usable cgroup controller 'memory'");

    let kernel = v1().without_root();
    assert!(matches!(Isolation::prepare(&kernel, &config()), Err(Error::LinuxLauncher(_))));
    let auto = Config { launcher: Launcher::Auto, ..config() };
    let isolation = Isolation::prepare(&kernel, &auto).unwrap();
    assert!(matches!(isolation.tracking, Tracking::ProcessTree));
    assert!(isolation.missing.iter().any(|sentence| sentence.starts_with("cpu is not limited")));
    assert_eq!(kernel.log(), [""; 0], "without root nothing is changed");
}

#[test]
fn killing_in_v1_freezes_first() {
    let kernel = v1();
    let group = group(&kernel);
    kernel.file("/sys/fs/cgroup/freezer/mesos/c/cgroup.procs", "7\n8\n");
    assert!(!group.is_empty(&kernel));
    group.kill(&kernel);
    let state = "/sys/fs/cgroup/freezer/mesos/c/freezer.state";
    assert_eq!(
        kernel.log(),
        [format!("{state} = FROZEN"), "kill 7 9".into(), "kill 8 9".into(), format!("{state} = THAWED")]
    );
    assert!(group.is_empty(&kernel));
}

#[test]
fn killing_in_v2_is_one_write() {
    for (kernel, path) in [(v2(), "/sys/fs/cgroup"), (hybrid(), "/sys/fs/cgroup/unified")] {
        let group = group(&kernel);
        group.kill(&kernel);
        assert_eq!(kernel.log(), [format!("{path}/mesos/c/cgroup.kill = 1")]);
    }
}

#[test]
fn nested_cgroups_and_an_empty_root_are_removed() {
    use crate::kernel::Kernel;
    let kernel = v2();
    let tree = tree(&kernel);
    let (inner, other) = (tree.group(&ContainerId::new("c")), tree.group(&ContainerId::new("other")));
    inner.create(&kernel, &tree).unwrap();
    other.create(&kernel, &tree).unwrap();
    kernel.make_directory(Path::new("/sys/fs/cgroup/mesos/c/nested")).unwrap();
    kernel.log();
    inner.remove(&kernel).unwrap();
    assert_eq!(
        kernel.log(),
        ["rmdir /sys/fs/cgroup/mesos/c/leaf", "rmdir /sys/fs/cgroup/mesos/c/nested", "rmdir /sys/fs/cgroup/mesos/c"]
    );
    inner.remove(&kernel).unwrap();
    tree.remove_roots(&kernel);
    assert_eq!(kernel.log(), [""; 0], "another container is in it");
    other.remove(&kernel).unwrap();
    tree.remove_roots(&kernel);
    let other = ["other/leaf", "other"].map(|path| format!("rmdir /sys/fs/cgroup/mesos/{path}"));
    assert_eq!(kernel.log(), [&other[..], &["rmdir /sys/fs/cgroup/mesos".to_owned()]].concat());
}

#[test]
fn a_missing_root_is_created_again() {
    let kernel = hybrid();
    let tree = tree(&kernel);
    tree.remove_roots(&kernel);
    tree.group(&ContainerId::new("c")).create(&kernel, &tree).unwrap();
    assert!(kernel.log().contains(&"mkdir /sys/fs/cgroup/unified/mesos/c".to_owned()));
}

/// The agent is killed after each change that it makes for two containers, from the first cgroup to the last. The next
/// agent finds and removes what is left by the cgroups alone.
#[test]
fn whenever_the_agent_is_killed_the_next_one_removes_the_cgroups() {
    use crate::kernel::Kernel;
    for tracking in ["/sys/fs/cgroup/freezer", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let make = match tracking {
            "/sys/fs/cgroup/freezer" => v1,
            "/sys/fs/cgroup" => v2,
            _ => hybrid,
        };
        let mut changes = 0;
        loop {
            let kernel = make();
            kernel.end_after(changes);
            let work = || -> Result<(), Error> {
                let Tracking::Cgroups(tree) = Isolation::prepare(&kernel, &config())?.tracking else {
                    panic!("cgroups")
                };
                for (id, pid) in [("c", "7"), ("d", "8")] {
                    let group = tree.group(&ContainerId::new(id));
                    group.create(&kernel, &tree)?;
                    group.limit_cpu(&kernel, &limits(), true)?;
                    group.limit_memory(&kernel, &limits(), true, true)?;
                    kernel.file(&format!("{tracking}/mesos/{id}/cgroup.procs"), pid);
                    let nested = tree.group(&ContainerId::new(format!("{id}.n")));
                    nested.create(&kernel, &tree)?;
                    let removed = nested.remove(&kernel);
                    removed.map_err(Error::io("cannot remove", tracking))?;
                    group.kill(&kernel);
                    kernel.file(&format!("{tracking}/mesos/{id}/cgroup.procs"), "");
                    group.remove(&kernel).map_err(Error::io("cannot remove", tracking))?;
                }
                Ok(())
            };
            let _ = work();
            let was_killed = kernel.restart();
            let tree = tree(&kernel);
            for id in tree.containers(&kernel) {
                let group = tree.group(&id);
                group.kill(&kernel);
                // The processes have ended.
                kernel.file(&format!("{tracking}/mesos/{id}/cgroup.procs"), "");
                group.remove(&kernel).unwrap();
            }
            tree.remove_roots(&kernel);
            for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", tracking] {
                let left = kernel.subdirectories(Path::new(root)).unwrap();
                let ours = left.iter().filter(|path| path.ends_with("mesos")).count();
                assert_eq!(ours, 0, "after {changes} changes: {left:?}");
            }
            if !was_killed {
                assert!(changes > 10);
                break;
            }
            changes += 1;
        }
    }
}

#[test]
fn a_container_with_processes_is_not_removed() {
    let kernel = v2();
    let group = group(&kernel);
    kernel.file("/sys/fs/cgroup/mesos/c/cgroup.procs", "7\n");
    assert!(group.remove(&kernel).is_err());
}

#[test]
fn usage_is_read_from_the_controllers() {
    let measured = usage(&v2());
    assert_eq!((measured.cpus_user_secs, measured.cpus_system_secs), (Some(2.0), Some(1.0)));
    assert_eq!((measured.mem_total_bytes, measured.mem_rss_bytes), (Some(8192), Some(5000)));
    assert_eq!((measured.cpus_nr_throttled, measured.threads), (Some(7), Some(4)));
    // Without CFS there is no limit.
    assert_eq!((usage(&v1()).cpus_soft_limit, usage(&v1()).cpus_limit), (Some(0.5), None));
    assert_eq!(usage(&v1()).mem_limit_bytes, Some(64 << 20));
}

#[test]
fn a_nested_container_is_tracked_below_its_parent_and_shares_its_limits() {
    let kernel = v1();
    let tree = tree(&kernel);
    let parent = ContainerId::new("c");
    tree.group(&parent).create(&kernel, &tree).unwrap();
    kernel.log();
    let child = tree.group(&parent.child("n").unwrap());
    child.create(&kernel, &tree).unwrap();
    let freezer = "/sys/fs/cgroup/freezer/mesos/c/mesos";
    assert_eq!(kernel.log(), [format!("mkdir {freezer}"), format!("mkdir {freezer}/n")]);
    let entered: Vec<String> = child.v1_directories().map(|path| path.display().to_string()).collect();
    let shared = ["cpu,cpuacct", "memory", "pids"].map(|name| format!("/sys/fs/cgroup/{name}/mesos/c"));
    assert_eq!(entered, [&[format!("{freezer}/n")][..], &shared].concat());
    limit(&child, &kernel, &limits(), PLAIN, true);
    assert_eq!(kernel.log(), [""; 0]);
}

#[test]
fn a_nested_container_with_limits_has_controllers_in_v2() {
    let kernel = v2();
    let tree = tree(&kernel);
    let parent = ContainerId::new("c");
    let group = tree.group(&parent);
    group.create(&kernel, &tree).unwrap();
    let leaf = Some(Path::new("/sys/fs/cgroup/mesos/c/leaf"));
    assert_eq!(group.v2_directory(), leaf, "its own cgroup stays free of processes");
    kernel.log();
    let child = tree.limited_group(&parent.child("n").unwrap());
    child.create(&kernel, &tree).unwrap();
    let own = "/sys/fs/cgroup/mesos/c";
    let passed_on = ["cpu", "memory", "pids"].iter().flat_map(|controller| {
        [own.to_owned(), format!("{own}/mesos")].map(|path| format!("{path}/cgroup.subtree_control = +{controller}"))
    });
    let expect: Vec<String> = std::iter::once(format!("mkdir {own}/mesos"))
        .chain(passed_on)
        .chain([format!("mkdir {own}/mesos/n"), format!("mkdir {own}/mesos/n/leaf")])
        .collect();
    assert_eq!(kernel.log(), expect);
    limit(&child, &kernel, &limits(), PLAIN, true);
    assert_eq!(kernel.log()[0], format!("{own}/mesos/n/cpu.weight = 50"));
}

/// An agent in a unit of systemd with `Delegate=yes` changes nothing outside of the cgroup of the unit.
#[test]
fn a_delegated_cgroup_is_not_left() {
    let unit = "/sys/fs/cgroup/system.slice/tepui-agent.service";
    let delegated = |own: &str| {
        let kernel = v2();
        for path in ["/sys/fs/cgroup/system.slice", unit, &format!("{unit}/inner")] {
            crate::kernel::Kernel::make_directory(&kernel, Path::new(path)).unwrap();
        }
        kernel.file(&format!("{unit}/user.delegate"), "1");
        kernel.file("/proc/self/cgroup", &format!("0::{own}\n"));
        kernel.log();
        kernel
    };
    let kernel = delegated("/system.slice/tepui-agent.service");
    kernel.file(&format!("{unit}/cgroup.procs"), "42\n43\n");
    kernel.moves_processes();
    let group = group_without_log(&kernel);
    let log = kernel.log();
    assert_eq!(
        log[..4],
        [
            format!("mkdir {unit}/agent"),
            format!("{unit}/agent/cgroup.procs = 42"),
            format!("{unit}/agent/cgroup.procs = 43"),
            format!("mkdir {unit}/mesos")
        ]
    );
    assert!(log.iter().all(|call| call.trim_start_matches("mkdir ").starts_with(unit)), "{log:?}");
    assert_eq!(group.v2_directory(), Some(Path::new(&format!("{unit}/mesos/c/leaf"))));

    // With `DelegateSubgroup=`, systemd has put the agent into a child of the delegated cgroup.
    let kernel = delegated("/system.slice/tepui-agent.service/inner");
    assert_eq!(group_without_log(&kernel).v2_directory(), Some(Path::new(&format!("{unit}/mesos/c/leaf"))));
    assert_eq!(kernel.log()[0], format!("mkdir {unit}/mesos"));

    // In other units, the cgroups are below the root of the hierarchy, as without systemd.
    let kernel = delegated("/system.slice/other.service");
    assert_eq!(group_without_log(&kernel).v2_directory(), Some(Path::new("/sys/fs/cgroup/mesos/c/leaf")));
}

#[test]
fn a_root_outside_of_the_hierarchy_is_refused() {
    for root in ["", "/", "/mesos", "..", "a/../b", "."] {
        let config = Config { cgroups_root: root.into(), ..config() };
        assert!(matches!(Isolation::prepare(&v2(), &config), Err(Error::InvalidCgroupsRoot(_))), "{root:?}");
    }
}

/// The v1 controllers besides those of processors, memory and processes.
fn v1_with_all() -> FakeKernel {
    let kernel = v1();
    let more = ["blkio", "cpuset", "devices", "net_cls,net_prio"].iter().enumerate().map(|(number, name)| {
        format!("{} 31 0:{number} / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n", 50 + number)
    });
    kernel.file("/proc/self/mountinfo", &format!("{V1_MOUNTS}{}", more.collect::<String>()));
    for hierarchy in ["blkio", "cpuset", "devices", "net_cls,net_prio"] {
        kernel.hierarchy(&format!("/sys/fs/cgroup/{hierarchy}"), V1_FILES);
    }
    kernel.file("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-3\n");
    kernel.file("/sys/fs/cgroup/cpuset/cpuset.mems", "0\n");
    kernel
}

fn launch(id: &str) -> crate::Launch {
    crate::Launch {
        id: ContainerId::new(id),
        program: crate::Program::Path("/bin/true".into()),
        argv: vec!["true".into()],
        init: None,
        environment: Vec::new(),
        working_directory: "/".into(),
        user: None,
        limits: Limits::default(),
        rlimits: Vec::new(),
        binds: Vec::new(),
        requests: crate::Requests::default(),
        stdin: crate::Input::Nothing,
        terminal: None,
        nesting: None,
        stdout: crate::Output::Discard,
        stderr: crate::Output::Discard,
    }
}

/// Prepares a container with these isolators, and returns the calls besides those that make cgroups.
fn prepared(kernel: &FakeKernel, isolation: &Isolation, id: &str) -> Result<Vec<String>, Error> {
    let Tracking::Cgroups(tree) = &isolation.tracking else { panic!("the linux launcher tracks by cgroups") };
    let launch = launch(id);
    let group = tree.group(&launch.id);
    group.create(kernel, tree).unwrap();
    kernel.log();
    let context = Isolation::context(kernel, &launch.id, Some(&group), None);
    let mut spec = crate::launch_spec::LaunchSpec::new(&launch);
    isolation.isolators.prepare(&context, &launch, &mut spec)?;
    Ok(kernel.log())
}

fn isolation(kernel: &FakeKernel, names: &[&str]) -> Isolation {
    let isolation = names.iter().map(|name| (*name).to_owned()).collect();
    let handles = crate::parse_handles("0x12", Some("1,2")).ok();
    Isolation::prepare(kernel, &Config { isolation, net_cls_handles: handles, ..config() }).unwrap()
}

#[test]
fn a_v1_cpuset_has_the_processors_of_the_one_above() {
    let kernel = v1_with_all();
    let log = prepared(&kernel, &isolation(&kernel, &["cgroups/cpuset"]), "c").unwrap();
    let expect = ["cpus = 0-3", "mems = 0"]
        .iter()
        .flat_map(|value| ["mesos", "mesos/c"].map(|group| format!("/sys/fs/cgroup/cpuset/{group}/cpuset.{value}")));
    assert_eq!(log, expect.collect::<Vec<_>>());
    assert_eq!(prepared(&v2(), &isolation(&v2(), &["cgroups/cpuset"]), "c").unwrap(), [""; 0]);
}

#[test]
fn devices_are_denied_before_some_are_allowed() {
    let kernel = v1_with_all();
    let log = prepared(&kernel, &isolation(&kernel, &["cgroups/devices"]), "c").unwrap();
    assert_eq!(log[0], "/sys/fs/cgroup/devices/mesos/c/devices.deny = a");
    assert_eq!(log[1], "/sys/fs/cgroup/devices/mesos/c/devices.allow = c *:* m");
    assert!(log.contains(&"/sys/fs/cgroup/devices/mesos/c/devices.allow = c 1:3 rwm".to_owned()));
    let kernel = v2();
    let log = prepared(&kernel, &isolation(&kernel, &["cgroups/devices"]), "c").unwrap();
    assert!(log.len() == 1 && log[0].starts_with("/sys/fs/cgroup/mesos/c runs "), "{log:?}");
}

#[test]
fn each_container_has_a_class_of_packets() {
    let kernel = v1_with_all();
    let first = isolation(&kernel, &["cgroups/net_cls"]);
    let class =
        |id: &str, class: u32| vec![format!("/sys/fs/cgroup/net_cls,net_prio/mesos/{id}/net_cls.classid = {class}")];
    assert_eq!(prepared(&kernel, &first, "a").unwrap(), class("a", 0x12_0001));
    // The next agent finds the class in the kernel.
    let second = isolation(&kernel, &["cgroups/net_cls"]);
    let Tracking::Cgroups(tree) = &second.tracking else { panic!("it tracks by cgroups") };
    let (id, group) = (ContainerId::new("a"), tree.group(&ContainerId::new("a")));
    let context = Isolation::context(&kernel, &id, Some(&group), None);
    second.isolators.recover(&context);
    assert_eq!(second.isolators.usage(&context, &limits()).net_cls_classid, Some(0x12_0001));
    assert_eq!(prepared(&kernel, &second, "b").unwrap(), class("b", 0x12_0002));
    assert!(matches!(prepared(&kernel, &second, "c"), Err(Error::NoHandle(2))));
    second.isolators.cleanup(&context).unwrap();
    assert_eq!(prepared(&kernel, &second, "c").unwrap(), class("c", 0x12_0001));
}

#[test]
fn all_controllers_are_those_of_the_machine() {
    let check = |kernel: &FakeKernel, names: &[&str], missing: &[&str]| {
        let found = isolation(kernel, names).missing;
        let expect: Vec<String> = missing.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, expect, "{names:?}");
    };
    check(&v1_with_all(), &["cgroups/all"], &[]);
    check(&v2(), &["cgroups/all"], &[]);
    let class = "the class of network packets is not limited: no usable cgroup controller 'net_cls'";
    check(&v2(), &["cgroups/all", "cgroups/net_cls"], &[class]);
}
