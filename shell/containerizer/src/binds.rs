//! Bind mounts: directories of the host that a container sees in its own mount namespace, such as persistent volumes in
//! its sandbox.
//!
//! The tree is cloned first and attached to an opened directory, never by path, because the owner of the sandbox may
//! replace the directory by a link. The child mounts before its program runs, so [`bind_mount`] consists of system
//! calls only.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use executor::set_mount_attributes;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_remount, move_mount, open_tree};
use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// One directory of the host, and its mount point in a container. Both exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The directory of the host.
    pub source: PathBuf,
    /// The absolute directory that the path starts from. Links may lead to it; the container controls what is below it.
    pub root: PathBuf,
    /// The mount point relative to `root`, reached without links; empty for `root` itself.
    pub path: PathBuf,
    /// Whether the mount is read-only.
    pub read_only: bool,
    /// The persistent volume that the source is; `None` for any other directory.
    pub volume: Option<PersistentVolume>,
}

/// A persistent volume as far as its disk space is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentVolume {
    /// The persistence id.
    pub id: String,
    /// Its size in bytes; `None` if it is a whole disk, which nothing else uses.
    pub size: Option<u64>,
}

impl Bind {
    /// Returns the mount point.
    pub fn target(&self) -> PathBuf {
        if self.path.as_os_str().is_empty() { self.root.clone() } else { self.root.join(&self.path) }
    }
}

/// A bind mount with the strings that the system calls take.
#[derive(Debug)]
pub(crate) struct PreparedBind {
    source: CString,
    root: CString,
    /// The path below the root; empty for the root itself.
    path: CString,
    target: CString,
    read_only: bool,
}

impl PreparedBind {
    /// Prepares a bind mount; `None` if a path has a zero byte.
    pub(crate) fn new(bind: &Bind) -> Option<Self> {
        let c_string = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
        Some(PreparedBind {
            source: c_string(&bind.source)?,
            root: c_string(&bind.root)?,
            path: c_string(&bind.path)?,
            target: c_string(&bind.target())?,
            read_only: bind.read_only,
        })
    }
}

/// Mounts a directory in the mount namespace of the caller.
pub(crate) fn bind_mount(bind: &PreparedBind) -> Result<(), Errno> {
    attach(&clone_of(bind)?, bind)
}

/// Mounts a directory in the mount namespace of a process, on a thread that joins the namespace and then ends. It has
/// no effect if something is mounted there already, because a restarted agent does not know the mounts of its
/// predecessor.
pub(crate) fn bind_mount_in(pid: Pid, bind: &Bind) -> io::Result<()> {
    if is_mounted(&std::fs::read_to_string(format!("/proc/{}/mountinfo", pid.as_raw_nonzero()))?, &bind.target()) {
        return Ok(());
    }
    let bind = PreparedBind::new(bind).ok_or(io::ErrorKind::InvalidInput)?;
    // The clone belongs to no namespace until it is attached.
    let tree = clone_of(&bind)?;
    inside(pid, || attach(&tree, &bind))
}

/// Removes a directory from the mount namespace of a process. Files below it that the container has open stay usable
/// until they are closed. A link that the container has put on the way is not followed.
pub(crate) fn unmount_in(pid: Pid, bind: &Bind) -> io::Result<()> {
    let bind = PreparedBind::new(bind).ok_or(io::ErrorKind::InvalidInput)?;
    let gone = |errno| matches!(errno, Errno::INVAL | Errno::NOENT);
    inside(pid, || match unmount(&bind) {
        Err(errno) if gone(errno) => Ok(()),
        done => done,
    })
}

