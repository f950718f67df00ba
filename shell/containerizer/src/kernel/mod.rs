//! The interface to the kernel: everything that the decisions of this crate need from it, so that they can be tested
//! without root against a fake that records calls.

#[cfg(test)]
pub(crate) mod fake;
mod processes;
mod system;

use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};

pub(crate) use processes::{ProcessEntry, TICKS_PER_SECOND};
pub(crate) use system::SystemKernel;

use crate::spawn::{SpawnError, SpawnPlan, Spawned};

pub(crate) trait Kernel: Send + Sync {
    /// Reads a small file of the kernel.
    fn read(&self, path: &Path) -> io::Result<String>;
    /// Writes to an existing file of the kernel, in one write.
    fn write(&self, path: &Path, value: &str) -> io::Result<()>;
    /// Attaches a program that decides about devices to a v2 cgroup, in place of the one that was attached before.
    fn attach_device_program(&self, cgroup: &Path, program: &[u64]) -> io::Result<()>;
    /// Returns whether a service manager has delegated this cgroup to the processes in it.
    fn is_delegated(&self, cgroup: &Path) -> bool;
    /// Returns an extended attribute of a cgroup; `None` if it has none of this name.
    fn attribute(&self, cgroup: &Path, name: &str) -> Option<String>;
    /// Sets an extended attribute of a cgroup.
    fn set_attribute(&self, cgroup: &Path, name: &str, value: &str) -> io::Result<()>;
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    fn subdirectories(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    fn spawn(&self, plan: &SpawnPlan) -> Result<Spawned, SpawnError>;
    fn signal(&self, pid: Pid, signal: Signal) -> io::Result<()>;
    /// Returns the wait status of a child that has ended; `None` while it runs, and if it is not a child of this
    /// process.
    fn reap(&self, pid: Pid) -> Option<i32>;
    /// Returns all processes of the machine.
    fn processes(&self) -> Vec<ProcessEntry>;
    /// Returns the environment that a process was started with, each variable followed by a zero byte; empty if the
    /// environment may not be read.
    fn environment(&self, pid: i32) -> Vec<u8>;
    /// Returns the records of the kernel's log that contain this text, oldest first; empty if it may not be read.
    fn log_records(&self, text: &str) -> Vec<String>;
    fn is_root(&self) -> bool;
}
