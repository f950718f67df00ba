//! The master's operator API.

use std::time::{Duration, Instant};

use messages::v1::{TaskState, master};
use serde_json::{Value, json};

use crate::case_error::{CaseError, Checked, During};
use crate::check;
use crate::events::EventStream;
use crate::fake_agent::FakeAgent;
use crate::http::Request;
use crate::scheduler::{Scheduler, framework, task};
use crate::suite::Case;
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "13.31",
        checks: "GET_HEALTH is answered in the accepted type; UNKNOWN is 501; an unknown name is 400",
        needs: &[],
        run: get_health,
    },
    Case {
        id: "13.31b",
        checks: "every call of the operator API honours Content-Type and Accept as SUBSCRIBE does",
        needs: &[],
        run: content_rules,
    },
    Case { id: "4.1a", checks: "every GET_* answers with its own name and part", needs: &[], run: reads },
    Case {
        id: "4.5a",
        checks: "a call without the part of its type is 400 and names the part",
        needs: &[],
        run: missing_parts,
    },
    Case {
        id: "13.32",
        checks: "SUBSCRIBE streams SUBSCRIBED with the state, HEARTBEAT, then what happens",
        needs: &[],
        run: subscribe,
    },
    Case {
        id: "4.1b",
        checks: "calls about unknown agents, frameworks and files are refused with their codes",
        needs: &[],
        run: unknown_things,
    },
    Case { id: "4.1c", checks: "TEARDOWN by the operator ends the framework's stream", needs: &[], run: teardown },
    Case {
        id: "4.1d",
        checks: "GET_AGENTS, GET_FRAMEWORKS, GET_TASKS and GET_STATE agree about what runs",
        needs: &[],
        run: consistent_reads,
    },
];

fn get_health(world: &World) -> Checked {
    let call = json!({"type": "GET_HEALTH"});
    let answer = r#"{"type":"GET_HEALTH","get_health":{"healthy":true}}"#;
    for accepted in ["application/json", "*/*"] {
        let request = Request::post("/api/v1").json(&call).accept(accepted);
        world.send(request)?.expect(200)?.expect_header("Content-Type", "application/json")?.expect_body(answer)?;
    }
    let request = Request::post("/api/v1").json(&call).accept("application/x-protobuf");
    let response = world.send(request)?.expect(200)?.expect_header("Content-Type", "application/x-protobuf")?;
    let decoded: master::Response =
        prost::Message::decode(response.body.as_slice()).map_err(|e| CaseError::unexpected("body", "a protobuf", e))?;
    check::equal("healthy", Some(true), decoded.get_health.map(|health| health.healthy))?;

    world.operator(&json!({"type": "UNKNOWN"}))?.expect(501)?;
    let invalid = "Failed to validate master::Call: Expecting 'type' to be present";
    for nonsense in [json!({"type": "NONSENSE"}), json!({"type": "get_health"}), json!({})] {
        world.operator(&nonsense)?.expect(400)?.expect_body(invalid)?;
    }
    Ok(())
}

fn content_rules(world: &World) -> Checked {
    let call = json!({"type": "GET_HEALTH"});
    let body = call.to_string();
    let post = || Request::post("/api/v1");
    world.send(Request::get("/api/v1"))?.expect(405)?.expect_header("Allow", "POST")?;
    world.send(post().body("", body.clone()))?.expect(400)?.expect_body("Expecting 'Content-Type' to be present")?;
    world
        .send(post().body("application/json; charset=utf-8", body))?
        .expect(415)?
        .expect_body("Expecting 'Content-Type' of application/json or application/x-protobuf")?;
    world
        .send(post().json(&call).accept("text/html"))?
        .expect(406)?
        .expect_body("Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'")?;
    world.send(post().text("{"))?.expect(400)?.expect_body_containing("Failed to parse body into JSON: ")?;
    world
        .send(post().body("application/x-protobuf", vec![0xff; 3]))?
        .expect(400)?
        .expect_body("Failed to parse body into Call protobuf")
        .map(drop)
}

