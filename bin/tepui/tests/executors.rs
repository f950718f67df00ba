//! Custom executors that are nobody's example: what they leave to others is done.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::path::{Path, PathBuf};
use std::process::Command;

use processes::{Local, agents, until};

/// What is said of a task whose executor is this command, until it has ended.
fn execute(cluster: &Local, command: &str) -> String {
    let resources = r#"[{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},{"name":"mem","type":"SCALAR","scalar":{"value":32}}]"#;
    let command = serde_json::Value::from(command);
    let task = format!(
        r#"{{"name":"t","task_id":{{"value":"t"}},"agent_id":{{"value":""}},"resources":{resources},"executor":
        {{"type":"CUSTOM","executor_id":{{"value":"e"}},"resources":{resources},"command":{{"value":{command}}}}}}}"#
    );
    let output = Command::new(env!("CARGO_BIN_EXE_tepui"))
        .args(["mesos-execute", &format!("--master=127.0.0.1:{}", cluster.port), &format!("--task={task}")])
        .output()
        .unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

/// What a file of the one sandbox says.
fn read(cluster: &Local, name: &str) -> String {
    fn find(folder: &Path, name: &str) -> Option<PathBuf> {
        let entries = std::fs::read_dir(folder).ok()?.flatten();
        entries.into_iter().find_map(|entry| match entry.file_type().ok()? {
            kind if kind.is_dir() => find(&entry.path(), name),
            _ => (entry.file_name() == name).then(|| entry.path()),
        })
    }
    let path = until("the file is there", || find(&cluster.work.path().join("agent-1"), name));
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// It has a daemon, which has left its session and parents, and ends by a signal that it does nothing about.
#[test]
fn a_careless_executor_ends_and_leaves_nothing() {
    for launcher in launchers() {
        let cluster = Local::start(1, &["--resources=cpus:1;mem:128", &format!("--launcher={launcher}")]);
        let command = "setsid sh -c 'setsid sleep 1234.5 & :'; cat /proc/1/comm > first; kill -TERM $$; sleep 1000";
        let said = execute(&cluster, command);
        assert!(said.contains("TASK_FAILED") && said.contains("Executor terminated"), "{launcher}: {said}");
        let own = format!("/agent-1/slaves/{}", agents(cluster.port)[0]);
        assert_eq!(sleepers(&own), Vec::<u32>::new(), "{launcher}");
        if *launcher == "linux" {
            assert_ne!(read(&cluster, "first"), "sh", "the first process of its namespace is not itself");
        }
    }
}

fn launchers() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        return &["posix", "linux"];
    }
    testkit::skip::skipped(&format!("{} with the linux launcher", testkit::skip::current_test()), "it needs root");
    &["posix"]
}

/// Those of this test: their directory is below the agent's.
fn sleepers(agent: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &u32| {
        let directory = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        directory.to_string_lossy().contains(agent)
    };
    pids.filter(is_ours).collect()
}
