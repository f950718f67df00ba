//! Processes that are forked from the executor template. This program is the tests, the template and what is started, so it
//! has no harness.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of a test")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::ExitCode;
use std::sync::Arc;

use common::{Host, id, is_root, skip, until};
use containerizer::{Error, Event, Launch, Launcher, Output, Program, Rlimit, RlimitKind, SealedProgram, User};
use rustix::process::{Pid, Signal, kill_process};
use testkit::process::is_alive;

/// The name of a test, for the case that it is skipped, and its function.
type Scenario = (&'static str, fn(&str));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("executor-template") => return containerizer::executor_template(executor),
        Some("executor") => return ExitCode::from(u8::from(!executor(&arguments))),
        _ => {}
    }
    let scenarios: [Scenario; 5] = [
        ("a_forked_process_is_as_if_it_were_executed", a_forked_process_is_as_if_it_were_executed),
        ("no_process_has_what_another_one_was_given", no_process_has_what_another_one_was_given),
        ("a_step_that_fails_is_named", a_step_that_fails_is_named),
        ("without_a_template_programs_are_executed", without_a_template_programs_are_executed),
        ("a_later_agent_finds_forked_processes", a_later_agent_finds_forked_processes),
    ];
    for (name, scenario) in scenarios {
        scenario(name);
        println!("scenario {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// What is started: `tests executor describe|search|wait`.
fn executor(arguments: &[String]) -> bool {
    match arguments.get(2).map(String::as_str) {
        Some("describe") => describe(arguments),
        Some("search") => println!("found {}", memory_contains_secret()),
        _ => {
            println!("ready");
            loop {
                std::thread::park();
            }
        }
    }
    false
}

/// Prints what a process can see of itself, but not its pid.
fn describe(arguments: &[String]) {
    let read = |file: &str| String::from_utf8_lossy(&fs::read(format!("/proc/self/{file}")).unwrap()).into_owned();
    let strings = |file: &str| read(file).trim_end_matches('\0').split('\0').map(str::to_owned).collect::<Vec<_>>();
    println!("arguments {arguments:?} {:?}", strings("cmdline"));
    let mut variables: Vec<_> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    variables.sort();
    let mut shown = strings("environ");
    shown.sort();
    println!("environment {variables:?} {shown:?}");
    println!(
        "directory {:?}, program {:?}",
        std::env::current_dir().unwrap(),
        fs::read_link("/proc/self/exe").unwrap()
    );
    let mut descriptors: Vec<_> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .map(|entry| (entry.file_name(), fs::read_link(entry.path())))
        .collect();
    descriptors.sort_by_key(|(name, _)| name.clone());
    // The last is the directory that is read.
    descriptors.pop();
    println!("descriptors {descriptors:?}");
    let fields = ["Umask", "Uid", "Gid", "Groups", "Threads", "Sig", "Cap", "NoNewPrivs", "Seccomp"];
    read("status")
        .lines()
        .filter(|line| fields.iter().any(|field| line.starts_with(field)))
        .filter(|line| !line.starts_with("SigQ") && !line.starts_with("SigCgt"))
        .for_each(|line| println!("{line}"));
    read("limits").lines().for_each(|line| println!("{line}"));
    print!("{}", read("cgroup"));
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let pid = std::process::id().to_string();
    println!("leads its session: {}", fields[2] == pid && fields[3] == pid);
    println!("first process: {}", pid == "1");
    println!(
        "can be inspected: {}",
        fs::metadata("/proc/self/environ").unwrap().permissions().mode() & 0o777 == 0o400
            && File::open("/proc/self/mem").is_ok()
    );
    println!("end");
}

/// The reverse of a text that a container is given. Nothing in this program contains the text itself.
const SECRET: &str = "nekot-terces-a-si-siht";

/// Returns whether the memory of this process contains the text.
fn memory_contains_secret() -> bool {
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(" rw")).any(|line| {
        let (begin, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [begin, end] = [begin, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - begin).unwrap()];
        let is_secret = |window: &[u8]| window.iter().rev().eq(SECRET.as_bytes());
        memory.read_exact_at(&mut bytes, begin).is_ok() && bytes.windows(SECRET.len()).any(is_secret)
    })
}

fn posix() -> Host {
    Host::new(Launcher::Posix, &["posix/rlimits"]).unwrap()
}

/// Returns a host with cgroups and pid namespaces; `None`, with a message, where the machine has none.
fn linux(test: &str) -> Option<Host> {
    if !is_root() {
        skip(test, "it needs root");
        return None;
    }
    match Host::new(Launcher::Linux, &["cgroups/cpu", "cgroups/mem", "namespaces/pid", "posix/rlimits"]) {
        Ok(host) => Some(host),
        Err(error @ Error::LinuxLauncher(_)) => {
            skip(test, &error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn argv() -> [String; 2] {
    ["tests".to_owned(), "executor".to_owned()]
}

fn program() -> SealedProgram {
    SealedProgram::copy_of(&std::env::current_exe().unwrap()).unwrap()
}

fn with_template() -> Arc<SealedProgram> {
    Arc::new(program().with_template(&argv()))
}

fn launch(host: &Host, name: &str, program: &Arc<SealedProgram>, what: &str) -> Launch {
    let argv = argv().iter().map(String::as_str).chain([what]).map(Into::into).collect();
    Launch { program: Program::Sealed(Arc::clone(program)), argv, ..host.shell(name, "") }
}

/// Returns the pid of the template, the child of this process with that name.
fn template() -> Option<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let parent = format!("PPid:\t{}\n", std::process::id());
    pids.into_iter().find(|pid| {
        fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains(&parent))
            && fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.starts_with(b"tests\0executor-template\0"))
    })
}

fn a_forked_process_is_as_if_it_were_executed(test: &str) {
    let (executed, forked) = (Arc::new(program()), with_template());
    assert!(template().is_some());
    let mut hosts = vec![posix()];
    hosts.extend(linux(test));
    let nobody = User { name: "nobody".into(), uid: 65534, gid: 65534, groups: vec![65534, 7] };
    for host in &hosts {
        for user in [None, Some(nobody.clone()).filter(|_| is_root())] {
            let mut described = Vec::new();
            for program in [&executed, &forked] {
                // Both have the same sandbox, one after the other.
                let _ = fs::remove_dir_all(host.directory.path().join("c"));
                let mut launch = launch(host, "c", program, "describe");
                launch.user.clone_from(&user);
                launch.rlimits = vec![Rlimit { kind: RlimitKind::Core, soft: Some(0), hard: Some(4096) }];
                launch.environment.push(("EMPTY".into(), "".into()));
                launch.environment.push(("MANY".into(), "ä=b ".repeat(500).into()));
                host.launch(launch);
                assert_eq!(host.exited("c"), Some(1 << 8), "{}", host.read("c", "stderr"));
                described.push(host.read("c", "stdout"));
            }
            let [executed, forked] = &described[..] else { panic!("two programs") };
            assert!(executed.ends_with("end\n"));
            assert_eq!(executed, forked);
        }
        assert!(host.cgroups().is_empty());
    }
}

fn no_process_has_what_another_one_was_given(_: &str) {
    let (host, program) = (posix(), with_template());
    let secret: String = SECRET.chars().rev().collect();
    let mut given = launch(&host, "c", &program, "search");
    given.environment.push(("TOKEN".into(), secret.into()));
    host.launch(given);
    assert_eq!(host.exited("c"), Some(1 << 8));
    assert_eq!(host.read("c", "stdout"), "found true\n", "the test finds what is there");
    for name in ["d", "e"] {
        host.launch(launch(&host, name, &program, "search"));
        assert_eq!(host.exited(name), Some(1 << 8));
        assert_eq!(host.read(name, "stdout"), "found false\n");
    }
}

fn a_step_that_fails_is_named(test: &str) {
    let program = with_template();
    let mut hosts = vec![posix()];
    hosts.extend(linux(test));
    for host in &hosts {
        let mut refused = launch(host, "c", &program, "wait");
        refused.working_directory = "/no/such/directory".into();
        host.containerizer().launch(refused).unwrap();
        match host.event() {
            Event::LaunchFailed { id: failed, reason, .. } if failed == id("c") => {
                assert!(reason.contains("cannot enter its working directory: No such file"), "{reason}");
            }
            event => panic!("instead of a failure: {event:?}"),
        }
        assert!(host.cgroups().is_empty());
        assert!(template().is_some(), "the template goes on");
    }
}

fn without_a_template_programs_are_executed(_: &str) {
    let (host, program) = (posix(), with_template());
    let run = |name: &str, launch: Launch| {
        host.launch(launch);
        assert_eq!(host.exited(name), Some(1 << 8));
        assert!(host.read(name, "stdout").ends_with("end\n"));
    };
    // Arguments and environments for which the template has no room.
    let mut large = launch(&host, "large", &program, "describe");
    large.environment.push(("LARGE".into(), "-".repeat(100_000).into()));
    run("large", large);
    let pid = template().unwrap();
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    until(|| (!is_alive(pid)).then_some(()));
    run("killed", launch(&host, "killed", &program, "describe"));
    run("again", launch(&host, "again", &program, "describe"));
    drop(program);
    assert_eq!(template(), None);
    // A program that is no template.
    let sealed = SealedProgram::copy_of(std::path::Path::new("/bin/true")).unwrap().with_template(&argv());
    let mut other = host.shell("other", "");
    other.program = Program::Sealed(Arc::new(sealed));
    other.stdout = Output::Discard;
    host.launch(other);
    assert_eq!(host.exited("other"), Some(0));
}

fn a_later_agent_finds_forked_processes(test: &str) {
    let mut hosts = vec![posix()];
    hosts.extend(linux(test));
    for mut host in hosts {
        let program = with_template();
        let mut one = launch(&host, "c", &program, "wait");
        let runs = host.directory.path().join("slaves/S/frameworks/F/executors/e/runs/c");
        one.environment.push(("MESOS_DIRECTORY".into(), runs.into()));
        let pid = host.launch(one);
        host.read("c", "stdout");
        let template = template().unwrap();
        host.containerizer = None;
        // The template ends with its agent, and the container goes on.
        drop(program);
        until(|| (!is_alive(template)).then_some(()));
        // All that the next agent has is the process.
        fs::remove_dir_all(host.config.runtime_dir.join("containers")).unwrap();
        host.config.expected = [id("c")].into();
        host.config.work_dir = Some(host.directory.path().to_owned());
        host.restart();
        assert_eq!(host.containerizer().recovered().alive, [(id("c"), pid)]);
        host.containerizer().destroy(&id("c")).unwrap();
        assert_eq!(host.exited("c"), Some(Signal::KILL.as_raw()));
    }
}
