//! The agent's HTTP interface: the header rules of its operator API, reads, refusals and endpoints.

use serde_json::json;

use crate::case_error::{Checked, During};
use crate::check;
use crate::http::{Request, Response};
use crate::suite::Case;
use crate::world::World;

pub const CASES: &[Case] = &[
    Case {
        id: "4.2a",
        checks: "each combination of content type, accepted type and the Message-* headers has its answer",
        needs: &[],
        run: headers,
    },
    Case { id: "4.2b", checks: "every GET_* of an agent answers with its own name and part", needs: &[], run: reads },
    Case {
        id: "4.5b",
        checks: "a call to an agent without the part of its type is 400 and names the part",
        needs: &[],
        run: missing_parts,
    },
    Case {
        id: "4.2c",
        checks: "container ids are checked: characters, length, parents of nested ones",
        needs: &[],
        run: container_ids,
    },
    Case { id: "4.2d", checks: "calls about unknown containers and files are 404", needs: &[], run: unknown_things },
    Case {
        id: "4.3n",
        checks: "the agent's endpoints answer with and without the process id",
        needs: &[],
        run: endpoints,
    },
    Case { id: "4.3o", checks: "the agent's /state has all its keys", needs: &[], run: state },
];

const PATH: &str = "/api/v1";
const RECORDIO: &str = "application/recordio";