fn reads(world: &World) -> Checked {
    for (kind, part) in [
        ("GET_FLAGS", "/get_flags/flags/0/name"),
        ("GET_VERSION", "/get_version/version_info/version"),
        ("GET_LOGGING_LEVEL", "/get_logging_level/level"),
        ("GET_STATE", "/get_state/get_agents"),
        ("GET_AGENTS", "/get_agents"),
        ("GET_FRAMEWORKS", "/get_frameworks"),
        ("GET_EXECUTORS", "/get_executors"),
        ("GET_OPERATIONS", "/get_operations"),
        ("GET_TASKS", "/get_tasks"),
        ("GET_ROLES", "/get_roles"),
        ("GET_MASTER", "/get_master/master_info/id"),
        ("GET_MAINTENANCE_STATUS", "/get_maintenance_status/status"),
        ("GET_MAINTENANCE_SCHEDULE", "/get_maintenance_schedule/schedule"),
        ("GET_QUOTA", "/get_quota/status"),
    ] {
        let answer = world.operator(&json!({"type": kind}))?.expect(200).and_then(|r| r.json()).during(kind)?;
        check::equal_at(&answer, "/type", kind)?;
        check::at(&answer, part).during(kind)?;
    }
    let weights = world.operator(&json!({"type": "GET_WEIGHTS"}))?.expect(200)?.json()?;
    check::equal_at(&weights, "/type", "GET_WEIGHTS")?;
    let metrics = world.operator(&json!({"type": "GET_METRICS", "get_metrics": {}}))?.expect(200)?.json()?;
    let uptime = |metric: &Value| metric["name"] == "master/uptime_secs";
    let named = check::array_at(&metrics, "/get_metrics/metrics")?.iter().any(uptime);
    check::holds("metrics", "master/uptime_secs among them", named, "none")
}

fn missing_parts(world: &World) -> Checked {
    for kind in [
        "GET_METRICS",
        "SET_LOGGING_LEVEL",
        "LIST_FILES",
        "READ_FILE",
        "UPDATE_WEIGHTS",
        "RESERVE_RESOURCES",
        "UNRESERVE_RESOURCES",
        "CREATE_VOLUMES",
        "DESTROY_VOLUMES",
        "GROW_VOLUME",
        "SHRINK_VOLUME",
        "UPDATE_MAINTENANCE_SCHEDULE",
        "START_MAINTENANCE",
        "STOP_MAINTENANCE",
        "DRAIN_AGENT",
        "DEACTIVATE_AGENT",
        "REACTIVATE_AGENT",
        "UPDATE_QUOTA",
        "SET_QUOTA",
        "REMOVE_QUOTA",
        "TEARDOWN",
        "MARK_AGENT_GONE",
    ] {
        let part = kind.to_lowercase();
        world
            .operator(&json!({"type": kind}))?
            .expect(400)
            .and_then(|r| r.expect_body(&format!("Failed to validate master::Call: Expecting '{part}' to be present")))
            .during(kind)?;
    }
    Ok(())
}

fn subscribe(world: &World) -> Checked {
    let request = Request::post("/api/v1").accept("application/json").json(&json!({"type": "SUBSCRIBE"}));
    let mut stream = EventStream::open(world.master, &request)?;
    let head = stream.head.clone().expect(200)?.expect_header("Content-Type", "application/json")?;
    head.expect_no_header("Mesos-Stream-Id")?;
    let soon = || Instant::now() + Duration::from_secs(3);
    let first = stream.next_any(soon())?.unwrap_or_default();
    check::equal_at(&first, "/type", "SUBSCRIBED")?;
    check::equal_at(&first, "/subscribed/heartbeat_interval_seconds", 15.0)?;
    check::at(&first, "/subscribed/get_state/get_agents")?;
    let second = stream.next_any(soon())?.unwrap_or_default();
    check::equal_at(&second, "/type", "HEARTBEAT")?;

    let mut agent = FakeAgent::register(world)?;
    let id = agent.id().to_owned();
    stream
        .expect_that("AGENT_ADDED", SOON, |e| e["agent_added"]["agent"]["agent_info"]["id"]["value"] == id.as_str())?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let framework = scheduler.id().to_owned();
    stream.expect_that("FRAMEWORK_ADDED", SOON, |event| {
        event["framework_added"]["framework"]["framework_info"]["id"]["value"] == framework.as_str()
    })?;
    let task_id = world.fresh("task");
    let offer = scheduler.offer_of(&id)?;
    scheduler.launch(&offer, &task(&task_id, &id))?;
    let added = stream.expect("TASK_ADDED", SOON)?;
    check::equal_at(&added, "/task_added/task/task_id/value", task_id.as_str())?;
    check::equal_at(&added, "/task_added/task/state", "TASK_STAGING")?;
    agent.expect_run_task()?;
    agent.update(&framework, &task_id, TaskState::TaskRunning)?;
    let updated = stream.expect("TASK_UPDATED", SOON)?;
    check::equal_at(&updated, "/task_updated/state", "TASK_RUNNING")?;
    check::equal_at(&updated, "/task_updated/status/task_id/value", task_id.as_str())?;
    check::equal_at(&updated, "/task_updated/framework_id/value", framework.as_str())?;
    scheduler.accepted("TEARDOWN", json!({}))?;
    scheduler.mark_removed();
    stream.expect_that("FRAMEWORK_REMOVED", SOON, |event| {
        event["framework_removed"]["framework_info"]["id"]["value"] == framework.as_str()
    })?;
    agent.unregister()?;
    stream.expect_that("AGENT_REMOVED", SOON, |e| e["agent_removed"]["agent_id"]["value"] == id.as_str()).map(drop)
}

