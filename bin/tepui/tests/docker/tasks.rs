//! What tasks at Docker ask for, and what they get.

use std::time::{Duration, Instant};

use docker::container_name;
use serde_json::json;
use testkit::wait::until;

use super::cluster::{Cluster, Fields};
use super::daemon::{Daemon, IMAGE};

#[test]
fn a_task_runs_at_docker() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let docker = ["--containerizer=docker", &format!("--docker_image={IMAGE}"), "--resources=cpus:0.1;mem:32"];
    let command =
        "--command=echo out; echo err >&2; pwd; env | grep MESOS_ | sort; echo x > $MESOS_SANDBOX/file; exit 3";
    let said = cluster.execute(&[&docker[..], &["--name=t", command]].concat());
    assert!(said.contains("TASK_RUNNING") && said.contains("TASK_FAILED"), "{said}");
    assert!(said.contains("Container exited with status 3"), "{said}");
    let [listed] = &daemon.containers()[..] else { panic!("one container: {:?}", daemon.containers()) };
    let name = container_name(&listed.container);
    // What the executor itself says goes to stderr, too.
    assert_eq!(
        cluster.written("stdout"),
        format!("out\n/\nMESOS_ALLOCATION_ROLE=*\nMESOS_CONTAINER_NAME={name}\nMESOS_SANDBOX=/mnt/mesos/sandbox\n")
    );
    assert!(cluster.written("stderr").starts_with("err\n"));
    assert_eq!(cluster.written("file"), "x\n");
    let running = cluster.status("t", "TASK_RUNNING");
    assert_eq!(running["container_status"]["container_id"]["value"], json!(listed.container));
    let (_, inspected) = daemon.inspect(&listed.id);
    // As in Mesos, the executor's share is the container's.
    assert_eq!(inspected["HostConfig"]["Memory"], json!(64 << 20));
    assert_eq!(inspected["HostConfig"]["CpuShares"], json!(204));
    assert_eq!(inspected["HostConfig"]["NetworkMode"], json!("host"));
    // The image's own command, and one without a shell.
    let said = cluster.execute(&[&docker[..], &["--name=own", "--shell=false"]].concat());
    assert!(said.contains("TASK_FINISHED"), "{said}");
    let said = cluster.execute(&[&docker[..], &["--name=argv", "--shell=false", "--command=/bin/false"]].concat());
    assert!(said.contains("Container exited with status 1"), "{said}");
    // The mesos containerizer has the others.
    let said = cluster.execute(&["--name=mesos", "--command=exit 4", "--resources=cpus:0.1;mem:32"]);
    assert!(said.contains("Command exited with status 4"), "{said}");
}

