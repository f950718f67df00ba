//! The operator's side: calls to a master or an agent, and the legacy JSON endpoints.

use messages::schema::Described;
use messages::v1;
use wire::{ContentType, Limits};

use crate::address::Address;
use crate::error::Error;
use crate::events::Events;
use crate::transport;

const MAX_RESPONSE: usize = 1 << 30;

/// Fetches a JSON document such as `/state`.
pub async fn get_json(address: &Address, path: &str) -> Result<serde_json::Value, Error> {
    let (address, response) = transport::send(address, &transport::Call::get(path)).await?;
    let body = transport::body_of(&address, response).await?;
    serde_json::from_slice(&body).map_err(|e| Error::Protocol { address, reason: format!("{path} is not JSON: {e}") })
}

/// The operator API of a master.
#[derive(Debug, Clone)]
pub struct MasterOperator {
    address: Address,
}

/// The operator API of an agent.
#[derive(Debug, Clone)]
pub struct AgentOperator {
    address: Address,
}

impl MasterOperator {
    pub fn new(address: Address) -> Self {
        MasterOperator { address }
    }

    /// Sends a call with an answer (`GET_*`).
    pub async fn get(&self, call: v1::master::call::Type) -> Result<v1::master::Response, Error> {
        self.call(&v1::master::Call { r#type: Some(call.into()), ..Default::default() }).await
    }

    /// Sends any call; those that change something answer with an empty response.
    pub async fn call(&self, call: &v1::master::Call) -> Result<v1::master::Response, Error> {
        exchange(&self.address, call).await
    }

    /// The stream of cluster events; the first one is SUBSCRIBED with the whole state.
    pub async fn subscribe(&self) -> Result<Events<v1::master::Event>, Error> {
        let call = v1::master::Call { r#type: Some(v1::master::call::Type::Subscribe.into()), ..Default::default() };
        let request = transport::Call::post("/api/v1", ContentType::Protobuf, wire::encode(&call));
        let (address, response) = transport::send(&self.address, &request).await?;
        if response.status().is_success() {
            return Ok(Events::new(address, response));
        }
        match transport::body_of(&address, response).await {
            Err(error) => Err(error),
            Ok(_) => Err(Error::Protocol { address, reason: "no event stream".to_owned() }),
        }
    }
}

impl AgentOperator {
    pub fn new(address: Address) -> Self {
        AgentOperator { address }
    }

    pub async fn get(&self, call: v1::agent::call::Type) -> Result<v1::agent::Response, Error> {
        self.call(&v1::agent::Call { r#type: Some(call.into()), ..Default::default() }).await
    }

    pub async fn call(&self, call: &v1::agent::Call) -> Result<v1::agent::Response, Error> {
        exchange(&self.address, call).await
    }
}

async fn exchange<C: Described, R: Described>(address: &Address, call: &C) -> Result<R, Error> {
    let request = transport::Call::post("/api/v1", ContentType::Protobuf, wire::encode(call));
    let (address, response) = transport::send(address, &request).await?;
    let body = transport::body_of(&address, response).await?;
    let limits = Limits { max_bytes: MAX_RESPONSE, ..Limits::default() };
    wire::decode(&body, &limits).map_err(|e| Error::Protocol { address, reason: e.to_string() })
}
