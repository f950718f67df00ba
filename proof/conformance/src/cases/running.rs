//! Tasks that run on the agent under test.

use std::time::Duration;

use serde_json::{Value, json};

use crate::case_error::{CaseError, Checked, During};
use crate::check;
use crate::events::EventStream;
use crate::http::{Request, fetch};
use crate::scheduler::{Scheduler, framework, task};
use crate::suite::Case;
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "8.1",
        checks: "a command task runs: STARTING or RUNNING, then FINISHED; its output is in the sandbox",
        needs: &[],
        run: finishes,
    },
    Case { id: "8.2", checks: "a command that fails is TASK_FAILED and says how", needs: &[], run: fails },
    Case { id: "8.3", checks: "a running task is killed: TASK_KILLED", needs: &[], run: killed },
    Case {
        id: "8.4",
        checks: "updates tell container id and network, as DNS integrations need",
        needs: &[],
        run: container_status,
    },
    Case {
        id: "8.5",
        checks: "an update that is not acknowledged is sent again, with the same uuid",
        needs: &[crate::suite::Need::Slow],
        run: retried,
    },
    Case {
        id: "8.6",
        checks: "a nested container is launched, waited for, and removed, with the answers to repeated calls",
        needs: &[],
        run: nested,
    },
    Case {
        id: "8.7",
        checks: "a session streams its output as ProcessIO and keeps its status",
        needs: &[],
        run: session,
    },
];

/// Launches a command on the agent under test and acknowledges its updates until it runs.
fn start(world: &World, command: &str) -> Checked<(Scheduler, String)> {
    let agent_id = world.agent_id()?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(&agent_id)?;
    let id = world.fresh("task");
    let mut wanted = task(&id, &agent_id);
    wanted["command"]["value"] = json!(command);
    scheduler.launch(&offer, &wanted)?;
    Ok((scheduler, id))
}

/// Waits until the task has one of these states and returns the status. Earlier statuses are acknowledged.
fn reaches(scheduler: &mut Scheduler, id: &str, states: &[&str]) -> Checked<Value> {
    loop {
        let status = scheduler.update_of(id)?;
        scheduler.acknowledge(&status)?;
        let state = status["state"].as_str().unwrap_or_default();
        if states.contains(&state) {
            return Ok(status);
        }
        let on_the_way = ["TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"].contains(&state);
        check::holds("state", &states.join(" or "), on_the_way, &status)?;
    }
}

fn finishes(world: &World) -> Checked {
    let (mut scheduler, id) = start(world, "echo hello; echo trouble >&2")?;
    let status = reaches(&mut scheduler, &id, &["TASK_FINISHED"])?;
    check::equal_at(&status, "/source", "SOURCE_EXECUTOR")?;
    let agent = world.agent()?;
    let debug = fetch(agent, &Request::get("/files/debug"))?.expect(200)?.json()?;
    let sandboxes = debug.as_object().cloned().unwrap_or_default();
    let virtual_path = format!("/frameworks/{}/executors/{id}/runs/latest", scheduler.id());
    let sandbox = sandboxes
        .keys()
        .find(|path| path.ends_with(&virtual_path))
        .ok_or_else(|| CaseError::unexpected("/files/debug", &virtual_path, &debug))?;
    for (file, content) in [("stdout", "hello"), ("stderr", "trouble")] {
        let path = format!("{sandbox}/{file}");
        eventually(&format!("{content} in {file}"), || {
            let read = fetch(agent, &Request::get(&format!("/files/read?path={path}&offset=0&length=10000")))?;
            let read = read.expect(200)?.json()?;
            Ok(check::text_at(&read, "/data")?.contains(content).then_some(()))
        })?;
        let download = fetch(agent, &Request::get(&format!("/files/download?path={path}")))?.expect(200)?;
        check::contains("download", content, &download.text()).during(file)?;
    }
    let browse = fetch(agent, &Request::get(&format!("/files/browse?path={sandbox}")))?.expect(200)?.json()?;
    let names: Vec<&str> = browse
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|file| file["path"].as_str().and_then(|path| path.rsplit('/').next()))
        .collect();
    for file in ["stdout", "stderr"] {
        check::holds("/files/browse", file, names.contains(&file), &browse)?;
    }
    for missing in ["/path", "/mode", "/nlink", "/uid", "/gid", "/size", "/mtime"] {
        check::at(&browse, &format!("/0{missing}"))?;
    }
    Ok(())
}

fn fails(world: &World) -> Checked {
    let (mut scheduler, id) = start(world, "exit 3")?;
    let status = reaches(&mut scheduler, &id, &["TASK_FAILED"])?;
    check::contains("message", "exited with status 3", check::text_at(&status, "/message")?)
}

