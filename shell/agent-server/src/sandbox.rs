//! Creates and removes sandboxes: each is made for one user, removed with its whole content, and never outside the work
//! directory.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Component, Path};

use containerizer::User;

/// The mode of a sandbox. Only the task's user and group may read it, because sandboxes hold private data.
const MODE: u32 = 0o750;

/// Creates the directory with the files of the outputs, and points the link `latest` beside it to the directory.
///
/// # Errors
/// Returns the error of the operating system.
pub fn create(sandbox: &Path, user: Option<&User>) -> io::Result<()> {
    let runs = sandbox.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o755).create(runs)?;
    DirBuilder::new().mode(MODE).create(sandbox).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })?;
    // The umask affects the mode above.
    std::fs::set_permissions(sandbox, Permissions::from_mode(MODE))?;
    for name in ["stdout", "stderr"] {
        let path = sandbox.join(name);
        let file = create_file(&path)?;
        if let Some(user) = user {
            std::os::unix::fs::fchown(&file, Some(user.uid), Some(user.gid))?;
        }
    }
    if let Some(user) = user {
        chown(sandbox, Some(user.uid), Some(user.gid))?;
    }
    point_latest(sandbox, runs)
}

fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).custom_flags(nofollow()).open(path)
}

fn nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits().cast_signed()
}

/// Replaces the link in one step, so that readers always find a run.
fn point_latest(sandbox: &Path, runs: &Path) -> io::Result<()> {
    let (latest, next) = (runs.join("latest"), runs.join(".latest"));
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(sandbox, &next)?;
    std::fs::rename(&next, &latest)
}

/// Removes a tree below `work_dir`. Links inside are removed and never followed, as std guarantees for
/// `remove_dir_all`.
///
/// # Errors
/// Returns an error if a part of the path is a link, the path is outside `work_dir`, or the removal fails.
pub fn remove(work_dir: &Path, path: &Path) -> io::Result<()> {
    let inside = path.strip_prefix(work_dir).map_err(|_| io::Error::from(io::ErrorKind::PermissionDenied))?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || inside.as_os_str().is_empty() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    match parent.canonicalize() {
        Ok(real) if real == work_dir.canonicalize()?.join(inside.parent().unwrap_or(Path::new(""))) => {}
        Ok(_) => return Err(io::ErrorKind::PermissionDenied.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_has_output_files_and_is_the_latest() {
        let work = tempfile::tempdir().unwrap();
        let runs = work.path().join("executors/e/runs");
        for run in ["1", "2"] {
            create(&runs.join(run), None).unwrap();
        }
        assert_eq!(std::fs::read_link(runs.join("latest")).unwrap(), runs.join("2"));
        assert_eq!(std::fs::metadata(runs.join("1")).unwrap().permissions().mode() & 0o777, MODE);
        assert!(runs.join("2/stdout").is_file() && runs.join("2/stderr").is_file());
    }

    #[test]
    fn removal_stays_inside() {
        let work = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let kept = outside.path().join("kept");
        std::fs::create_dir(&kept).unwrap();
        let tree = work.path().join("a/b");
        std::fs::create_dir_all(&tree).unwrap();
        std::os::unix::fs::symlink(outside.path(), tree.join("link")).unwrap();
        std::os::unix::fs::symlink(outside.path(), work.path().join("way-out")).unwrap();
        remove(work.path(), &tree).unwrap();
        remove(work.path(), &tree).unwrap();
        assert!(!tree.exists());
        for refused in [
            outside.path().to_owned(),
            work.path().to_owned(),
            work.path().join("a/../.."),
            work.path().join("way-out/kept"),
        ] {
            assert!(remove(work.path(), &refused).is_err(), "{}", refused.display());
        }
        assert!(kept.exists());
    }
}