fn unknown_things(world: &World) -> Checked {
    let nobody = json!({"value": "nobody"});
    for (call, status, answer) in [
        (json!({"type": "LIST_FILES", "list_files": {"path": "/nothing"}}), 404, ""),
        (json!({"type": "READ_FILE", "read_file": {"path": "/nothing", "offset": 0}}), 404, ""),
        (
            json!({"type": "TEARDOWN", "teardown": {"framework_id": nobody}}),
            400,
            "No framework found with specified ID",
        ),
    ] {
        world.operator(&call)?.expect(status)?.expect_body(answer)?;
    }
    Ok(())
}

fn teardown(world: &World) -> Checked {
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let call = json!({"type": "TEARDOWN", "teardown": {"framework_id": scheduler.info["id"]}});
    world.operator(&call)?.expect(200)?.expect_body("")?;
    scheduler.events.expect_end(SOON)?;
    scheduler.mark_removed();
    world.operator(&call)?.expect(400).map(drop)
}

fn consistent_reads(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let id = world.fresh("task");
    let offer = scheduler.offer_of(agent.id())?;
    scheduler.launch(&offer, &task(&id, agent.id()))?;
    agent.expect_run_task()?;
    agent.update(scheduler.id(), &id, TaskState::TaskRunning)?;
    scheduler.update_of(&id)?;

    let read = |kind: &str| world.operator(&json!({"type": kind}))?.expect(200)?.json();
    let in_list = |json: &Value, list: &str, at: &str, value: &str| {
        check::array_at(json, list)?
            .iter()
            .find(|item| item.pointer(at).is_some_and(|got| got == value))
            .cloned()
            .ok_or_else(|| CaseError::unexpected(list, value, json))
    };
    for (kind, part, list, at, value) in [
        ("GET_AGENTS", "get_agents", "agents", "/agent_info/id/value", agent.id()),
        ("GET_FRAMEWORKS", "get_frameworks", "frameworks", "/framework_info/id/value", scheduler.id()),
        ("GET_TASKS", "get_tasks", "tasks", "/task_id/value", id.as_str()),
    ] {
        // What the launch left over is offered again a moment later, which may be between the two requests.
        eventually(&format!("{kind} and GET_STATE that agree"), || {
            let alone = in_list(&read(kind)?, &format!("/{part}/{list}"), at, value)?;
            let within = in_list(&read("GET_STATE")?, &format!("/get_state/{part}/{list}"), at, value)?;
            Ok((alone == within).then_some(()))
        })?;
    }
    let shown = in_list(&read("GET_TASKS")?, "/get_tasks/tasks", "/task_id/value", &id)?;
    check::equal_at(&shown, "/state", "TASK_RUNNING")?;
    check::equal_at(&shown, "/agent_id/value", agent.id())?;
    check::equal_at(&shown, "/statuses/0/state", "TASK_RUNNING")?;
    let shown = in_list(&read("GET_AGENTS")?, "/get_agents/agents", "/agent_info/id/value", agent.id())?;
    check::equal_at(&shown, "/pid", agent.peer.pid.to_string())?;
    check::equal_at(&shown, "/active", true)
}