#[test]
fn a_task_gets_what_it_asks_for_or_is_refused() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &["--cgroups_enable_cfs"]);
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("given"), "from the host\n").unwrap();
    let fields = Fields {
        docker: json!({ "parameters": [
            { "key": "label", "value": "a=b" }, { "key": "user", "value": "nobody" },
            { "key": "read-only", "value": "true" }, { "key": "ulimit", "value": "nofile=77" },
        ] }),
        container: json!({
            "hostname": "h1",
            "volumes": [
                { "mode": "RO", "container_path": "/data", "host_path": data.path() },
                { "mode": "RW", "container_path": "/own", "source": { "type": "SANDBOX_PATH", "sandbox_path": { "type": "SELF", "path": "own" } } },
            ],
            "linux_info": { "effective_capabilities": { "capabilities": ["KILL"] } },
        }),
        task: json!({ "limits": { "mem": { "value": 64.0 } } }),
    };
    let fields = Fields {
        docker: {
            let mut docker = fields.docker;
            docker["network"] = json!("NONE");
            docker
        },
        ..fields
    };
    let command = "cat /data/given; id -u; hostname; ulimit -n; grep CapBnd /proc/self/status; \
                   echo x > /data/new || echo read-only; echo x > /new || echo read-only";
    let said = cluster.run("t", command, fields);
    assert!(said.contains("TASK_FINISHED"), "{said}\n{}", cluster.agent_log());
    assert_eq!(
        cluster.written("stdout"),
        "from the host\n65534\nh1\n77\nCapBnd:\t0000000000000020\nread-only\nread-only\n"
    );
    let (_, inspected) = daemon.inspect(&daemon.containers()[0].id);
    assert_eq!(inspected["Config"]["Labels"], json!({ "a": "b" }));
    let host = &inspected["HostConfig"];
    assert_eq!((&host["CpuQuota"], &host["Memory"]), (&json!(20_000), &json!(96 << 20)));
    assert_eq!(host["MemoryReservation"], json!(64 << 20));
    assert!(host["OomScoreAdj"].as_i64().unwrap() > 0);

    let refused = |name: &str, fields: Fields, expect: &str| {
        let said = cluster.run(name, "true", fields);
        assert!(said.contains("TASK_FAILED") && said.contains(expect), "{said}");
    };
    let parameter = |key: &str, value: &str| Fields::docker(json!({ "parameters": [{ "key": key, "value": value }] }));
    refused("r1", parameter("no-such-option", "1"), "the docker parameter 'no-such-option' is not an option");
    refused("r2", parameter("restart", "always"), "the docker parameter 'restart'");
    let ports = json!({ "network": "BRIDGE", "port_mappings": [{ "host_port": 31000, "container_port": 80 }] });
    refused("r3", Fields::docker(ports), "Failed to create docker run options: Port mappings require port resources");
    let tty = Fields::container(json!({ "tty_info": {} }));
    refused("r4", tty, "'task.container.tty_info' cannot be carried out");
    refused(
        "r5",
        Fields::docker(json!({ "image": "127.0.0.1:1/no/image" })),
        "Failed to pull image '127.0.0.1:1/no/image'",
    );
    let said =
        cluster.run("r6", "true", Fields::task(json!({ "command": { "shell": false, "value": "/no/such/program" } })));
    assert!(said.contains("TASK_FAILED") && said.contains("Failed to run docker container"), "{said}");
    assert!(daemon.containers().iter().all(|container| !container.runs));
}

#[test]
fn a_killed_task_has_the_time_of_its_policy() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &["--docker_remove_delay=0ns"]);
    let docker = ["--containerizer=docker", &format!("--docker_image={IMAGE}"), "--resources=cpus:0.1;mem:32"];
    // A program that heeds SIGTERM says so.
    let heeds = "--command=trap 'echo term; exit 7' TERM; while true; do sleep 0.1; done";
    let said = cluster.execute(&[&docker[..], &["--name=heeds", heeds, "--kill_after=500ms"]].concat());
    assert!(said.contains("TASK_KILLED") && said.contains("Container exited with status 7"), "{said}");
    // One that does not is killed.
    let begun = Instant::now();
    let fields = Fields::task(json!({
        "kill_policy": { "grace_period": { "nanoseconds": 500_000_000 } },
        "max_completion_time": { "nanoseconds": 500_000_000 },
    }));
    let said = cluster.run("late", "trap '' TERM; while true; do sleep 0.1; done", fields);
    assert!(said.contains("TASK_FAILED") && said.contains("REASON_MAX_COMPLETION_TIME_REACHED"), "{said}");
    assert!(said.contains("Container exited with status 137"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    until("the containers are removed", || daemon.containers().is_empty().then_some(()));
}

#[test]
fn checks_run_in_the_container() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let quick = json!({ "delay_seconds": 0.0, "interval_seconds": 0.2, "grace_period_seconds": 30.0 });
    let with = |mut base: serde_json::Value, further: serde_json::Value| {
        base.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        base
    };
    let command = |value: &str| json!({ "type": "COMMAND", "command": { "value": value } });
    let check = json!({ "type": "COMMAND", "command": { "command": { "value": "exit 5" } },
        "delay_seconds": 0.0, "interval_seconds": 0.2 });
    let fields = Fields::task(json!({
        "health_check": with(command("test -e /tmp/ready"), quick.clone()),
        "check": check,
    }));
    let mut task = cluster.begin_task("checked", "sleep 0.5; touch /tmp/ready; exec sleep 1000", fields);
    cluster.until_status("checked", "/healthy", &json!(true));
    cluster.until_status("checked", "/check_status/command/exit_code", &json!(5));
    // A check that hangs fails and leaves nothing, and the third failure ends the task.
    let hangs = with(
        with(command("sleep 500"), quick),
        json!({ "timeout_seconds": 0.2, "consecutive_failures": 2, "grace_period_seconds": 0.0 }),
    );
    let said = cluster.run(
        "sick",
        "exec sleep 1000",
        Fields::task(json!({
            "health_check": hangs, "kill_policy": { "grace_period": { "nanoseconds": 100_000_000 } },
        })),
    );
    assert!(said.contains("TASK_KILLED"), "{said}");
    assert_eq!(cluster.status("sick", "TASK_KILLED")["healthy"], json!(false));
    task.kill();
}

