//! Writes output to people, to programs, and to readers that may have closed the pipe; encodes queries of URLs.
//!
//! Text for people goes through [`model::visible`], because others choose names and messages, and a terminal executes
//! control sequences. JSON and the output of tasks are written unchanged.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use model::visible;
use rustix::termios::tcgetwinsize;

/// A narrower terminal is treated as if it had this width; the terminal then wraps the lines.
const MIN_WIDTH: usize = 80;

/// The first error of a write to stdout. It is reported once, when the command ends.
static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Writes text that is safe as it is, such as tables and help, to stdout.
pub fn print(text: impl Display) {
    exact(text.to_string().as_bytes());
}

/// Writes one line to stdout. A line break inside is shown as `\n`.
pub fn line(text: impl Display) {
    print(format_args!("{}\n", visible(&text.to_string())));
}

/// Writes one line of JSON to stdout, exactly.
pub fn json(text: impl Display) {
    print(format_args!("{text}\n"));
}

/// Writes bytes to stdout unchanged. After a failure nothing more is written.
pub fn exact(bytes: &[u8]) {
    if FAILED.get().is_some() {
        return;
    }
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        // Of two errors the first one is the cause.
        let _ = FAILED.set(error);
    }
}

/// Returns whether stdout cannot be written any more.
pub fn is_closed() -> bool {
    FAILED.get().is_some()
}

/// Returns the error that made the output incomplete. A closed pipe is no error, because the reader needs no more
/// (`head`, `grep -q`).
pub fn failure() -> Option<&'static io::Error> {
    FAILED.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// Whether an unfinished line of progress is shown on stderr. It has to be cleared before anything else is written
/// there.
static PROGRESS: AtomicBool = AtomicBool::new(false);

/// Shows progress on a terminal in place of the previous progress.
pub fn progress(text: &str) {
    PROGRESS.store(true, Ordering::Relaxed);
    // A closed stderr must not end the command.
    let _ = write!(io::stderr(), "\r\x1b[K{}", visible(text));
}

/// Ends the line of progress, which stays visible.
pub fn end_progress() {
    if PROGRESS.swap(false, Ordering::Relaxed) {
        let _ = writeln!(io::stderr());
    }
}

/// Writes one line to stderr and ignores errors. `eprintln!` would panic if stderr cannot be written (full disk, closed
/// pipe).
pub fn write_stderr(text: impl Display) {
    let clear = if PROGRESS.swap(false, Ordering::Relaxed) { "\r\x1b[K" } else { "" };
    let _ = writeln!(io::stderr(), "{clear}{}", visible(&text.to_string()));
}

/// Like [`write_stderr`], for text of several lines.
pub fn write_stderr_lines(text: &str) {
    for line in text.lines() {
        write_stderr(line);
    }
}

/// Returns the columns of the terminal on stdout, at least 80; `None` if stdout is no terminal.
pub fn width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_col));
    Some(columns.max(MIN_WIDTH))
}

/// Returns whether stdout is a terminal whose user wants colours.
pub fn has_colours() -> bool {
    io::stdout().is_terminal() && wants_colours()
}

/// Returns whether the user wants colours on a terminal (<https://no-color.org>).
pub fn wants_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !refused && !is_dumb
}

/// Encodes a text for a query: bytes with a special meaning are written as `%xx`.
pub fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
