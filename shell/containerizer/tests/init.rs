//! Programs that an init starts. This program is both the tests and the init, so it has no harness.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of a test")]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use common::{Host, id, is_root, skip, until};
use containerizer::{Error, Init, Launch, Launcher, Nesting, Output, Program, SealedProgram};
use rustix::process::{Pid, Signal, kill_process};
use testkit::process::is_alive;

/// The name of a test, for the case that it is skipped, and its function.
type Scenario = (&'static str, fn(&str));

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("container-init") {
        return executor::init();
    }
    let scenarios: [Scenario; 9] = [
        ("orphans_are_reaped", orphans_are_reaped),
        ("a_signal_has_its_default_action", a_signal_has_its_default_action),
        ("the_status_is_that_of_the_program", the_status_is_that_of_the_program),
        ("a_program_that_cannot_be_executed_reports_it", a_program_that_cannot_be_executed_reports_it),
        ("an_init_is_small", an_init_is_small),
        ("without_cgroups_no_daemon_escapes", without_cgroups_no_daemon_escapes),
        ("a_nested_container_sees_what_its_parent_sees", a_nested_container_sees_what_its_parent_sees),
        ("a_later_agent_recovers_the_end_of_a_nested_container", a_later_agent_recovers_the_end_of_a_nested_container),
        ("a_daemon_without_an_init_is_known_by_its_environment", a_daemon_is_found_by_its_environment),
    ];
    for (name, scenario) in scenarios {
        scenario(name);
        println!("scenario {name} ... ok");
    }
    ExitCode::SUCCESS
}

fn posix() -> Host {
    Host::new(Launcher::Posix, &[]).unwrap()
}

