//! The reasons why a case ends without passing.

use std::fmt::Display;
use std::io;

/// The result of every step of a case.
pub type Checked<T = ()> = Result<T, CaseError>;

#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The peer answered, but not as expected.
    #[error("{what}: expected {expected}, got {got}")]
    Unexpected { what: String, expected: String, got: String },
    /// The connection broke or stayed silent.
    #[error("{doing}")]
    Io {
        doing: String,
        #[source]
        source: io::Error,
    },
    #[error("not within {seconds} s: {what}")]
    Timeout { what: String, seconds: f64 },
    /// The set-up of this run makes the case meaningless.
    #[error("skipped: {0}")]
    Skip(String),
}

impl CaseError {
    pub fn unexpected(what: impl Display, expected: impl Display, got: impl Display) -> Self {
        CaseError::Unexpected { what: what.to_string(), expected: expected.to_string(), got: shorten(&got.to_string()) }
    }

    pub fn io(doing: impl Display) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.to_string();
        move |source| CaseError::Io { doing, source }
    }

    /// Adds the step during which the error happened.
    pub fn during(self, step: &str) -> Self {
        match self {
            CaseError::Unexpected { what, expected, got } => {
                CaseError::Unexpected { what: format!("{step}: {what}"), expected, got }
            }
            CaseError::Io { doing, source } => CaseError::Io { doing: format!("{step}: {doing}"), source },
            CaseError::Timeout { what, seconds } => CaseError::Timeout { what: format!("{step}: {what}"), seconds },
            skip @ CaseError::Skip(_) => skip,
        }
    }
}

/// Adds the name of a step to an error that happens within it.
pub trait During {
    fn during(self, step: &str) -> Self;
}

impl<T> During for Checked<T> {
    fn during(self, step: &str) -> Self {
        self.map_err(|stop| stop.during(step))
    }
}

/// Shortens a body for a report to what suffices to recognise it.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 400;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
