//! Messages for readers of the sandbox's `stderr`.

use std::fmt::Display;
use std::io::Write;

/// Writes a line and ignores errors such as a full disk or a closed pipe, on which `eprintln!` would panic.
pub fn write_stderr(words: impl Display) {
    let _ = writeln!(std::io::stderr(), "{words}");
}
