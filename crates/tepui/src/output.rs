//! Writing for people: to a reader that may have gone away.

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
