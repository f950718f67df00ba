//! What an agent without root provides, and how it reports the rest. With root the tests report that they are skipped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of a test")]

mod common;

use common::{Host, is_root, skip};
use containerizer::{Error, Launcher};

#[test]
fn containers_run_and_what_is_missing_is_said() {
    if is_root() {
        return skip("containers_run_and_what_is_missing_is_said", "it is about not being root");
    }
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
    if is_root() {
        return skip("the_linux_launcher_is_refused_without_root", "it is about not being root");
    }
    assert!(matches!(Host::new(Launcher::Linux, &[]), Err(Error::LinuxLauncher(_))));
}
