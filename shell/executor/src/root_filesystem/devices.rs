//! `/dev` of a container: the devices that every program expects, and no others.

use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind};

use super::mount_point::{ContainerRoot, Kind, Links};
use super::user_namespace::is_rootless;
use crate::launch_info::{ImageDevice, ImageIsolation, SharedMemory};

/// The devices of the host that a container sees.
const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];
/// The names of links in `/dev` and their targets.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// The size of `/dev/shm` where nobody names one, in bytes.
const SHM_BYTES: u64 = 64 << 20;

/// Mounts `/dev`, `/dev/pts` and `/dev/shm`, with sizes and modes as in Mesos and Docker, and adds the devices of the
/// operator.
///
/// # Errors
/// Returns the error of the operating system.
pub fn mount_devices(root: &ContainerRoot, isolation: &ImageIsolation) -> io::Result<()> {
    let dev = root.mount_point(Path::new("/dev"), Kind::Directory, Links::Refused)?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("tmpfs", dev.path(), "tmpfs", MountFlags::NOSUID, Some(c"mode=755,size=64k"))?;
    for name in DEVICES {
        let point = root.mount_point(&Path::new("/dev").join(name), Kind::File, Links::Refused)?;
        mount_bind(Path::new("/dev").join(name), point.path())?;
    }
    let pts = root.mount_point(Path::new("/dev/pts"), Kind::Directory, Links::Refused)?;
    // A user namespace has only one group.
    let group = if is_rootless() {
        c"newinstance,ptmxmode=0666,mode=0620"
    } else {
        c"newinstance,ptmxmode=0666,mode=0620,gid=5"
    };
    mount("devpts", pts.path(), "devpts", flags, Some(group))?;
    let shm = root.mount_point(Path::new("/dev/shm"), Kind::Directory, Links::Refused)?;
    match isolation.shm.unwrap_or(SharedMemory::Private { bytes: SHM_BYTES }) {
        SharedMemory::Private { bytes } => {
            mount_shared_memory(&shm.path(), bytes)?;
            rustix::fs::chmodat(&root.existing(Path::new("/dev"), Links::Refused)?, "shm", SHM_MODE, AtFlags::empty())?;
        }
        SharedMemory::Host => mount_bind("/dev/shm", shm.path())?,
    }
    let dev = root.existing(Path::new("/dev"), Links::Refused)?;
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, &dev, name)?;
    }
    isolation.devices.iter().try_for_each(|device| add_device(root, device))
}

const SHM_MODE: Mode = Mode::from_raw_mode(0o1777);

/// Mounts `/dev/shm` of a container that has the root of the host, if it asks for one of its own.
///
/// # Errors
/// Returns the error of the operating system.
pub fn mount_shared_memory_on_host(isolation: &ImageIsolation) -> io::Result<()> {
    match isolation.shm {
        Some(SharedMemory::Private { bytes }) => mount_shared_memory(Path::new("/dev/shm"), bytes),
        Some(SharedMemory::Host) | None => Ok(()),
    }
}

fn mount_shared_memory(path: &Path, bytes: u64) -> io::Result<()> {
    let options = CString::new(format!("mode=1777,size={bytes}"))?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    Ok(mount("tmpfs", path, "tmpfs", flags, Some(options.as_c_str()))?)
}

/// Makes a node in `/dev`, which is a file system of this container and has no link of an image.
fn add_device(root: &ContainerRoot, device: &ImageDevice) -> io::Result<()> {
    let (Some(parent), Some(name)) = (device.path.parent(), device.path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = root.mount_point(parent, Kind::Directory, Links::Refused)?;
    let kind = if device.is_block { FileType::BlockDevice } else { FileType::CharacterDevice };
    let numbers = rustix::fs::makedev(device.major, device.minor);
    match rustix::fs::mknodat(&parent, name, kind, Mode::from_raw_mode(device.mode), numbers) {
        // Every container has it.
        Err(Errno::EXIST) => return Ok(()),
        made => made?,
    }
    // The umask affects the mode above.
    Ok(rustix::fs::chmodat(&parent, name, Mode::from_raw_mode(device.mode), AtFlags::empty())?)
}
