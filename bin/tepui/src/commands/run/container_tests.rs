//! Tests which messages the flags of `tepui run` become.

use clap::Parser;
use serde_json::{Value, json};

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: ContainerFlags,
    #[arg(last = true)]
    command: Vec<String>,
}

/// Returns the task that the arguments describe as JSON, without fields that are not set.
fn read(arguments: &[&str]) -> Result<Value, String> {
    let arguments = std::iter::once("run").chain(arguments.iter().copied());
    let parsed = Command::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let container = parsed.flags.container("root").map_err(|error| error.to_string())?;
    let (command, label) = container.command(&parsed.command).map_err(|error| error.to_string())?;
    let mut labels = container.labels;
    if let Some(label) = label {
        labels.get_or_insert_default().labels.push(label);
    }
    let task = v1::TaskInfo {
        command: Some(Box::new(command)),
        container: container.info,
        resources: container.resources,
        health_check: container.health_check,
        kill_policy: container.kill_policy,
        labels,
        ..Default::default()
    };
    Ok(serde_json::from_slice(&wire::json::encode(&task)).unwrap())
}

#[test]
fn flags_fill_the_messages_of_mesos() {
    let check = |arguments: &[&str], pointer: &str, expect: Value| {
        let task = read(arguments).unwrap();
        assert_eq!(task.pointer(pointer).cloned().unwrap_or(Value::Null), expect, "{arguments:?}: {task}");
    };
    check(&["--", "true"], "/container", Value::Null);
    check(&["--", "echo a"], "/command/value", json!("echo a"));
    check(&["--", "echo", "a"], "/command/arguments", json!(["echo", "a"]));
    check(&["-w", "/it's", "--", "pwd"], "/command/value", json!("cd '/it'\\''s' || exit\npwd"));
    let script = json!(["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", "/d", "pwd", "-P"]);
    check(&["--workdir=/d", "--", "pwd", "-P"], "/command/arguments", script);
    check(&["--image=busybox"], "/container/mesos/image/docker/name", json!("busybox"));
    check(&["-v", "/a:/b:ro", "--mount=type=bind,src=/c,dst=/d"], "/container/volumes/0/mode", json!("RO"));
    check(&["-v", "/a:/b", "--mount=type=bind,src=/c,dst=/d"], "/container/volumes/1/container_path", json!("/d"));
    check(&["--hostname=h"], "/container/hostname", json!("h"));
    check(&["--network=net", "-p", "8080:80"], "/container/network_infos/0/port_mappings/0/host_port", json!(8080));
    check(&["--net=net", "-p", "8080:80"], "/resources/0/ranges/range", json!([{ "begin": 8080, "end": 8080 }]));
    check(&["--network=host"], "/container", Value::Null);
    check(&["--gpus=2"], "/resources/0/scalar/value", json!(2.0));
    check(&["--shm-size=64m"], "/container/linux_info/shm_size", json!(64));
    check(&["--shm-size=64m"], "/container/linux_info/ipc_mode", json!("PRIVATE"));
    check(
        &["--cap-drop=ALL", "--cap-add=NET_RAW"],
        "/container/linux_info/effective_capabilities/capabilities",
        json!(["NET_RAW"]),
    );
    check(&["-l", "a=b=c", "--label", "d"], "/labels/labels", json!([{ "key": "a", "value": "b=c" }, { "key": "d" }]));
    check(&["--stop-timeout=10"], "/kill_policy/grace_period/nanoseconds", json!(10_000_000_000_u64));
    check(&["--health-cmd=true"], "/health_check/command/value", json!("true"));
    check(&["--health-cmd=true"], "/health_check/type", json!("COMMAND"));
    let checked = ["--health-cmd=true", "--health-interval=1m", "--health-retries=5", "--health-timeout=2s"];
    check(&checked, "/health_check/delay_seconds", json!(60.0));
    check(&checked, "/health_check/interval_seconds", json!(60.0));
    check(&checked, "/health_check/consecutive_failures", json!(5));
    check(&["--health-cmd=true", "--health-start-period=5s"], "/health_check/grace_period_seconds", json!(5.0));
}

/// Words after an image are arguments of its entrypoint, as in docker; command lines are for the shell.
#[test]
fn the_words_after_an_image_are_those_of_docker() {
    let check = |arguments: &[&str], value: Value, words: Value, label: bool| {
        let task = read(&[&["--image=i"], arguments].concat()).unwrap();
        let found = (&task["command"]["value"], task["command"].get("arguments").cloned().unwrap_or(json!([])));
        assert_eq!(found, (&value, words), "{arguments:?}: {task}");
        let labels = task.pointer("/labels/labels/0");
        let expect = json!({ "key": "tepui.command", "value": "arguments" });
        assert_eq!(labels, label.then_some(&expect), "{arguments:?}: {task}");
    };
    check(&["--", "ls", "/"], json!("ls"), json!(["ls", "/"]), true);
    check(&["--", "sh"], json!("sh"), json!(["sh"]), true);
    check(&["--", "--port=80"], json!("--port=80"), json!(["--port=80"]), true);
    check(&["--", "echo $A; pwd"], json!("echo $A; pwd"), json!([]), false);
    check(&[], Value::Null, json!([]), false);
    check(&["--entrypoint=/bin/x", "--", "a", "b c"], json!("/bin/x"), json!(["/bin/x", "a", "b c"]), false);
    check(&["--entrypoint=/bin/x"], json!("/bin/x"), json!(["/bin/x"]), false);
    check(&["--entrypoint=", "--", "a", "b"], json!("a"), json!(["a", "b"]), false);
    let script = json!(["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", "/d", "ls"]);
    check(&["-w", "/d", "--", "ls"], json!("/bin/sh"), script, false);
    let at_docker = read(&["--containerizer=docker", "--image=i", "--entrypoint=/x", "--", "a"]).unwrap();
    let parameters = json!([{ "key": "entrypoint", "value": "/x" }]);
    assert_eq!(at_docker.pointer("/container/docker/parameters"), Some(&parameters));
    assert_eq!((&at_docker["command"]["value"], &at_docker["command"]["shell"]), (&json!("a"), &json!(false)));
}

