//! Persistent volumes on disk: creates them, deletes them with their content, and shows them in sandboxes.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use ::agent::{ContainerVolume, VolumeChange};
use containerizer::{Bind, PersistentVolume};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, fchown, fstat, mkdirat, openat, readlinkat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::sandbox;

/// The reason for which a volume cannot be created, deleted or shown.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error("Failed to create the persistent volume at '{path}': {source}")]
    Create { path: PathBuf, source: io::Error },
    #[error("Failed to remove persistent volume at '{path}': {source}")]
    Remove { path: PathBuf, source: io::Error },
    #[error("Failed to change the ownership of the persistent volume at '{path}': {source}")]
    Own { path: PathBuf, source: io::Error },
    #[error(
        "The persistent volume cannot be mounted at the container_path '{path}': {reason}; give it a path in the sandbox"
    )]
    Mount { path: PathBuf, reason: &'static str },
    #[error("Failed to show the persistent volume at '{path}' in the sandbox: {source}")]
    Show { path: PathBuf, source: io::Error },
}

/// The kind of mount by which a sandbox shows a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxMount {
    /// A symbolic link, as in Mesos' posix filesystem isolator. It cannot make a volume read-only.
    Link,
    /// A directory that the volume is mounted on.
    Directory,
}

/// Carries out all changes in order. Repeating them has no effect.
///
/// # Errors
/// Returns [`VolumeError`] for the first change that fails.
pub fn change(changes: &[VolumeChange]) -> Result<(), VolumeError> {
    changes.iter().try_for_each(|change| match change {
        VolumeChange::Create { path } => {
            fs::create_dir_all(path).map_err(|source| VolumeError::Create { path: path.clone(), source })
        }
        VolumeChange::Remove { base, path, keep_root } => {
            let removed = if *keep_root { empty(path) } else { sandbox::remove(base, path) };
            removed.map_err(|source| VolumeError::Remove { path: path.clone(), source })
        }
    })
}

/// Empties a volume that is a mounted disk, which stays mounted.
fn empty(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        untrusted_files::remove_tree(&entry?.path())?;
    }
    Ok(())
}

/// Gives the volume to the owner of the sandbox.
///
/// # Errors
/// Returns [`VolumeError::Own`] if the owner cannot be read or set.
pub fn set_owner(sandbox: &Path, volume: &ContainerVolume) -> Result<(), VolumeError> {
    let own = |source| VolumeError::Own { path: volume.source.clone(), source };
    let owner = fs::metadata(sandbox).map_err(own)?;
    // Root needs no ownership, and an agent without root owns everything already.
    if owner.uid() == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    chown(&volume.source, Some(owner.uid()), Some(owner.gid())).map_err(own)
}

/// Checks whether the container can have the volume at its path. A container without an image sees the files of the
/// host. A volume at an absolute path therefore needs a mount namespace, and a container that runs as root: for any
/// other user, a volume over `/etc` would give the rights of setuid programs.
///
/// # Errors
/// Returns [`VolumeError::Mount`] with the reason.
pub fn check_mount(volume: &ContainerVolume, mount: SandboxMount, switches_user: bool) -> Result<(), VolumeError> {
    let path = &volume.container_path;
    let refuse = |reason| Err(VolumeError::Mount { path: path.clone(), reason });
    match (path.is_absolute(), mount, switches_user) {
        (false, ..) => Ok(()),
        (true, SandboxMount::Link, _) => refuse("the container has no mounts of its own (see --isolation)"),
        (true, SandboxMount::Directory, true) => refuse("the container does not run as root"),
        (true, SandboxMount::Directory, false) => match fs::symlink_metadata(path) {
            Ok(data) if data.is_dir() => Ok(()),
            Ok(_) => refuse("it is not a directory on the agent"),
            Err(_) => refuse("the directory does not exist on the agent"),
        },
    }
}