fn headers(world: &World) -> Checked {
    let health = r#"{"type":"GET_HEALTH"}"#;
    let attach = r#"{"type":"ATTACH_CONTAINER_INPUT","attach_container_input":{"type":"CONTAINER_ID","container_id":{"value":"x"}}}"#;
    let record = format!("{}\n{health}", health.len());
    let post = || Request::post(PATH);
    let json = || post().text(health);
    for (what, request, status, answer) in [
        ("plain", json(), 200, r#"{"type":"GET_HEALTH","get_health":{"healthy":true}}"#),
        ("no Content-Type", post().body("", health), 400, "Expecting 'Content-Type' to be present"),
        (
            "another Content-Type",
            post().body("text/plain", health),
            415,
            "Expecting 'Content-Type' of application/json or application/x-protobuf or application/recordio",
        ),
        (
            "recordio without Message-Content-Type",
            post().body(RECORDIO, health),
            400,
            "Expecting 'Message-Content-Type' to be set for streaming requests",
        ),
        (
            "Message-Content-Type without recordio",
            json().header("Message-Content-Type", "application/json"),
            415,
            "Expecting 'Message-Content-Type' to be not set for non-streaming requests",
        ),
        (
            "recordio for another call",
            post().body(RECORDIO, record).header("Message-Content-Type", "application/json"),
            415,
            "Streaming 'Content-Type' application/recordio is not supported for GET_HEALTH call",
        ),
        (
            "recordio that ends before its first record",
            post().body(RECORDIO, "").header("Message-Content-Type", "application/json"),
            400,
            "Received EOF while reading request body",
        ),
        (
            "ATTACH_CONTAINER_INPUT without recordio",
            post().text(attach),
            415,
            "Expecting 'Content-Type' to be application/recordio for ATTACH_CONTAINER_INPUT call",
        ),
        (
            "Message-Accept without recordio",
            json().header("Message-Accept", "application/json"),
            406,
            "Expecting 'Message-Accept' to be not set for non-streaming responses",
        ),
        (
            "recordio accepted for another call",
            json().accept(RECORDIO),
            406,
            "Streaming response is not supported for GET_HEALTH call",
        ),
        (
            "nothing acceptable",
            json().accept("text/html"),
            406,
            "Expecting 'Accept' to allow application/json or application/x-protobuf or application/recordio",
        ),
    ] {
        world.send_to_agent(request)?.expect(status).and_then(|r| r.expect_body(answer)).during(what)?;
    }
    world.send_to_agent(Request::get(PATH))?.expect(405)?.expect_header("Allow", "POST").map(drop)
}

fn reads(world: &World) -> Checked {
    for (kind, part) in [
        ("GET_HEALTH", "/get_health/healthy"),
        ("GET_FLAGS", "/get_flags/flags/0/name"),
        ("GET_VERSION", "/get_version/version_info/version"),
        ("GET_LOGGING_LEVEL", "/get_logging_level/level"),
        ("GET_STATE", "/get_state"),
        ("GET_CONTAINERS", "/type"),
        ("GET_FRAMEWORKS", "/get_frameworks"),
        ("GET_EXECUTORS", "/get_executors"),
        ("GET_OPERATIONS", "/type"),
        ("GET_TASKS", "/get_tasks"),
        ("GET_AGENT", "/get_agent/agent_info/hostname"),
        ("GET_RESOURCE_PROVIDERS", "/type"),
    ] {
        let answer = world.agent_operator(&json!({"type": kind}))?.expect(200).and_then(|r| r.json()).during(kind)?;
        check::equal_at(&answer, "/type", kind)?;
        check::at(&answer, part).during(kind)?;
    }
    world.agent_operator(&json!({"type": "UNKNOWN"}))?.expect(501)?;
    world
        .agent_operator(&json!({"type": "NONSENSE"}))?
        .expect(400)?
        .expect_body("Failed to validate agent::Call: Expecting 'type' to be present")
        .map(drop)
}

fn refused(world: &World, call: serde_json::Value, reason: &str) -> Checked {
    let answer = world.agent_operator(&call)?.expect(400)?;
    answer.expect_body(&format!("Failed to validate agent::Call: {reason}")).map(drop)
}

fn missing_parts(world: &World) -> Checked {
    for kind in [
        "GET_METRICS",
        "SET_LOGGING_LEVEL",
        "LIST_FILES",
        "READ_FILE",
        "LAUNCH_NESTED_CONTAINER",
        "WAIT_NESTED_CONTAINER",
        "KILL_NESTED_CONTAINER",
        "REMOVE_NESTED_CONTAINER",
        "LAUNCH_NESTED_CONTAINER_SESSION",
        "ATTACH_CONTAINER_INPUT",
        "ATTACH_CONTAINER_OUTPUT",
        "LAUNCH_CONTAINER",
        "WAIT_CONTAINER",
        "KILL_CONTAINER",
        "REMOVE_CONTAINER",
        "ADD_RESOURCE_PROVIDER_CONFIG",
        "UPDATE_RESOURCE_PROVIDER_CONFIG",
        "REMOVE_RESOURCE_PROVIDER_CONFIG",
        "MARK_RESOURCE_PROVIDER_GONE",
    ] {
        let reason = format!("Expecting '{}' to be present", kind.to_lowercase());
        refused(world, json!({"type": kind}), &reason).during(kind)?;
    }
    Ok(())
}

fn container_ids(world: &World) -> Checked {
    let wait = |id: serde_json::Value| json!({"type": "WAIT_CONTAINER", "wait_container": {"container_id": id}});
    let long = "x".repeat(243);
    for (id, reason) in [
        (json!({"value": ""}), "ID must not be empty".to_owned()),
        (json!({"value": "a/b"}), "'a/b' contains invalid characters".to_owned()),
        (json!({"value": "a.b"}), "'ContainerID.value' 'a.b' contains invalid characters".to_owned()),
        (json!({"value": "a b"}), "'ContainerID.value' 'a b' contains invalid characters".to_owned()),
        (json!({"value": long}), format!("'ContainerID.value' '{long}' exceeds the maximum length (242)")),
        (
            json!({"value": "a", "parent": {"value": "b.c"}}),
            "'ContainerID.parent' is invalid: 'ContainerID.value' 'b.c' contains invalid characters".to_owned(),
        ),
    ] {
        refused(world, wait(id), &format!("'wait_container.container_id' is invalid: {reason}"))?;
    }
    let nested = json!({"type": "KILL_NESTED_CONTAINER", "kill_nested_container": {"container_id": {"value": "a"}}});
    refused(world, nested, "Expecting 'kill_nested_container.container_id.parent' to be present")
}

fn unknown_things(world: &World) -> Checked {
    let id = json!({"value": "nobody"});
    // REMOVE_CONTAINER is left out, because an agent of Mesos 1.11 aborts on an unknown container.
    for (kind, part) in [
        ("WAIT_CONTAINER", "wait_container"),
        ("KILL_CONTAINER", "kill_container"),
        ("ATTACH_CONTAINER_OUTPUT", "attach_container_output"),
    ] {
        let call = json!({"type": kind, part: {"container_id": id}});
        world.agent_operator(&call)?.expect(404).during(kind)?;
    }
    for call in [
        json!({"type": "LIST_FILES", "list_files": {"path": "/nothing"}}),
        json!({"type": "READ_FILE", "read_file": {"path": "/nothing", "offset": 0}}),
    ] {
        world.agent_operator(&call)?.expect(404)?;
    }
    Ok(())
}

fn endpoints(world: &World) -> Checked {
    let get = |path: &str| -> Checked<Response> { world.send_to_agent(Request::get(path)) };
    get("/slave%281%29/health")?.expect(200)?;
    for prefix in ["", "/slave(1)"] {
        for path in ["/health", "/state", "/flags", "/containers", "/monitor/statistics"] {
            let path = format!("{prefix}{path}");
            // The usage endpoints are limited to two requests a second; an agent may delay them but not refuse.
            get(&path)?.expect(200).during(&path)?;
        }
    }
    for path in ["/version", "/metrics/snapshot", "/files/debug", "/system/stats.json"] {
        get(path)?.expect(200).and_then(|r| r.json()).during(path)?;
    }
    for path in ["/nothing", "/slave(1)/nothing", "/redirect"] {
        get(path)?.expect(404).during(path)?;
    }
    for path in ["/files/browse", "/files/read", "/files/download"] {
        get(path)?.expect(400)?.expect_body("Expecting 'path=value' in query.\n").during(path)?;
        get(&format!("{path}?path=/nothing"))?.expect(404).during(path)?;
    }
    Ok(())
}

fn state(world: &World) -> Checked {
    let state = world.send_to_agent(Request::get("/state"))?.expect(200)?.json()?;
    for key in [
        "version",
        "build_date",
        "start_time",
        "id",
        "pid",
        "hostname",
        "capabilities",
        "resources",
        "attributes",
        "master_hostname",
        "flags",
        "frameworks",
        "completed_frameworks",
    ] {
        check::at(&state, &format!("/{key}"))?;
    }
    check::equal_at(&state, "/pid", format!("slave(1)@{}", world.agent()?))
}
