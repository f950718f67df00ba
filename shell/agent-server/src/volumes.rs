//! Persistent volumes on disk: made, deleted with everything in them, and shown in sandboxes.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use ::agent::{ContainerVolume, VolumeChange};
use containerizer::Bind;

use super::sandbox;

#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error("Failed to create the persistent volume at '{path}': {source}")]
    Create { path: PathBuf, source: io::Error },
    #[error("Failed to remove persistent volume at '{path}': {source}")]
    Remove { path: PathBuf, source: io::Error },
    #[error("Failed to change the ownership of the persistent volume at '{path}': {source}")]
    Own { path: PathBuf, source: io::Error },
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

/// The sandbox may be in the hands of a task: what is there already under the name is never followed or replaced.
pub fn add_to_sandbox(sandbox: &Path, volume: &ContainerVolume, place: SandboxMount) -> Result<(), VolumeError> {
    let path = sandbox.join(&volume.name);
    let made = match place {
        SandboxMount::Link => symlink(&volume.source, &path),
        SandboxMount::Directory => DirBuilder::new().mode(0o755).create(&path),
    };
    let there = || match place {
        SandboxMount::Link => fs::read_link(&path).is_ok_and(|to| to == volume.source),
        SandboxMount::Directory => fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir()),
    };
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && there() => Ok(()),
        made => made.map_err(|source| VolumeError::Show { path: volume.source.clone(), source }),
    }
}

/// Leaves what has taken its place.
pub fn remove_from_sandbox(sandbox: &Path, volume: &ContainerVolume, place: SandboxMount) -> Result<(), VolumeError> {
    let path = sandbox.join(&volume.name);
    let gone = match place {
        SandboxMount::Link if fs::read_link(&path).is_ok_and(|to| to == volume.source) => fs::remove_file(&path),
        SandboxMount::Link => Ok(()),
        SandboxMount::Directory => fs::remove_dir(&path),
    };
    match gone {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        gone => gone.map_err(|source| VolumeError::Show { path: volume.source.clone(), source }),
    }
}

pub fn bind(sandbox: &Path, volume: &ContainerVolume) -> Bind {
    Bind { source: volume.source.clone(), target: sandbox.join(&volume.name), read_only: volume.read_only }
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

    fn shown(work: &Path) -> (PathBuf, ContainerVolume) {
        let (sandbox, source) = (work.join("sandbox"), work.join("volume"));
        fs::create_dir(&sandbox).unwrap();
        fs::create_dir(&source).unwrap();
        (sandbox, ContainerVolume { source, name: "data".into(), read_only: false, shared: false })
    }

    #[test]
    fn a_sandbox_shows_a_volume_and_shows_it_no_more() {
        for place in [SandboxMount::Link, SandboxMount::Directory] {
            let work = tempfile::tempdir().unwrap();
            let (sandbox, volume) = shown(work.path());
            for _ in 0..2 {
                add_to_sandbox(&sandbox, &volume, place).unwrap();
            }
            assert!(sandbox.join("data").is_dir(), "{place:?}");
            set_owner(&sandbox, &volume).unwrap();
            for _ in 0..2 {
                remove_from_sandbox(&sandbox, &volume, place).unwrap();
            }
            assert!(!sandbox.join("data").exists() && volume.source.exists(), "{place:?}");
        }
    }

    #[test]
    fn what_a_task_put_in_its_place_is_left_alone() {
        for place in [SandboxMount::Link, SandboxMount::Directory] {
            let work = tempfile::tempdir().unwrap();
            let (sandbox, volume) = shown(work.path());
            let elsewhere = work.path().join("elsewhere");
            fs::create_dir(&elsewhere).unwrap();
            symlink(&elsewhere, sandbox.join("data")).unwrap();
            assert!(add_to_sandbox(&sandbox, &volume, place).is_err(), "{place:?}");
            let _ = remove_from_sandbox(&sandbox, &volume, place);
            assert_eq!(fs::read_link(sandbox.join("data")).unwrap(), elsewhere);
        }
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
