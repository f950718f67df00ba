//! The posix launcher, which works without root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of a test")]

mod common;

use std::path::PathBuf;

use common::{Host, id, until};
use containerizer::{Event, Launcher, Output, Program, Rlimit, RlimitKind, Rotation};
use testkit::process::is_alive;

fn posix() -> Host {
    Host::new(Launcher::Posix, &["posix/rlimits"]).unwrap()
}

#[test]
fn a_command_runs_to_its_end() {
    let host = posix();
    host.launch(host.shell("c", "echo out; echo err >&2; pwd; exit 3"));
    assert_eq!(host.exited("c"), Some(3 << 8));
    let sandbox = host.sandbox("c");
    assert_eq!(host.read("c", "stdout"), format!("out\n{}\n", sandbox.display()));
    assert_eq!(host.read("c", "stderr"), "err\n");
    assert!(host.containerizer().containers().is_empty());
    assert!(!host.directory.path().join("run/containers/c").exists());
}

#[test]
fn nothing_of_the_agent_is_inherited() {
    let host = posix();
    let mut launch = host.shell("c", "env | grep -v -e ^PWD= -e ^_= | sort; ls /proc/self/fd | tr '\\n' ' '; echo; umask; grep SigIgn /proc/self/status; grep SigBlk /proc/self/status");
    launch.environment.push(("A".into(), "b".into()));
    // The descriptor is leaked on purpose.
    let leaked = rustix::io::fcntl_dupfd_cloexec(std::fs::File::open("/dev/null").unwrap(), 50).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    host.launch(launch);
    host.exited("c");
    let expected = "A=b\nPATH=/usr/bin:/bin\n0 1 2 3 \n0022\nSigIgn:\t0000000000000000\nSigBlk:\t0000000000000000\n";
    assert_eq!(host.read("c", "stdout"), expected, "descriptor 3 is the directory that ls lists");
}

#[test]
fn a_program_that_does_not_exist_fails_the_launch() {
    let host = posix();
    let mut launch = host.shell("c", "");
    launch.program = Program::Path(PathBuf::from("/no/such/program"));
    host.containerizer().launch(launch).unwrap();
    let Event::LaunchFailed { id, reason } = host.event() else { panic!("it cannot run") };
    assert_eq!(
        (id.as_str(), reason.as_str()),
        ("c", "cannot execute its program: No such file or directory (os error 2)")
    );
    assert!(host.containerizer().containers().is_empty());
}

#[test]
fn a_working_directory_that_does_not_exist_fails_the_launch() {
    let host = posix();
    let mut launch = host.shell("c", "");
    launch.working_directory = "/no/such/directory".into();
    host.containerizer().launch(launch).unwrap();
    let Event::LaunchFailed { reason, .. } = host.event() else { panic!("it cannot run") };
    assert!(reason.starts_with("cannot enter its working directory: "), "{reason}");
}

#[test]
fn destroying_kills_the_whole_tree() {
    let host = posix();
    // The command starts a child in the session, one in a session of its own, and one that loses its parent.
    let command = "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; (sleep 1000 & echo $!); echo done; wait";
    let pid = host.launch(host.shell("c", command));
    let output = until(|| Some(host.read("c", "stdout")).filter(|text| text.ends_with("done\n")));
    let mut pids: Vec<u32> = output.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(pids.len(), 3);
    pids.push(pid);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    host.containerizer().destroy(&id("c")).unwrap();
    assert_eq!(host.exited("c"), Some(9));
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "when it is reported, nothing is left");
}

#[test]
fn with_the_first_process_the_session_ends() {
    let host = posix();
    host.launch(host.shell("c", "sleep 1000 & echo $!"));
    assert_eq!(host.exited("c"), Some(0));
    let child: u32 = host.read("c", "stdout").trim().parse().unwrap();
    assert!(!is_alive(child));
}

