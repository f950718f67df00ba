//! The environment of a case: the addresses under test and unused names.

use std::cell::Cell;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::case_error::{CaseError, Checked};
use crate::http::{Request, Response, fetch};

/// The time within which an allocation or a few messages must be complete.
pub const SOON: Duration = Duration::from_secs(8);

pub struct World {
    pub master: SocketAddrV4,
    agent: Option<SocketAddrV4>,
    nonce: String,
    names: Cell<u32>,
}

impl World {
    pub fn new(master: SocketAddrV4, agent: Option<SocketAddrV4>) -> Self {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        World { master, agent, nonce: nonce[..8].to_owned(), names: Cell::new(0) }
    }

    pub fn agent(&self) -> Checked<SocketAddrV4> {
        self.agent.ok_or_else(|| CaseError::Skip("needs --agent".into()))
    }

    /// Returns a name that is new to the master, even after an earlier run of the suite.
    pub fn fresh(&self, what: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{what}-{}-{}", self.nonce, self.names.get())
    }

    pub fn send(&self, request: Request) -> Checked<Response> {
        fetch(self.master, &request)
    }

    pub fn send_to_agent(&self, request: Request) -> Checked<Response> {
        fetch(self.agent()?, &request)
    }

    pub fn get(&self, target: &str) -> Checked<Response> {
        self.send(Request::get(target))
    }

    pub fn get_json(&self, target: &str) -> Checked<Value> {
        self.get(target)?.expect(200)?.json()
    }

    /// Makes a call of the operator API in JSON.
    pub fn operator(&self, call: &Value) -> Checked<Response> {
        self.send(Request::post("/api/v1").json(call))
    }

    /// Makes a call of the agent's operator API in JSON.
    pub fn agent_operator(&self, call: &Value) -> Checked<Response> {
        self.send_to_agent(Request::post("/api/v1").json(call))
    }

    /// Returns the id that the master assigned to the agent under test.
    pub fn agent_id(&self) -> Checked<String> {
        let state = fetch(self.agent()?, &Request::get("/state"))?.expect(200)?.json()?;
        Ok(crate::check::text_at(&state, "/id")?.to_owned())
    }

    /// Returns the libprocess address from which the master sends messages.
    pub fn master_pid(&self) -> Checked<model::Upid> {
        let state = self.get_json("/state")?;
        let pid = crate::check::text_at(&state, "/pid")?;
        pid.parse().map_err(|error| CaseError::unexpected("/state pid", "a libprocess address", error))
    }
}

/// Asks repeatedly until the answer is there, for facts that take a moment to appear.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Checked<Option<T>>) -> Checked<T> {
    const PAUSE: Duration = Duration::from_millis(50);
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        std::thread::sleep(PAUSE);
    }
    Err(CaseError::Timeout { what: what.to_owned(), seconds: SOON.as_secs_f64() })
}
