//! Logs go to stderr and into `--log_dir`, in the level that the Mesos flags ask for.

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

/// `RUST_LOG` refines what `--logging_level` allows. Called once, before anything logs. Returns the file that holds the
/// log, where there is one: as in Mesos, `--external_log_file` is it before the one in `--log_dir`.
/// `warnings` are what reading the flags had to say: they are its first lines.
///
/// # Errors
///
/// Fails if the file in `--log_dir` cannot be opened.
pub fn init(flags: &LoggingFlags, warnings: &[String], program: &str) -> Result<Option<PathBuf>, CommandError> {
    let own = flags.log_dir.as_deref().map(|directory| open(directory, program)).transpose()?;
    let shown = flags.external_log_file.clone().or_else(|| own.as_ref().map(|(path, _)| path.clone()));
    let quiet = flags.quiet;
    // Colours are for eyes: a file is for `grep`.
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
        // What a session with ZooKeeper goes through in detail says nothing to an operator.
        LoggingLevel::Info => "info,zookeeper_client=warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // Otherwise a line that cannot be written (a full disk, a closed pipe) is complained of on stderr, and that panics where
    // stderr is what cannot be written: whichever thread has something to say ends.
    let subscriber = tracing_subscriber::fmt().log_internal_errors(false);
    subscriber.with_env_filter(filter).with_writer(writer).with_ansi(ansi).fmt_fields(OneLine).init();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(shown)
}

/// Writes message and fields of an event on one line that steers no terminal: names and messages in them are given by
/// frameworks.
struct OneLine;

impl<'writer> FormatFields<'writer> for OneLine {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&visible(&text))
    }
}

/// The name is that of the link to Mesos' newest file. Lines are appended, so that a rotation by copy and truncation
/// finds them whole.
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
