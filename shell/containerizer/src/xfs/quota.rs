//! The system calls of project quotas: ioctl_xfs_fsgetxattr(2) and quotactl_fd(2), which needs Linux 5.14.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

/// `FS_IOC_FSGETXATTR` and `FS_IOC_FSSETXATTR` of linux/fs.h.
const GET_ATTRIBUTES: libc::c_ulong = 0x801c_581f;
const SET_ATTRIBUTES: libc::c_ulong = 0x401c_5820;
/// `FS_XFLAG_PROJINHERIT`: new files have the project of their directory.
const INHERIT_PROJECT: u32 = 0x200;

/// The system call, which has the same number on all architectures.
const QUOTACTL_FD: libc::c_long = 443;
/// `Q_XGETQUOTA`, `Q_XSETQLIM` and `Q_XGETQSTATV` of linux/dqblk_xfs.h, for `PRJQUOTA`.
const GET_QUOTA: u32 = command(3);
const SET_LIMITS: u32 = command(4);
const GET_STATE: u32 = command(8);
/// `FS_DQ_BSOFT | FS_DQ_BHARD`.
const BLOCK_LIMITS: u16 = 1 << 2 | 1 << 3;
/// `FS_PROJ_QUOTA`.
const OF_PROJECT: i8 = 1 << 1;
/// `FS_QUOTA_PDQ_ACCT | FS_QUOTA_PDQ_ENFD`: usage is counted, and limits are enforced.
const ENABLED: u16 = 1 << 4 | 1 << 5;
/// `FS_DQUOT_VERSION` and `FS_QSTATV_VERSION1`.
const VERSION: i8 = 1;
/// Limits and usage are counted in blocks of this size in bytes.
const BLOCK: u64 = 512;

const fn command(number: u32) -> u32 {
    let xfs = (b'X' as u32) << 8 | number;
    xfs << 8 | 2
}

/// `struct fsxattr` of linux/fs.h.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    cow_extent_size: u32,
    padding: [u8; 8],
}

/// `struct fs_disk_quota` of linux/dqblk_xfs.h.
#[repr(C)]
#[derive(Default)]
struct DiskQuota {
    version: i8,
    flags: i8,
    fields: u16,
    id: u32,
    block_hard_limit: u64,
    block_soft_limit: u64,
    inode_limits: [u64; 2],
    blocks: u64,
    inodes: u64,
    timers: [i32; 2],
    warnings: [u16; 2],
    timers_high: [i8; 4],
    realtime: [u64; 3],
    realtime_timer: i32,
    realtime_warnings: u16,
    padding: [i8; 10],
}

/// `struct fs_quota_statv` of linux/dqblk_xfs.h.
#[repr(C)]
#[derive(Default)]
struct QuotaState {
    version: i8,
    padding: u8,
    flags: u16,
    in_core: u32,
    files: [[u64; 3]; 3],
    further: [u64; 10],
}

const _: () = assert!(size_of::<Attributes>() == 28 && size_of::<DiskQuota>() == 112 && size_of::<QuotaState>() == 160);

/// Checks that the directory is on an XFS that accounts and enforces project quotas.
///
/// # Errors
/// Returns why it is not, in the words of Mesos where it has them.
pub(crate) fn check_support(path: &Path) -> Result<(), String> {
    /// `XFS_SUPER_MAGIC` of linux/magic.h, as a number of 32 bits.
    const XFS_MAGIC: u32 = 0x5846_5342;
    let shown = path.display();
    let directory = open(path).map_err(|error| format!("Unable to access '{shown}': {error}"))?;
    let is_xfs = rustix::fs::fstatfs(&directory).is_ok_and(|stat| stat.f_type as u32 == XFS_MAGIC);
    if !is_xfs {
        return Err(format!("'{shown}' is not an XFS filesystem"));
    }
    let mut state = QuotaState { version: VERSION, ..QuotaState::default() };
    match quotactl(directory.as_fd(), GET_STATE, 0, &mut state) {
        Ok(()) if state.flags & ENABLED == ENABLED => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) && state.flags == 0 => Err(format!(
            "Failed to get quota status for '{shown}': {error}: project quotas need Linux 5.14 with XFS quota"
        )),
        _ => Err(format!("XFS project quotas are not enabled on '{shown}': mount it with the option pquota")),
    }
}

/// Returns the project of a directory; `None` if it has none.
///
/// # Errors
/// Returns the error of the operating system, for instance if the file system has no projects.
pub(crate) fn project_of(directory: &Path) -> io::Result<Option<u32>> {
    Ok(Some(attributes(open(directory)?.as_fd())?.project).filter(|project| *project != 0))
}

