//! The one narrow door to the kernel: everything the decisions of this crate need from it, so that they can be tested
//! against a recording fake without root.

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
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    fn subdirectories(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    fn spawn(&self, plan: &SpawnPlan) -> Result<Spawned, SpawnError>;
    fn signal(&self, pid: Pid, signal: Signal) -> io::Result<()>;
    /// The wait status of a child that has ended; `None` while it has not, or if it is not ours to wait for.
    fn reap(&self, pid: Pid) -> Option<i32>;
    /// All processes of the machine.
    fn processes(&self) -> Vec<ProcessEntry>;
    /// The variables that a process was started with, each behind a zero byte; nothing if we may not see them.
    fn environment(&self, pid: i32) -> Vec<u8>;
    fn is_root(&self) -> bool;
}