#[test]
fn a_lack_of_memory_is_told() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let command = "x=$(head -c 300m /dev/zero | tr '\\0' a); exit 1";
    let said = cluster.run(
        "big",
        command,
        Fields::docker(json!({ "parameters": [{ "key": "memory-swap", "value": "64m" }] })),
    );
    assert!(said.contains("TASK_FAILED"), "{said}");
    assert!(said.contains("Memory limit exceeded: Requested: 64MB"), "{said}");
    assert!(said.contains("REASON_CONTAINER_LIMITATION_MEMORY"), "{said}");
}

#[test]
fn the_usage_is_that_of_the_container() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let mut task =
        cluster.begin_task("busy", "x=$(head -c 8m /dev/zero | tr '\\0' a); while true; do :; done", Fields::default());
    cluster.until_state("busy", "TASK_RUNNING");
    let usage = until("the container has used something", || {
        let monitored = cluster.agent_json("/monitor/statistics");
        let statistics = monitored[0]["statistics"].clone();
        let cpus = statistics["cpus_user_time_secs"].as_f64().unwrap_or_default();
        let memory = statistics["mem_rss_bytes"].as_u64().unwrap_or_default();
        (cpus > 0.05 && memory > 8 << 20).then_some(statistics)
    });
    assert_eq!(usage["mem_limit_bytes"], json!(64 << 20), "{usage}");
    let containers = cluster.agent_json("/containers");
    assert_eq!(containers[0]["status"]["container_id"]["value"], json!(daemon.containers()[0].container));
    assert!(containers[0]["statistics"]["mem_total_bytes"].as_u64().unwrap() > 8 << 20, "{containers}");
    task.kill();
}

/// The program of a custom executor is the container itself.
#[test]
fn a_custom_executor_runs_at_docker() {
    let Some(daemon) = Daemon::start() else { return };
    let cluster = Cluster::start(&daemon, &[]);
    let scalar = |name: &str, value: f64| json!({ "name": name, "type": "SCALAR", "scalar": { "value": value } });
    let resources = json!([scalar("cpus", 0.1), scalar("mem", 32.0)]);
    let command = "env | grep -c -E 'MESOS_(SLAVE_PID|EXECUTOR_ID|DIRECTORY)='; echo $A $MESOS_SANDBOX; exit 5";
    let executor = json!({
        "type": "CUSTOM", "executor_id": { "value": "e" }, "resources": resources,
        "command": { "value": command, "environment": { "variables": [{ "name": "A", "value": "b" }] } },
        "container": { "type": "DOCKER", "docker": { "image": IMAGE } },
    });
    let task = json!({ "name": "t", "task_id": { "value": "t" }, "agent_id": { "value": "" }, "executor": executor, "resources": resources });
    let said = cluster.execute(&[&format!("--task={task}")]);
    assert!(said.contains("Executor terminated: exited with status 5"), "{said}");
    assert_eq!(cluster.written("stdout"), "3\nb /mnt/mesos/sandbox\n");
    assert!(daemon.containers().iter().all(|container| !container.runs));
}
