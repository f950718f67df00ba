//! Why flags were refused, and what to do about it.

use std::fmt;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, for the flag of this name.
    Argument(&'static str),
    /// In a variable of the environment.
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

/// Why the flags of a program were not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no flag of this name.
    #[error("unknown flag '{given}'{suggestion}; `{program} --help` lists all flags")]
    Unknown {
        /// The program that was started.
        program: &'static str,
        /// The argument.
        given: String,
        /// What may have been meant, in brackets, or nothing.
        suggestion: String,
    },
    /// An argument that is no flag.
    #[error("unexpected argument '{0}': flags are written --name=value or --name value")]
    Unexpected(String),
    /// A flag at the end of the command line that is not a switch.
    #[error("flag '--{0}' needs a value: write --{0}=VALUE")]
    MissingValue(&'static str),
    /// A flag without which the program cannot start.
    #[error("--{name} is missing; see `{program} --help`")]
    Missing {
        /// The program that was started.
        program: &'static str,
        /// The flag.
        name: &'static str,
    },
    /// A flag that stands twice on the command line.
    #[error("flag '--{0}' is given more than once")]
    Duplicate(&'static str),
    /// A value of another type or out of bounds.
    #[error("invalid value '{value}' for {origin}: {reason}")]
    Invalid {
        /// Where the value was given.
        origin: Origin,
        /// The value, escaped and shortened for a terminal.
        value: String,
        /// What was expected.
        reason: String,
    },
    /// An argument or variable that is no text.
    #[error("'{0}' is not UTF-8: flags are shown to people and programs, so their values must be text")]
    NotUtf8(String),
    /// A `file://` value whose file cannot be read.
    #[error("cannot read the value of {origin} from {path}: {source}; the part after file:// is an absolute path")]
    File {
        /// Where the value was given.
        origin: Origin,
        /// The path, escaped and shortened for a terminal.
        path: String,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// A flag that it would be dangerous to ignore.
    #[error("flag '--{name}' is not supported: {reason}")]
    Refused {
        /// The flag.
        name: &'static str,
        /// Why it is not supported.
        reason: &'static str,
    },
}

/// Text from outside as a sentence can hold it: without control characters, and not longer than a line.
pub(crate) fn shown(text: &str) -> String {
    const MAX_CHARACTERS: usize = 100;
    let cut: String = text.chars().take(MAX_CHARACTERS).flat_map(char::escape_debug).collect();
    match text.chars().nth(MAX_CHARACTERS) {
        Some(_) => format!("{cut}…"),
        None => cut.replace("\\\"", "\"").replace("\\'", "'"),
    }
}
