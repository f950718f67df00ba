//! The errors of requests to registries.

use std::io;

/// The reason for which a request to a registry failed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum RegistryError {
    #[error("'{0}' is not the URL of a registry: expected http:// or https://, a host and an optional port")]
    Url(String),
    #[error("cannot reach {url}: {source}")]
    Transport {
        url: String,
        #[source]
        source: Box<ureq::Error>,
    },
    #[error("the answer of {url} broke off: {source}")]
    Broken {
        url: String,
        #[source]
        source: io::Error,
    },
    #[error("{url} answers {status}{detail}")]
    Status { url: String, status: u16, detail: String },
    #[error(
        "{url} asks for credentials: give them with --docker_config ('auths', a credential helper), or check those that are there"
    )]
    Unauthorized { url: String },
    #[error("there is no '{what}' at {registry}")]
    NotFound { what: String, registry: String },
    #[error("{url} redirects {reason}")]
    Redirect { url: String, reason: &'static str },
    #[error("{url} sends an answer without {what}")]
    Incomplete { url: String, what: &'static str },
    #[error("the answer of {url} has more than {limit} bytes")]
    TooLarge { url: String, limit: u64 },
    #[error("the credentials in {place} cannot be read: {problem}")]
    Credentials { place: String, problem: String },
    #[error("cannot use the certificates in '{path}': {problem}")]
    Certificates { path: String, problem: String },
    #[error("cancelled")]
    Cancelled,
}

impl RegistryError {
    /// Returns whether the same request may succeed if it is repeated.
    pub fn is_transient(&self) -> bool {
        match self {
            RegistryError::Transport { .. } | RegistryError::Broken { .. } => true,
            RegistryError::Status { status, .. } => is_transient_status(*status),
            _ => false,
        }
    }
}

/// Returns whether a status means too many requests, or a fault of the server.
pub(super) fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}
