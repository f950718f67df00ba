//! Writing: for people, for programs, to a reader that may have gone away; and in the query of a URL.
//!
//! Text for people goes through [`model::visible`]: names and messages are given by others, and a terminal obeys what
//! it is sent. JSON and the output of tasks are written as they are.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use model::visible;
use rustix::termios::tcgetwinsize;

/// A narrower terminal is treated as this wide: lines then break where the terminal breaks them.
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

/// Writes bytes to stdout as they are. After a failure nothing more is written.
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

/// Whether nobody can be told anything more on stdout.
pub fn is_closed() -> bool {
    FAILED.get().is_some()
}

/// Returns the error that made the output incomplete. A reader that needs no more (`head`, `grep -q`) closes the pipe,
/// which is no error.
pub fn failure() -> Option<&'static io::Error> {
    FAILED.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// Whether an unfinished line of progress is shown on stderr, which has to go before anything else is said there.
static PROGRESS: AtomicBool = AtomicBool::new(false);

/// Shows progress on a terminal, in place of what was shown before.
pub fn progress(text: &str) {
    PROGRESS.store(true, Ordering::Relaxed);
    // Progress is a courtesy: a closed stderr must not end the command.
    let _ = write!(io::stderr(), "\r\x1b[K{}", visible(text));
}

/// Ends the line of progress, which stays.
pub fn end_progress() {
    if PROGRESS.swap(false, Ordering::Relaxed) {
        let _ = writeln!(io::stderr());
    }
}

/// Writes one line to stderr, from programs that go on: `eprintln!` panics when nobody can hear it (a full disk, a closed
/// pipe).
pub fn write_stderr(text: impl Display) {
    let clear = if PROGRESS.swap(false, Ordering::Relaxed) { "\r\x1b[K" } else { "" };
    let _ = writeln!(io::stderr(), "{clear}{}", visible(&text.to_string()));
}

/// As [`write_stderr`], for text of several lines.
pub fn write_stderr_lines(text: &str) {
    for line in text.lines() {
        write_stderr(line);
    }
}

/// Returns the columns of the terminal that stdout is, at least 80; `None` where stdout is none.
pub fn width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_col));
    Some(columns.max(MIN_WIDTH))
}

/// Whether stdout is a terminal whose user wants colours.
pub fn has_colours() -> bool {
    io::stdout().is_terminal() && wants_colours()
}

/// Whether the user wants colours on a terminal (<https://no-color.org>).
pub fn wants_colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !refused && !is_dumb
}

/// Bytes that mean something in a query are written as `%xx`.
pub fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
