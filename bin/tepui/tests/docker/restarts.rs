//! Restarts of the agent, with containers that go on, that end meanwhile, and that nobody knows.

use docker::{Request, container_name};
use serde_json::json;
use testkit::process::signal;
use testkit::wait::until;

use super::cluster::{Cluster, Fields};
use super::daemon::{Daemon, IMAGE};

#[test]
fn containers_outlive_their_agent() {
    let Some(daemon) = Daemon::start() else { return };
    let mut cluster = Cluster::start(&daemon, &["--docker_remove_delay=0ns"]);
    let until_file = |file: &str| format!("while [ ! -e $MESOS_SANDBOX/{file} ]; do sleep 0.05; done; exit 7");
    let stays = cluster.begin_task("stays", &until_file("go"), Fields::default());
    let ends = cluster.begin_task("ends", &until_file("go"), Fields::default());
    let alone = cluster.begin_task("alone", &until_file("go"), Fields::default());
    for name in ["stays", "ends", "alone"] {
        cluster.until_state(name, "TASK_RUNNING");
    }
    let sandboxes = |cluster: &Cluster, name: &str| {
        let task = cluster.task(name).unwrap();
        let container = cluster.status(name, "TASK_RUNNING")["container_status"]["container_id"]["value"].clone();
        let (agent, framework) = (task["slave_id"].as_str().unwrap(), task["framework_id"].as_str().unwrap());
        let path =
            format!("slaves/{agent}/frameworks/{framework}/executors/{name}/runs/{}", container.as_str().unwrap());
        (cluster.work.path().join(path), container.as_str().unwrap().to_owned())
    };
    let (first, _) = sandboxes(&cluster, "stays");
    let (second, second_id) = sandboxes(&cluster, "ends");
    let (third, third_id) = sandboxes(&cluster, "alone");
    let executor = cluster.executor_pid("alone");
    // An orphan: a container of Mesos that no agent knows, and one of somebody else.
    let body = json!({ "Image": IMAGE, "Entrypoint": ["/bin/sh"], "Cmd": ["-c", "exec sleep 1000"], "HostConfig": { "NetworkMode": "none" } });
    let orphan = container_name("11111111-2222-4333-8444-555555555555");
    for name in [orphan.as_str(), "mesos-dns"] {
        daemon.call(&Request::create(name, &body));
        daemon.call(&Request::start(name));
    }
    cluster.kill_agent();
    // One task has lost its executor, too.
    signal(executor, "-KILL");
    for (sandbox, id) in [(second, second_id), (third, third_id)] {
        std::fs::write(sandbox.join("go"), "").unwrap();
        until("the container has ended", || (!daemon.inspect(&container_name(&id)).0.running).then_some(()));
    }
    cluster.start_agent();
    for (name, program) in [("ends", &ends), ("alone", &alone)] {
        cluster.until_state(name, "TASK_FAILED");
        Cluster::until_said(program, "Container exited with status 7");
    }
    until("the orphan is removed", || {
        let listed = daemon.containers();
        (!listed.iter().any(|container| orphan.ends_with(&container.container))).then_some(())
    });
    assert!(daemon.inspect("mesos-dns").0.running);
    assert_eq!(cluster.task("stays").unwrap()["state"], json!("TASK_RUNNING"));
    // The usage of a recovered container is measured.
    until("the usage is measured", || {
        let monitored = cluster.agent_json("/monitor/statistics");
        monitored[0]["statistics"]["mem_rss_bytes"].as_u64().filter(|bytes| *bytes > 0)
    });
    std::fs::write(first.join("go"), "").unwrap();
    cluster.until_state("stays", "TASK_FAILED");
    until("the containers are removed", || daemon.containers().is_empty().then_some(()));
    for mut program in [stays, ends, alone] {
        program.kill();
    }
}
