//! Persistent volumes on disk: made, deleted with everything in them, and shown in sandboxes.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use ::agent::{ContainerVolume, VolumeChange};
use containerizer::Bind;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, fchown, fstat, mkdirat, openat, readlinkat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::sandbox;

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
    Place { path: PathBuf, reason: &'static str },
    #[error("Failed to show the persistent volume at '{path}' in the sandbox: {source}")]
    Show { path: PathBuf, source: io::Error },
}

/// How a sandbox shows a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxMount {
    /// A link to it (Mesos' posix filesystem isolator); nothing keeps a container from writing to a read-only one.
    Link,
    /// A directory that the container has it mounted on.
    Directory,
}

/// All of them, in order. Done again, it changes nothing.
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

/// A mounted disk stays where it is mounted.
fn empty(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // The type of the entry itself: links are not followed.
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// To whom the sandbox belongs.
pub fn set_owner(sandbox: &Path, volume: &ContainerVolume) -> Result<(), VolumeError> {
    let own = |source| VolumeError::Own { path: volume.source.clone(), source };
    let owner = fs::metadata(sandbox).map_err(own)?;
    // Root may do everything anyway; and without root everything is ours.
    if owner.uid() == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    chown(&volume.source, Some(owner.uid()), Some(owner.gid())).map_err(own)
}

/// Whether the container can have the volume where it asks for it. Without an image a container sees the files of the host: to
/// show a volume in place of some of them takes mounts of its own, and a user who may do everything anyway (to another one, a
/// volume over `/etc` would give the rights of setuid programs).
pub fn check_place(volume: &ContainerVolume, place: SandboxMount, switches_user: bool) -> Result<(), VolumeError> {
    let path = &volume.container_path;
    let refuse = |reason| Err(VolumeError::Place { path: path.clone(), reason });
    match (path.is_absolute(), place, switches_user) {
        (false, ..) => Ok(()),
        (true, SandboxMount::Link, _) => refuse("the container has no mounts of its own (see --isolation)"),
        (true, SandboxMount::Directory, true) => refuse("the container does not run as root"),
        (true, SandboxMount::Directory, false) => match fs::symlink_metadata(path) {
            Ok(data) if data.is_dir() => Ok(()),
            Ok(_) => refuse("it is no directory on the agent"),
            Err(_) => refuse("there is no such directory on the agent"),
        },
    }
}

/// Makes the place of a volume. The sandbox may be in the hands of a task: what is there already under the name is never followed
/// or replaced.
pub fn add_to_sandbox(sandbox: &Path, volume: &ContainerVolume, place: SandboxMount) -> Result<(), VolumeError> {
    if volume.container_path.is_absolute() {
        return Ok(());
    }
    add(sandbox, volume, place).map_err(|source| VolumeError::Show { path: volume.source.clone(), source })
}

fn add(sandbox: &Path, volume: &ContainerVolume, place: SandboxMount) -> io::Result<()> {
    let (directory, name) = open_parent(sandbox, &volume.container_path, true)?;
    let made = match place {
        SandboxMount::Link => symlinkat(&volume.source, &directory, name),
        SandboxMount::Directory => mkdirat(&directory, name, Mode::from_raw_mode(0o755)),
    };
    let there = || match place {
        SandboxMount::Link => is_link_to(&directory, name, &volume.source),
        SandboxMount::Directory => statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|data| FileType::from_raw_mode(data.st_mode) == FileType::Directory),
    };
    match made {
        Err(Errno::EXIST) if there() => Ok(()),
        made => Ok(made?),
    }
}

/// Takes the place of a volume away. What is not this place is left, and so are the directories above it.
pub fn remove_from_sandbox(sandbox: &Path, volume: &ContainerVolume, place: SandboxMount) -> Result<(), VolumeError> {
    if volume.container_path.is_absolute() {
        return Ok(());
    }
    match remove(sandbox, volume, place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        gone => gone.map_err(|source| VolumeError::Show { path: volume.source.clone(), source }),
    }
}

