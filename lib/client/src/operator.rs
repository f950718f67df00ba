//! The operator APIs of masters and agents, and the JSON endpoints of the v0 API.

use std::time::Duration;

use bytes::Bytes;
use messages::schema::HasDescriptor;
use messages::v1;
use messages::v1::master::call::Type;
use wire::ContentType;

use crate::address::Address;
use crate::error::Error;
use crate::events::Events;
use crate::files::encode;
use crate::transport;

/// The heartbeat interval of a master's operator streams (`DEFAULT_HEARTBEAT_INTERVAL` of Mesos).
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Returns a JSON document such as `/state`. `path` may have a query.
///
/// # Errors
/// Returns [`Error`] if the request fails, is refused, or the body is not JSON.
pub async fn get_json(address: &Address, path: &str) -> Result<serde_json::Value, Error> {
    let (address, response) = transport::send(address, &transport::Call::get(path)).await?;
    let body = transport::body_of(&address, response).await?;
    serde_json::from_slice(&body).map_err(|e| Error::Protocol { address, reason: format!("{path} is not JSON: {e}") })
}

/// Stores a JSON document at a path such as `/partitions/<id>`, and returns the text of the response.
///
/// # Errors
/// Returns [`Error::Status`] if the master refuses the document, and any other [`Error`] of the request.
pub async fn put_json(address: &Address, path: &str, value: &serde_json::Value) -> Result<String, Error> {
    change(address, http::Method::PUT, path, value.to_string().into()).await
}

