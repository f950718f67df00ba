//! A scheduler over the v1 HTTP API, in JSON.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::case_error::{CaseError, Checked};
use crate::check;
use crate::events::EventStream;
use crate::http::{Request, Response, fetch};
use crate::world::{SOON, World};

pub const PATH: &str = "/api/v1/scheduler";

/// Returns a FrameworkInfo with a role of its own.
pub fn framework(world: &World) -> Value {
    json!({
        "user": "root",
        "name": world.fresh("conformance"),
        "roles": [world.fresh("role")],
        "capabilities": [{"type": "MULTI_ROLE"}],
    })
}

/// Replaces some fields of an object.
pub fn with(mut info: Value, changes: Value) -> Value {
    if let (Some(info), Value::Object(changes)) = (info.as_object_mut(), changes) {
        info.extend(changes);
    }
    info
}

pub fn partition_aware(world: &World) -> Value {
    with(framework(world), json!({"capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}]}))
}

pub fn subscribe_call(info: &Value) -> Value {
    let mut call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
    if let Some(id) = info.get("id") {
        call["framework_id"] = id.clone();
    }
    call
}

pub fn subscribe_request(info: &Value) -> Request {
    Request::post(PATH).accept("application/json").json(&subscribe_call(info))
}

pub struct Scheduler {
    master: SocketAddrV4,
    pub info: Value,
    pub stream_id: String,
    pub events: EventStream,
    ended: bool,
}

impl Scheduler {
    pub fn subscribe(world: &World, info: Value) -> Checked<Self> {
        let call = subscribe_call(&info);
        Self::subscribe_with(world, info, &call)
    }

    pub fn subscribe_with(world: &World, info: Value, call: &Value) -> Checked<Self> {
        let request = Request::post(PATH).accept("application/json").json(call);
        let mut events = EventStream::open(world.master, &request)?;
        check::equal("status of SUBSCRIBE", 200, events.head.status)?;
        let stream_id = events.head.header("Mesos-Stream-Id").unwrap_or_default().to_owned();
        let subscribed = events.expect("SUBSCRIBED", SOON)?;
        let id = check::at(&subscribed, "/subscribed/framework_id")?.clone();
        Ok(Scheduler { master: world.master, info: with(info, json!({"id": id})), stream_id, events, ended: false })
    }

    pub fn id(&self) -> &str {
        self.info["id"]["value"].as_str().unwrap_or_default()
    }

    pub fn role(&self) -> &str {
        self.info["roles"][0].as_str().unwrap_or_default()
    }

    /// Makes a call on this stream. `body` holds the field of its type, if it has one.
    pub fn call(&self, kind: &str, body: Value) -> Checked<Response> {
        fetch(self.master, &self.request(kind, body).header("Mesos-Stream-Id", &self.stream_id))
    }

    /// Returns the request of a call without the Mesos-Stream-Id header.
    pub fn request(&self, kind: &str, body: Value) -> Request {
        let call = json!({"type": kind, "framework_id": self.info["id"]});
        Request::post(PATH).json(&with(call, body))
    }

    pub fn accepted(&self, kind: &str, body: Value) -> Checked {
        self.call(kind, body)?.expect(202)?.expect_body("").map(drop)
    }

    /// Waits for the next offer of this agent.
    pub fn offer_of(&mut self, agent_id: &str) -> Checked<Value> {
        let from_agent = |offer: &Value| offer["agent_id"]["value"] == agent_id;
        let find = |event: &Value| event["offers"]["offers"].as_array()?.iter().find(|o| from_agent(o)).cloned();
        let event = self.events.expect_that("OFFERS", SOON, |event| find(event).is_some())?;
        find(&event).ok_or_else(|| CaseError::unexpected("OFFERS", "an offer of the agent", &event))
    }

    /// Checks that no offer of this agent arrives for a while.
    pub fn no_offer_of(&mut self, agent_id: &str, time: Duration) -> Checked {
        let deadline = Instant::now() + time;
        while let Some(event) = self.events.next_any(deadline)? {
            let offers = event["offers"]["offers"].as_array().cloned().unwrap_or_default();
            if let Some(offer) = offers.iter().find(|offer| offer["agent_id"]["value"] == agent_id) {
                return Err(CaseError::unexpected("stream", "no offer of the agent", offer));
            }
        }
        Ok(())
    }

    /// Returns the status in the next UPDATE about this task.
    pub fn update_of(&mut self, task_id: &str) -> Checked<Value> {
        let about = |event: &Value| event["update"]["status"]["task_id"]["value"] == task_id;
        let event = self.events.expect_that("UPDATE", SOON, about)?;
        Ok(event["update"]["status"].clone())
    }

    pub fn accept(&self, offers: &[&Value], operations: Value) -> Checked {
        let ids: Vec<&Value> = offers.iter().map(|offer| &offer["id"]).collect();
        let filters = json!({"refuse_seconds": 0});
        self.accepted("ACCEPT", json!({"accept": {"offer_ids": ids, "operations": operations, "filters": filters}}))
    }

    pub fn launch(&self, offer: &Value, task: &Value) -> Checked {
        self.accept(&[offer], json!([{"type": "LAUNCH", "launch": {"task_infos": [task]}}]))
    }

    pub fn acknowledge(&self, status: &Value) -> Checked {
        let acknowledge = json!({"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]});
        self.accepted("ACKNOWLEDGE", json!({"acknowledge": acknowledge}))
    }

    /// Breaks the connection. The framework remains with the master for its failover timeout.
    pub fn disconnect(mut self) -> (Value, String) {
        self.ended = true;
        (self.info.clone(), self.stream_id.clone())
    }

    /// Records that the framework ended in another way than by the teardown of this scheduler.
    pub fn mark_removed(&mut self) {
        self.ended = true;
    }
}

impl Drop for Scheduler {
    /// Tears the framework down, so that it does not affect the next case.
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.call("TEARDOWN", json!({}));
        }
    }
}

pub fn scalar(name: &str, value: f64) -> Value {
    json!({"name": name, "type": "SCALAR", "scalar": {"value": value}})
}

/// Returns a command task with little cpu and memory.
pub fn task(id: &str, agent_id: &str) -> Value {
    json!({
        "name": id,
        "task_id": {"value": id},
        "agent_id": {"value": agent_id},
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
        "command": {"value": "sleep 1000"},
    })
}
