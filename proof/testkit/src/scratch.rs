//! The resources of the machine that a test needs for itself: ports, cgroup roots, files below its directories.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::wait::until;

/// The ports of tests. They are below the range from which the kernel takes the local ports of connections: such a port
/// may be taken by a connection before the program that it was chosen for uses it, or between two runs of that program.
const PORTS: Range<u32> = 10_000..30_000;
/// The distance between the first ports of two test programs whose process ids follow each other.
const PORTS_OF_A_PROCESS: u32 = 97;

/// Returns a port of the loopback interface that was free a moment ago. No other call of this process returns it.
pub fn free_port() -> u16 {
    free_ports(1)
}

/// Returns the first of `count` consecutive ports that were all free a moment ago. No other call of this process returns
/// one of them.
pub fn free_ports(count: usize) -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    until("there are free ports", || {
        let taken = TAKEN.fetch_add(u32::try_from(count).expect("a few ports"), Ordering::Relaxed);
        let from = std::process::id().wrapping_mul(PORTS_OF_A_PROCESS).wrapping_add(taken);
        let first = u16::try_from(PORTS.start + from % (PORTS.end - PORTS.start)).expect("a port");
        (first..).take(count).all(is_free).then_some(first)
    })
}

/// Returns a name for `--cgroups_root` that belongs to this temporary directory.
pub fn cgroups_root(directory: &Path) -> String {
    let name = directory.file_name().and_then(|name| name.to_str()).expect("the directory has a name");
    format!("tepui-test-{}", name.trim_start_matches('.'))
}

/// Returns the paths of this root in all hierarchies in which it exists.
pub fn cgroup_roots(root: &str) -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(top).into_iter().flatten().flatten().map(|entry| entry.path());
    hierarchies.chain([top.to_owned()]).map(|path| path.join(root)).filter(|path| path.is_dir()).collect()
}

/// Returns the cgroups directly below this root, in all hierarchies.
pub fn cgroups_below(root: &str) -> Vec<PathBuf> {
    let below = cgroup_roots(root).into_iter().flat_map(|root| std::fs::read_dir(root).into_iter().flatten().flatten());
    below.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Returns the first file of that name below a directory; nearer files come first.
pub fn find_file(directory: &Path, name: &str) -> Option<PathBuf> {
    let mut later = Vec::new();
    for entry in std::fs::read_dir(directory).ok()?.flatten() {
        if entry.file_name() == name && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Some(entry.path());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            later.push(entry.path());
        }
    }
    later.iter().find_map(|directory| find_file(directory, name))
}