/// Sends a form to an endpoint of the v0 API, such as `/master/teardown`, and returns the text of the response. The
/// values are percent-encoded by this function.
///
/// # Errors
/// Returns [`Error::Status`] if the master refuses the form, and any other [`Error`] of the request.
pub async fn post_form(address: &Address, path: &str, fields: &[(&str, &str)]) -> Result<String, Error> {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let body = Bytes::from(fields.join("&"));
    let call = transport::Call { method: http::Method::POST, path: path.to_owned(), headers: Vec::new(), body };
    let call = call.header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let (address, response) = transport::send(address, &call).await?;
    let body = transport::body_of(&address, response).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// Sends DELETE for a path such as `/partitions/<id>`, and returns the text of the response.
///
/// # Errors
/// Returns [`Error::Status`] if the master refuses it, and any other [`Error`] of the request.
pub async fn delete(address: &Address, path: &str) -> Result<String, Error> {
    change(address, http::Method::DELETE, path, Bytes::new()).await
}

async fn change(address: &Address, method: http::Method, path: &str, body: Bytes) -> Result<String, Error> {
    let call = transport::Call { method, path: path.to_owned(), headers: Vec::new(), body };
    let call = call.header(http::header::CONTENT_TYPE, ContentType::Json.as_str());
    let (address, response) = transport::send(address, &call).await?;
    let body = transport::body_of(&address, response).await?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The operator API of a master (`POST /api/v1`). Requests to a follower are redirected to the leader.
#[derive(Debug, Clone)]
pub struct MasterOperator {
    address: Address,
}

/// The operator API of an agent (`POST /api/v1`).
#[derive(Debug, Clone)]
pub struct AgentOperator {
    address: Address,
}

impl MasterOperator {
    /// Makes the API of the master at `address`.
    pub fn new(address: Address) -> Self {
        MasterOperator { address }
    }

    /// Sends a call without fields (`GET_*`) and returns its response.
    ///
    /// # Errors
    /// Returns [`Error`] if the request fails or is refused.
    pub async fn get(&self, call: Type) -> Result<v1::master::Response, Error> {
        self.call(&v1::master::Call { r#type: Some(call.into()), ..Default::default() }).await
    }

    /// Returns the quotas of all roles (GET_QUOTA).
    ///
    /// # Errors
    /// Returns [`Error`] if the request fails or is refused.
    pub async fn quotas(&self) -> Result<v1::quota::QuotaStatus, Error> {
        let answer = self.get(Type::GetQuota).await?.get_quota;
        answer.map(|answer| answer.status).ok_or_else(|| missing(&self.address, "get_quota"))
    }

    /// Returns the weights that were set (GET_WEIGHTS). Every other role has the weight 1. Masters omit the list while
    /// it is empty.
    ///
    /// # Errors
    /// Returns [`Error`] if the request fails or is refused.
    pub async fn weights(&self) -> Result<Vec<v1::WeightInfo>, Error> {
        Ok(self.get(Type::GetWeights).await?.get_weights.map(|answer| answer.weight_infos).unwrap_or_default())
    }

    /// Returns the maintenance schedule (GET_MAINTENANCE_SCHEDULE).
    ///
    /// # Errors
    /// Returns [`Error`] if the request fails or is refused.
    pub async fn maintenance_schedule(&self) -> Result<v1::maintenance::Schedule, Error> {
        let answer = self.get(Type::GetMaintenanceSchedule).await?.get_maintenance_schedule;
        answer.map(|answer| answer.schedule).ok_or_else(|| missing(&self.address, "get_maintenance_schedule"))
    }

    /// Returns the state of machines under maintenance (GET_MAINTENANCE_STATUS).
    ///
    /// # Errors
    /// Returns [`Error`] if the request fails or is refused.
    pub async fn maintenance_status(&self) -> Result<v1::maintenance::ClusterStatus, Error> {
        let answer = self.get(Type::GetMaintenanceStatus).await?.get_maintenance_status;
        answer.map(|answer| answer.status).ok_or_else(|| missing(&self.address, "get_maintenance_status"))
    }

    /// Sends any call, such as one of [`operator_calls`](crate::operator_calls), and returns its response. The response
    /// is empty for calls that change something.
    ///
    /// # Errors
    /// Returns [`Error::Status`] if the master refuses the call, and any other [`Error`] of the request.
    pub async fn call(&self, call: &v1::master::Call) -> Result<v1::master::Response, Error> {
        exchange(&self.address, call).await
    }

    /// Reads up to `length` bytes of a file from `offset`, by its virtual path (READ_FILE). Without `length` it reads
    /// to the end; the master may return less.
    ///
    /// # Errors
    /// Returns [`Error::NoFile`] if there is no such file, and any other [`Error`] of the request.
    pub async fn read_file(&self, path: &str, offset: u64, length: Option<u64>) -> Result<FileContents, Error> {
        let read_file = v1::master::call::ReadFile { path: path.to_owned(), offset, length };
        let call = v1::master::Call {
            r#type: Some(Type::ReadFile.into()),
            read_file: Some(Box::new(read_file)),
            ..Default::default()
        };
        let answer = self.call(&call).await.map_err(|error| about_file(error, path))?;
        let read = answer.read_file.ok_or_else(|| missing(&self.address, "read_file"))?;
        Ok(FileContents { size: read.size, data: read.data })
    }

    /// Returns the entries of a directory, by its virtual path (LIST_FILES).
    ///
    /// # Errors
    /// Returns [`Error::NoFile`] if there is no such directory, and any other [`Error`] of the request.
    pub async fn list_files(&self, path: &str) -> Result<Vec<v1::FileInfo>, Error> {
        let call = v1::master::Call {
            r#type: Some(Type::ListFiles.into()),
            list_files: Some(v1::master::call::ListFiles { path: path.to_owned() }),
            ..Default::default()
        };
        let answer = self.call(&call).await.map_err(|error| about_file(error, path))?;
        let listed = answer.list_files.ok_or_else(|| missing(&self.address, "list_files"))?;
        Ok(listed.file_infos)
    }

    /// Subscribes to the events of the cluster (SUBSCRIBE). The first event is SUBSCRIBED with the whole state.
    ///
    /// # Errors
    /// Returns [`Error`] if the request fails or is refused.
    pub async fn subscribe(&self) -> Result<Events<v1::master::Event>, Error> {
        let call = v1::master::Call { r#type: Some(Type::Subscribe.into()), ..Default::default() };
        let request = transport::Call::post("/api/v1", ContentType::Protobuf, wire::encode(&call));
        let (address, response) = transport::send(&self.address, &request).await?;
        if response.status().is_success() {
            let mut events = Events::new(address, response);
            events.expect_heartbeats(HEARTBEAT);
            return Ok(events);
        }
        match transport::body_of(&address, response).await {
            Err(error) => Err(error),
            Ok(_) => Err(Error::Protocol { address, reason: "no event stream".to_owned() }),
        }
    }
}

/// A part of a file, and the size of the file at the time of the read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContents {
    /// The size of the whole file in bytes.
    pub size: u64,
    /// The bytes that were read.
    pub data: Vec<u8>,
}

impl AgentOperator {
    /// Makes the API of the agent at `address`.
    pub fn new(address: Address) -> Self {
        AgentOperator { address }
    }

    /// Returns the address of the agent.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a call without fields (`GET_*`) and returns its response.
    ///
    /// # Errors
    /// Returns [`Error`] if the request fails or is refused.
    pub async fn get(&self, call: v1::agent::call::Type) -> Result<v1::agent::Response, Error> {
        self.call(&v1::agent::Call { r#type: Some(call.into()), ..Default::default() }).await
    }

    /// Sends any call and returns its response.
    ///
    /// # Errors
    /// Returns [`Error::Status`] if the agent refuses the call, and any other [`Error`] of the request.
    pub async fn call(&self, call: &v1::agent::Call) -> Result<v1::agent::Response, Error> {
        exchange(&self.address, call).await
    }

    /// Reads up to `length` bytes of a file from `offset`, by its virtual path (READ_FILE). Without `length` it reads
    /// to the end; the agent may return less.
    ///
    /// # Errors
    /// Returns [`Error::NoFile`] if there is no such file, and any other [`Error`] of the request.
    pub async fn read_file(&self, path: &str, offset: u64, length: Option<u64>) -> Result<FileContents, Error> {
        let read_file = v1::agent::call::ReadFile { path: path.to_owned(), offset, length };
        let call = v1::agent::Call {
            r#type: Some(v1::agent::call::Type::ReadFile.into()),
            read_file: Some(Box::new(read_file)),
            ..Default::default()
        };
        let answer = self.call(&call).await.map_err(|error| about_file(error, path))?;
        let read = answer.read_file.ok_or_else(|| missing(&self.address, "read_file"))?;
        Ok(FileContents { size: read.size, data: read.data })
    }

    /// Returns the entries of a directory, by its virtual path (LIST_FILES).
    ///
    /// # Errors
    /// Returns [`Error::NoFile`] if there is no such directory, and any other [`Error`] of the request.
    pub async fn list_files(&self, path: &str) -> Result<Vec<v1::FileInfo>, Error> {
        let call = v1::agent::Call {
            r#type: Some(v1::agent::call::Type::ListFiles.into()),
            list_files: Some(v1::agent::call::ListFiles { path: path.to_owned() }),
            ..Default::default()
        };
        let answer = self.call(&call).await.map_err(|error| about_file(error, path))?;
        let listed = answer.list_files.ok_or_else(|| missing(&self.address, "list_files"))?;
        Ok(listed.file_infos)
    }
}

/// Turns the 404 of a master or agent into an error that names the file, because their texts usually do not.
pub(crate) fn about_file(error: Error, path: &str) -> Error {
    match error {
        Error::Status { address, status: 404, .. } => Error::NoFile { address, path: path.to_owned() },
        other => other,
    }
}

fn missing(address: &Address, member: &str) -> Error {
    Error::Protocol { address: address.clone(), reason: format!("its response has no {member}") }
}

async fn exchange<C: HasDescriptor, R: HasDescriptor>(address: &Address, call: &C) -> Result<R, Error> {
    let request = transport::Call::post("/api/v1", ContentType::Protobuf, wire::encode(call));
    let (address, response) = transport::send(address, &request).await?;
    let body = transport::body_of(&address, response).await?;
    wire::decode(&body, &transport::limits(transport::MAX_BODY))
        .map_err(|e| Error::Protocol { address, reason: e.to_string() })
}
