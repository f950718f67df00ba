//! The process of a container whose root and working directory a session uses.

use std::fs;
use std::path::Path;

use rustix::process::Pid;

use crate::kernel::Kernel;

/// The number of generations in which a process with another root is searched: the init, an executor, its launcher and
/// the program.
const GENERATIONS: usize = 4;

/// The process of a container whose view of the machine a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The first process of the container, by the agent's pid namespace.
    pub first: u32,
    /// The process that has left the root of the first one for that of an image, by the pid namespace that it is in;
    /// `None` if there is none.
    pub in_image: Option<u32>,
}

impl Target {
    pub(crate) fn of(kernel: &dyn Kernel, first: Pid) -> Self {
        let first = first.as_raw_nonzero().get();
        let table = kernel.processes();
        let (own, mut generation) = (namespace(first), vec![first]);
        for _ in 0..GENERATIONS {
            let children = table.iter().filter(|entry| !entry.zombie && generation.contains(&entry.parent));
            generation = children.map(|entry| entry.pid).collect();
            let other = generation.iter().find(|pid| {
                let namespace = namespace(**pid);
                namespace.is_some() && namespace != own
            });
            if let Some(pid) = other {
                return Target { first: first.cast_unsigned(), in_image: innermost_pid(*pid) };
            }
        }
        Target { first: first.cast_unsigned(), in_image: None }
    }

    /// Returns the environment that the first process was started with, as `NAME=value`.
    pub fn environment(&self) -> Vec<Vec<u8>> {
        let variables = fs::read(format!("/proc/{}/environ", self.first)).unwrap_or_default();
        variables.split(|byte| *byte == 0).filter(|text| text.contains(&b'=')).map(<[u8]>::to_vec).collect()
    }

    /// Returns whether the first process runs with arguments that begin with these.
    pub fn runs(&self, argv: &[String]) -> bool {
        let words = fs::read(format!("/proc/{}/cmdline", self.first)).unwrap_or_default();
        let mut words = words.split(|byte| *byte == 0);
        argv.iter().all(|word| words.next() == Some(word.as_bytes()))
    }

    /// Returns the working directory of the first process.
    pub fn working_directory(&self) -> Option<std::path::PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.first)).ok()
    }
}

fn namespace(pid: i32) -> Option<std::path::PathBuf> {
    fs::read_link(Path::new("/proc").join(pid.to_string()).join("ns/mnt")).ok()
}

/// Returns the pid of a process in its own pid namespace (`NSpid` of proc_pid_status(5)).
fn innermost_pid(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().next_back()?.parse().ok()
}
