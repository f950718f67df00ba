//! An agent that restarts with other directories, roots or launchers, or without its records: every container is either
//! recovered or has ended before the new agent reports about it. The linux launcher needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of a test")]

mod common;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use common::{Host, id, is_root, skip, until};
use containerizer::{Launch, Launcher, Output, Rotation};
use rustix::process::{Pid, Signal, kill_process};
use testkit::process::is_alive;

/// The changes that the restarted agent finds.
#[derive(Debug, Clone, Copy)]
struct Change {
    before: Launcher,
    after: Launcher,
    keeps_runtime_dir: bool,
    keeps_cgroups_root: bool,
    keeps_work_dir: bool,
    /// Whether the records, which are in the work directory, name the containers.
    keeps_records: bool,
    keeps_isolation: bool,
}

impl Change {
    fn all() -> impl Iterator<Item = Change> {
        let launchers = match is_root() {
            true => vec![Launcher::Linux, Launcher::Posix],
            false => vec![Launcher::Posix],
        };
        let pairs: Vec<(Launcher, Launcher)> =
            launchers.iter().flat_map(|before| launchers.iter().map(move |after| (*before, *after))).collect();
        pairs.into_iter().flat_map(|(before, after)| {
            (0..32u32).map(move |bits| Change {
                before,
                after,
                keeps_runtime_dir: bits & 1 != 0,
                keeps_cgroups_root: bits & 2 != 0,
                keeps_work_dir: bits & 4 != 0,
                keeps_records: bits & 8 != 0,
                keeps_isolation: bits & 16 != 0,
            })
        })
    }

    /// Returns whether anything still connects the containers with the agent.
    fn can_find(self) -> bool {
        let by_cgroup = self.keeps_cgroups_root && [self.before, self.after] == [Launcher::Linux; 2];
        self.keeps_runtime_dir || self.keeps_records || self.keeps_work_dir || by_cgroup
    }
}

/// Ids that no other test has, because containers are found by their environment, too.
const RUNS: &str = "a7b1f5d2-runs";
const OVER: &str = "a7b1f5d2-over";

fn launch(host: &Host, work_dir: &std::path::Path, name: &str) -> (Launch, PathBuf) {
    let sandbox = work_dir.join("slaves/S/frameworks/F/executors/e/runs").join(name);
    fs::create_dir_all(&sandbox).unwrap();
    let mut launch = host.shell(name, "setsid sh -c 'echo $$ > daemon; exec sleep 1000' & exec sleep 1000");
    launch.environment.push(("MESOS_DIRECTORY".into(), sandbox.clone().into()));
    launch.working_directory = sandbox.clone();
    (launch, sandbox)
}

