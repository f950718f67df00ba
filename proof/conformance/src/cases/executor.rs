//! The agent's executor API. The agent starts `sleep` as the executor, and the suite makes the executor's calls.

use serde_json::{Value, json};

use crate::case_error::{Checked, During};
use crate::check;
use crate::events::EventStream;
use crate::http::{Request, Response};
use crate::scheduler::{Scheduler, framework, scalar, task, with};
use crate::suite::Case;
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "13.40",
        checks: "an executor's calls are refused in order: unknown framework, unknown executor, not subscribed, invalid",
        needs: &[],
        run: refusals,
    },
    Case {
        id: "13.40b",
        checks: "an executor subscribes, is told to launch, updates, is acknowledged, talks and is killed",
        needs: &[],
        run: life,
    },
    Case {
        id: "3a",
        checks: "the executor API's content rules are those of the scheduler API",
        needs: &[],
        run: content_rules,
    },
];

const PATH: &str = "/api/v1/executor";

struct Started {
    scheduler: Scheduler,
    task: String,
    executor: String,
}

/// Starts a task whose executor does nothing by itself.
fn start(world: &World) -> Checked<Started> {
    let agent_id = world.agent_id()?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let (id, executor) = (world.fresh("task"), world.fresh("executor"));
    let offer = scheduler.offer_of(&agent_id)?;
    let info = json!({
        "executor_id": {"value": executor},
        "command": {"value": "sleep 1000"},
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
    });
    scheduler.launch(&offer, &with(task(&id, &agent_id), json!({"command": null, "executor": info})))?;
    let started = Started { scheduler, task: id, executor };
    // Calls are refused in another way until the agent knows the executor.
    eventually("the executor on the agent", || {
        let answer = world.send_to_agent(Request::post(PATH).json(&started.update("TASK_RUNNING")))?;
        Ok((answer.status == 403).then_some(()))
    })?;
    Ok(started)
}

impl Started {
    fn call(&self, kind: &str, body: Value) -> Value {
        let ids = json!({
            "type": kind,
            "framework_id": self.scheduler.info["id"],
            "executor_id": {"value": self.executor},
        });
        with(ids, body)
    }

    fn update(&self, state: &str) -> Value {
        self.status(json!({"state": state}))
    }

    fn status(&self, changes: Value) -> Value {
        let status = json!({
            "task_id": {"value": self.task},
            "state": "TASK_RUNNING",
            "source": "SOURCE_EXECUTOR",
            "uuid": "ASNFZ4mrTe+BI0VniavN7w==",
        });
        self.call("UPDATE", json!({"update": {"status": with(status, changes)}}))
    }
}

fn post(world: &World, call: &Value) -> Checked<Response> {
    world.send_to_agent(Request::post(PATH).json(call))
}

fn refusals(world: &World) -> Checked {
    let started = start(world)?;
    let own = started.update("TASK_RUNNING");
    let of = |field: &str| with(own.clone(), json!({field: {"value": "nobody"}}));
    post(world, &of("framework_id"))?.expect(400)?.expect_body("Framework cannot be found")?;
    post(world, &of("executor_id"))?.expect(400)?.expect_body("Executor cannot be found")?;
    post(world, &own)?.expect(403)?.expect_body("Executor is not subscribed")?;
    let (executor, framework) = (&started.executor, started.scheduler.id());
    for (call, reason) in [
        (
            started.update("TASK_STAGING"),
            format!("Received TASK_STAGING from executor {executor} of framework {framework} which is not allowed"),
        ),
        (started.status(json!({"uuid": null})), "Expecting 'uuid' to be present".to_owned()),
        (started.status(json!({"uuid": "YWJj"})), "Not a valid UUID".to_owned()),
        (
            started.status(json!({"source": "SOURCE_MASTER"})),
            format!(
                "Received Call from executor {executor} of framework {framework} with invalid source, expecting \
                 'SOURCE_EXECUTOR'"
            ),
        ),
        (
            started.status(json!({"executor_id": {"value": "other"}})),
            format!("ExecutorID in Call: {executor} does not match ExecutorID in TaskStatus: other"),
        ),
        (started.status(json!({"check_status": {}})), "CheckStatusInfo must specify 'type'".to_owned()),
        (started.call("UPDATE", json!({})), "Expecting 'update' to be present".to_owned()),
        (started.call("SUBSCRIBE", json!({})), "Expecting 'subscribe' to be present".to_owned()),
        (started.call("MESSAGE", json!({})), "Expecting 'message' to be present".to_owned()),
    ] {
        let answer = post(world, &call)?.expect(400).during(&reason)?;
        answer.expect_body(&format!("Failed to validate Executor::Call: {reason}"))?;
    }
    post(world, &started.call("HEARTBEAT", json!({})))?.expect(202).map(drop)
}

