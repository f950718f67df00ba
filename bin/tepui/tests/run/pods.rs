//! Pods, and the commands that go into containers.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

use testkit::process::{LocalCluster, signal};
use testkit::wait::until;

use super::{TEPUI, begin, output, said, tepui, text, until_running};

fn cluster() -> LocalCluster {
    LocalCluster::start(TEPUI, 1, &["--resources=cpus:2;mem:512;disk:512", "--launcher=posix"])
}

/// Writes the file of a pod, and returns its path.
fn pod(local: &LocalCluster, tasks: &str) -> String {
    let path = local.work.path().join("pod.json");
    std::fs::write(&path, format!(r#"{{"name": "pod", "tasks": [{tasks}]}}"#)).unwrap();
    path.display().to_string()
}

#[test]
fn a_pod_ends_with_its_first_failure() {
    let local = cluster();
    let file = pod(
        &local,
        r#"{"name": "a", "command": "echo \"from $MESOS_ALLOCATION_ROLE\"", "cpus": 0.1},
           {"name": "b", "command": ["sh", "-c", "sleep 0.2; exit 3"]},
           {"name": "c", "command": "sleep 1000"}"#,
    );
    let ended = output(&local, &["run", "-q", "--pod", &file]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let shown = text(&ended.stdout);
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((&lines[1][..2], lines[1][4]), (&["a", "TASK_FINISHED"][..], "0"), "{shown}");
    assert_eq!((&lines[2][..2], lines[2][4]), (&["b", "TASK_FAILED"][..], "3"), "{shown}");
    assert_eq!((&lines[3][..2], lines[3][4]), (&["c", "TASK_KILLED"][..], "143"), "{shown}");
    assert_eq!(said(&local, &["logs", "a"]), "from *\n");
}

/// A shell, a program with input, files and the usage of a task in a pod and of a task of its own.
#[test]
fn commands_run_inside_containers() {
    let local = cluster();
    let file = pod(&local, r#"{"name": "server", "command": "echo text > file; sleep 1000"}"#);
    let mut pod = begin(tepui(&local, &["run", "-q", "--pod", &file]));
    let mut alone = begin(tepui(&local, &["run", "-q", "--name", "alone", "--", "echo text > file; exec sleep 1000"]));
    until_running(&local, 2);
    for task in ["server", "alone"] {
        let check = |arguments: &[&str], input: &[u8], code: i32, stdout: &str| {
            let mut command = tepui(&local, &[&["exec"], arguments].concat());
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(input).unwrap();
            let ended = child.wait_with_output().unwrap();
            assert_eq!(
                (ended.status.code(), text(&ended.stdout)),
                (Some(code), stdout.to_owned()),
                "{arguments:?} {ended:?}"
            );
        };
        check(&[task, "--", "cat file; exit 7"], b"", 7, "text\n");
        check(&["-i", task, "--", "wc", "-c"], b"12345", 0, "5\n");
        // Without -i there is no input.
        check(&[task, "--", "cat"], b"ignored", 0, "");
        check(&[task, "--", "kill -KILL $$"], b"", 137, "");
        check(&["-t", task, "--", "test -t 1 && echo terminal"], b"", 0, "terminal\r\n");

        let copied = local.work.path().join("copied");
        said(&local, &["cp", &format!("{task}:file"), copied.to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(&copied).unwrap(), "text\n");
        std::fs::write(&copied, "changed\n").unwrap();
        said(&local, &["cp", copied.to_str().unwrap(), &format!("{task}:file")]);
        check(&[task, "--", "cat", "file"], b"", 0, "changed\n");
        // A link is copied as it is, and an archive goes through stdin and stdout.
        check(&[task, "--", "ln -s file link; mkdir directory"], b"", 0, "");
        let link = local.work.path().join(format!("link-{task}"));
        said(&local, &["cp", &format!("{task}:link"), link.to_str().unwrap()]);
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("file"));
        let archive = output(&local, &["cp", &format!("{task}:file"), "-"]);
        assert!(archive.status.success() && archive.stdout.starts_with(b"file\0"), "{archive:?}");
        let mut copy = tepui(&local, &["cp", "-", &format!("{task}:directory")]);
        let mut copy = copy.stdin(Stdio::piped()).spawn().unwrap();
        copy.stdin.take().unwrap().write_all(&archive.stdout).unwrap();
        assert!(copy.wait().unwrap().success());
        check(&[task, "--", "cat", "directory/file"], b"", 0, "changed\n");
        let missing = output(&local, &["cp", &format!("{task}:no-such-file"), copied.to_str().unwrap()]);
        assert!(!missing.status.success() && text(&missing.stderr).contains("no-such-file"), "{missing:?}");

        let top = said(&local, &["top", "--once", task]);
        assert!(top.starts_with("CONTAINER") && top.lines().count() >= 2, "{top}");
    }
    // The agent keeps nothing of the commands that have ended, and of those that were interrupted.
    assert_eq!(sessions(local.work.path()), 0);
    let mut exec = begin(tepui(&local, &["exec", "server", "--", "sleep 1000"]));
    until("the command runs", || (sessions(local.work.path()) > 0).then_some(()));
    signal(exec.id(), "-INT");
    assert_eq!(exec.wait().unwrap().code(), Some(130));
    assert_eq!(sessions(local.work.path()), 0);

    let none = output(&local, &["attach", "server"]);
    assert!(text(&none.stderr).contains("has no terminal"), "{none:?}");
    for run in [&mut pod, &mut alone] {
        signal(run.id(), "-TERM");
        run.wait().unwrap();
    }
    let over = output(&local, &["exec", "server", "--", "true"]);
    assert!(text(&over.stderr).contains("is over"), "{over:?}");
}

/// Returns the number of directories of commands inside containers, in sandboxes and runtime directories.
fn sessions(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| {
        let own = usize::from(entry.file_name().to_string_lossy().starts_with("tepui-"));
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        own + if is_directory { sessions(&entry.path()) } else { 0 }
    };
    entries.map(of).sum()
}

#[test]
fn attach_passes_the_exit_code_on() {
    let local = cluster();
    let fifo = local.work.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let attached = |task: &str, code: i32| {
        until_running(&local, 1);
        let mut attach = tepui(&local, &["attach", "--no-stdin", task]);
        let mut attach = attach.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The task writes until it is told to end, so what is read tells that the command is attached.
        let mut first = [0];
        attach.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        std::fs::write(&fifo, "go\n").unwrap();
        let ended = attach.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{task}: {ended:?}");
        until_running(&local, 0);
    };
    let command = |code: i32| {
        let fifo = fifo.display();
        format!("(read line < {fifo}; kill $$) & trap 'exit {code}' TERM; while :; do echo x; sleep 0.05; done")
    };
    said(&local, &["run", "--detach", "-t", "--name", "alone", "--", &command(7)]);
    attached("alone", 7);
    let file = pod(&local, &serde_json::json!({ "name": "server", "command": command(9), "tty": true }).to_string());
    said(&local, &["run", "--detach", "--pod", &file]);
    attached("server", 9);
}

#[test]
fn commands_go_into_the_task_that_runs() {
    let local = cluster();
    said(&local, &["run", "--detach", "--name", "web", "--", "sleep 1000"]);
    until_running(&local, 1);
    said(&local, &["run", "--name", "web", "--", "true"]);
    assert_eq!(said(&local, &["exec", "web", "--", "echo here"]), "here\n");
    said(&local, &["run", "--detach", "--name", "web", "--", "sleep 1000"]);
    until_running(&local, 2);
    for command in [&["exec", "web", "--", "true"][..], &["top", "--once", "web"], &["attach", "web"]] {
        let refused = output(&local, command);
        let expect = "'web' could be 2 tasks that run: name one as FRAMEWORK/TASK (0000/web, 0002/web)";
        assert!(text(&refused.stderr).contains(expect), "{refused:?}");
    }
    assert_eq!(said(&local, &["exec", "0002/web", "--", "echo here"]), "here\n");
    said(&local, &["cancel", "0000"]);
    said(&local, &["cancel", "0002"]);
    until_running(&local, 0);
}
