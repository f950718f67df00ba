//! Nested containers in a real task: launched, waited for, signalled, removed, and attached to.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::http::{Client, JSON, Response, Scheduler, call, post};
use testkit::wait::until_within;

use super::Cluster;

/// A running task with nested containers.
struct Parent {
    cluster: Cluster,
    container: String,
}

impl Parent {
    async fn start() -> Self {
        let mut cluster = Cluster::start().await;
        cluster.launch(json!({ "value": "echo in the parent > here; sleep 1000" })).await;
        let running = cluster.scheduler.until("TASK_RUNNING").await;
        let container = running["container_status"]["container_id"]["value"].as_str().expect("an id").to_owned();
        let parent = Parent { cluster, container };
        let here = parent.sandbox().join("here");
        until_within(Duration::from_secs(10), "the task has begun", || here.exists().then_some(()));
        parent
    }

    fn sandbox(&self) -> PathBuf {
        let executors = format!("frameworks/{}/executors/t/runs/{}", self.cluster.scheduler.framework, self.container);
        let slaves = self.cluster.work.path().join("slaves");
        let agent = std::fs::read_dir(&slaves).unwrap().flatten().find(|entry| entry.file_name() != "latest");
        agent.expect("an agent").path().join(executors)
    }

    fn id(&self, value: &str) -> Value {
        json!({ "value": value, "parent": { "value": self.container } })
    }

    async fn call(&self, kind: &str, fields: Value) -> Response {
        call(self.cluster.agent.address, "/api/v1", &body(kind, fields)).await
    }

    async fn launch(&self, value: &str, command: &str) -> Response {
        let command = json!({ "value": command });
        self.call("LAUNCH_NESTED_CONTAINER", json!({ "container_id": self.id(value), "command": command })).await
    }

    async fn check(&self, kind: &str, fields: Value, status: u16, answer: &str) {
        let response = self.call(kind, fields).await;
        let answer = answer.replace("PARENT", &self.container);
        assert_eq!((response.status, response.text()), (status, answer), "{kind}");
    }

    /// Opens a session, and returns its connection after the head of the response.
    async fn session(&self, value: &str, command: &str, container: Value) -> Client {
        let fields = json!({ "container_id": self.id(value), "command": { "value": command }, "container": container });
        let headers = format!("{JSON}Accept: application/recordio\r\nMessage-Accept: application/json\r\n");
        let mut client = Client::connect(self.cluster.agent.address).await;
        client.send(post("/api/v1", &headers, body("LAUNCH_NESTED_CONTAINER_SESSION", fields))).await;
        let head = client.head().await.expect("a head");
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("content-type"), Some("application/recordio"));
        assert_eq!(head.header("message-content-type"), Some("application/json"));
        client
    }

    /// Opens a connection for the input of a session.
    async fn input(&self, value: &str) -> Client {
        self.input_of(&self.id(value)).await
    }

    /// Opens a connection for the input of a container.
    async fn input_of(&self, id: &Value) -> Client {
        let headers = "Content-Type: application/recordio\r\nMessage-Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
        let mut client = Client::connect(self.cluster.agent.address).await;
        client.send(format!("POST /api/v1 HTTP/1.1\r\n{headers}\r\n")).await;
        let first = json!({ "type": "CONTAINER_ID", "container_id": id });
        send_record(&mut client, &body("ATTACH_CONTAINER_INPUT", first)).await;
        client
    }

    async fn exit_status(&self, value: &str) -> Value {
        let response = self.call("WAIT_NESTED_CONTAINER", json!({ "container_id": self.id(value) })).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()["wait_nested_container"]["exit_status"].clone()
    }
}

fn body(kind: &str, fields: Value) -> String {
    let mut body = json!({ "type": kind });
    body[kind.to_lowercase()] = fields;
    body.to_string()
}

async fn send_record(client: &mut Client, record: &str) {
    let record = format!("{}\n{record}", record.len());
    client.send(format!("{:x}\r\n{record}\r\n", record.len())).await;
}

