//! Network namespaces, and the handles that keep them: files on which the namespace is mounted. A handle outlives the agent
//! and the container, so that plugins can detach a container that has ended.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::mount::{UnmountFlags, mount_bind, unmount};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// The file system of namespaces (statfs(2)).
const NSFS: u64 = 0x6e73_6673;
const LOOPBACK: &[u8] = b"lo";

/// Makes a network namespace whose loopback interface is up, and its handle. A thread enters the namespace and ends.
///
/// # Errors
/// Returns the error of the operating system. Nothing is left then but the file of the handle.
pub(crate) fn create(handle: &Path) -> io::Result<()> {
    File::create_new(handle)?;
    let make = || -> io::Result<()> {
        unshare_network()?;
        bring_up_loopback()?;
        Ok(mount_bind("/proc/thread-self/ns/net", handle)?)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("make-network".into()).spawn_scoped(scope, make)?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread has ended")))
    })
}

/// Returns whether a namespace is mounted on the handle. After a reboot none is.
pub(crate) fn is_mounted(handle: &Path) -> bool {
    rustix::fs::statfs(handle).is_ok_and(|found| found.f_type.cast_unsigned() == NSFS)
}

/// Removes a handle. The kernel removes its mounts in other mount namespaces with the file.
///
/// # Errors
/// Returns the error of the operating system.
pub(crate) fn remove(handle: &Path) -> io::Result<()> {
    while is_mounted(handle) {
        unmount(handle, UnmountFlags::DETACH)?;
    }
    match std::fs::remove_file(handle) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[allow(unsafe_code)]
fn unshare_network() -> io::Result<()> {
    // SAFETY: only changes the network namespace of this thread.
    match unsafe { libc::unshare(libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets the flag of an interface that is up (netdevice(7)).
#[allow(unsafe_code)]
fn bring_up_loopback() -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: an all-zero `ifreq` is valid: numbers, an array, and a null pointer.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(LOOPBACK) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is an `ifreq`, as SIOCSIFFLAGS demands.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
