//! The reasons for which flags are refused, with the next step.

use std::fmt;

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line, for the flag of this name.
    Argument(&'static str),
    /// A variable of the environment.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Argument(name) => write!(f, "'--{name}'"),
            Origin::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// The reason for which the flags of a program are refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no flag of this name.
    #[error("unknown flag '{given}'{suggestion}; `{program} --help` lists all flags")]
    Unknown {
        /// The program that was started.
        program: &'static str,
        /// The argument.
        given: String,
        /// The name that may have been meant, in brackets; empty if there is none.
        suggestion: String,
    },
    /// An argument is not a flag.
    #[error("unexpected argument '{0}': flags are written --name=value or --name value")]
    Unexpected(String),
    /// A flag that is not a switch has no value.
    #[error("flag '--{0}' needs a value: write --{0}=VALUE")]
    MissingValue(&'static str),
    /// A required flag is missing.
    #[error("--{name} is missing; see `{program} --help`")]
    Missing {
        /// The program that was started.
        program: &'static str,
        /// The flag.
        name: &'static str,
    },
    /// A flag is given twice on the command line.
    #[error("flag '--{0}' is given more than once")]
    Duplicate(&'static str),
    /// A value is of another type or out of bounds.
    #[error("invalid value '{value}' for {origin}: {reason}")]
    Invalid {
        /// The source of the value.
        origin: Origin,
        /// The value, escaped and shortened for a terminal.
        value: String,
        /// The expected value.
        reason: String,
    },
    /// An argument or variable is not UTF-8.
    #[error("'{0}' is not UTF-8: flags are shown to people and programs, so their values must be text")]
    NotUtf8(String),
    /// The file of a `file://` value cannot be read.
    #[error("cannot read the value of {origin} from {path}: {source}; the part after file:// is an absolute path")]
    File {
        /// The source of the value.
        origin: Origin,
        /// The path, escaped and shortened for a terminal.
        path: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Ignoring the flag would be dangerous.
    #[error("flag '--{name}' is not supported: {reason}")]
    Refused {
        /// The flag.
        name: &'static str,
        /// The reason for which it is not supported.
        reason: &'static str,
    },
}

/// Returns an external text as it may stand in a sentence: without control characters, and truncated to a line.
pub(crate) fn shown(text: &str) -> String {
    const MAX_CHARACTERS: usize = 100;
    let cut: String = text.chars().take(MAX_CHARACTERS).flat_map(char::escape_debug).collect();
    match text.chars().nth(MAX_CHARACTERS) {
        Some(_) => format!("{cut}…"),
        None => cut.replace("\\\"", "\"").replace("\\'", "'"),
    }
}
