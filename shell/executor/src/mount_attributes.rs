//! Attributes of mounts that are not attached yet (mount_setattr(2)), for which the C library has no function.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// `MOUNT_ATTR_RDONLY` of linux/mount.h.
const READ_ONLY: u64 = 1;

/// Makes a tree of mounts read-only if asked for, and changes its propagation (`MS_SLAVE` and the like) unless that is 0.
/// It consists of one system call.
///
/// # Errors
/// Returns the error of the system call, which kernels before 5.12 do not have.
#[allow(unsafe_code)]
pub fn set_mount_attributes(tree: BorrowedFd<'_>, read_only: bool, propagation: u64) -> Result<(), Errno> {
    let set = if read_only { READ_ONLY } else { 0 };
    let attributes = MountAttributes { set, clear: 0, propagation, user_namespace: 0 };
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
    // SAFETY: the pointer is always valid for reads.
    Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }))
}