fn killed(world: &World) -> Checked {
    let (mut scheduler, id) = start(world, "sleep 1000")?;
    let running = reaches(&mut scheduler, &id, &["TASK_RUNNING"])?;
    let kill = json!({"task_id": {"value": id}, "agent_id": running["agent_id"]});
    scheduler.accepted("KILL", json!({"kill": kill}))?;
    reaches(&mut scheduler, &id, &["TASK_KILLED"]).map(drop)
}

fn container_status(world: &World) -> Checked {
    let (mut scheduler, id) = start(world, "sleep 1000")?;
    let running = reaches(&mut scheduler, &id, &["TASK_RUNNING"])?;
    let container = check::text_at(&running, "/container_status/container_id/value")?;
    check::holds("container id", "not empty", !container.is_empty(), container)?;
    check::text_at(&running, "/container_status/network_infos/0/ip_addresses/0/ip_address").map(drop)
}

/// Starts a task, and returns the id of a nested container for it. The scheduler keeps the task running.
fn parent(world: &World) -> Checked<(Scheduler, Value)> {
    let (mut scheduler, id) = start(world, "sleep 1000")?;
    let running = reaches(&mut scheduler, &id, &["TASK_RUNNING"])?;
    let container = check::text_at(&running, "/container_status/container_id/value")?;
    Ok((scheduler, json!({"value": world.fresh("nested"), "parent": {"value": container}})))
}

fn nested(world: &World) -> Checked {
    let (_scheduler, id) = parent(world)?;
    let call = |kind: &str, mut fields: Value| {
        fields["container_id"] = id.clone();
        let mut call = json!({"type": kind});
        call[kind.to_lowercase()] = fields;
        world.agent_operator(&call)
    };
    let launch = || json!({"command": {"value": "sleep 1000"}});
    call("LAUNCH_NESTED_CONTAINER", launch())?.expect(200)?.expect_body("")?;
    call("LAUNCH_NESTED_CONTAINER", launch())?.expect(202).during("a second launch")?;
    call("KILL_NESTED_CONTAINER", json!({"signal": 15}))?.expect(200)?;
    let ended = call("WAIT_NESTED_CONTAINER", json!({}))?.expect(200)?.json()?;
    check::equal_at(&ended, "/type", "WAIT_NESTED_CONTAINER")?;
    check::equal_at(&ended, "/wait_nested_container/exit_status", 15)?;
    let names = |id: &Value| {
        format!("{}.{}", id["parent"]["value"].as_str().unwrap_or_default(), id["value"].as_str().unwrap_or_default())
    };
    let killed = format!("Container '{}' cannot be found (or is already killed)", names(&id));
    call("KILL_NESTED_CONTAINER", json!({}))?.expect(404)?.expect_body(&killed)?;
    call("REMOVE_NESTED_CONTAINER", json!({}))?.expect(200)?;
    call("REMOVE_NESTED_CONTAINER", json!({}))?.expect(200).during("a second removal")?;
    let gone = format!("Container {} cannot be found", names(&id));
    call("WAIT_NESTED_CONTAINER", json!({}))?.expect(404)?.expect_body(&gone).map(drop)
}

fn session(world: &World) -> Checked {
    let (_scheduler, id) = parent(world)?;
    let launch = json!({
        "type": "LAUNCH_NESTED_CONTAINER_SESSION",
        "launch_nested_container_session": {"container_id": id, "command": {"value": "echo hello; exit 3"}},
    });
    let request = Request::post("/api/v1").json(&launch).accept("application/recordio");
    let request = request.header("Message-Accept", "application/json");
    let mut stream = EventStream::open(world.agent()?, &request)?;
    check::equal("status", 200, stream.head.status)?;
    check::equal("Message-Content-Type", Some("application/json"), stream.head.header("message-content-type"))?;
    let output = stream.expect("DATA", SOON)?;
    check::equal_at(&output, "/data/type", "STDOUT")?;
    check::equal_at(&output, "/data/data", "aGVsbG8K")?;
    stream.expect_end(SOON)?;
    let wait = json!({"type": "WAIT_NESTED_CONTAINER", "wait_nested_container": {"container_id": id}});
    let ended = world.agent_operator(&wait)?.expect(200)?.json()?;
    check::equal_at(&ended, "/wait_nested_container/exit_status", 3 << 8)
}

fn retried(world: &World) -> Checked {
    let (mut scheduler, id) = start(world, "true")?;
    let first = scheduler.update_of(&id)?;
    let uuid = first["uuid"].clone();
    let same = |event: &Value| event["update"]["status"]["uuid"] == uuid;
    scheduler.events.expect_that("UPDATE", SOON + Duration::from_secs(10), same).map(drop)
}
