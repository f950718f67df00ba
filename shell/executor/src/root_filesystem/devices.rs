//! `/dev` of a container: the devices that every program expects, and no others.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, Mode};
use rustix::mount::{MountFlags, mount, mount_bind};

use super::mount_point::{ContainerRoot, Kind, Links};
use super::user_namespace::is_rootless;

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

/// Mounts `/dev`, `/dev/pts` and `/dev/shm`, with sizes and modes as in Mesos and Docker.
pub fn mount_devices(root: &ContainerRoot) -> io::Result<()> {
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
    mount("tmpfs", shm.path(), "tmpfs", flags | MountFlags::NODEV, Some(c"mode=1777,size=64m"))?;
    let dev = root.existing(Path::new("/dev"), Links::Refused)?;
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, &dev, name)?;
    }
    rustix::fs::chmodat(&dev, "shm", Mode::from_raw_mode(0o1777), AtFlags::empty())?;
    Ok(())
}
