//! A scheduler over the v1 HTTP API, in JSON.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::client::{Client, JSON, Response, post, request};

/// A subscribed scheduler.
pub struct Scheduler {
    /// Its event stream.
    pub stream: Client,
    /// The id of the stream.
    pub stream_id: String,
    /// The id of the framework.
    pub framework: String,
    master: SocketAddr,
}

impl Scheduler {
    /// Subscribes with this FrameworkInfo, in JSON.
    ///
    /// # Panics
    ///
    /// Panics if the master refuses it.
    pub async fn subscribe(master: SocketAddr, framework_info: &str) -> Scheduler {
        let body = format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{framework_info}}}}}"#);
        Self::subscribe_by(master, body).await
    }

    /// Subscribes a framework that has an id, at the same master or another one. `framework_info` does not contain the
    /// id.
    ///
    /// # Panics
    ///
    /// Panics if the master refuses it.
    pub async fn resubscribe(master: SocketAddr, id: &str, framework_info: &str) -> Scheduler {
        let mut info: Value = serde_json::from_str(framework_info).expect("a FrameworkInfo");
        info["id"] = json!({ "value": id });
        let subscribe =
            json!({ "type": "SUBSCRIBE", "framework_id": { "value": id }, "subscribe": { "framework_info": info } });
        Self::subscribe_by(master, subscribe.to_string()).await
    }

    async fn subscribe_by(master: SocketAddr, call: String) -> Scheduler {
        let mut stream = Client::connect(master).await;
        stream.send(post("/api/v1/scheduler", JSON, call)).await;
        let head = stream.head().await.expect("a head");
        assert_eq!(head.status, 200);
        let stream_id = head.header("mesos-stream-id").expect("a stream id").to_owned();
        let subscribed = stream.event().await.expect("an event");
        assert_eq!(subscribed["type"], "SUBSCRIBED", "{subscribed}");
        let framework = subscribed["subscribed"]["framework_id"]["value"].as_str().expect("an id").to_owned();
        Scheduler { stream, stream_id, framework, master }
    }

    /// Sends a call to a master; `rest` is the fields besides the framework's id.
    pub async fn call(&self, master: SocketAddr, rest: &str) -> Response {
        let body = format!(r#"{{"framework_id":{{"value":"{}"}},{rest}}}"#, self.framework);
        let headers = format!("{JSON}Mesos-Stream-Id: {}\r\n", self.stream_id);
        request(master, post("/api/v1/scheduler", &headers, body)).await
    }

    /// Sends a call of this type to the master that the scheduler has subscribed at, and expects that it is accepted.
    ///
    /// # Panics
    ///
    /// Panics if the master refuses the call.
    pub async fn accepted(&self, kind: &str, field: &str, content: Value) {
        let response = self.call(self.master, &format!(r#""type":"{kind}","{field}":{content}"#)).await;
        assert_eq!(response.status, 202, "{}", response.text());
    }

    /// Returns the first offer of the next OFFERS.
    pub async fn offer(&mut self) -> Value {
        self.stream.event_of("OFFERS").await["offers"]["offers"][0].clone()
    }

    /// Accepts an offer with these operations.
    pub async fn accept(&self, offer: &Value, operations: Value) {
        self.accepted("ACCEPT", "accept", json!({ "offer_ids": [offer["id"]], "operations": operations })).await;
    }

    /// Launches tasks on an offer.
    pub async fn launch(&self, offer: &Value, tasks: &[Value]) {
        self.accept(offer, json!([{ "type": "LAUNCH", "launch": { "task_infos": tasks } }])).await;
    }

    /// Acknowledges a status if it requires an acknowledgement.
    pub async fn acknowledge(&self, status: &Value) {
        if status["uuid"].is_string() {
            let acknowledge =
                json!({ "agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"] });
            self.accepted("ACKNOWLEDGE", "acknowledge", acknowledge).await;
        }
    }

    /// Returns the next status without acknowledging it.
    pub async fn status(&mut self) -> Value {
        self.stream.event_of("UPDATE").await["update"]["status"].clone()
    }

    /// Acknowledges the next status and returns it.
    pub async fn acknowledged_status(&mut self) -> Value {
        let status = self.status().await;
        self.acknowledge(&status).await;
        status
    }

    /// Returns the first status with this state. Only TASK_STARTING and TASK_RUNNING may precede it. All statuses are
    /// acknowledged.
    ///
    /// # Panics
    ///
    /// Panics if another state precedes it.
    pub async fn until(&mut self, state: &str) -> Value {
        loop {
            let status = self.acknowledged_status().await;
            if status["state"] == state {
                return status;
            }
            assert!(["TASK_STARTING", "TASK_RUNNING"].iter().any(|early| status["state"] == *early), "{status}");
        }
    }

    /// Returns a resource that is offered to the framework in role `*`, in JSON.
    pub fn scalar(name: &str, value: f64) -> Value {
        json!({ "name": name, "type": "SCALAR", "scalar": { "value": value }, "allocation_info": { "role": "*" } })
    }

    /// Returns a task on an offer in role `*` with a little cpu and memory. It still needs a command or an executor.
    pub fn small_task(id: &str, offer: &Value) -> Value {
        json!({
            "name": id,
            "task_id": { "value": id },
            "agent_id": offer["agent_id"],
            "resources": [Self::scalar("cpus", 0.1), Self::scalar("mem", 32.0)],
        })
    }
}
