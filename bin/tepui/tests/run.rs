//! `tepui run` as a command: its output, its exit code and its end; runs in the background; and the commands around it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "run/pods.rs"]
mod pods;
mod processes;

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};

use processes::TEPUI;
use testkit::process::{LocalCluster, signal};
use testkit::scratch::free_port;
use testkit::wait::until;

const FLAGS: [&str; 2] = ["--resources=cpus:2;mem:256", "--launcher=posix"];

fn cluster() -> LocalCluster {
    LocalCluster::start(TEPUI, 1, &FLAGS)
}

fn tepui(local: &LocalCluster, arguments: &[&str]) -> Command {
    let mut command = Command::new(TEPUI);
    command.args(arguments).env("TEPUI_MASTER", format!("127.0.0.1:{}", local.port)).stdin(Stdio::null());
    command
}

fn output(local: &LocalCluster, arguments: &[&str]) -> Output {
    tepui(local, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the output of a command that must succeed.
fn said(local: &LocalCluster, arguments: &[&str]) -> String {
    let output = output(local, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    text(&output.stdout)
}

fn begin(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Returns the number of tasks in this state.
fn tasks(local: &LocalCluster, state: &str) -> usize {
    let all: serde_json::Value = serde_json::from_str(&said(local, &["tasks", "--json"])).unwrap();
    let lists = ["tasks", "completed_tasks"].into_iter().flat_map(|list| all[list].as_array().into_iter().flatten());
    lists.filter(|task| task["state"] == state).count()
}

fn until_running(local: &LocalCluster, count: usize) {
    until("the tasks run", || (tasks(local, "TASK_RUNNING") == count).then_some(()));
}

#[test]
fn a_single_task_shows_output_and_returns_the_exit_code() {
    let local = cluster();
    let check = |command: &str, code: i32, stdout: &[u8], stderr: &[u8]| {
        let output = output(&local, &["run", "--", command]);
        let found = (output.status.code(), text(&output.stdout), text(&output.stderr));
        assert_eq!(found, (Some(code), text(stdout), text(stderr)), "{command}");
        assert_eq!(output.stdout, stdout, "{command}");
    };
    check("echo out; echo err >&2; exit 3", 3, b"out\n", b"err\n");
    check("printf 'no end of line'", 0, b"no end of line", b"");
    // The output is unchanged, including escape sequences and invalid UTF-8.
    check("printf '\\033[31mred\\377\\200\\r\\n'", 0, b"\x1b[31mred\xff\x80\r\n", b"");
    check("kill -SEGV $$", 139, b"", b"");
    check("kill -KILL $$", 137, b"", b"");
    // The output is written in the last moment.
    let large =
        "i=0; while [ $i -lt 3000 ]; do echo \"line $i 0123456789012345678901234567890123456789\"; i=$((i+1)); done";
    let expect: String = (0..3000).map(|i| format!("line {i} 0123456789012345678901234567890123456789\n")).collect();
    check(large, 0, expect.as_bytes(), b"");

    let missing = output(&local, &["run", "--", "/no/such/program", "argument"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("task run is TASK_FAILED: Failed to launch"), "{}", text(&missing.stderr));
}

#[test]
fn flags_of_docker_reach_the_task_or_are_refused() {
    let local = cluster();
    let work = local.work.path();
    std::fs::write(work.join("env"), "# a comment\nFROM_FILE=one two\nA=0\n").unwrap();
    std::fs::write(work.join("greeting"), "helloworld").unwrap();
    let env_file = format!("--env-file={}", work.join("env").display());
    let digest = "936a185caaa266bb9cbe981e9e05cb78cd732b0b3280eb944412bb6f8f8f07af";
    let uri = |digest: &str| format!("--uri={}?checksum=sha256:{digest}", work.join("greeting").display());
    let script = r#"echo "$A $FROM_FILE $GIVEN" $PWD; cat "$MESOS_SANDBOX/greeting""#;
    let (fetched, arguments) =
        (uri(digest), ["run", "-e", "A=1", "-e", "GIVEN", "-e", "ABSENT", "-l", "k=v", "-w", "/usr"]);
    let mut command = tepui(&local, &arguments);
    let output =
        command.args([&env_file, &fetched, "--uri-cache", "--", script]).env("GIVEN", "given").output().unwrap();
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("1 one two given /usr\nhelloworld".into(), String::new())
    );
    let words = said(&local, &["run", "--workdir=/usr", "--", "pwd", "-P"]);
    assert_eq!(words, "/usr\n");

    // What the agent cannot do, it says.
    let refused = |arguments: &[&str], expect: &str| {
        let output = tepui(&local, arguments).output().unwrap();
        assert!(!output.status.success() && text(&output.stderr).contains(expect), "{arguments:?}: {output:?}");
    };
    refused(&["run", &uri(&digest.replace('9', "8")), "--", "true"], "it has another sha256 checksum");
    refused(&["run", "--pod", "pod.json", "--volume", "/a:/b"], "--volume describes one task");
    // The agents of this cluster have no Docker.
    let docker = &["run", "--containerizer", "docker", "--image", "x", "--", "true"];
    refused(docker, "start agents with --containerizers=docker,mesos");
    refused(&["run", "--network", "nowhere", "--", "true"], "network_infos");
    refused(&["run", "--read-only", "--", "true"], "--read-only needs --image");
    refused(&["run", "--uri=s3a://bucket/key", "--", "true"], "--hadoop_home");
}

#[test]
fn the_health_check_that_killed_a_task_is_named() {
    let local = cluster();
    let health = ["--health-cmd=false", "--health-interval=100ms", "--health-retries=2", "--health-start-period=0s"];
    let killed = output(&local, &[&["run"], &health[..], &["--", "sleep 1000"]].concat());
    let why = "killed: its health check failed 2 times in a row";
    assert_eq!(text(&killed.stderr), format!("tepui: task run is TASK_KILLED: {why}\n"));
    assert_eq!(killed.status.code(), Some(143));
    let explained = said(&local, &["explain", "task", "run"]);
    assert!(explained.contains(why), "{explained}");
    let several = output(&local, &[&["run", "-q", "-n", "2"], &health[..], &["--", "sleep 1000"]].concat());
    assert!(text(&several.stdout).contains(&format!("run.1: {why}\n")), "{several:?}");
}

/// `mesos-execute` prints every update, and `tepui tasks` the results of checks.
#[test]
fn results_of_checks_are_shown() {
    use std::io::BufRead;
    let local = cluster();
    let file = local.work.path().join("end");
    let line = format!("until test -e {}; do sleep 0.05; done", file.display());
    let scalar =
        |name: &str, value: f64| serde_json::json!({ "name": name, "type": "SCALAR", "scalar": { "value": value } });
    let task = serde_json::json!({
        "name": "t", "task_id": { "value": "t" }, "command": { "value": line },
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
        "health_check": { "type": "COMMAND", "command": { "value": "true" }, "delay_seconds": 0.0, "interval_seconds": 0.1 },
        "check": { "type": "COMMAND", "command": { "command": { "value": "exit 4" } }, "delay_seconds": 0.0, "interval_seconds": 0.1 },
    });
    let mut command = Command::new(TEPUI);
    command.args(["mesos-execute", &format!("--master=127.0.0.1:{}", local.port), &format!("--task={task}")]);
    let mut execute = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(execute.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("  healthy?: 1\n") || !seen.contains("  check status: COMMAND exit code 4\n") {
        assert_ne!(lines.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    let shown = said(&local, &["tasks"]);
    let rows: Vec<&str> = shown.lines().collect();
    assert!(rows[0].contains("HEALTH") && rows[0].contains("CHECK"), "{shown}");
    assert!(rows[1].contains("healthy  exit 4"), "{shown}");
    assert!(said(&local, &["tasks", "--json"]).contains(r#""exit_code":4"#));
    let frameworks = testkit::http::get_blocking(local.port, "/master/frameworks").unwrap().body;
    assert!(frameworks.contains("TASK_KILLING_STATE") && frameworks.contains("REVOCABLE_RESOURCES"), "{frameworks}");
    std::fs::write(&file, "").unwrap();
    assert!(execute.wait().unwrap().success());
}

#[test]
fn mesos_execute_launches_task_groups() {
    let local = cluster();
    let task = |id: &str| {
        let resource = |name: &str, value: f64| serde_json::json!({ "name": name, "type": "SCALAR", "scalar": { "value": value } });
        serde_json::json!({
            "name": id, "task_id": { "value": id }, "command": { "value": "true" },
            "resources": [resource("cpus", 0.1), resource("mem", 32.0)],
        })
    };
    let group = format!("--task_group={}", serde_json::json!({ "tasks": [task("a"), task("b")] }));
    let master = format!("--master=127.0.0.1:{}", local.port);
    let output = Command::new(TEPUI).args(["mesos-execute", &master, &group, "--kill_after=1mins"]).output().unwrap();
    let shown = text(&output.stdout);
    assert!(shown.contains("Submitted task group with tasks [ a, b ] to agent '"), "{shown}");
    for id in ["a", "b"] {
        assert!(shown.contains(&format!(" for task '{id}'")), "{shown}");
    }
}

#[test]
fn mesos_execute_copies_a_package_into_hdfs() {
    use std::os::unix::fs::PermissionsExt;
    let local = cluster();
    let work = local.work.path();
    let (package, hadoop) = (work.join("package"), work.join("hadoop"));
    std::fs::write(&package, "x").unwrap();
    // The file exists in HDFS.
    std::fs::write(&hadoop, "#!/bin/sh\necho \"$@\" >> \"$0.calls\"\n").unwrap();
    std::fs::set_permissions(&hadoop, std::fs::Permissions::from_mode(0o755)).unwrap();
    let execute = |further: &[&str]| {
        let master = format!("--master=127.0.0.1:{}", local.port);
        let (package, hadoop) = (format!("--package={}", package.display()), format!("--hadoop={}", hadoop.display()));
        let flags =
            ["mesos-execute", &master, "--name=n", "--command=true", "--resources=cpus:0.1;mem:32", &package, &hadoop];
        let output = Command::new(TEPUI).args(flags).args(further).output().unwrap();
        (text(&output.stdout), text(&output.stderr))
    };
    assert!(execute(&[]).1.contains("/package' already exists (see --overwrite)"));
    let (shown, error) = execute(&["--overwrite"]);
    // The agent has no client, and says so.
    assert!(shown.contains("Copied '") && shown.contains("scheme 'hdfs' need the Hadoop client"), "{shown}{error}");
    let calls = std::fs::read_to_string(work.join("hadoop.calls")).unwrap();
    let calls: Vec<_> = calls.lines().map(|call| call.split(' ').nth(1).unwrap()).collect();
    assert_eq!(calls, ["-test", "-test", "-rm", "-copyFromLocal"]);
    std::fs::remove_file(&hadoop).unwrap();
    assert!(execute(&[]).1.contains("--hadoop names another one"));
}

#[test]
fn several_tasks_are_shown_as_a_table() {
    let local = cluster();
    let table = output(&local, &["run", "-q", "-n", "2", "--", "exit $TEPUI_INSTANCE"]);
    assert_eq!(table.status.code(), Some(1));
    let shown = text(&table.stdout);
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["TASK", "STATE", "AGENT", "EXIT", "DURATION"]);
    assert_eq!(lines[1][..5], ["run.0", "TASK_FINISHED", "S0", "(127.0.0.1)", "0"]);
    assert_eq!(lines[2][..5], ["run.1", "TASK_FAILED", "S0", "(127.0.0.1)", "1"]);
    assert!(!shown.contains("/slaves/"), "{shown}");
    let wide = text(&output(&local, &["run", "-q", "--wide", "-n", "2", "--", "true"]).stdout);
    assert_eq!(wide.matches("/executors/run.").count(), 2, "{wide}");
    let json = said(&local, &["run", "-q", "--json", "--", "true"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["state"], &json[0]["exit"]), (&"TASK_FINISHED".into(), &0.into()));
}

#[test]
fn a_closed_terminal_ends_the_tasks_unless_sighup_is_ignored() {
    let local = cluster();
    let check = |name: &str, code: i32| {
        let mut run = begin(tepui(&local, &["run", "--", "sleep 1000"]));
        until_running(&local, 1);
        signal(run.id(), name);
        assert_eq!(run.wait().unwrap().code(), Some(code), "{name}");
        until_running(&local, 0);
    };
    check("-HUP", 129);
    check("-INT", 130);
    check("-TERM", 143);

    let fifo = local.work.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let command = format!("read line < {}; exit 5", fifo.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh", TEPUI, "run", "--", &command]);
    shell.env("TEPUI_MASTER", format!("127.0.0.1:{}", local.port)).stdin(Stdio::null());
    let mut run = begin(shell);
    until_running(&local, 1);
    signal(run.id(), "-HUP");
    std::fs::write(&fifo, "go\n").unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(5), "as under nohup");
}

/// Returns the value of a variable of the runs in the background of one test.
fn mark(test: &str) -> String {
    format!("{test}-{}", std::process::id())
}

/// Returns the processes of runs in the background that have this mark.
fn background(mark: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        environment.contains("TEPUI_RUN_IN_BACKGROUND=1") && environment.contains(&format!("TEPUI_TEST={mark}"))
    };
    pids.filter(is_ours).collect()
}

#[test]
fn a_run_in_the_background_is_waited_for_and_cancelled() {
    let local = cluster();
    let detach = |arguments: &[&str]| -> Vec<String> {
        let mut command = tepui(&local, &[&["run", "--detach"], arguments].concat());
        let output = command.env("TEPUI_TEST", mark("wait")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout).lines().map(str::to_owned).collect()
    };
    let ids = detach(&["--", "echo one; sleep 0.5; echo two; exit 7"]);
    assert_eq!(ids, ["0000/run"]);
    let waited = output(&local, &["wait", &ids[0]]);
    assert_eq!(waited.status.code(), Some(7));
    let table = text(&waited.stdout);
    assert!(table.ends_with("0000/run  TASK_FAILED  7     Command exited with status 7\n"), "{table}");
    assert_eq!(said(&local, &["logs", &ids[0]]), "one\ntwo\n");

    let ids = detach(&["--name", "w", "-n", "2", "--cpus", "0.1", "--", "sleep 1000"]);
    assert_eq!(ids, ["0001/w.0", "0001/w.1"]);
    until_running(&local, 2);
    assert_eq!(said(&local, &["cancel", "w.0"]), "task 0001/w.0 is told to end\n");
    assert_eq!(output(&local, &["wait", "--quiet", "0001/w.0"]).status.code(), Some(143));
    assert_eq!(tasks(&local, "TASK_RUNNING"), 1, "the other one goes on");
    let again = output(&local, &["cancel", "0001/w.0"]);
    assert!(text(&again.stderr).contains("is over already: it is TASK_KILLED"), "{again:?}");
    assert_eq!(said(&local, &["cancel", "w"]), "framework 0001 'w' is torn down: 1 task ends\n");
    assert_eq!(output(&local, &["wait", "0001"]).status.code(), Some(143));
    until("nothing stays behind", || background(&mark("wait")).is_empty().then_some(()));

    let none = output(&local, &["cancel", "nothing"]);
    assert!(!none.status.success() && text(&none.stderr).contains("no task 'nothing'"), "{none:?}");
}

/// The master goes away for longer than the run waits for it.
#[test]
fn a_run_in_the_background_does_not_wait_for_ever() {
    let mut local = cluster();
    let detach = |timeout: &str| {
        let mut command = tepui(&local, &["run", "--detach", "--master-timeout", timeout, "--", "sleep 1000"]);
        let detached = command.env("TEPUI_TEST", mark("alone")).output().unwrap();
        assert!(detached.status.success(), "{detached:?}");
    };
    detach("100ms");
    detach("1h");
    until_running(&local, 2);
    let own = || background(&mark("alone"));
    assert_eq!(own().len(), 2);
    local.program.kill();
    let [patient] = until("the first one has ended", || <[u32; 1]>::try_from(own()).ok());
    signal(patient, "-TERM");
    until("both have ended", || own().is_empty().then_some(()));

    let foreground = output(&local, &["run", "--master-timeout", "1s", "--", "true"]);
    assert!(text(&foreground.stderr).contains("--detach"), "{foreground:?}");
}

#[test]
fn a_cancelled_run_reports_it() {
    let local = cluster();
    let run = begin(tepui(&local, &["run", "--", "sleep 1000"]));
    until_running(&local, 1);
    assert_eq!(said(&local, &["cancel", "--framework", "run"]), "framework 0000 'run' is torn down: 1 task ends\n");
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    let expect = "cancelled: the framework of this run was torn down, and what was running ends\n";
    assert_eq!(text(&output.stderr), expect);
}

#[test]
fn the_reason_why_nothing_starts_is_shown_once() {
    let local = cluster();
    let mut run = begin(tepui(&local, &["run", "--cpus", "1000", "--", "true"]));
    let mut stderr = std::io::BufReader::new(run.stderr.take().unwrap());
    let mut lines = String::new();
    while !lines.contains("still waiting") {
        assert_ne!(std::io::BufRead::read_line(&mut stderr, &mut lines).unwrap(), 0, "{lines}");
    }
    let expect = "nothing starts: of 1 agent, 1 smaller than the demand: even empty not enough cpus\n\
                  what to do: ask for less in one piece, or add larger agents\n\
                  still waiting; more: tepui explain framework 0000 --needs cpus:1000,mem:32\n";
    assert_eq!(lines, expect);
    let explained = said(&local, &["explain", "framework", "0000", "--needs", "cpus:1000,mem:32"]);
    assert!(explained.contains("smaller than the demand"), "{explained}");
    signal(run.id(), "-INT");
    assert_eq!(run.wait().unwrap().code(), Some(130));
}

#[test]
fn a_closed_stdout_ends_the_task() {
    let local = cluster();
    let mut run = begin(tepui(&local, &["run", "--", "yes"]));
    until_running(&local, 1);
    drop(run.stdout.take());
    assert_eq!(run.wait().unwrap().code(), Some(141));
    until_running(&local, 0);
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let local = cluster();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in [
        &["agents"][..],
        &["tasks", "--json"],
        &["examples"],
        &["completions", "bash"],
        &["run", "--", "echo x"],
        &["--help"],
        &["agent", "--help"],
        &["mesos-execute", "--help"],
    ] {
        let output = tepui(&local, arguments).stdout(full()).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code != 0), "{arguments:?}: {output:?}");
        assert_eq!(output.status.signal(), None);
        let found = text(&output.stderr);
        assert!(found.contains("cannot write") && found.contains("No space left on device"), "{arguments:?}: {found}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let local = cluster();
    said(&local, &["run", "--", "echo x"]);
    let missing = output(&local, &["logs", "--file", "core.17", "run"]);
    let found = text(&missing.stderr);
    assert!(!missing.status.success() && found.contains("has no file '") && found.contains("/core.17'"), "{found}");
}

#[test]
fn the_state_of_the_cluster_is_shown_without_a_command() {
    let local = cluster();
    said(&local, &["run", "--", "true"]);
    let shown = said(&local, &[]);
    for line in ["agents      1\n", "cpus        0 of 2 in use\n", "tasks       0 running, 1 over\n"] {
        assert!(shown.contains(line), "{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&said(&local, &["status", "--json"])).unwrap();
    assert_eq!((&json["agents"]["registered"], &json["tasks"]["over"]), (&1.into(), &1.into()));
    drop(local);

    let port = free_port();
    let mut nobody = Command::new(TEPUI);
    let nobody = nobody.env("TEPUI_MASTER", format!("127.0.0.1:{port}")).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        text(&nobody.stdout).contains("No master answers") && text(&nobody.stdout).contains("tepui local"),
        "{nobody:?}"
    );
}

#[test]
fn a_port_in_use_names_its_process() {
    let local = cluster();
    let (port, work) = (format!("--port={}", local.port), tempfile::tempdir().unwrap());
    let work_dir = format!("--work_dir={}", work.path().display());
    let runtime_dir = format!("--runtime_dir={}/run", work.path().display());
    let check = |arguments: &[&str]| {
        let output = Command::new(TEPUI).args(arguments).output().unwrap();
        let found = text(&output.stderr);
        assert!(!output.status.success(), "{found}");
        assert!(found.contains(&format!("tepui: 127.0.0.1:{} is in use: '", local.port)), "{found}");
        assert!(
            found.contains(" master --ip=127.0.0.1") && found.contains("take the next free port: --port="),
            "{found}"
        );
    };
    check(&["master", "--ip=127.0.0.1", &port, &work_dir]);
    check(&["agent", "--ip=127.0.0.1", &port, &work_dir, &runtime_dir, "--master=127.0.0.1:1", "--launcher=posix"]);
}

#[test]
fn completions_and_man_pages_are_printed() {
    let tepui = |arguments: &[&str]| Command::new(TEPUI).args(arguments).output().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = text(&tepui(&["completions", shell]).stdout);
        assert!(script.contains("detach") && script.contains("work_dir"), "{shell}");
    }
    assert!(text(&tepui(&["examples"]).stdout).contains("tepui run --detach"));
    let directory = tempfile::tempdir().unwrap();
    let pages = directory.path().join("man1");
    assert!(tepui(&["man", pages.to_str().unwrap()]).status.success());
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("tepui-run.1").contains("detach") && page("tepui-agent.1").contains("work_dir"));
}
