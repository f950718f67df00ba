//! A kernel of files and processes in memory, which records the calls in order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use rustix::process::{Pid, Signal};

use super::{Kernel, ProcessEntry};
use crate::spawn::{SpawnError, SpawnPlan, Spawned};

#[derive(Debug, Default)]
pub(crate) struct FakeKernel {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, String>,
    directories: BTreeSet<PathBuf>,
    /// The files of a new directory, by the hierarchy that it is in.
    templates: Vec<(PathBuf, Vec<(&'static str, &'static str)>)>,
    refused: BTreeSet<PathBuf>,
    log: Vec<String>,
    not_root: bool,
    /// The number of changes until the process ends that makes them; `None` while it lives.
    changes_left: Option<u64>,
    moves_processes: bool,
}

impl State {
    /// Counts a change of the kernel. A process that has ended makes none.
    fn change(&mut self) -> io::Result<()> {
        match &mut self.changes_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the process has ended")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl FakeKernel {
    /// Returns a kernel with this mount table.
    pub(crate) fn with_mounts(mounts: &str) -> Self {
        let fake = FakeKernel::default();
        fake.file("/proc/self/mountinfo", mounts);
        fake
    }

    pub(crate) fn file(&self, path: &str, content: &str) {
        self.state().files.insert(path.into(), content.into());
    }

    /// Adds a hierarchy whose directories have these files, as in a cgroup file system.
    pub(crate) fn hierarchy(&self, path: &str, files: &[(&'static str, &'static str)]) {
        let mut state = self.state();
        state.directories.insert(path.into());
        for (name, content) in files {
            state.files.insert(Path::new(path).join(name), (*content).to_owned());
        }
        state.templates.push((path.into(), files.to_vec()));
    }

    /// Makes writes to this file fail.
    pub(crate) fn refuse(&self, path: &str) {
        self.state().refused.insert(path.into());
    }

    /// Ends the process that uses the kernel after this many further changes, which all succeed.
    pub(crate) fn end_after(&self, changes: u64) {
        self.state().changes_left = Some(changes);
    }

    /// Begins the next process. Returns whether the last one has ended in the middle of its work.
    pub(crate) fn restart(&self) -> bool {
        self.state().changes_left.take() == Some(0)
    }

    /// Makes writes to `cgroup.procs` take the process out of its former cgroup.
    pub(crate) fn moves_processes(&self) {
        self.state().moves_processes = true;
    }

    pub(crate) fn without_root(self) -> Self {
        self.state().not_root = true;
        self
    }

    /// Returns the calls since the last use of this function.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn absent() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Kernel for FakeKernel {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.state().files.get(path).cloned().ok_or_else(absent)
    }

    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        state.log.push(format!("{} = {value}", path.display()));
        if state.refused.contains(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if state.moves_processes && path.ends_with("cgroup.procs") {
            for (_, pids) in state.files.iter_mut().filter(|(path, _)| path.ends_with("cgroup.procs")) {
                *pids = pids.lines().filter(|line| *line != value).map(|line| format!("{line}\n")).collect();
            }
        }
        let content = state.files.get_mut(path).ok_or_else(absent)?;
        *content = value.to_owned();
        Ok(())
    }

    fn attach_device_program(&self, cgroup: &Path, program: &[u64]) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        state.log.push(format!("{} runs {} instructions", cgroup.display(), program.len()));
        Ok(())
    }

    fn is_delegated(&self, cgroup: &Path) -> bool {
        self.state().files.get(&cgroup.join("user.delegate")).is_some_and(|value| value == "1")
    }

    fn attribute(&self, cgroup: &Path, name: &str) -> Option<String> {
        self.state().files.get(&cgroup.join(name)).cloned()
    }

    fn set_attribute(&self, cgroup: &Path, name: &str, value: &str) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        state.files.insert(cgroup.join(name), value.to_owned());
        Ok(())
    }

    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !path.parent().is_some_and(|parent| state.directories.contains(parent)) {
            return Err(absent());
        }
        if state.directories.contains(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.change()?;
        state.directories.insert(path.into());
        state.log.push(format!("mkdir {}", path.display()));
        let template =
            state.templates.iter().filter(|(root, _)| path.starts_with(root)).max_by_key(|(r, _)| r.as_os_str().len());
        for (name, content) in template.map(|(_, files)| files.clone()).unwrap_or_default() {
            state.files.insert(path.join(name), content.to_owned());
        }
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.directories.contains(path) {
            return Err(absent());
        }
        let has_children = state.directories.iter().any(|d| d.parent() == Some(path));
        let has_processes = state.files.get(&path.join("cgroup.procs")).is_some_and(|pids| !pids.is_empty());
        if has_children || has_processes {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        state.change()?;
        state.log.push(format!("rmdir {}", path.display()));
        state.directories.remove(path);
        state.files.retain(|file, _| !file.starts_with(path));
        Ok(())
    }

    fn subdirectories(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.state().directories.iter().filter(|d| d.parent() == Some(path)).cloned().collect())
    }

    fn spawn(&self, _: &SpawnPlan) -> Result<Spawned, SpawnError> {
        Err(SpawnError::Clone(io::ErrorKind::Unsupported.into()))
    }

    /// The process dies and leaves its cgroups.
    fn signal(&self, pid: Pid, signal: Signal) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let number = pid.as_raw_nonzero().to_string();
        state.log.push(format!("kill {number} {}", signal.as_raw()));
        for (_, pids) in state.files.iter_mut().filter(|(path, _)| path.ends_with("cgroup.procs")) {
            *pids = pids.lines().filter(|line| *line != number).map(|line| format!("{line}\n")).collect();
        }
        Ok(())
    }

    fn reap(&self, _: Pid) -> Option<i32> {
        None
    }

    fn processes(&self) -> Vec<ProcessEntry> {
        Vec::new()
    }

    fn environment(&self, _pid: i32) -> Vec<u8> {
        Vec::new()
    }

    fn log_records(&self, text: &str) -> Vec<String> {
        let state = self.state();
        let log = state.files.get(Path::new("/dev/kmsg")).map(String::as_str).unwrap_or_default();
        log.lines().filter(|record| record.contains(text)).map(str::to_owned).collect()
    }

    fn is_root(&self) -> bool {
        !self.state().not_root
    }
}
