//! Tests the report of `make test` on skipped tests, and when CI fails because of one.

use std::process::Command;

use super::root;

/// Returns the report of scripts/skipped.sh on these lines, and whether CI continues.
fn report(skipped: &str, may_skip: &str, ci: bool) -> (bool, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let (lines, allowed) = (directory.path().join("lines"), directory.path().join("may-skip"));
    std::fs::write(&lines, skipped).expect("lines");
    std::fs::write(&allowed, may_skip).expect("may-skip");
    let mut script = Command::new(root().join("scripts/skipped.sh"));
    script.arg("report").env("TEPUI_SKIPPED_TESTS", lines).env("TEPUI_MAY_SKIP", allowed).env("CI", ci.to_string());
    let output = script.output().expect("the script");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

const TWO: &str =
    "SKIPPED b::two: no java: install it\nSKIPPED a one: it needs root\nSKIPPED b::two: no java: install it\n";

#[test]
fn skipped_tests_are_counted_and_named() {
    assert_eq!(report("", "", true), (true, "no test was skipped\n".to_owned()));
    let both = "2 skipped on this machine:\n  a one: it needs root\n  b::two: no java: install it\n";
    assert_eq!(report(TWO, "", false), (true, both.to_owned()));
    assert_eq!(report(TWO, "# why\na one: why\nb::two: why\n", true), (true, both.to_owned()));
}

#[test]
fn ci_fails_for_a_test_that_must_run_there() {
    for may_skip in ["", "a one: why\n", "#b::two: why\na one: why\n", "b::tw: why\na one: why\n"] {
        let (goes_on, said) = report(TWO, may_skip, true);
        assert!(!goes_on && said.contains("b::two: no java: install it  <- must run here"), "{may_skip}: {said}");
    }
}

#[test]
fn a_script_adds_to_what_tests_have_recorded() {
    let directory = tempfile::tempdir().expect("a directory");
    let lines = directory.path().join("lines");
    std::fs::write(&lines, "SKIPPED first: why\n").expect("lines");
    let mut script = Command::new(root().join("scripts/skipped.sh"));
    let added = script.args(["add", "second", "of two\nlines\n"]).env("TEPUI_SKIPPED_TESTS", &lines).status();
    assert!(added.expect("the script").success());
    let text = std::fs::read_to_string(&lines).expect("lines");
    assert_eq!(text, "SKIPPED first: why\nSKIPPED second: of two lines\n");
}
