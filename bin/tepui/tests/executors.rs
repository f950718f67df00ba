//! Custom executors that neglect their duties: the agent performs these instead.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::process::Command;

use processes::{TEPUI, agents};
use testkit::process::LocalCluster;
use testkit::scratch::find_file;
use testkit::wait::until;

/// Returns the output of `mesos-execute` for a task whose executor is this command, after its end.
fn execute(cluster: &LocalCluster, command: &str) -> String {
    let resources = r#"[{"name":"cpus","type":"SCALAR","scalar":{"value":0.1}},{"name":"mem","type":"SCALAR","scalar":{"value":32}}]"#;
    let command = serde_json::Value::from(command);
    let task = format!(
        r#"{{"name":"t","task_id":{{"value":"t"}},"agent_id":{{"value":""}},"resources":{resources},"executor":
        {{"type":"CUSTOM","executor_id":{{"value":"e"}},"resources":{resources},"command":{{"value":{command}}}}}}}"#
    );
    let output = Command::new(TEPUI)
        .args(["mesos-execute", &format!("--master=127.0.0.1:{}", cluster.port), &format!("--task={task}")])
        .output()
        .unwrap();
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
}

/// Returns a file of the only sandbox.
fn read(cluster: &LocalCluster, name: &str) -> String {
    let path = until("the file is there", || find_file(&cluster.work.path().join("agent-1"), name));
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

/// The executor starts a daemon that has left its session and parents, and ends by a signal that it does not handle.
#[test]
fn a_careless_executor_leaves_no_processes() {
    for launcher in launchers() {
        let cluster = LocalCluster::start(TEPUI, 1, &["--resources=cpus:1;mem:128", &format!("--launcher={launcher}")]);
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

/// Returns the processes of this test, whose directory is below that of the agent.
fn sleepers(agent: &str) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let is_ours = |pid: &u32| {
        let directory = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        directory.to_string_lossy().contains(agent)
    };
    pids.filter(is_ours).collect()
}