/// Adds the link or mount point of a volume. A task may control the sandbox, so that an existing file of this name is
/// never followed or replaced.
///
/// # Errors
/// Returns [`VolumeError::Show`] if it cannot be added.
pub fn add_to_sandbox(sandbox: &Path, volume: &ContainerVolume, mount: SandboxMount) -> Result<(), VolumeError> {
    if volume.container_path.is_absolute() {
        return Ok(());
    }
    add(sandbox, volume, mount).map_err(|source| VolumeError::Show { path: volume.source.clone(), source })
}

fn add(sandbox: &Path, volume: &ContainerVolume, mount: SandboxMount) -> io::Result<()> {
    let (directory, name) = open_parent(sandbox, &volume.container_path, true)?;
    let made = match mount {
        SandboxMount::Link => symlinkat(&volume.source, &directory, name),
        SandboxMount::Directory => mkdirat(&directory, name, Mode::from_raw_mode(0o755)),
    };
    let there = || match mount {
        SandboxMount::Link => is_link_to(&directory, name, &volume.source),
        SandboxMount::Directory => statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|data| FileType::from_raw_mode(data.st_mode) == FileType::Directory),
    };
    match made {
        Err(Errno::EXIST) if there() => Ok(()),
        made => Ok(made?),
    }
}

/// Removes the link or mount point of a volume. Any other file in its place stays, and so do the directories above.
///
/// # Errors
/// Returns [`VolumeError::Show`] if it cannot be removed.
pub fn remove_from_sandbox(sandbox: &Path, volume: &ContainerVolume, mount: SandboxMount) -> Result<(), VolumeError> {
    if volume.container_path.is_absolute() {
        return Ok(());
    }
    match remove(sandbox, volume, mount) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        gone => gone.map_err(|source| VolumeError::Show { path: volume.source.clone(), source }),
    }
}

fn remove(sandbox: &Path, volume: &ContainerVolume, mount: SandboxMount) -> io::Result<()> {
    let (directory, name) = open_parent(sandbox, &volume.container_path, false)?;
    match mount {
        SandboxMount::Link if is_link_to(&directory, name, &volume.source) => {
            unlinkat(&directory, name, AtFlags::empty())?;
        }
        SandboxMount::Link => {}
        SandboxMount::Directory => unlinkat(&directory, name, AtFlags::REMOVEDIR)?,
    }
    Ok(())
}

fn is_link_to(directory: &OwnedFd, name: &OsStr, to: &Path) -> bool {
    readlinkat(directory, name, Vec::new()).is_ok_and(|target| target.as_bytes() == to.as_os_str().as_bytes())
}

/// Opens the parent directory of `path` without following a link below the sandbox, and returns it with the last name.
/// With `make`, missing directories are made for the owner of the sandbox.
fn open_parent<'p>(sandbox: &Path, path: &'p Path, make: bool) -> io::Result<(OwnedFd, &'p OsStr)> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directory = rustix::fs::open(sandbox, flags, Mode::empty())?;
    let owner = fstat(&directory)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    for part in path.parent().unwrap_or(Path::new("")).iter() {
        let made = if make { mkdirat(&directory, part, Mode::from_raw_mode(0o755)) } else { Err(Errno::EXIST) };
        let next = openat(&directory, part, flags, Mode::empty())?;
        match made {
            Ok(()) if rustix::process::geteuid().is_root() => {
                fchown(&next, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))?;
            }
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        directory = next;
    }
    Ok((directory, name))
}