/// umount2(2) takes paths only, so the directory above the mount point is entered, which is reached without a link. The
/// caller is a thread with a working directory of its own.
fn unmount(bind: &PreparedBind) -> Result<(), Errno> {
    let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
    let path = Path::new(OsStr::from_bytes(bind.path.to_bytes()));
    let Some(name) = path.file_name() else { return rustix::mount::unmount(&*bind.root, flags) };
    let root = rustix::fs::open(&*bind.root, DIRECTORY, Mode::empty())?;
    let above = match path.parent().filter(|above| !above.as_os_str().is_empty()) {
        Some(above) => open_beneath(&root, above)?,
        None => root,
    };
    rustix::process::fchdir(above)?;
    rustix::mount::unmount(name, flags)
}

/// Returns whether a mount table (proc(5), `mountinfo`) has this mount point. It is the fifth field, in which some
/// bytes are octal.
fn is_mounted(table: &str, target: &Path) -> bool {
    let escaped: String = target.to_string_lossy().chars().fold(String::new(), |mut text, char| {
        match char {
            ' ' => text.push_str("\\040"),
            '\t' => text.push_str("\\011"),
            '\n' => text.push_str("\\012"),
            '\\' => text.push_str("\\134"),
            other => text.push(other),
        }
        text
    });
    table.lines().any(|line| line.split(' ').nth(4) == Some(&escaped))
}

fn clone_of(bind: &PreparedBind) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    open_tree(CWD, &*bind.source, flags)
}

fn attach(tree: &OwnedFd, bind: &PreparedBind) -> Result<(), Errno> {
    let sealed = if bind.read_only { set_mount_attributes(tree.as_fd(), true, 0) } else { Ok(()) };
    let target = directory(bind)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    match sealed {
        Ok(()) => move_mount(tree, c"", &target, c"", flags),
        // Linux before 5.12 can set the flag only at the mount point.
        Err(Errno::NOSYS) => {
            move_mount(tree, c"", &target, c"", flags)?;
            mount_remount(&*bind.target, MountFlags::BIND | MountFlags::RDONLY, c"")
        }
        Err(errno) => Err(errno),
    }
}

fn directory(bind: &PreparedBind) -> Result<OwnedFd, Errno> {
    let root = rustix::fs::open(&*bind.root, DIRECTORY, Mode::empty())?;
    if bind.path.is_empty() { Ok(root) } else { open_beneath(&root, &*bind.path) }
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a directory below another one without following a link.
fn open_beneath(root: &OwnedFd, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(root, path, DIRECTORY, Mode::empty(), beneath)
}

/// Sets whether a detached tree of mounts is read-only, and lets it receive the later mounts of its source. If it is not
/// `bidirectional`, its own mounts stay in it.
pub(crate) fn set_attributes(tree: BorrowedFd<'_>, read_only: bool, bidirectional: bool) -> Result<(), Errno> {
    set_mount_attributes(tree, read_only, if bidirectional { 0 } else { libc::MS_SLAVE })
}

/// Runs `work` on a thread that has joined the mount namespace of a process. setns(2) demands that the thread shares no
/// directories with other threads.
#[allow(unsafe_code)]
fn inside(pid: Pid, work: impl FnOnce() -> Result<(), Errno> + Send) -> io::Result<()> {
    let namespace = std::fs::File::open(format!("/proc/{}/ns/mnt", pid.as_raw_nonzero()))?;
    std::thread::scope(|scope| {
        let enter = || -> Result<(), Errno> {
            // SAFETY: only the working directory and the umask become this thread's own, and it uses neither.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
            work()
        };
        let thread = std::thread::Builder::new().name("bind".into()).spawn_scoped(scope, enter)?;
        thread.join().map_err(|_| io::Error::other("a thread has ended"))??;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_found_in_the_table() {
        let table = "64 43 254:0 /v /box/a\\040b rw,relatime - ext4 /dev/vda rw\n65 43 0:1 / /box rw - tmpfs none rw\n";
        for (target, expect) in [("/box/a b", true), ("/box", true), ("/box/a", false), ("/v", false)] {
            assert_eq!(is_mounted(table, Path::new(target)), expect, "{target}");
        }
    }
}
