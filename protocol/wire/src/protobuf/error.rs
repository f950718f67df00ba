//! The reasons for which bytes are not a message.

use messages::UnknownMessage;

/// The reasons for which bytes are not a message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum DecodeError {
    #[error("{size} bytes are more than the limit of {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("messages are nested deeper than {limit}")]
    TooDeep { limit: usize },
    #[error("more than {limit} fields")]
    TooManyElements { limit: usize },
    #[error("the message would take more than {limit} bytes of memory, far more than it has on the wire")]
    TooMuchMemory { limit: usize },
    #[error("the bytes end inside a field")]
    Truncated,
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The paths of the missing fields, as C++ protobuf lists them: `task_info.agent_id, status.state`.
    #[error("missing required fields: {0}")]
    MissingRequired(String),
    #[error("not decodable: {0}")]
    Prost(#[from] prost::DecodeError),
    #[error(transparent)]
    UnknownMessage(#[from] UnknownMessage),
}