/// Returns a host with pid namespaces; `None`, with a message, where the machine has none.
fn linux(test: &str) -> Option<Host> {
    if !is_root() {
        skip(test, "it needs root");
        return None;
    }
    match Host::new(Launcher::Linux, &["cgroups/cpu", "namespaces/pid"]) {
        Ok(host) => Some(host),
        Err(error @ Error::LinuxLauncher(_)) => {
            skip(test, &error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn with_init(launch: Launch) -> Launch {
    let program = SealedProgram::copy_of(&std::env::current_exe().unwrap()).unwrap();
    let argv = vec!["init".into(), "container-init".into()];
    Launch { init: Some(Init { program: Arc::new(program), argv }), ..launch }
}

/// Returns the pids and states of the children of a process.
fn children(parent: u32) -> Vec<(u32, String)> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let child = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?.to_owned();
        (fields.next()?.parse() == Ok(parent)).then_some((pid, state))
    };
    pids.filter_map(child).collect()
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn orphans_are_reaped(test: &str) {
    let Some(host) = linux(test) else { return };
    // `sleep` does not reap its children.
    let command = "(sh -c 'echo $$ > orphan' &); echo $$ $PPID; exec sleep 1000";
    let pid = host.launch(with_init(host.shell("c", command)));
    assert_eq!(host.read("c", "stdout").trim().split(' ').nth(1), Some("1"), "the init is the first process");
    host.read("c", "orphan");
    until(|| match children(pid).as_slice() {
        [(_, state)] if state != "Z" => Some(()),
        _ => None,
    });
    host.containerizer().destroy(&id("c")).unwrap();
    host.exited("c");
}

fn a_signal_has_its_default_action(test: &str) {
    let Some(host) = linux(test) else { return };
    // The process signals itself, which the first process of a namespace would not notice.
    host.launch(with_init(host.shell("c", "kill -TERM $$; sleep 1000")));
    assert_eq!(host.exited("c"), Some(Signal::TERM.as_raw()));
    // The signal comes from outside, to the pid of the container there.
    let pid = host.launch(with_init(host.shell("d", "echo ready; exec sleep 1000")));
    host.read("d", "stdout");
    signal(pid, Signal::TERM);
    assert_eq!(host.exited("d"), Some(Signal::TERM.as_raw()));
    assert!(host.cgroups().is_empty());
}

fn the_status_is_that_of_the_program(test: &str) {
    let Some(linux) = linux(test) else { return };
    for mut host in [posix(), linux] {
        host.launch(with_init(host.shell("c", "exit 7")));
        assert_eq!(host.exited("c"), Some(7 << 8));
        host.launch(with_init(host.shell("d", "kill -USR1 $$")));
        assert_eq!(host.exited("d"), Some(Signal::USR1.as_raw()));
        // An agent that was not running learns the status as well, because the init has written it.
        let pid = host.launch(with_init(host.shell("e", "echo ready; while [ ! -e go ]; do sleep 0.01; done; exit 9")));
        host.read("e", "stdout");
        host.containerizer = None;
        fs::write(host.sandbox("e").join("go"), "").unwrap();
        until(|| (!is_alive(pid)).then_some(()));
        host.restart();
        assert_eq!(host.containerizer().recovered().ended, [(id("e"), 9 << 8)]);
        until(|| host.containerizer().containers().is_empty().then_some(()));
    }
}

fn a_program_that_cannot_be_executed_reports_it(_: &str) {
    let host = posix();
    let mut launch = with_init(host.shell("c", ""));
    launch.program = Program::Path(PathBuf::from("/no/such/program"));
    host.launch(launch);
    assert_eq!(host.exited("c"), Some(126 << 8));
    let stderr = host.read("c", "stderr");
    assert!(stderr.contains("/no/such/program: No such file or directory"), "{stderr}");
}

fn an_init_is_small(_: &str) {
    const BOUND_KB: u64 = 1500;
    let host = posix();
    let pid = host.launch(with_init(host.shell("c", "exec sleep 1000")));
    until(|| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        let private = rollup.lines().filter(|line| line.starts_with("Private_"));
        let kb: u64 = private.filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()).sum();
        (kb > 0 && kb < BOUND_KB).then_some(())
    });
    host.containerizer().destroy(&id("c")).unwrap();
    host.exited("c");
}

/// A command that leaves its session and its parents.
const DAEMON: &str = "setsid sh -c 'setsid sleep 1000 & echo $! > daemon'";

fn without_cgroups_no_daemon_escapes(_: &str) {
    let host = posix();
    let daemon = |id: &str| host.read(id, "daemon").trim().parse::<u32>().unwrap();
    // The agent kills the container.
    let pid = host.launch(with_init(host.shell("c", &format!("{DAEMON}; exec sleep 1000"))));
    let escaped = daemon("c");
    until(|| children(pid).iter().any(|(child, _)| *child == escaped).then_some(()));
    host.containerizer().destroy(&id("c")).unwrap();
    host.exited("c");
    assert!(!is_alive(escaped));
    // The program ends by itself.
    host.launch(with_init(host.shell("d", &format!("{DAEMON}; exit 3"))));
    assert_eq!(host.exited("d"), Some(3 << 8));
    assert!(!is_alive(daemon("d")));
}

fn a_daemon_is_found_by_its_environment(_: &str) {
    let host = posix();
    let mut launch = host.shell("c", &format!("{DAEMON}; exit 0"));
    launch.environment.push(("MESOS_DIRECTORY".into(), host.sandbox("c").into()));
    host.launch(launch);
    assert_eq!(host.exited("c"), Some(0));
    let escaped = host.read("c", "daemon").trim().parse().unwrap();
    assert!(!is_alive(escaped));
}

/// Returns a nested container that says `ready` and then runs a command.
fn nested(host: &Host, id: &str, command: &str, nesting: Nesting) -> Launch {
    let mut launch = Launch { nesting: Some(nesting), ..with_init(host.shell(id, command)) };
    // The processes are known by it if their init is killed.
    let runs = host.directory.path().join("slaves/S/frameworks/F/executors/e/runs");
    launch.environment.push(("MESOS_DIRECTORY".into(), runs.join(launch.id.path("containers")).into()));
    launch
}

fn a_nested_container_sees_what_its_parent_sees(test: &str) {
    let Some(host) = linux(test) else { return };
    // The mount is in the namespace of the parent only.
    let command = "mkdir data; mount -t tmpfs none data; echo mounted > data/file; echo ready; exec sleep 1000";
    host.launch(host.shell("c", command));
    host.read("c", "stdout");
    let seen = format!(
        "cat {}/data/file; tr '\\0' ' ' < /proc/1/cmdline; echo; cat /proc/self/cgroup",
        host.sandbox("c").display()
    );
    let is_cpu = |line: &str| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == "cpu"));
    let run_with = |id: &str, nesting: Nesting, share_pid_namespace: bool| {
        let mut launch = nested(&host, id, &seen, nesting);
        launch.requests.share_pid_namespace = share_pid_namespace;
        host.launch(launch);
        assert_eq!(host.exited(id), Some(0), "{}", host.read(id, "stderr"));
        let output = host.read(id, "stdout");
        let mut lines = output.lines().map(str::to_owned);
        assert_eq!(lines.next().as_deref(), Some("mounted"));
        (lines.next().unwrap(), lines.filter(|line| is_cpu(line)).collect::<Vec<_>>())
    };
    let run = |id: &str, nesting: Nesting| run_with(id, nesting, false);
    let (first, cgroup) = run("c.own", Nesting::default());
    assert!(first.starts_with("init container-init"), "it has a pid namespace of its own: {first}");
    assert!(cgroup.iter().all(|line| line.ends_with("/c")), "it has the limits of its parent: {cgroup:?}");
    for (id, nesting, shares) in
        [("c.shares", Nesting::default(), true), ("c.session", Nesting { session: true, ..Nesting::default() }, false)]
    {
        let (first, _) = run_with(id, nesting, shares);
        assert_eq!(first.trim(), "sleep 1000", "it has the pid namespace of its parent");
    }
    let controller_in_v1 = !cgroup.is_empty();
    if controller_in_v1 {
        let (_, cgroup) = run("c.limits", Nesting { own_cgroups: true, ..Nesting::default() });
        assert!(cgroup.iter().all(|line| line.ends_with("/c/mesos/limits")), "{cgroup:?}");
    }
    // It ends with its parent, in which it can still be running.
    host.launch(nested(&host, "c.n", "exec sleep 1000", Nesting::default()));
    let inner = nested(&host, "c.n.m", "exec sleep 1000", Nesting::default());
    host.launch(Launch { stdout: Output::Discard, stderr: Output::Discard, ..inner });
    host.containerizer().destroy(&id("c")).unwrap();
    assert_eq!((host.exited("c.n.m"), host.exited("c.n"), host.exited("c")), (Some(9), Some(9), Some(9)));
    assert!(host.cgroups().is_empty());
    let late = host.containerizer().launch(nested(&host, "c.late", "true", Nesting::default())).unwrap_err();
    assert!(late.to_string().contains("'c' does not run"), "{late}");
}