#[test]
fn read_only_roots_and_memory_become_labels() {
    let arguments = ["--image=i", "--read-only", "--tmpfs=/run", "--mount=type=tmpfs,target=/t,tmpfs-size=1m"];
    let task = read(&arguments).unwrap();
    let label = |key: &str, value: &str| json!({ "key": key, "value": value });
    let expect = [label("tepui.read_only", "true"), label("tepui.tmpfs", "/run"), label("tepui.tmpfs", "/t:size=1m")];
    assert_eq!(task["labels"]["labels"], json!(expect));
    let task = read(&["--containerizer=docker", "--image=i", "--tmpfs=/run:size=1m"]).unwrap();
    let parameters = json!([{ "key": "tmpfs", "value": "/run:size=1m" }]);
    assert_eq!(task.pointer("/container/docker/parameters"), Some(&parameters));
}

#[test]
fn flags_fill_the_description_for_docker() {
    let check = |arguments: &[&str], pointer: &str, expect: Value| {
        let docker = ["--containerizer=docker", "--image=busybox"];
        let task = read(&[&docker[..], arguments].concat()).unwrap();
        assert_eq!(task.pointer(pointer).cloned().unwrap_or(Value::Null), expect, "{arguments:?}: {task}");
    };
    let option = |key: &str, value: &str| json!([{ "key": key, "value": value }]);
    check(&[], "/container/type", json!("DOCKER"));
    check(&[], "/container/docker/image", json!("busybox"));
    check(&["--", "echo a"], "/command/value", json!("echo a"));
    check(&["--", "ls", "-l"], "/command/arguments", json!(["-l"]));
    check(&["--", "ls", "-l"], "/command/value", json!("ls"));
    check(&["-p", "31000:80"], "/container/docker/network", json!("BRIDGE"));
    check(&["-p", "31000:80"], "/container/docker/port_mappings/0/container_port", json!(80));
    check(&["-p", "31000:80"], "/resources/0/ranges/range", json!([{ "begin": 31000, "end": 31000 }]));
    check(&["--network=none"], "/container/docker/network", json!("NONE"));
    check(&["--network=net"], "/container/docker/network", json!("USER"));
    check(&["--network=net"], "/container/network_infos/0/name", json!("net"));
    check(&["--read-only"], "/container/docker/parameters", option("read-only", "true"));
    check(&["-w", "/d"], "/container/docker/parameters", option("workdir", "/d"));
    check(&["--cap-add=NET_ADMIN"], "/container/docker/parameters", option("cap-add", "NET_ADMIN"));
    check(&["--docker-option=init"], "/container/docker/parameters", option("init", "true"));
    check(&["--docker-option=--log-opt=a=b"], "/container/docker/parameters", option("log-opt", "a=b"));
    let refused = |arguments: &[&str], expect: &str| {
        let error = read(arguments).unwrap_err();
        assert!(error.contains(expect), "{arguments:?}: {error}");
    };
    refused(&["--containerizer=docker"], "needs --image");
    refused(&["--containerizer=docker", "--image=a", "--net=a", "--net=b"], "one network");
    refused(&["--containerizer=docker", "--image=a", "--net=host", "-p", "1:1"], "--publish needs");
    refused(&["--docker-option=init"], "needs --containerizer docker");
}

#[test]
fn invalid_flags_are_refused_with_advice() {
    let check = |arguments: &[&str], expect: &str| {
        let error = read(arguments).unwrap_err();
        assert!(error.contains(expect), "{arguments:?}: {error}");
    };
    check(&["--read-only"], "--read-only needs --image");
    check(&["--tmpfs=/run"], "--tmpfs needs --image");
    check(&["--image=a", "--tmpfs=/proc/x"], "which the agent mounts");
    check(&["--image=a", "--mount=type=tmpfs,target=/a/b", "-v", "/a:/a"], "would hide the tmpfs");
    check(&["--image=a", "--entrypoint="], "--entrypoint '' needs a command");
    check(&["--entrypoint=x", "--", "a"], "--image");
    check(&["-w", "relative", "--", "pwd"], "begins with '/'");
    check(&["-w", "/d"], "--workdir needs a command");
    check(&["-u", "1000:1000"], "write the user alone");
    check(&["-p", "8080:80"], "a port needs a network");
    check(&["--gpus=all"], "give the number of GPUs");
    check(&["--gpus=0"], "give the number of GPUs");
    check(&["--health-interval=1m"], "--health-cmd");
    check(&["--health-cmd=true", "--health-interval=often"], "no duration");
    check(&["--cap-add=FLY"], "there is no capability 'FLY'");
    check(&["--env-file=/nowhere/env"], "/nowhere/env");
    check(&["-e", "=1"], "expected NAME=VALUE");
}