async fn send_io(client: &mut Client, io: Value) {
    send_record(client, &body("ATTACH_CONTAINER_INPUT", json!({ "type": "PROCESS_IO", "process_io": io }))).await;
}

async fn send_bytes(client: &mut Client, base64: &str) {
    send_io(client, json!({ "type": "DATA", "data": { "type": "STDIN", "data": base64 } })).await;
}

/// Returns the text of an output of a stream up to its end.
async fn rest(client: &mut Client, kind: &str) -> String {
    let mut text = String::new();
    while let Some(event) = client.event().await {
        if event["data"]["type"] == kind {
            text.push_str(&decoded(event["data"]["data"].as_str().unwrap_or_default()));
        }
    }
    text
}

/// Decodes base64, of which these tests need the letters only.
fn decoded(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for digit in digits {
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub async fn nested_containers_run_in_their_parent() {
    let parent = Parent::start().await;
    let launched = parent.launch("n", "cat ../../here; echo $MESOS_SANDBOX; exit 3").await;
    assert_eq!((launched.status, launched.text().as_str()), (200, ""));
    assert_eq!(parent.exit_status("n").await, 3 << 8);
    let sandbox = parent.sandbox().join("containers/n");
    let output = std::fs::read_to_string(sandbox.join("stdout")).unwrap();
    assert_eq!(output, format!("in the parent\n{}\n", sandbox.display()));
    // Its id stays in use until it is removed.
    assert_eq!(parent.launch("n", "true").await.status, 202);
    let id = json!({ "container_id": parent.id("n") });
    let not_found = "Container 'PARENT.n' cannot be found (or is already killed)";
    parent.check("KILL_NESTED_CONTAINER", id.clone(), 404, not_found).await;
    parent.check("REMOVE_NESTED_CONTAINER", id.clone(), 200, "").await;
    assert!(!sandbox.exists() && parent.sandbox().join("containers").exists());
    parent.check("WAIT_CONTAINER", id.clone(), 404, "Container PARENT.n cannot be found").await;
    parent.check("REMOVE_CONTAINER", id, 200, "").await;

    assert_eq!(parent.launch("long", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done").await.status, 200);
    let stdout = parent.sandbox().join("containers/long/stdout");
    until_within(Duration::from_secs(10), "it is ready", || {
        std::fs::read_to_string(&stdout).ok().filter(|text| text == "ready\n")
    });
    let id = json!({ "container_id": parent.id("long") });
    parent.check("REMOVE_CONTAINER", id.clone(), 500, "Nested container has not terminated yet").await;
    parent.check("KILL_CONTAINER", json!({ "container_id": parent.id("long"), "signal": 15 }), 200, "").await;
    assert_eq!(parent.exit_status("long").await, 7 << 8);
    let no_program = parent
        .call(
            "LAUNCH_CONTAINER",
            json!({ "container_id": parent.id("bad"), "command": { "shell": false, "value": "no-such-program" } }),
        )
        .await;
    assert_eq!(no_program.status, 400);
    assert!(no_program.text().contains("no-such-program"), "{}", no_program.text());
    let refused = json!({
        "container_id": parent.id("caps"),
        "command": { "value": "true" },
        "container": { "type": "MESOS", "hostname": "h" },
    });
    let refused = parent.call("LAUNCH_CONTAINER", refused).await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("'container.hostname' cannot be carried out"), "{}", refused.text());
    parent.cluster.stop().await;
}

/// Executors whose first action is a launch: many of them are faster than the report of their own start.
pub async fn executors_may_launch_at_once() {
    const EXECUTORS: usize = 16;
    let mut cluster = Cluster::start().await;
    let offer = cluster.scheduler.offer().await;
    let script = cluster.work.path().join("quick.sh");
    let quick = r#"exec 3<>"/dev/tcp/${MESOS_AGENT_ENDPOINT/://}"
body="{\"type\":\"LAUNCH_NESTED_CONTAINER\",\"launch_nested_container\":{\"container_id\":{\"value\":\"n\",\"parent\":{\"value\":\"${MESOS_DIRECTORY##*/}\"}},\"command\":{\"value\":\"sleep 1000\"}}}"
printf 'POST /api/v1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' ${#body} "$body" >&3
read -r version status rest <&3
echo "$status" > answer.new; mv answer.new answer; exec sleep 1000
"#;
    std::fs::write(&script, quick).expect("written");
    let task = |number: usize| {
        let mut task = Scheduler::small_task(&format!("t{number}"), &offer);
        let amounts = [("cpus", 0.01), ("mem", 1.0)].map(|(name, value)| Scheduler::scalar(name, value));
        task["resources"] = json!(amounts);
        task["executor"] = json!({
            "type": "CUSTOM", "executor_id": { "value": format!("e{number}") },
            "framework_id": { "value": cluster.scheduler.framework }, "resources": amounts,
            "command": { "shell": false, "value": "/bin/bash", "arguments": ["bash", script] },
        });
        task
    };
    let tasks: Vec<Value> = (0..EXECUTORS).map(task).collect();
    cluster.scheduler.launch(&offer, &tasks).await;
    for number in 0..EXECUTORS {
        let runs = format!("frameworks/{}/executors/e{number}/runs", cluster.scheduler.framework);
        let slaves = cluster.work.path().join("slaves");
        let answer = until_within(Duration::from_secs(20), "the agent has answered", || {
            let agents = std::fs::read_dir(&slaves).ok()?.flatten();
            let paths = agents.map(|agent| agent.path().join(&runs).join("latest/answer"));
            paths.filter_map(|path| std::fs::read_to_string(path).ok()).next()
        });
        assert_eq!(answer, "200\n", "executor {number}");
    }
    cluster.stop().await;
}

pub async fn nested_containers_end_with_their_parent() {
    let mut parent = Parent::start().await;
    assert_eq!(parent.launch("a", "sleep 1000").await.status, 200);
    let inner = json!({ "value": "b", "parent": parent.id("a") });
    let launch = json!({ "container_id": inner, "command": { "value": "sleep 1000" } });
    assert_eq!(parent.call("LAUNCH_CONTAINER", launch).await.status, 200);
    let mut waits = Vec::new();
    for id in [parent.id("a"), inner.clone(), json!({ "value": parent.container })] {
        let mut client = Client::connect(parent.cluster.agent.address).await;
        client.send(post("/api/v1", JSON, body("WAIT_CONTAINER", json!({ "container_id": id })))).await;
        waits.push(client);
    }
    // A wait whose client leaves is forgotten.
    let mut gone = Client::connect(parent.cluster.agent.address).await;
    gone.send(post("/api/v1", JSON, body("WAIT_CONTAINER", json!({ "container_id": inner })))).await;
    drop(gone);
    let kill = json!({ "task_id": { "value": "t" } });
    parent.cluster.scheduler.accepted("KILL", "kill", kill).await;
    parent.cluster.scheduler.until("TASK_KILLED").await;
    let mut statuses = Vec::new();
    for client in &mut waits {
        statuses.push(client.response().await.expect("a response").json()["wait_container"]["exit_status"].clone());
    }
    assert_eq!(statuses[..2], [json!(9), json!(9)]);
    let id = json!({ "container_id": parent.id("late"), "command": { "value": "true" } });
    let late = parent.call("LAUNCH_CONTAINER", id).await;
    assert_eq!(late.status, 400);
    parent.cluster.stop().await;
}

pub async fn a_session_has_the_streams_of_its_caller() {
    let parent = Parent::start().await;
    let command = "pwd >&2; while read line; do echo got $line; done; echo end; exit 5";
    let mut output = parent.session("s", command, Value::Null).await;
    let mut input = parent.input("s").await;
    send_bytes(&mut input, "YQpiCg==").await;
    let first = output.event_of("DATA").await;
    assert!(["STDOUT", "STDERR"].iter().any(|kind| first["data"]["type"] == *kind), "{first}");
    // Only one connection writes the input.
    let mut second = parent.input("s").await;
    let refused = second.response().await.expect("a response");
    assert_eq!((refused.status, refused.text().as_str()), (409, "Multiple input connections are not allowed"));
    send_io(&mut input, json!({ "type": "CONTROL", "control": { "type": "HEARTBEAT", "heartbeat": {} } })).await;
    send_bytes(&mut input, "").await;
    let mut text = rest(&mut output, "STDOUT").await;
    if first["data"]["type"] == "STDOUT" {
        text.insert_str(0, &decoded(first["data"]["data"].as_str().unwrap()));
    }
    assert_eq!(text, "got a\ngot b\nend\n");
    assert_eq!(input.response().await.expect("a response").status, 200);
    assert_eq!(parent.exit_status("s").await, 5 << 8);
    let kept = std::fs::read_to_string(parent.sandbox().join("containers/s/stderr")).unwrap();
    assert_eq!(kept.trim(), parent.sandbox().to_str().unwrap(), "it has the working directory of its parent");

    // The input of a window size needs a terminal.
    let output = parent.session("p", "cat", Value::Null).await;
    let mut input = parent.input("p").await;
    let size = json!({ "type": "TTY_INFO", "tty_info": { "window_size": { "rows": 30, "columns": 100 } } });
    send_io(&mut input, json!({ "type": "CONTROL", "control": size })).await;
    let refused = input.response().await.expect("a response");
    assert_eq!(refused.status, 400);
    assert!(refused.text().starts_with("Unable to set the window size: "), "{}", refused.text());
    // The session ends with its connection.
    drop(output);
    assert_eq!(parent.exit_status("p").await, 9);
    let attach = json!({ "container_id": parent.id("p") });
    parent.check("ATTACH_CONTAINER_OUTPUT", attach, 500, "Unknown container PARENT.p").await;
    assert_eq!(parent.launch("n", "sleep 1000").await.status, 200);
    let attach = json!({ "container_id": parent.id("n") });
    let disabled = "I/O switchboard server was disabled for this container";
    parent.check("ATTACH_CONTAINER_OUTPUT", attach, 500, disabled).await;
    parent.cluster.stop().await;
}

pub async fn a_session_can_have_a_terminal() {
    let parent = Parent::start().await;
    let terminal = json!({ "type": "MESOS", "tty_info": { "window_size": { "rows": 24, "columns": 80 } } });
    let command = "trap 'stty size' WINCH; stty size; tty -s && echo terminal < /dev/tty; \
                   while :; do read line && break; done; echo got $line";
    let mut output = parent.session("s", command, terminal.clone()).await;
    let mut input = parent.input("s").await;
    let mut text = String::new();
    while !text.contains("terminal") {
        let event = output.event_of("DATA").await;
        assert_eq!(event["data"]["type"], "STDOUT", "a terminal has one output");
        text.push_str(&decoded(event["data"]["data"].as_str().unwrap()));
    }
    assert!(text.contains("24 80"), "{text}");
    let size = json!({ "type": "TTY_INFO", "tty_info": { "window_size": { "rows": 30, "columns": 100 } } });
    send_io(&mut input, json!({ "type": "CONTROL", "control": size })).await;
    let mut text = String::new();
    while !text.contains("30 100") {
        let event = output.event_of("DATA").await;
        text.push_str(&decoded(event["data"]["data"].as_str().unwrap()));
    }
    send_bytes(&mut input, "YWIK").await;
    let text = rest(&mut output, "STDOUT").await;
    assert!(text.contains("got ab"), "{text}");
    assert_eq!(parent.exit_status("s").await, 0);

    // The key for an interrupt reaches the program through its controlling terminal.
    let mut output = parent.session("i", "trap 'exit 6' INT; echo ready; while :; do sleep 0.1; done", terminal).await;
    output.event_of("DATA").await;
    let mut input = parent.input("i").await;
    send_bytes(&mut input, "Aw==").await;
    rest(&mut output, "STDOUT").await;
    assert_eq!(parent.exit_status("i").await, 6 << 8);
    parent.cluster.stop().await;
}

/// The conversation of `mesos task attach` of Mesos' command line (src/python/cli_new): the output first, then an input that ends
/// after its first record, as a trial, and then the input itself, which begins with a size of zero to have the screen drawn.
pub async fn a_command_task_can_have_a_terminal() {
    let mut cluster = Cluster::start().await;
    let command = "stty size; read line; stty size; echo got $line; tty -s && exit 4";
    let task = json!({
        "command": { "value": command },
        "container": { "type": "MESOS", "tty_info": { "window_size": { "rows": 24, "columns": 80 } } },
        "labels": { "labels": [{ "key": "tepui.terminal", "value": "waits" }] },
    });
    cluster.launch_with(task).await;
    let running = cluster.scheduler.until("TASK_RUNNING").await;
    let container = running["container_status"]["container_id"]["value"].as_str().expect("an id").to_owned();
    let mut parent = Parent { cluster, container };
    let id = json!({ "value": parent.container });
    let mut output = Client::connect(parent.cluster.agent.address).await;
    let attach = body("ATTACH_CONTAINER_OUTPUT", json!({ "container_id": id }));
    let headers = format!("{JSON}Accept: application/recordio\r\nMessage-Accept: application/json\r\n");
    output.send(post("/api/v1", &headers, attach)).await;
    assert_eq!(output.head().await.expect("a head").status, 200);
    let mut text = String::new();
    while !text.contains("24 80") {
        let event = output.event_of("DATA").await;
        text.push_str(&decoded(event["data"]["data"].as_str().unwrap()));
    }
    let mut trial = parent.input_of(&id).await;
    trial.send("0\r\n\r\n".to_owned()).await;
    assert_eq!(trial.response().await.expect("a response").status, 200);
    let mut input = parent.input_of(&id).await;
    for (rows, columns) in [(0, 0), (30, 100)] {
        let size = json!({ "type": "TTY_INFO", "tty_info": { "window_size": { "rows": rows, "columns": columns } } });
        send_io(&mut input, json!({ "type": "CONTROL", "control": size })).await;
    }
    let heartbeat = json!({ "type": "HEARTBEAT", "heartbeat": { "interval": { "nanoseconds": 30_000_000_000u64 } } });
    send_io(&mut input, json!({ "type": "CONTROL", "control": heartbeat })).await;
    send_bytes(&mut input, "YWIK").await;
    let text = rest(&mut output, "STDOUT").await;
    assert!(text.contains("30 100") && text.contains("got ab"), "{text}");
    let failed = parent.cluster.scheduler.until("TASK_FAILED").await;
    assert_eq!(failed["message"], "Command exited with status 4");
    // The output is in the sandbox as well.
    let kept = std::fs::read_to_string(parent.sandbox().join("stdout")).unwrap();
    assert!(kept.contains("24 80") && kept.contains("got ab"), "{kept}");
    parent.cluster.stop().await;
}

pub async fn a_terminal_outlives_its_callers() {
    let parent = Parent::start().await;
    let launch = json!({
        "container_id": parent.id("t"),
        "command": { "value": "echo before; read line; echo got $line; read line; exit 8" },
        "container": { "type": "MESOS", "tty_info": {} },
    });
    let launched = parent.call("LAUNCH_CONTAINER", launch).await;
    assert_eq!(launched.status, 200, "{}", launched.text());
    let stdout = parent.sandbox().join("containers/t/stdout");
    let has = |text: &str| {
        until_within(Duration::from_secs(10), text, || {
            std::fs::read_to_string(&stdout).ok().filter(|output| output.contains(text))
        })
    };
    has("before");
    let mut output = Client::connect(parent.cluster.agent.address).await;
    let attach = body("ATTACH_CONTAINER_OUTPUT", json!({ "container_id": parent.id("t") }));
    output.send(post("/api/v1", &format!("{JSON}Accept: application/recordio\r\n"), attach)).await;
    assert_eq!(output.head().await.expect("a head").status, 200);
    let mut input = parent.input("t").await;
    send_bytes(&mut input, "YWIK").await;
    let mut text = String::new();
    while !text.contains("got ab") {
        let event = output.event_of("DATA").await;
        text.push_str(&decoded(event["data"]["data"].as_str().unwrap()));
    }
    assert!(!text.contains("before"), "the output begins with the attachment: {text}");
    // The container goes on without its callers.
    drop(output);
    drop(input);
    has("got ab");
    let shown = parent.call("GET_CONTAINERS", json!({ "show_nested": true })).await.json();
    let shown = shown["get_containers"]["containers"].as_array().expect("containers").clone();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert_eq!(shown[1]["container_id"], parent.id("t"));
    assert_eq!(shown[1]["executor_id"]["value"], "t");
    let ended = loop {
        // The first connection may not have ended yet.
        let mut input = parent.input("t").await;
        send_bytes(&mut input, "Cg==").await;
        match input.response().await.expect("a response") {
            response if response.status == 409 => continue,
            response => break response,
        }
    };
    assert_eq!(ended.status, 200, "{}", ended.text());
    assert_eq!(parent.exit_status("t").await, 8 << 8);
    parent.cluster.stop().await;
}

/// A caller that does not read its output stops the program, not the agent's memory.
pub async fn a_slow_reader_stops_the_program() {
    let parent = Parent::start().await;
    let command = "s=$(head -c 4000 /dev/zero | tr '\\0' x); i=0; \
                   while :; do echo $s; i=$((i+1)); echo $i > written; done";
    let mut output = parent.session("s", command, Value::Null).await;
    let written = parent.sandbox().join("written");
    let count = || std::fs::read_to_string(&written).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let (mut last, mut same) = (0, 0);
    until_within(Duration::from_secs(60), "the program stops", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = count().unwrap_or_default();
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
        (same >= 5).then_some(())
    });
    // It goes on when its output is read: first what the sockets hold.
    let mut read = 0;
    while count().unwrap_or_default() <= last {
        output.event_of("DATA").await;
        read += 1;
        assert!(read < 100_000, "the program does not go on");
    }
    drop(output);
    assert_eq!(parent.exit_status("s").await, 9);
    parent.cluster.stop().await;
}

pub async fn standalone_containers_belong_to_no_executor() {
    let cluster = Cluster::start().await;
    let agent = cluster.agent.address;
    let id = json!({ "value": "alone" });
    let launch = json!({
        "container_id": id,
        "command": { "value": "echo alone; sleep 1000" },
        "resources": [{ "name": "cpus", "type": "SCALAR", "scalar": { "value": 0.1 } }],
    });
    let launched = call(agent, "/api/v1", &body("LAUNCH_CONTAINER", launch)).await;
    assert_eq!(launched.status, 200, "{}", launched.text());
    let stdout = cluster.work.path().join("containers/alone/stdout");
    until_within(Duration::from_secs(10), "it runs", || {
        std::fs::read_to_string(&stdout).ok().filter(|text| text == "alone\n")
    });
    let inner = json!({ "container_id": { "value": "in", "parent": id }, "command": { "value": "sleep 1000" } });
    assert_eq!(call(agent, "/api/v1", &body("LAUNCH_CONTAINER", inner)).await.status, 200);
    let mut wait = Client::connect(agent).await;
    wait.send(post("/api/v1", JSON, body("WAIT_CONTAINER", json!({ "container_id": id })))).await;
    let kill = call(agent, "/api/v1", &body("KILL_CONTAINER", json!({ "container_id": id }))).await;
    assert_eq!(kill.status, 200, "{}", kill.text());
    assert_eq!(wait.response().await.expect("a response").json()["wait_container"]["exit_status"], 9);
    let wait = call(agent, "/api/v1", &body("WAIT_CONTAINER", json!({ "container_id": id }))).await;
    assert_eq!((wait.status, wait.text().as_str()), (404, "Container alone cannot be found"));
    cluster.stop().await;
}
