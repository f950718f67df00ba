//! Writing: for people, to a reader that may have gone away; and in the query of a URL.

use std::fmt::Display;
use std::io::Write;

/// To stdout. A reader that needs no more (`head`, `grep -q`) closes the pipe; that is no failure
/// of the command, where `print!` would panic.
pub fn print(text: impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// The same with a new line.
pub fn line(text: impl Display) {
    print(format_args!("{text}\n"));
}

/// To stderr, from programs that go on: `eprintln!` panics when nobody can hear it (a full disk, a closed pipe).
pub fn write_stderr(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Bytes that mean something in a query are written as `%xx`.
pub fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
