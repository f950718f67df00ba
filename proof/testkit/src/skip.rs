//! Reports tests that cannot run on this machine. `make test` counts them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// The variable that names the file of skipped tests, which has one line for each of them. `make test` sets it.
pub const SKIPPED_TESTS: &str = "TEPUI_SKIPPED_TESTS";

/// Reports that a test, or a part of one, does not run on this machine, and why. `test` is the name of the test's
/// function or, in a program without a harness, of the program and the part.
///
/// The line `SKIPPED <test>: <reason>` goes to stderr directly, since the harness hides the output of passing tests. It
/// also goes to the end of the file that `TEPUI_SKIPPED_TESTS` names, if the variable is set.
///
/// # Panics
///
/// Panics if that file cannot be written: a test that is skipped without being counted would look as if it had passed.
#[allow(clippy::panic, reason = "the failure of a test")]
pub fn skipped(test: &str, reason: &str) {
    let line = line(test, reason);
    let _ = std::io::stderr().write_all(line.as_bytes());
    let Some(file) = std::env::var_os(SKIPPED_TESTS) else { return };
    if let Err(error) = append(Path::new(&file), &line) {
        panic!("cannot record in {} that {test} is skipped: {error}", Path::new(&file).display());
    }
}

/// Returns the name of the calling test, as `<program>::<test>`: the harness names the thread of a test after it.
pub fn current_test() -> String {
    let program = std::env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    name(&program.unwrap_or_default(), std::thread::current().name().unwrap_or("main"))
}

/// Returns `<program>::<test>` without the hash with which Cargo ends the name of a test program.
fn name(program: &str, thread: &str) -> String {
    let program = program.rsplit_once('-').map_or(program, |(name, _)| name);
    format!("{program}::{thread}")
}

/// Returns a single line, even if the reason contains line ends.
fn line(test: &str, reason: &str) -> String {
    let reason: Vec<&str> = reason.split_whitespace().collect();
    format!("SKIPPED {test}: {}\n", reason.join(" "))
}

/// Appends a line in one write, so that lines of several processes do not mix.
fn append(file: &Path, line: &str) -> std::io::Result<()> {
    OpenOptions::new().append(true).create(true).open(file)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_several_lines_takes_one_line() {
        assert_eq!(line("a_test", "no java:\n  install it\n"), "SKIPPED a_test: no java: install it\n");
    }

    #[test]
    fn the_name_of_a_test_has_its_program() {
        assert_eq!(name("agent_server-1f00d", "volumes::tests::it_works"), "agent_server::volumes::tests::it_works");
        assert!(current_test().ends_with("::skip::tests::the_name_of_a_test_has_its_program"), "{}", current_test());
    }

    #[test]
    fn several_processes_append_to_one_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("skipped");
        append(&file, &line("first", "it needs root")).unwrap();
        append(&file, &line("second", "it needs root")).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "SKIPPED first: it needs root\nSKIPPED second: it needs root\n");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        assert!(append(&directory.path().join("no/such/directory"), "SKIPPED\n").is_err());
    }
}
