//! Why flags were refused, and what to do about it.

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("unknown flag '{given}'{}; `{program} --help` lists all flags", suggestion.as_ref().map(|s| format!(" (did you mean '--{s}'?)")).unwrap_or_default())]
    Unknown { program: &'static str, given: String, suggestion: Option<&'static str> },
    #[error("unexpected argument '{0}': flags are written --name=value or --name value")]
    Unexpected(String),
    #[error("flag '--{0}' needs a value: write --{0}=VALUE")]
    MissingValue(&'static str),
    #[error("flag '--{0}' is given more than once")]
    Duplicate(&'static str),
    #[error("invalid value '{value}' for '--{name}': {reason}")]
    Invalid { name: &'static str, value: String, reason: String },
    #[error("cannot read the value of '--{name}' from {path}")]
    File { name: &'static str, path: String, source: std::io::Error },
    #[error("flag '--{name}' is not supported: {reason}")]
    Refused { name: &'static str, reason: &'static str },
}
