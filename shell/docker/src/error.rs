//! Why a request to Docker fails.

use std::io;

use wire::http::InvalidResponse;

/// The reason for which a request to Docker fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The daemon cannot be reached.
    #[error("cannot reach Docker at '{socket}'; is dockerd running, and is this its socket?")]
    Unreachable {
        /// The path of the socket.
        socket: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The daemon does not answer in time.
    #[error("Docker has not answered within {0} s; it may hang")]
    TimedOut(u64),
    /// The connection broke within the exchange.
    #[error("the connection to Docker has ended")]
    Broken(#[source] io::Error),
    /// The answer is none.
    #[error("Docker's answer cannot be understood: {0}")]
    Invalid(String),
    /// The daemon refuses the request.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Docker's words.
        message: String,
    },
    /// The caller has cancelled the request.
    #[error("the request was cancelled")]
    Cancelled,
}

impl Error {
    /// Returns whether there is no such container or image.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::Refused { status: 404, .. })
    }

    /// Returns whether a retry may succeed, because the daemon may be restarting.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Unreachable { .. } | Error::TimedOut(_) | Error::Broken(_) => true,
            Error::Refused { status, .. } => *status == 503,
            Error::Invalid(_) | Error::Cancelled => false,
        }
    }
}

impl From<InvalidResponse> for Error {
    fn from(invalid: InvalidResponse) -> Self {
        Error::Invalid(invalid.to_string())
    }
}

/// The maximum length of Docker's words in an error, in characters. The text becomes the message of a status.
const MAX_MESSAGE: usize = 1000;

/// Returns the message of a refusal, which is JSON, or a text for what precedes the API.
pub(crate) fn message(status: u16, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        message: String,
    }
    let text = match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => refusal.message,
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    };
    match text.is_empty() {
        true => format!("Docker answered with status {status}"),
        false => model::visible(&text).chars().take(MAX_MESSAGE).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_docker_are_passed_on() {
        assert_eq!(message(404, br#"{"message":"No such image: a"}"#), "No such image: a");
        assert_eq!(message(400, b"400 Bad Request\n"), "400 Bad Request");
        assert_eq!(message(500, b""), "Docker answered with status 500");
        assert_eq!(message(500, "é".repeat(5000).as_bytes()).chars().count(), MAX_MESSAGE);
    }
}
