//! What a core answers to a request; the edge turns it into HTTP.

/// The statuses cores use; the edge adds its own (405, 406, 415, 307…).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Status {
    Ok = 200,
    Accepted = 202,
    BadRequest = 400,
    Forbidden = 403,
    NotFound = 404,
    Conflict = 409,
    InternalServerError = 500,
    NotImplemented = 501,
    ServiceUnavailable = 503,
}

/// A status and a plain-text body (empty for success: Mesos' mutating calls have none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResponse {
    pub status: Status,
    pub body: String,
}

impl CallResponse {
    pub fn ok() -> Self {
        CallResponse { status: Status::Ok, body: String::new() }
    }

    pub fn accepted() -> Self {
        CallResponse { status: Status::Accepted, body: String::new() }
    }

    pub fn new(status: Status, body: impl Into<String>) -> Self {
        CallResponse { status, body: body.into() }
    }

    pub fn bad_request(body: impl Into<String>) -> Self {
        CallResponse::new(Status::BadRequest, body)
    }

    pub fn forbidden(body: impl Into<String>) -> Self {
        CallResponse::new(Status::Forbidden, body)
    }
}
