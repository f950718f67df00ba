//! The response of a core to a request; the edge turns it into HTTP.

use messages::v1::agent::response::WaitContainer;

/// The status codes that cores use; the edge has more of its own (405, 406, 415, 307…).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Status {
    /// 200: the call succeeded.
    Ok = 200,
    /// 202: the call was accepted and is being processed; Mesos answers scheduler calls with it.
    Accepted = 202,
    /// 400: the call is invalid.
    BadRequest = 400,
    /// 403: the caller may not make this call.
    Forbidden = 403,
    /// 404: what the call names does not exist.
    NotFound = 404,
    /// 409: the call contradicts the state of the cluster.
    Conflict = 409,
    /// 500: the call failed for a reason that is not the caller's.
    InternalServerError = 500,
    /// 501: this call is not implemented.
    NotImplemented = 501,
    /// 503: the call cannot be served now and may be repeated later.
    ServiceUnavailable = 503,
}

/// A status and a plain-text body (empty for success: Mesos' mutating calls have none).
#[derive(Debug, Clone, PartialEq)]
pub struct CallResponse {
    /// The status of the HTTP response.
    pub status: Status,
    /// The body, as plain text.
    pub body: String,
    /// The end of a container. Only an agent's response to a call that waits for a container has it.
    pub termination: Option<Box<WaitContainer>>,
}

impl CallResponse {
    /// Returns 200 without a body.
    pub fn ok() -> Self {
        CallResponse::new(Status::Ok, "")
    }

    /// Returns 202 without a body.
    pub fn accepted() -> Self {
        CallResponse::new(Status::Accepted, "")
    }

    /// Returns 200 with the end of a container.
    pub fn terminated(termination: WaitContainer) -> Self {
        CallResponse { termination: Some(Box::new(termination)), ..CallResponse::ok() }
    }

    /// Returns a response with this status and this body.
    pub fn new(status: Status, body: impl Into<String>) -> Self {
        CallResponse { status, body: body.into(), termination: None }
    }

    /// Returns 400 with a body that says what is wrong with the call.
    pub fn bad_request(body: impl Into<String>) -> Self {
        CallResponse::new(Status::BadRequest, body)
    }

    /// Returns 403 with a body that says what the caller may not do.
    pub fn forbidden(body: impl Into<String>) -> Self {
        CallResponse::new(Status::Forbidden, body)
    }
}