fn a_later_agent_recovers_the_end_of_a_nested_container(test: &str) {
    let Some(linux) = linux(test) else { return };
    for mut host in [posix(), linux] {
        host.launch(host.shell("c", "exec sleep 1000"));
        let described = |text: &str| Nesting { description: text.as_bytes().to_vec(), ..Nesting::default() };
        host.launch(nested(&host, "c.before", "exit 3", described("before")));
        assert_eq!(host.exited("c.before"), Some(3 << 8));
        let waits = "echo ready; while [ ! -e go ]; do sleep 0.01; done; exit 4";
        let meanwhile = host.launch(nested(&host, "c.meanwhile", waits, described("meanwhile")));
        let runs = host.launch(nested(&host, "c.runs", "echo ready; exec sleep 1000", described("runs")));
        let killed = host.launch(nested(&host, "c.killed", "echo ready; exec sleep 1000", described("killed")));
        for id in ["c.meanwhile", "c.runs", "c.killed"] {
            host.read(id, "stdout");
        }
        host.containerizer = None;
        fs::write(host.sandbox("c.meanwhile").join("go"), "").unwrap();
        until(|| (!is_alive(meanwhile)).then_some(()));
        signal(killed, Signal::KILL);
        until(|| (!is_alive(killed)).then_some(()));
        host.restart();
        let check = |host: &Host| {
            let found = host.containerizer().recovered().described;
            let one = |c: &containerizer::DescribedContainer| {
                (c.id.to_string(), String::from_utf8_lossy(&c.description).into_owned(), c.pid, c.status)
            };
            let expect = [
                ("c.before", "before", None, Some(3 << 8)),
                ("c.killed", "killed", None, Some(9)),
                ("c.meanwhile", "meanwhile", None, Some(4 << 8)),
                ("c.runs", "runs", Some(runs), None),
            ];
            let expect = expect.map(|(id, text, pid, status)| (id.to_owned(), text.to_owned(), pid, status));
            assert_eq!(found.iter().map(one).collect::<Vec<_>>(), expect);
        };
        check(&host);
        host.containerizer = None;
        host.restart();
        check(&host);
        assert!(host.containerizer().remove(&id("c.runs")).is_err());
        host.containerizer().remove(&id("c.before")).unwrap();
        host.containerizer().remove(&id("c.before")).unwrap();
        host.containerizer().signal(&id("c.runs"), 15).unwrap();
        assert_eq!(host.exited("c.runs"), Some(15));
        host.containerizer().destroy(&id("c")).unwrap();
        host.exited("c");
        host.restart();
        assert!(host.containerizer().recovered().described.is_empty());
    }
}