fn end(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn check(change: Change) {
    let all = ["cgroups/cpu", "cgroups/mem", "cgroups/pids"];
    let isolation = if change.before == Launcher::Linux { &all[..] } else { &[] };
    let mut host = Host::new(change.before, isolation).unwrap();
    let work_dir = host.directory.path().join("work");
    host.config.work_dir = Some(work_dir.clone());
    let start = |host: &Host, name: &str| {
        let (launch, sandbox) = launch(host, &work_dir, name);
        let pid = host.launch(launch);
        let daemon = until(|| fs::read_to_string(sandbox.join("daemon")).ok()?.trim().parse().ok());
        (pid, daemon)
    };
    let (runs, over): ((u32, u32), (u32, u32)) = (start(&host, RUNS), start(&host, OVER));

    host.containerizer = None;
    end(over.0);
    until(|| (!is_alive(over.0)).then_some(()));
    let old_root = host.config.cgroups_root.clone();
    host.config.launcher = change.after;
    if !change.keeps_runtime_dir {
        fs::remove_dir_all(host.directory.path().join("run")).unwrap();
        host.config.runtime_dir = host.directory.path().join("run2");
    }
    if !change.keeps_cgroups_root {
        host.config.cgroups_root.push_str("-2");
    }
    if !change.keeps_work_dir {
        let moved = host.directory.path().join("work2");
        fs::rename(&work_dir, &moved).unwrap();
        host.config.work_dir = Some(moved);
    }
    if change.keeps_records {
        host.config.expected = [id(RUNS), id(OVER)].into();
    }
    if !change.keeps_isolation {
        host.config.isolation = vec!["namespaces/pid".into(), "posix/rlimits".into()];
    }
    host.restart();

    let recovered = host.containerizer().recovered();
    // A container that no record names may be destroyed at once.
    let found = recovered.alive.contains(&(id(RUNS), runs.0));
    assert!(found || !(change.keeps_runtime_dir || change.keeps_records || change.keeps_work_dir), "{change:?}");
    // The remains of the other container look like a container unless the state of its first process is known.
    let left = recovered.alive.iter().any(|(found, _)| *found == id(OVER));
    assert!(!(left && change.keeps_runtime_dir), "{change:?}");
    assert!(left || !is_alive(over.1) || !change.can_find(), "{change:?}");
    for (found, _) in &recovered.alive {
        host.containerizer().destroy(found).unwrap();
    }
    until(|| host.containerizer().containers().is_empty().then_some(()));
    let gone = !is_alive(over.1);
    let ended = !is_alive(runs.0) && !is_alive(runs.1);
    for pid in [runs.0, runs.1, over.1] {
        end(pid);
    }
    host.remove_cgroups(&old_root);
    assert_eq!((ended, gone), (change.can_find(), change.can_find()), "{change:?}");
}

#[test]
fn no_unknown_container_runs_after_any_change() {
    if !is_root() {
        skip("no_unknown_container_runs_after_any_change", "the linux launcher needs root");
    }
    Change::all().for_each(check);
}

/// If the runtime directory was lost, the rotation of outputs comes from the agent's records, whether the container
/// still runs or has ended.
#[test]
fn outputs_are_rotated_after_the_runtime_directory_was_lost() {
    let mut host = Host::new(Launcher::Posix, &[]).unwrap();
    let work_dir = host.directory.path().join("work");
    host.config.work_dir = Some(work_dir.clone());
    let names = ["5d1c7b20-stays", "5d1c7b20-ends"];
    let rotation = Rotation { max_bytes: 50_000, max_files: 200 };
    let mut outputs = Vec::new();
    for (name, then) in names.into_iter().zip(["exec sleep 1000", "exit 0"]) {
        let (mut launch, sandbox) = launch(&host, &work_dir, name);
        let wait = "until [ -e go ]; do sleep 0.01; done";
        let write = "i=0; while [ $i -lt 5000 ]; do echo \"line $i 0123456789012345678901234567890\"; i=$((i+1)); done";
        let command = format!("echo up > up; {wait}; {write}; echo done > done; {then}");
        launch.argv = ["sh", "-c", &command].map(OsString::from).to_vec();
        launch.stdout = Output::File { path: sandbox.join("stdout"), rotation: Some(rotation) };
        host.launch(launch);
        until(|| sandbox.join("up").exists().then_some(()));
        outputs.push(sandbox.join("stdout"));
    }
    host.containerizer = None;
    for stdout in &outputs {
        fs::write(stdout.with_file_name("go"), "").unwrap();
        until(|| stdout.with_file_name("done").exists().then_some(()));
        assert!(stdout.metadata().unwrap().len() > 100_000);
    }
    fs::remove_dir_all(host.directory.path().join("run")).unwrap();
    host.config.expected = names.map(id).into();
    host.config.outputs =
        names.map(id).into_iter().zip(outputs.iter().map(|path| vec![(path.clone(), rotation)])).collect();
    host.restart();
    let is_small = |stdout: &PathBuf| stdout.metadata().is_ok_and(|data| data.len() < 50_000);
    outputs.iter().for_each(|stdout| until(|| is_small(stdout).then_some(())));
    // The next agent finds it in the runtime directory again.
    host.config.outputs.clear();
    host.restart();
    let stays = &outputs[0];
    let mut file = fs::OpenOptions::new().append(true).open(stays).unwrap();
    std::io::Write::write_all(&mut file, "another line\n".repeat(20_000).as_bytes()).unwrap();
    until(|| is_small(stays).then_some(()));
    host.containerizer().destroy(&id(names[0])).unwrap();
    host.exited(names[0]);
}

/// The cgroup belongs to another agent with the same cgroup root. It does not run now and may return.
#[test]
fn containers_of_another_agent_are_not_destroyed() {
    if !is_root() {
        return skip("containers_of_another_agent_are_not_destroyed", "it needs root");
    }
    let mut host = Host::new(Launcher::Linux, &["cgroups/cpu"]).unwrap();
    let work_dir = host.directory.path().join("work");
    let (launch, _) = launch(&host, &work_dir, "3c9e1f60-other");
    let pid = host.launch(launch);
    host.containerizer = None;
    let first = host.config.clone();
    host.config.runtime_dir = host.directory.path().join("run2");
    host.config.work_dir = Some(host.directory.path().join("another"));
    host.restart();
    assert!(is_alive(pid) && host.containerizer().recovered().alive.is_empty());
    host.containerizer = None;
    host.config = first;
    host.restart();
    assert_eq!(host.containerizer().recovered().alive, [(id("3c9e1f60-other"), pid)]);
}