/// Returns the bind mount by which the container sees the volume.
pub fn bind(sandbox: &Path, volume: &ContainerVolume) -> Bind {
    let (root, path) = match volume.container_path.is_absolute() {
        true => (volume.container_path.clone(), PathBuf::new()),
        false => (sandbox.to_owned(), volume.container_path.clone()),
    };
    let persistent = PersistentVolume { id: volume.id.clone(), size: volume.size };
    Bind { source: volume.source.clone(), root, path, read_only: volume.read_only, volume: Some(persistent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_created_and_deleted_repeatedly() {
        let work = tempfile::tempdir().unwrap();
        let kept = work.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        let path = work.path().join("volumes/roles/dev/id");
        let create = [VolumeChange::Create { path: path.clone() }];
        change(&create).unwrap();
        std::fs::write(path.join("data"), "d").unwrap();
        std::os::unix::fs::symlink(&kept, path.join("link")).unwrap();
        change(&create).unwrap();
        assert!(path.join("data").exists(), "the existing files belong to the volume");
        let remove = [VolumeChange::Remove { base: work.path().to_owned(), path: path.clone(), keep_root: false }];
        change(&remove).unwrap();
        change(&remove).unwrap();
        assert!(!path.exists() && kept.exists());
    }

    fn shown_at(source: PathBuf, path: &Path) -> ContainerVolume {
        let (id, size) = ("v".to_owned(), Some(1 << 20));
        ContainerVolume { id, size, source, container_path: path.into(), read_only: false, shared: false }
    }

    fn shown(work: &Path, path: &str) -> (PathBuf, ContainerVolume) {
        let (sandbox, source) = (work.join("sandbox"), work.join("volume"));
        fs::create_dir(&sandbox).unwrap();
        fs::create_dir(&source).unwrap();
        (sandbox, shown_at(source, Path::new(path)))
    }

    #[test]
    fn a_volume_is_added_to_a_sandbox_and_removed() {
        let mounts = [SandboxMount::Link, SandboxMount::Directory];
        for (mount, path) in mounts.into_iter().flat_map(|mount| [(mount, "data"), (mount, "data/db/one")]) {
            let work = tempfile::tempdir().unwrap();
            let (sandbox, volume) = shown(work.path(), path);
            for _ in 0..2 {
                add_to_sandbox(&sandbox, &volume, mount).unwrap();
            }
            assert!(sandbox.join(path).is_dir(), "{mount:?}");
            set_owner(&sandbox, &volume).unwrap();
            for _ in 0..2 {
                remove_from_sandbox(&sandbox, &volume, mount).unwrap();
            }
            assert!(!sandbox.join(path).exists() && volume.source.exists(), "{mount:?}");
        }
    }

    #[test]
    fn files_that_a_task_put_in_place_of_a_volume_are_kept() {
        let mounts = [SandboxMount::Link, SandboxMount::Directory];
        for (mount, path) in mounts.into_iter().flat_map(|mount| [(mount, "data"), (mount, "data/db")]) {
            let work = tempfile::tempdir().unwrap();
            let (sandbox, volume) = shown(work.path(), path);
            let elsewhere = work.path().join("elsewhere");
            fs::create_dir(&elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, sandbox.join("data")).unwrap();
            assert!(add_to_sandbox(&sandbox, &volume, mount).is_err(), "{mount:?}");
            let _ = remove_from_sandbox(&sandbox, &volume, mount);
            assert_eq!(fs::read_link(sandbox.join("data")).unwrap(), elsewhere);
            assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        }
    }

    #[test]
    fn absolute_paths_need_mounts_root_and_a_directory() {
        let there = tempfile::tempdir().unwrap();
        let check = |path: &Path, mount, switches_user, expect: Option<&str>| {
            let volume = shown_at(there.path().into(), path);
            let refusal = check_mount(&volume, mount, switches_user).err().map(|error| error.to_string());
            match (&refusal, expect) {
                (None, None) => {}
                (Some(refusal), Some(expect)) => assert!(refusal.contains(expect), "{refusal}"),
                _ => panic!("{refusal:?} instead of {expect:?}"),
            }
        };
        check(Path::new("data/db"), SandboxMount::Link, true, None);
        check(there.path(), SandboxMount::Directory, false, None);
        check(there.path(), SandboxMount::Directory, true, Some("does not run as root"));
        check(there.path(), SandboxMount::Link, false, Some("no mounts of its own"));
        check(&there.path().join("x"), SandboxMount::Directory, false, Some("the directory does not exist"));
    }

    #[test]
    fn a_mounted_disk_is_emptied() {
        let disk = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(disk.path().join("a/b")).unwrap();
        std::fs::write(disk.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), disk.path().join("link")).unwrap();
        let base = disk.path().to_owned();
        change(&[VolumeChange::Remove { path: base.clone(), base, keep_root: true }]).unwrap();
        assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 0);
        assert!(outside.path().exists());
    }
}
