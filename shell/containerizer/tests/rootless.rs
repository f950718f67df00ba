//! Tests of the isolation that an agent without root provides, and of its report of the missing isolation. With root
//! the tests run as another user.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of a test")]

mod common;

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use common::{Host, is_root};
use containerizer::{Error, Launcher};

/// The user `nobody` of every distribution.
const NOBODY: u32 = 65_534;

/// Runs one test of this program without root: here, or in a child.
fn without_root(test: &str, check: fn()) {
    if !is_root() {
        return check();
    }
    // The program is started from /proc, because the user may not be allowed to enter its directory.
    let mut child = Command::new("/proc/self/exe");
    child.args(["--exact", test, "--nocapture"]).uid(NOBODY).gid(NOBODY).current_dir("/").env_remove("TMPDIR");
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn containers_run_and_missing_isolation_is_reported() {
    without_root("containers_run_and_missing_isolation_is_reported", check_what_is_missing);
}

fn check_what_is_missing() {
    let host = Host::new(Launcher::Auto, &["cgroups/cpu", "cgroups/mem", "namespaces/pid"]).unwrap();
    let missing = host.containerizer().missing_isolation();
    for what in ["the posix launcher is used", "cpu is not limited", "memory is not limited", "processes and mounts"] {
        assert!(missing.iter().any(|sentence| sentence.starts_with(what)), "{what}: {missing:?}");
    }
    host.launch(host.shell("c", "exit 5"));
    assert_eq!(host.exited("c"), Some(5 << 8));
}

#[test]
fn the_linux_launcher_is_refused_without_root() {
    without_root("the_linux_launcher_is_refused_without_root", || {
        assert!(matches!(Host::new(Launcher::Linux, &[]), Err(Error::LinuxLauncher(_))));
    });
}