/// Gives a directory and all directories and regular files below it to a project, without following links and without
/// leaving the file system. Their new files will have the same project.
///
/// # Errors
/// Returns the first error of the operating system.
pub(crate) fn assign_project(directory: &Path, project: u32) -> io::Result<()> {
    let top = open(directory)?;
    let device = rustix::fs::fstat(&top)?.st_dev;
    set_project(top.as_fd(), project)?;
    let mut open_directories = vec![Dir::new(top)?];
    while let Some(current) = open_directories.last_mut() {
        let Some(entry) = current.read() else {
            open_directories.pop();
            continue;
        };
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = rustix::fs::statat(current.fd()?, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if stat.st_dev != device || !matches!(kind, FileType::Directory | FileType::RegularFile) {
            continue;
        }
        let file = rustix::fs::openat(current.fd()?, entry.file_name(), FLAGS, Mode::empty())?;
        set_project(file.as_fd(), project)?;
        if kind == FileType::Directory {
            open_directories.push(Dir::new(file)?);
        }
    }
    Ok(())
}

/// Sets the limits of a project in bytes, on the file system of the directory. The usage may exceed the soft limit.
///
/// # Errors
/// Returns the error of the operating system.
pub(crate) fn set_limits(directory: &Path, project: u32, soft: u64, hard: u64) -> io::Result<()> {
    // A limit of zero would be none.
    let blocks = |bytes: u64| (bytes / BLOCK).max(1);
    write_limits(directory, project, blocks(soft), blocks(hard))
}

/// Removes the limits of a project.
///
/// # Errors
/// Returns the error of the operating system.
pub(crate) fn clear_limit(directory: &Path, project: u32) -> io::Result<()> {
    write_limits(directory, project, 0, 0)
}

fn write_limits(directory: &Path, project: u32, soft: u64, hard: u64) -> io::Result<()> {
    let mut quota = DiskQuota {
        version: VERSION,
        flags: OF_PROJECT,
        fields: BLOCK_LIMITS,
        id: project,
        block_soft_limit: soft,
        block_hard_limit: hard,
        ..DiskQuota::default()
    };
    quotactl(open(directory)?.as_fd(), SET_LIMITS, project, &mut quota)
}

/// Returns the disk space in bytes that a project uses on the file system of the directory.
///
/// # Errors
/// Returns the error of the operating system.
pub(crate) fn usage_of(directory: &Path, project: u32) -> io::Result<u64> {
    let mut quota = DiskQuota { version: VERSION, flags: OF_PROJECT, id: project, ..DiskQuota::default() };
    match quotactl(open(directory)?.as_fd(), GET_QUOTA, project, &mut quota) {
        Ok(()) => Ok(quota.blocks.saturating_mul(BLOCK)),
        // The project has no files and no limits yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

fn open(directory: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(directory, FLAGS | OFlags::DIRECTORY, Mode::empty())?)
}

#[allow(unsafe_code)]
fn attributes(file: BorrowedFd<'_>) -> io::Result<Attributes> {
    let mut attributes = Attributes::default();
    // SAFETY: the request writes a `struct fsxattr`, for which `attributes` is valid.
    match unsafe { libc::ioctl(file.as_raw_fd(), GET_ATTRIBUTES as _, &raw mut attributes) } {
        0 => Ok(attributes),
        _ => Err(io::Error::last_os_error()),
    }
}

#[allow(unsafe_code)]
fn set_project(file: BorrowedFd<'_>, project: u32) -> io::Result<()> {
    let mut attributes = attributes(file)?;
    attributes.project = project;
    attributes.flags |= INHERIT_PROJECT;
    // SAFETY: the request reads a `struct fsxattr`.
    match unsafe { libc::ioctl(file.as_raw_fd(), SET_ATTRIBUTES as _, &raw const attributes) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[allow(unsafe_code)]
fn quotactl<T>(file: BorrowedFd<'_>, command: u32, id: u32, argument: &mut T) -> io::Result<()> {
    // SAFETY: each command above reads or writes the structure that its caller passes, and nothing else.
    match unsafe { libc::syscall(QUOTACTL_FD, file.as_raw_fd(), command, id, std::ptr::from_mut(argument)) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_system_is_no_xfs() {
        let why = check_support(Path::new("/proc")).unwrap_err();
        assert_eq!(why, "'/proc' is not an XFS filesystem");
        assert!(check_support(Path::new("/no/such")).unwrap_err().starts_with("Unable to access '/no/such': "));
    }
}
