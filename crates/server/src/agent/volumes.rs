//! Persistent volumes on disk: made, and deleted with everything in them.

use std::io;
use std::path::{Path, PathBuf};

use ::agent::VolumeChange;

use super::sandbox;

#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error("Failed to create the persistent volume at '{path}': {source}")]
    Create { path: PathBuf, source: io::Error },
    #[error("Failed to remove persistent volume at '{path}': {source}")]
    Remove { path: PathBuf, source: io::Error },
}

/// All of them, in order. Done again, it changes nothing.
pub fn change(changes: &[VolumeChange]) -> Result<(), VolumeError> {
    changes.iter().try_for_each(|change| match change {
        VolumeChange::Create { path } => {
            std::fs::create_dir_all(path).map_err(|source| VolumeError::Create { path: path.clone(), source })
        }
        VolumeChange::Remove { base, path, keep_root } => {
            let removed = if *keep_root { empty(path) } else { sandbox::remove(base, path) };
            removed.map_err(|source| VolumeError::Remove { path: path.clone(), source })
        }
    })
}

/// A mounted disk stays where it is mounted.
fn empty(directory: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // The type of the entry itself: links are not followed.
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
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