fn life(world: &World) -> Checked {
    let mut started = start(world)?;
    let subscribe = json!({"subscribe": {"unacknowledged_tasks": [], "unacknowledged_updates": []}});
    let request = Request::post(PATH).accept("application/json").json(&started.call("SUBSCRIBE", subscribe));
    let mut events = EventStream::open(world.agent()?, &request)?;
    events
        .head
        .clone()
        .expect(200)?
        .expect_header("Content-Type", "application/json")?
        .expect_no_header("Mesos-Stream-Id")?;
    let subscribed = events.expect("SUBSCRIBED", SOON)?;
    check::equal_at(&subscribed, "/subscribed/executor_info/executor_id/value", started.executor.as_str())?;
    check::equal_at(&subscribed, "/subscribed/framework_info/id/value", started.scheduler.id())?;
    check::at(&subscribed, "/subscribed/agent_info/id/value")?;
    check::at(&subscribed, "/subscribed/container_id/value")?;
    let launch = events.expect("LAUNCH", SOON)?;
    check::equal_at(&launch, "/launch/task/task_id/value", started.task.as_str())?;

    post(world, &started.update("TASK_RUNNING"))?.expect(202)?;
    let status = started.scheduler.update_of(&started.task)?;
    check::equal_at(&status, "/state", "TASK_RUNNING")?;
    started.scheduler.acknowledge(&status)?;
    let acknowledged = events.expect("ACKNOWLEDGED", SOON)?;
    check::equal_at(&acknowledged, "/acknowledged/task_id/value", started.task.as_str())?;
    check::equal_at(&acknowledged, "/acknowledged/uuid", "ASNFZ4mrTe+BI0VniavN7w==")?;

    let to_executor =
        json!({"agent_id": status["agent_id"], "executor_id": {"value": started.executor}, "data": "cGluZw=="});
    started.scheduler.accepted("MESSAGE", json!({"message": to_executor}))?;
    check::equal_at(&events.expect("MESSAGE", SOON)?, "/message/data", "cGluZw==")?;
    post(world, &started.call("MESSAGE", json!({"message": {"data": "cG9uZw=="}})))?.expect(202)?;
    check::equal_at(&started.scheduler.events.expect("MESSAGE", SOON)?, "/message/data", "cG9uZw==")?;

    started.scheduler.accepted("KILL", json!({"kill": {"task_id": {"value": started.task}}}))?;
    check::equal_at(&events.expect("KILL", SOON)?, "/kill/task_id/value", started.task.as_str())?;
    started.scheduler.accepted("TEARDOWN", json!({}))?;
    started.scheduler.mark_removed();
    events.expect("SHUTDOWN", SOON).map(drop)
}

fn content_rules(world: &World) -> Checked {
    let call = json!({"type": "HEARTBEAT", "framework_id": {"value": "f"}, "executor_id": {"value": "e"}});
    let body = call.to_string();
    world.send_to_agent(Request::get(PATH))?.expect(405)?;
    world
        .send_to_agent(Request::post(PATH).body("", body.clone()))?
        .expect(400)?
        .expect_body("Expecting 'Content-Type' to be present")?;
    world.send_to_agent(Request::post(PATH).body("text/plain", body))?.expect(415)?;
    world
        .send_to_agent(Request::post(PATH).json(&json!({"type": "HEARTBEAT", "executor_id": {"value": "e"}})))?
        .expect(400)?
        .expect_body("Failed to convert JSON into Call protobuf: Missing required fields: framework_id")?;
    post(world, &call)?.expect(202).map(drop)
}
