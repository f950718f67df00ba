//! Words for whoever reads the sandbox's `stderr`.

use std::fmt::Display;
use std::io::Write;

/// That nobody can hear them (a full disk, a closed pipe) is no reason to end, as it is for `eprintln!`, which panics.
pub fn write_stderr(words: impl Display) {
    let _ = writeln!(std::io::stderr(), "{words}");
}
