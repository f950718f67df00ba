//! The HTTP edge of a master over real sockets, compared with the answers of Mesos 1.11 to the same bytes.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::{master, master_with};
use testkit::http::{Client, JSON, Response, Scheduler, call, get, post, request};

const FRAMEWORK: &str = r#"{"user":"u","name":"n","roles":["r"],"capabilities":[{"type":"MULTI_ROLE"}]}"#;

fn check(response: &Response, status: u16, body: &str) {
    assert_eq!((response.status, response.text().as_str()), (status, body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_are_routed_as_in_mesos() {
    let master = master();
    let at = master.address;
    check(&get(at, "/health").await, 200, "");
    check(&get(at, "/master/health").await, 200, "");
    check(&get(at, "//health").await, 200, "");
    check(&get(at, "http://anything/health").await, 200, "");
    for missing in ["/", "/nope", "/master", "/master/nope", "/redirect/x", "/files", "/files/nope", "/system", "/%zz"]
    {
        check(&get(at, missing).await, 404, "404 Not Found.");
    }
    for redirect in ["/redirect", "/master/redirect"] {
        let response = get(at, redirect).await;
        check(&response, 307, "");
        assert_eq!(response.header("location"), Some(format!("//localhost:{}", at.port()).as_str()));
    }
    for method in ["GET", "PUT", "POST"] {
        let response = request(at, format!("{method} /version HTTP/1.1\r\nContent-Length: 0\r\n\r\n")).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.json()["version"], "1.11.0");
        assert!(response.header("date").is_some());
    }
    let unsupported = "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'.";
    for path in ["/api/v1", "/api/v1/scheduler", "/api/v1/operator", "/master/api/v1/x/y", "/teardown"] {
        let response = get(at, path).await;
        check(&response, 405, unsupported);
        assert_eq!(response.header("allow"), Some("POST"));
    }
    for alias in ["/master/state.json", "/state", "/master/state/x/y"] {
        assert_eq!(get(at, alias).await.json()["leader"], format!("master@{at}"), "{alias}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_checked_in_order() {
    let master = master();
    let at = master.address;
    let health = r#"{"type":"GET_HEALTH"}"#;
    for path in ["/api/v1", "/api/v1/scheduler"] {
        let send = async |headers: &str, body: &str| request(at, post(path, headers, body)).await;
        check(&send("", health).await, 400, "Expecting 'Content-Type' to be present");
        for foreign in ["application/unknown", "application/json; charset=utf-8", "Application/JSON"] {
            let expected = "Expecting 'Content-Type' of application/json or application/x-protobuf";
            check(&send(&format!("Content-Type: {foreign}\r\n"), health).await, 415, expected);
        }
        let protobuf = "Content-Type: application/x-protobuf\r\n";
        check(&send(protobuf, "zzz").await, 400, "Failed to parse body into Call protobuf");
        let garbage = send(JSON, "{\"type\":").await;
        assert_eq!(garbage.status, 400);
        assert!(garbage.text().starts_with("Failed to parse body into JSON: "), "{}", garbage.text());
        let wrong_shape = send(JSON, "[]").await;
        check(&wrong_shape, 400, "Failed to convert JSON into Call protobuf: Expecting a JSON object");
    }
    check(&call(at, "/api/v1", "{}").await, 400, "Failed to validate master::Call: Expecting 'type' to be present");
    check(&call(at, "/api/v1", r#"{"type":"UNKNOWN"}"#).await, 501, "501 Not Implemented.");
    let metrics = call(at, "/api/v1", r#"{"type":"GET_METRICS"}"#).await;
    check(&metrics, 400, "Failed to validate master::Call: Expecting 'get_metrics' to be present");
    let scheduler = call(at, "/api/v1/scheduler", r#"{"type":"TEARDOWN"}"#).await;
    check(&scheduler, 400, "Failed to validate scheduler::Call: Expecting 'framework_id' to be present");
    let unknown = call(at, "/api/v1/scheduler", r#"{"type":"TEARDOWN","framework_id":{"value":"x"}}"#).await;
    check(&unknown, 400, "Framework cannot be found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_has_the_accepted_type() {
    let master = master();
    let at = master.address;
    let health = r#"{"type":"GET_HEALTH"}"#;
    let send = async |accept: &str| request(at, post("/api/v1", &format!("{JSON}{accept}"), health)).await;
    for accept in ["", "Accept: */*\r\n", "Accept: application/*\r\n", "Accept: application/json\r\n"] {
        let response = send(accept).await;
        check(&response, 200, r#"{"type":"GET_HEALTH","get_health":{"healthy":true}}"#);
        assert_eq!(response.header("content-type"), Some("application/json"));
    }
    for accept in ["Accept: application/x-protobuf\r\n", "Accept: application/json;q=0, application/x-protobuf\r\n"] {
        let response = send(accept).await;
        assert_eq!(response.header("content-type"), Some("application/x-protobuf"));
        assert_eq!(response.body, [8, 1, 18, 2, 8, 1]);
    }
    let refused = "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'";
    check(&send("Accept: foo\r\n").await, 406, refused);
    let subscribe = format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{FRAMEWORK}}}}}"#);
    let headers = format!("{JSON}Accept: foo\r\n");
    check(&request(at, post("/api/v1/scheduler", &headers, subscribe)).await, 406, refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_subscribes_and_is_torn_down() {
    let master = master();
    let at = master.address;
    let mut scheduler = Scheduler::subscribe(at, FRAMEWORK).await;
    assert_eq!(scheduler.stream.event().await.expect("an event"), serde_json::json!({"type":"HEARTBEAT"}));

    let no_stream = format!(r#"{{"type":"TEARDOWN","framework_id":{{"value":"{}"}}}}"#, scheduler.framework);
    assert_eq!(call(at, "/api/v1/scheduler", &no_stream).await.status, 400);
    let state = get(at, "/state").await.json();
    assert_eq!(state["frameworks"][0]["id"], scheduler.framework.as_str());

    check(&scheduler.call(at, r#""type":"TEARDOWN""#).await, 202, "");
    while let Some(event) = scheduler.stream.event().await {
        assert_eq!(event["type"], "HEARTBEAT");
    }
    let state = get(at, "/state").await.json();
    assert_eq!(state["frameworks"].as_array().map(Vec::len), Some(0));
    assert_eq!(state["completed_frameworks"][0]["id"], scheduler.framework.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_framework_exists_once_the_head_of_its_stream_is_sent() {
    let master = master();
    let at = master.address;
    let mut streams = Vec::new();
    for number in 1..=30 {
        let mut stream = Client::connect(at).await;
        let body = format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{FRAMEWORK}}}}}"#);
        stream.send(post("/api/v1/scheduler", JSON, body)).await;
        assert_eq!(stream.head().await.expect("a head").status, 200);
        streams.push(stream);
        let state = get(at, "/state").await.json();
        assert_eq!(state["frameworks"].as_array().map(Vec::len), Some(number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_subscription_is_an_event() {
    let master = master();
    let mut client = Client::connect(master.address).await;
    let bad = r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n","roles":["/bad"],"capabilities":[{"type":"MULTI_ROLE"}]}}}"#;
    client.send(post("/api/v1/scheduler", JSON, bad)).await;
    assert_eq!(client.head().await.expect("a head").status, 200);
    let error = client.event().await.expect("an event");
    assert_eq!(error["type"], "ERROR");
    assert!(error["error"]["message"].as_str().unwrap_or_default().contains("'/bad'"), "{error}");
    assert_eq!(client.event().await, None);
    let with_id = format!("{JSON}Mesos-Stream-Id: x\r\n");
    let response = request(master.address, post("/api/v1/scheduler", &with_id, bad)).await;
    check(&response, 400, "Subscribe calls should not include the 'Mesos-Stream-Id' header");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_that_hangs_up_is_disconnected_at_once() {
    let master = master();
    let scheduler = Scheduler::subscribe(master.address, FRAMEWORK).await;
    let mut operator = Client::connect(master.address).await;
    operator.send(post("/api/v1", JSON, r#"{"type":"SUBSCRIBE"}"#)).await;
    assert_eq!(operator.head().await.expect("a head").header("mesos-stream-id"), None);
    let subscribed = operator.event().await.expect("an event");
    let frameworks = &subscribed["subscribed"]["get_state"]["get_frameworks"]["frameworks"];
    assert_eq!(frameworks[0]["framework_info"]["id"]["value"], scheduler.framework.as_str());
    assert_eq!(operator.event().await.expect("an event")["type"], "HEARTBEAT");
    drop(scheduler);
    // With a failover timeout of zero, the framework ends with its connection.
    operator.event_of("FRAMEWORK_REMOVED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_operator_streams_get_every_event_once() {
    let master = master();
    let before = Scheduler::subscribe(master.address, FRAMEWORK).await;
    let mut operators = Vec::new();
    for _ in 0..8 {
        operators.push(Client::connect(master.address).await);
    }
    for operator in &mut operators {
        operator.send(post("/api/v1", JSON, r#"{"type":"SUBSCRIBE"}"#)).await;
    }
    // The framework subscribes after some subscribers have their states and before the others have.
    let meanwhile = Scheduler::subscribe(master.address, FRAMEWORK).await;
    let mut expected = vec![before.framework.clone(), meanwhile.framework.clone()];
    expected.sort();
    for operator in &mut operators {
        operator.head().await.expect("a head");
        let subscribed = operator.event().await.expect("an event");
        let frameworks = subscribed["subscribed"]["get_state"]["get_frameworks"]["frameworks"].as_array();
        let id = |framework: &serde_json::Value| framework["framework_info"]["id"]["value"].as_str().map(str::to_owned);
        let mut seen: Vec<_> = frameworks.into_iter().flatten().filter_map(id).collect();
        assert_eq!(operator.event().await.expect("an event")["type"], "HEARTBEAT");
        if seen.len() < expected.len() {
            let added = operator.event().await.expect("an event");
            seen.extend(id(&added["framework_added"]["framework"]));
        }
        seen.sort();
        assert_eq!(seen, expected);
    }
    drop(meanwhile);
    for operator in &mut operators {
        let removed = operator.event().await.expect("an event");
        assert_eq!(removed["type"], "FRAMEWORK_REMOVED", "{removed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn teardown_by_form() {
    let master = master();
    let at = master.address;
    let missing = "Missing 'frameworkId' query parameter in the request body";
    check(&request(at, post("/teardown", "", "")).await, 400, missing);
    let unknown = request(at, post("/teardown", "", "frameworkId=x")).await;
    check(&unknown, 400, "No framework found with specified ID");
    let malformed = request(at, post("/teardown", "", "a%zz=x")).await;
    assert_eq!(malformed.status, 400);
    assert!(malformed.text().starts_with("Unable to decode query string"), "{}", malformed.text());
    let scheduler = Scheduler::subscribe(at, FRAMEWORK).await;
    let form = format!("frameworkId={}", scheduler.framework);
    check(&request(at, post("/teardown", "", form)).await, 200, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_operators_begin_unset() {
    let master = master();
    let at = master.address;
    for (path, unset) in
        [("/weights", "[]"), ("/master/quota", "{}"), ("/maintenance/schedule", "{}"), ("/maintenance/status", "{}")]
    {
        let response = get(at, path).await;
        assert_eq!(response.header("content-type"), Some("application/json"));
        check(&response, 200, unset);
    }
    let set = request(at, "PUT /weights HTTP/1.1\r\nContent-Length: 0\r\n\r\n").await;
    check(&set, 400, "Failed to parse update weights request JSON '': syntax error at line 1 near: ");
    let post = request(at, "POST /weights HTTP/1.1\r\nContent-Length: 0\r\n\r\n").await;
    let expected = "405 Method Not Allowed. Expecting one of { 'GET', 'PUT' }, but received 'POST'.";
    check(&post, 405, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_served_in_both_forms() {
    let master = master();
    let at = master.address;
    let snapshot = get(at, "/metrics/snapshot").await;
    assert_eq!(snapshot.header("content-type"), Some("application/json"));
    let metrics = snapshot.json();
    for (name, value) in [("master/elected", 1.0), ("master/slaves_active", 0.0), ("master/tasks_running", 0.0)] {
        assert_eq!(metrics[name], value, "{name}");
    }
    let total = "allocator/mesos/resources/disk/total";
    for name in [total, "registrar/queued_operations", "allocator/event_queue_dispatches"] {
        assert_eq!(metrics[name], 0.0, "{name}");
    }
    // A new registry records its leader.
    for name in ["registrar/registry_size_bytes", "registrar/state_fetch_ms"] {
        assert!(metrics[name].as_f64().is_some_and(|value| value > 0.0), "{name}");
    }
    assert!(metrics["system/cpus_total"].as_f64().is_some_and(|cpus| cpus >= 1.0));
    let invalid = get(at, "/metrics/snapshot?timeout=x").await;
    assert_eq!(invalid.status, 400);
    assert!(invalid.text().starts_with("Invalid timeout 'x': "), "{}", invalid.text());
    let prometheus = get(at, "/metrics").await;
    assert_eq!(prometheus.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(
        prometheus.text().contains("\n# TYPE ") || prometheus.text().starts_with("# "),
        "{:.300}",
        prometheus.text()
    );
    check(&get(at, "/metrics/nope").await, 404, "404 Not Found.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verbosity_of_the_log_is_toggled() {
    let master = master();
    let at = master.address;
    check(&get(at, "/logging/toggle").await, 200, "0\n");
    check(&get(at, "/logging/toggle?level=1").await, 400, "Expecting 'duration=value' in query.\n");
    check(&get(at, "/logging/toggle?duration=1secs").await, 400, "Expecting 'level=value' in query.\n");
    check(&get(at, "/logging/toggle?level=x&duration=1secs").await, 400, "Failed to convert 'x' to number.\n");
    check(&get(at, "/logging/toggle?level=2&duration=10mins").await, 200, "");
    let level = call(at, "/api/v1", r#"{"type":"GET_LOGGING_LEVEL"}"#).await;
    check(&level, 200, r#"{"type":"GET_LOGGING_LEVEL","get_logging_level":{"level":2}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_lists_the_endpoint_table() {
    let master = master();
    let at = master.address;
    let help = get(at, "/help").await;
    assert_eq!(help.status, 200);
    assert!(help.text().starts_with("## HELP\n> [/allocator][allocator]\n"), "{}", help.text());
    assert!(get(at, "/help/master").await.text().contains("> [/master/api/v1/scheduler][master/api/v1/scheduler]\n"));
    let page = request(at, "GET /help/master/machine/down HTTP/1.1\r\nUser-Agent: curl/8\r\n\r\n").await;
    assert_eq!(page.header("content-type"), Some("text/x-markdown"));
    for part in
        ["### USAGE ###\n>        /master/machine/down\n", "### TL;DR; ###\n", "Methods: POST.", "requires auth"]
    {
        assert!(page.text().contains(part), "{part}: {}", page.text());
    }
    check(&get(at, "/help/nobody").await, 400, "No help available for '/nobody'.\n");
    check(&get(at, "/help/master/nothing").await, 400, "No help available for '/master/nothing'.\n");
    let json = get(at, "/help?format=json").await.json();
    let processes: Vec<&str> =
        json["processes"].as_array().expect("a list").iter().filter_map(|process| process["id"].as_str()).collect();
    for process in ["master", "files", "metrics", "registrar(1)"] {
        assert!(processes.contains(&process), "{processes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_is_a_name_or_refused() {
    let master = master();
    let script = get(master.address, "/version?jsonp=jQuery1.cb[0]").await;
    assert!(script.text().starts_with("jQuery1.cb[0]({"), "{}", script.text());
    assert_eq!(script.header("content-type"), Some("text/javascript"));
    for callback in ["alert(1)%2F%2F", "%3Cscript%3E", "a%0Ab"] {
        let refused = get(master.address, &format!("/state?jsonp={callback}")).await;
        assert_eq!(refused.status, 400, "{callback}");
        assert!(refused.text().starts_with("Invalid 'jsonp' callback"), "{}", refused.text());
    }
}

/// Errors contain names that clients have chosen. People read them in a terminal or a browser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_escaped_for_terminals_and_browsers() {
    let master = master();
    let at = master.address;
    let evil = r"\u001b]0;x\u0007<script>";
    let weights =
        format!(r#"{{"type":"UPDATE_WEIGHTS","update_weights":{{"weight_infos":[{{"role":"{evil}","weight":-1}}]}}}}"#);
    for (response, part) in [
        (call(at, "/api/v1", &weights).await, r"\x1b]0;x\x07"),
        (get(at, "/help/%1B%5B2J%3Cscript%3E").await, r"'/\x1b[2J<script>'"),
        (get(at, "/metrics/snapshot?timeout=%1B%5B2J").await, r"'\x1b[2J'"),
    ] {
        let text = response.text();
        assert_eq!(response.status, 400, "{part}: {text}");
        assert!(text.contains(part) && !text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
    for path in ["/state", "/help", "/metrics", "/version?jsonp=x"] {
        assert_eq!(get(at, path).await.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    // The redirect has a location and no page.
    let redirect = get(at, "/redirect?%3Cscript%3E").await;
    assert_eq!((redirect.status, redirect.body.as_slice()), (307, &b""[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registry_and_offer_constraints_endpoints_work() {
    let master = master();
    let at = master.address;
    let weights = r#"[{"role":"r","weight":2.5}]"#;
    let put = format!("PUT /weights HTTP/1.1\r\nContent-Length: {}\r\n\r\n{weights}", weights.len());
    assert_eq!(request(at, put).await.status, 200);
    let registry = get(at, "/registrar(1)/registry").await.json();
    assert_eq!(registry["master"]["info"]["pid"], format!("master@{at}"));
    assert_eq!(registry["weights"][0]["info"]["role"], "r");
    assert_eq!(registry["slaves"], serde_json::json!({}));

    let mut scheduler = Scheduler::subscribe(at, FRAMEWORK).await;
    scheduler.stream.event_of("HEARTBEAT").await;
    let excluded = get(at, "/allocator/offer_constraints_debug").await.json();
    let framework = &excluded["frameworks"][scheduler.framework.as_str()];
    assert_eq!(*framework, serde_json::json!({"suppressed_roles": [], "excluded_by_attribute_constraints": {"r": []}}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribed_has_the_configured_heartbeat_interval() {
    let master = master_with(|options| options.config.heartbeat_interval = std::time::Duration::from_millis(1500));
    let mut operator = Client::connect(master.address).await;
    operator.send(post("/api/v1", JSON, r#"{"type":"SUBSCRIBE"}"#)).await;
    operator.head().await.expect("a head");
    let subscribed = operator.event_of("SUBSCRIBED").await;
    assert_eq!(subscribed["subscribed"]["heartbeat_interval_seconds"], 1.5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_ends_sends_pending_answers_first() {
    let master = master();
    let mut scheduler = Scheduler::subscribe(master.address, FRAMEWORK).await;
    let mut idle = Client::connect(master.address).await;
    idle.send("GET /health HTTP/1.1\r\n\r\n").await;
    assert_eq!(idle.response().await.expect("an answer").status, 200);
    master.shutdown().await;
    // All bytes are sent before the master reports its end, including the regular end of the stream.
    assert!(scheduler.stream.until(b"\r\n0\r\n\r\n").await.is_some());
    assert!(idle.at_end().await);
}
