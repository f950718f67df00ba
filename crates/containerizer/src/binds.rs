//! Directories of the host that a container sees in its own mount namespace: persistent volumes in its sandbox.
//!
//! The tree is cloned first and attached to an opened directory, never by path: the sandbox belongs to a user who may put
//! a link where the directory was. The child does this before its program runs, so [`place`] keeps to system calls.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_remount, move_mount, open_tree};
use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// One directory of the host, and where a container sees it. Both exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub source: PathBuf,
    pub target: PathBuf,
    pub read_only: bool,
}

/// The same as the kernel wants it.
#[derive(Debug)]
pub(crate) struct PreparedBind {
    source: CString,
    target: CString,
    read_only: bool,
}

impl PreparedBind {
    /// `None` if a path has a zero byte.
    pub(crate) fn new(bind: &Bind) -> Option<Self> {
        let c_string = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
        Some(PreparedBind {
            source: c_string(&bind.source)?,
            target: c_string(&bind.target)?,
            read_only: bind.read_only,
        })
    }
}

/// In the mount namespace of the caller.
pub(crate) fn place(bind: &PreparedBind) -> Result<(), Errno> {
    attach(&clone_of(bind)?, bind)
}

/// In the mount namespace of a process. A thread of its own goes there, and ends there.
pub(crate) fn place_in(pid: Pid, bind: &Bind) -> io::Result<()> {
    let bind = PreparedBind::new(bind).ok_or(io::ErrorKind::InvalidInput)?;
    // The clone is in no namespace until it is attached.
    let tree = clone_of(&bind)?;
    inside(pid, || attach(&tree, &bind))
}

/// What the container still uses below it stays usable until it is closed.
pub(crate) fn remove_in(pid: Pid, target: &Path) -> io::Result<()> {
    let gone = |errno| matches!(errno, Errno::INVAL | Errno::NOENT);
    inside(pid, || match rustix::mount::unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Err(errno) if gone(errno) => Ok(()),
        done => done,
    })
}

fn clone_of(bind: &PreparedBind) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    open_tree(CWD, &*bind.source, flags)
}

fn attach(tree: &OwnedFd, bind: &PreparedBind) -> Result<(), Errno> {
    let sealed = if bind.read_only { read_only(tree.as_fd()) } else { Ok(()) };
    let target = directory(&bind.target)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    match sealed {
        Ok(()) => move_mount(tree, c"", &target, c"", flags),
        // Linux before 5.12 can do it only where it is attached.
        Err(Errno::NOSYS) => {
            move_mount(tree, c"", &target, c"", flags)?;
            mount_remount(&*bind.target, MountFlags::BIND | MountFlags::RDONLY, c"")
        }
        Err(errno) => Err(errno),
    }
}

fn directory(path: &CStr) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

#[allow(unsafe_code)]
fn read_only(tree: BorrowedFd<'_>) -> Result<(), Errno> {
    const MOUNT_ATTR_RDONLY: u64 = 1;
    let attributes = MountAttributes { set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, user_namespace: 0 };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is a C string, `attributes` is valid for reads and as long as said.
    let code = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    if code == 0 {
        return Ok(());
    }
    // SAFETY: always valid for reads.
    Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }))
}

/// Runs `work` on a thread that has joined the mount namespace of a process (setns(2) demands that it shares no directories
/// with other threads).
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
