//! Logs go to stderr, in the level that the Mesos flags ask for.

use flags::Parsed;
use tracing_subscriber::EnvFilter;

/// `RUST_LOG` refines what `--logging_level` allows. Called once, before anything logs.
pub fn init(flags: &Parsed) {
    if flags.bool("quiet") {
        return;
    }
    let level = match flags.get("logging_level") {
        Some("WARNING") => "warn",
        Some("ERROR") => "error",
        Some("DEBUG") => "debug",
        _ => "info",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    for warning in &flags.warnings {
        tracing::warn!("{warning}");
    }
}