#[test]
fn rlimits_are_set() {
    let host = posix();
    let mut launch = host.shell("c", "ulimit -n; ulimit -c");
    launch.rlimits = vec![
        Rlimit { kind: RlimitKind::Nofile, soft: Some(77), hard: Some(77) },
        Rlimit { kind: RlimitKind::Core, soft: Some(0), hard: Some(0) },
    ];
    host.launch(launch);
    host.exited("c");
    assert_eq!(host.read("c", "stdout"), "77\n0\n");
}

#[test]
fn requests_without_an_isolator_are_refused() {
    let host = Host::new(Launcher::Posix, &[]).unwrap();
    let mut launch = host.shell("c", "true");
    launch.rlimits = vec![Rlimit { kind: RlimitKind::Nofile, soft: Some(77), hard: Some(77) }];
    host.containerizer().launch(launch).unwrap();
    let Event::LaunchFailed { reason, .. } = host.event() else { panic!("it would have more files than asked for") };
    assert!(reason.contains("'posix/rlimits'") && reason.contains("--isolation"), "{reason}");
}

#[test]
fn a_nested_container_lives_in_its_parent() {
    let host = posix();
    let mut child = host.shell("n", "exec sleep 1000");
    child.id = id("c.n");
    let refused = host.containerizer().launch(child.clone());
    assert!(matches!(refused, Err(containerizer::Error::NoParent(parent)) if parent == "c"));
    host.launch(host.shell("c", "exec sleep 1000"));
    let pid = host.launch(child);
    assert!(host.directory.path().join("run/containers/c/containers/n/state").is_file());
    host.containerizer().destroy(&id("c")).unwrap();
    assert_eq!(host.exited("c.n"), Some(9));
    assert_eq!(host.exited("c"), Some(9));
    assert!(!is_alive(pid));
}

#[test]
fn an_id_is_used_once() {
    let host = posix();
    host.launch(host.shell("c", "exec sleep 1000"));
    let again = host.containerizer().launch(host.shell("c", "true"));
    assert!(matches!(again, Err(containerizer::Error::AlreadyExists(_))));
    assert!(host.containerizer().destroy(&id("d")).is_err());
}

