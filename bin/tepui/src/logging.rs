//! Writes logs to stderr and into `--log_dir`, at the level that the Mesos flags ask for.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use flags::{LoggingFlags, LoggingLevel};
use model::visible;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};

use crate::commands::CommandError;
use crate::output;

/// Installs the logger; it is called once, before anything logs. `RUST_LOG` refines `--logging_level`. `warnings` are
/// the warnings of the flag parser, which become the first lines. Returns the file that holds the log, if there is one;
/// as in Mesos, `--external_log_file` takes precedence over the one in `--log_dir`.
///
/// # Errors
///
/// Fails if the file in `--log_dir` cannot be opened.
pub fn init(flags: &LoggingFlags, warnings: &[String], program: &str) -> Result<Option<PathBuf>, CommandError> {
    let own = flags.log_dir.as_deref().map(|directory| open(directory, program)).transpose()?;
    let shown = flags.external_log_file.clone().or_else(|| own.as_ref().map(|(path, _)| path.clone()));
    let quiet = flags.quiet;
    // A file has no colours, so that `grep` works on it.
    let ansi = own.is_none() && std::io::stderr().is_terminal() && output::wants_colours();
    let writer = match own {
        Some((_, file)) if quiet => BoxMakeWriter::new(file),
        Some((_, file)) => BoxMakeWriter::new(std::io::stderr.and(file)),
        None if quiet => return Ok(shown),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let level = match flags.logging_level {
        LoggingLevel::Warning => "warn",
        LoggingLevel::Error => "error",
        LoggingLevel::Debug => "debug",
        // The details of a ZooKeeper session do not help an operator.
        LoggingLevel::Info => "info,zookeeper_client=warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // Otherwise a log line that cannot be written (full disk, closed pipe) is reported on stderr. If stderr is what
    // cannot be written, that panics and ends the thread that logs.
    let subscriber = tracing_subscriber::fmt().log_internal_errors(false);
    subscriber.with_env_filter(filter).with_writer(writer).with_ansi(ansi).fmt_fields(OneLine).init();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(shown)
}

/// Writes message and fields of an event on one line without control characters, because frameworks choose the names
/// and messages in them.
struct OneLine;

impl<'writer> FormatFields<'writer> for OneLine {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&visible(&text))
    }
}

/// Opens the log file. Its name is that of the link to Mesos' newest log file. Lines are appended, so that a rotation
/// by copy and truncation loses no part of a line.
fn open(directory: &Path, program: &str) -> Result<(PathBuf, File), CommandError> {
    let path = directory.join(format!("{program}.INFO"));
    let opened = fs::create_dir_all(directory)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .map_err(|source| CommandError::Io { doing: format!("open {}", path.display()), source });
    Ok((path, opened?))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).fmt_fields(OneLine).finish();
        let name = "\x1b[31mred\nINFO fake\u{202e}\u{9b}";
        tracing::subscriber::with_default(subscriber, || tracing::info!(framework = name, "added {name}"));
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
        assert!(text.contains("red") && text.contains("\\n"), "{text}");
    }
}
