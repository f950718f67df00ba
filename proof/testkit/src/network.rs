//! Network namespaces of tests, so that bridges and rules that a test makes are not those of the machine.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::skip::{current_test, skipped};

/// The address of the machine in the namespace, besides that of its loopback interface.
pub const ADDRESS: &str = "10.213.0.1";

/// Keeps the namespace until the thread of the test is in it.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a test with the plugins of CNI (their directory) in a network namespace of its own, in which the machine has the
/// address [`ADDRESS`]. Processes and threads that the test starts are in it, too. The namespace ends with the last of them.
/// Where that is not possible, the test is skipped.
///
/// # Panics
///
/// Panics if the test panics.
pub fn isolated(test: impl FnOnce(&Path) + Send) {
    let name = thread::current().name().unwrap_or("main").to_owned();
    let run = || match plugins().and_then(|plugins| Ok((plugins, enter()?))) {
        Ok((plugins, holder)) => {
            drop(holder);
            test(&plugins);
        }
        Err(why) => skipped(&current_test(), &why),
    };
    let outcome = thread::scope(|scope| thread::Builder::new().name(name).spawn_scoped(scope, run).unwrap().join());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Installs the plugins of CNI and returns their directory.
fn plugins() -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cni/cni.sh");
    let output = Command::new(script).arg("install").output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Moves the calling thread into a new network namespace.
fn enter() -> Result<Holder, String> {
    let script = format!("ip link set lo up && ip addr add {ADDRESS}/32 dev lo && echo ready && exec sleep 1000");
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut holder = Holder(command.spawn().map_err(|error| format!("unshare: {error}"))?);
    let mut line = String::new();
    let stdout = holder.0.stdout.take().ok_or("no output")?;
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    if line != "ready\n" {
        return Err("only root can make network namespaces".to_owned());
    }
    let namespace = File::open(format!("/proc/{}/ns/net", holder.0.id())).map_err(|error| error.to_string())?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|error| error.to_string())?;
    Ok(holder)
}