#[test]
fn a_restarted_agent_finds_its_containers() {
    let mut host = posix();
    let pid = host.launch(host.shell("stays", "exec sleep 1000"));
    let gone = host.launch(host.shell("goes", "exec sleep 1000"));
    host.containerizer = None;
    assert!(is_alive(pid), "a container does not end with the agent");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(gone.cast_signed()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    until(|| (!is_alive(gone)).then_some(()));
    host.restart();
    assert_eq!(host.containerizer().recovered().alive, [(id("stays"), pid)]);
    assert_eq!(host.containerizer().containers(), [id("stays")]);
    host.containerizer().destroy(&id("stays")).unwrap();
    host.exited("stays");
    assert!(!is_alive(pid));
}

/// The agent is killed after the process has started, and only the process itself has written a record.
#[test]
fn a_process_without_a_checkpoint_is_found() {
    let mut host = posix();
    let pid = host.launch(host.shell("recorded", "exec sleep 1000"));
    host.containerizer = None;
    std::fs::remove_file(host.directory.path().join("run/containers/recorded/state")).unwrap();
    host.restart();
    assert_eq!(host.containerizer().recovered().alive, [(id("recorded"), pid)]);
    host.containerizer().destroy(&id("recorded")).unwrap();
    host.exited("recorded");
    assert!(!is_alive(pid));
}

#[test]
fn usage_is_that_of_the_processes() {
    let host = posix();
    host.launch(host.shell("c", "sleep 1000 & echo ready; wait"));
    host.read("c", "stdout");
    let usage = host.containerizer().usage(&id("c")).unwrap();
    assert_eq!(usage.processes, Some(2));
    assert!(usage.mem_rss_bytes > Some(0));
    assert_eq!((usage.cpus_soft_limit, usage.cpus_limit), (Some(0.1), None), "without CFS there is no ceiling");
}

/// Returns a command that prints `count` numbered lines and then runs `then`.
fn lines(count: usize, then: &str) -> String {
    format!(
        "i=0; while [ $i -lt {count} ]; do echo \"line $i 0123456789012345678901234567890\"; i=$((i+1)); done; {then}"
    )
}

/// Returns the old files from the oldest on, followed by the file.
fn stream(stdout: &std::path::Path) -> String {
    let old =
        (1..1000).rev().map(|number| stdout.with_file_name(format!("stdout.{number}"))).filter(|path| path.exists());
    old.chain([stdout.to_owned()]).map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Waits until nothing is left to rotate.
fn settled(stdout: &std::path::Path) {
    until(|| {
        let small = stdout.metadata().unwrap().len() < 50_000;
        (small && !stdout.with_file_name("stdout.rotating").exists()).then_some(())
    });
}

fn check_stream(stdout: &std::path::Path, count: usize) {
    let expect: String = (0..count).map(|i| format!("line {i} 0123456789012345678901234567890\n")).collect();
    assert!(stream(stdout) == expect, "lines were lost, repeated or cut");
}

fn rotated(host: &Host, name: &str, command: &str) -> containerizer::Launch {
    let rotation = Some(Rotation { max_bytes: 50_000, max_files: 200 });
    let mut launch = host.shell(name, command);
    launch.stdout = Output::File { path: host.sandbox(name).join("stdout"), rotation };
    launch
}

#[test]
fn outputs_are_rotated_while_the_container_runs_and_when_it_has_ended() {
    let host = posix();
    host.launch(rotated(&host, "c", &lines(20_000, "echo done > done; sleep 1000")));
    let stdout = host.sandbox("c").join("stdout");
    host.read("c", "done");
    settled(&stdout);
    check_stream(&stdout, 20_000);
    host.containerizer().destroy(&id("c")).unwrap();
    host.exited("c");
    // The container ends long before the next check.
    host.launch(rotated(&host, "d", &lines(20_000, "exit 0")));
    host.exited("d");
    let stdout = host.sandbox("d").join("stdout");
    settled(&stdout);
    check_stream(&stdout, 20_000);
}

#[test]
fn outputs_continue_without_an_agent_and_are_rotated_by_the_next() {
    let mut host = posix();
    let wait = "until [ -e go ]; do sleep 0.01; done; ";
    let command = |then: &str| format!("echo up > up; {wait}{}", lines(20_000, &format!("echo done > done; {then}")));
    for (id, then) in [("stays", "sleep 1000"), ("ends", "exit 0")] {
        host.launch(rotated(&host, id, &command(then)));
        host.read(id, "up");
    }
    host.containerizer = None;
    for id in ["stays", "ends"] {
        std::fs::write(host.sandbox(id).join("go"), "").unwrap();
        host.read(id, "done");
        assert!(host.sandbox(id).join("stdout").metadata().unwrap().len() > 500_000);
    }
    host.restart();
    for id in ["stays", "ends"] {
        let stdout = host.sandbox(id).join("stdout");
        settled(&stdout);
        check_stream(&stdout, 20_000);
    }
    host.containerizer().destroy(&id("stays")).unwrap();
    host.exited("stays");
}

#[test]
fn an_output_that_is_a_pipe_is_refused_and_not_waited_for() {
    let host = posix();
    let launch = host.shell("c", "true");
    let path = host.sandbox("c").join("stdout");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    host.containerizer().launch(launch).unwrap();
    assert!(matches!(host.event(), Event::LaunchFailed { .. }));
}

#[test]
fn a_container_can_be_destroyed_while_it_starts() {
    let host = posix();
    for number in 0..20 {
        let name = format!("c{number}");
        host.containerizer().launch(host.shell(&name, "exec sleep 1000")).unwrap();
        host.containerizer().destroy(&id(&name)).unwrap();
        assert!(matches!(host.event(), Event::Launched { id: launched, .. } if launched == id(&name)));
        assert_eq!(host.exited(&name), Some(9));
    }
}
