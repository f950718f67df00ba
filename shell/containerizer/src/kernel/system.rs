//! The kernel of the machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, geteuid, kill_process, waitpid};

use super::{Kernel, ProcessEntry, processes};
use crate::spawn::{self, SpawnError, SpawnPlan, Spawned};

/// The maximum wait for an execution, during which the kernel may have to read a program from disk.
const LONGEST_EXECUTION: Duration = Duration::from_secs(1);

/// More records than the largest log of a kernel has.
const MAX_LOG_RECORDS: usize = 1 << 18;

#[derive(Debug)]
pub(crate) struct SystemKernel;

impl Kernel for SystemKernel {
    fn read(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }

    /// The file is never created: in a cgroup hierarchy a missing file means that the kernel lacks the feature.
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&fd, value.as_bytes())?;
        Ok(())
    }

    fn attach_device_program(&self, cgroup: &Path, program: &[u64]) -> io::Result<()> {
        crate::cgroups::attach_device_program(cgroup, program)
    }

    /// systemd marks the cgroup by attributes: for everybody since version 251, for root before.
    fn is_delegated(&self, cgroup: &Path) -> bool {
        ["user.delegate", "trusted.delegate"].iter().any(|name| self.attribute(cgroup, name).as_deref() == Some("1"))
    }

    fn attribute(&self, cgroup: &Path, name: &str) -> Option<String> {
        let mut value = [0u8; 4096];
        let length = rustix::fs::getxattr(cgroup, name, &mut value[..]).ok()?;
        String::from_utf8(value.get(..length)?.to_vec()).ok()
    }

    fn set_attribute(&self, cgroup: &Path, name: &str, value: &str) -> io::Result<()> {
        Ok(rustix::fs::setxattr(cgroup, name, value.as_bytes(), rustix::fs::XattrFlags::empty())?)
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn subdirectories(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    fn spawn(&self, plan: &SpawnPlan) -> Result<Spawned, SpawnError> {
        spawn::spawn(plan)
    }

    fn signal(&self, pid: Pid, signal: Signal) -> io::Result<()> {
        Ok(kill_process(pid, signal)?)
    }

    fn reap(&self, pid: Pid) -> Option<i32> {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => Some(status.as_raw()),
            _ => None,
        }
    }

    fn processes(&self) -> Vec<ProcessEntry> {
        processes::all()
    }

    /// Waits if the process is changing its program, since it has no environment during that moment.
    fn environment(&self, pid: i32) -> Vec<u8> {
        let deadline = Instant::now() + LONGEST_EXECUTION;
        loop {
            match fs::read(format!("/proc/{pid}/environ")) {
                Ok(variables) if variables.is_empty() && processes::is_executing(pid) && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(1));
                }
                outcome => return outcome.unwrap_or_default(),
            }
        }
    }

    /// Each read of `/dev/kmsg` returns one record (dev-kmsg in the kernel's ABI documentation).
    fn log_records(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(log) = rustix::fs::open("/dev/kmsg", flags, Mode::empty()) else { return found };
        let mut record = [0u8; 8192];
        for _ in 0..MAX_LOG_RECORDS {
            match rustix::io::read(&log, &mut record) {
                Ok(0) => break,
                Ok(length) => {
                    let record = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                    if record.contains(text) {
                        found.push(record.into_owned());
                    }
                }
                // Records were overwritten meanwhile; the next read continues behind them.
                Err(rustix::io::Errno::PIPE) => {}
                Err(_) => break,
            }
        }
        found
    }

    fn is_root(&self) -> bool {
        geteuid().is_root()
    }
}
