//! Builds identifiers from their text, and UUIDs that a test can tell apart.

use ids::{StreamId, Upid};
use messages::v1;

/// Returns the id of a task.
pub fn task_id(id: impl Into<String>) -> v1::TaskId {
    v1::TaskId { value: id.into() }
}

/// Returns the id of an agent.
pub fn agent_id(id: impl Into<String>) -> v1::AgentId {
    v1::AgentId { value: id.into() }
}

/// Returns the id of a framework.
pub fn framework_id(id: impl Into<String>) -> v1::FrameworkId {
    v1::FrameworkId { value: id.into() }
}

/// Returns the id of an executor.
pub fn executor_id(id: impl Into<String>) -> v1::ExecutorId {
    v1::ExecutorId { value: id.into() }
}

/// Returns the id of an offer.
pub fn offer_id(id: impl Into<String>) -> v1::OfferId {
    v1::OfferId { value: id.into() }
}

/// Returns the id that a framework gives to an operation.
pub fn operation_id(id: impl Into<String>) -> v1::OperationId {
    v1::OperationId { value: id.into() }
}

/// Returns the event stream of this number.
pub fn stream_id(number: u128) -> StreamId {
    StreamId(uuid::Uuid::from_u128(number))
}

/// Returns a libprocess address such as `slave(1)@10.0.0.2:5051`.
///
/// # Panics
///
/// Panics if the text is no such address.
pub fn upid(text: &str) -> Upid {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Returns a well-formed UUID of version 4 whose first byte is `number`.
pub fn uuid(number: u8) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    (bytes[0], bytes[6], bytes[8]) = (number, 0x40, 0x80);
    bytes
}