fn remove(sandbox: &Path, volume: &ContainerVolume, place: SandboxMount) -> io::Result<()> {
    let (directory, name) = open_parent(sandbox, &volume.container_path, false)?;
    match place {
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

/// Opens the directory that the last name of `path` is in, without following a link below the sandbox. `make`: directories that
/// are missing are made, for the owner of the sandbox.
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

/// Returns where the container sees the volume.
pub fn bind(sandbox: &Path, volume: &ContainerVolume) -> Bind {
    let (root, path) = match volume.container_path.is_absolute() {
        true => (volume.container_path.clone(), PathBuf::new()),
        false => (sandbox.to_owned(), volume.container_path.clone()),
    };
    Bind { source: volume.source.clone(), root, path, read_only: volume.read_only }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_come_and_go_and_may_do_so_again() {
        let work = tempfile::tempdir().unwrap();
        let kept = work.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        let path = work.path().join("volumes/roles/dev/id");
        let create = [VolumeChange::Create { path: path.clone() }];
        change(&create).unwrap();
        std::fs::write(path.join("data"), "d").unwrap();
        std::os::unix::fs::symlink(&kept, path.join("link")).unwrap();
        change(&create).unwrap();
        assert!(path.join("data").exists(), "what was there belongs to the volume");
        let remove = [VolumeChange::Remove { base: work.path().to_owned(), path: path.clone(), keep_root: false }];
        change(&remove).unwrap();
        change(&remove).unwrap();
        assert!(!path.exists() && kept.exists());
    }

    fn shown(work: &Path, path: &str) -> (PathBuf, ContainerVolume) {
        let (sandbox, source) = (work.join("sandbox"), work.join("volume"));
        fs::create_dir(&sandbox).unwrap();
        fs::create_dir(&source).unwrap();
        (sandbox, ContainerVolume { source, container_path: path.into(), read_only: false, shared: false })
    }

    #[test]
    fn a_sandbox_shows_a_volume_and_shows_it_no_more() {
        let places = [SandboxMount::Link, SandboxMount::Directory];
        for (place, path) in places.into_iter().flat_map(|place| [(place, "data"), (place, "data/db/one")]) {
            let work = tempfile::tempdir().unwrap();
            let (sandbox, volume) = shown(work.path(), path);
            for _ in 0..2 {
                add_to_sandbox(&sandbox, &volume, place).unwrap();
            }
            assert!(sandbox.join(path).is_dir(), "{place:?}");
            set_owner(&sandbox, &volume).unwrap();
            for _ in 0..2 {
                remove_from_sandbox(&sandbox, &volume, place).unwrap();
            }
            assert!(!sandbox.join(path).exists() && volume.source.exists(), "{place:?}");
        }
    }

    #[test]
    fn what_a_task_put_in_its_place_is_left_alone() {
        let places = [SandboxMount::Link, SandboxMount::Directory];
        for (place, path) in places.into_iter().flat_map(|place| [(place, "data"), (place, "data/db")]) {
            let work = tempfile::tempdir().unwrap();
            let (sandbox, volume) = shown(work.path(), path);
            let elsewhere = work.path().join("elsewhere");
            fs::create_dir(&elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, sandbox.join("data")).unwrap();
            assert!(add_to_sandbox(&sandbox, &volume, place).is_err(), "{place:?}");
            let _ = remove_from_sandbox(&sandbox, &volume, place);
            assert_eq!(fs::read_link(sandbox.join("data")).unwrap(), elsewhere);
            assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        }
    }

    #[test]
    fn absolute_paths_need_mounts_root_and_a_directory() {
        let there = tempfile::tempdir().unwrap();
        let check = |path: &Path, place, switches_user, expect: Option<&str>| {
            let volume = ContainerVolume {
                source: there.path().into(),
                container_path: path.into(),
                read_only: false,
                shared: false,
            };
            let said = check_place(&volume, place, switches_user).err().map(|error| error.to_string());
            match (&said, expect) {
                (None, None) => {}
                (Some(said), Some(expect)) => assert!(said.contains(expect), "{said}"),
                _ => panic!("{said:?} instead of {expect:?}"),
            }
        };
        check(Path::new("data/db"), SandboxMount::Link, true, None);
        check(there.path(), SandboxMount::Directory, false, None);
        check(there.path(), SandboxMount::Directory, true, Some("does not run as root"));
        check(there.path(), SandboxMount::Link, false, Some("no mounts of its own"));
        check(&there.path().join("x"), SandboxMount::Directory, false, Some("no such directory"));
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
