//! Creates and removes sandboxes: each is made for one user, removed with its whole content, and never outside the work
//! directory.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Component, Path};

use containerizer::User;
use rustix::fs::{Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;
use untrusted_files::remove_tree_at;

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

/// Creates the sandbox of a nested container below that of its top-level container, or that of a standalone container.
/// The users of the outer containers control the directories in between, so no link is followed there.
///
/// # Errors
/// Returns the error of the operating system.
pub fn create_nested(root: &Path, sandbox: &Path, user: Option<&User>) -> io::Result<()> {
    let below = sandbox.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
    let names: Vec<&std::ffi::OsStr> = below.iter().collect();
    let Some((name, parents)) = names.split_last() else {
        DirBuilder::new().recursive(true).mode(0o755).create(root)?;
        return finish_nested(&open_directory(rustix::fs::CWD, root, OFlags::empty())?, user);
    };
    let mut directory = open_directory(rustix::fs::CWD, root, OFlags::empty())?;
    for parent in parents {
        make_directory(&directory, parent, 0o755)?;
        directory = open_directory(&directory, Path::new(parent), OFlags::NOFOLLOW)?;
    }
    // An earlier launch may have failed.
    make_directory(&directory, name, MODE)?;
    finish_nested(&open_directory(&directory, Path::new(name), OFlags::NOFOLLOW)?, user)
}

fn make_directory(at: &OwnedFd, name: &std::ffi::OsStr, mode: u32) -> io::Result<()> {
    match rustix::fs::mkdirat(at, name, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn open_directory(at: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}

fn finish_nested(sandbox: &OwnedFd, user: Option<&User>) -> io::Result<()> {
    rustix::fs::fchmod(sandbox, Mode::from_raw_mode(MODE))?;
    let own = |fd: &OwnedFd| match user {
        None => Ok(()),
        Some(user) => rustix::fs::fchown(fd, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(user.gid))),
    };
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    for name in ["stdout", "stderr"] {
        own(&rustix::fs::openat(sandbox, name, flags, Mode::from_raw_mode(0o644))?)?;
    }
    Ok(own(sandbox)?)
}

/// Opens an output of a nested container for appending. No link is followed below the sandbox of its top-level container.
///
/// # Errors
/// Returns the error of the operating system.
pub fn open_nested_output(root: &Path, sandbox: &Path, name: &str) -> io::Result<File> {
    let below = sandbox.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
    let root = open_directory(rustix::fs::CWD, root, OFlags::empty())?;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let file = File::from(rustix::fs::openat2(root, below.join(name), flags, Mode::empty(), beneath)?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Removes the sandbox of a nested container. Links on the way to it and in it are not followed.
///
/// # Errors
/// Returns the error of the operating system. A sandbox that does not exist is no error.
pub fn remove_nested(root: &Path, sandbox: &Path) -> io::Result<()> {
    let below = sandbox.strip_prefix(root).map_err(|_| io::ErrorKind::InvalidInput)?;
    let (Some(parent), Some(name)) = (below.parent(), below.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let opened = rustix::fs::open(root, flags, Mode::empty())
        .and_then(|root| rustix::fs::openat2(root, parent, flags, Mode::empty(), beneath));
    let parent = match opened {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    remove_tree_at(parent.as_fd(), name)
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

/// Removes a tree below `work_dir`. Links inside are removed and never followed.
///
/// # Errors
/// Returns an error if a part of the path is a link, the path is outside `work_dir`, or the removal fails.
pub fn remove(work_dir: &Path, path: &Path) -> io::Result<()> {
    let inside = path.strip_prefix(work_dir).map_err(|_| io::Error::from(io::ErrorKind::PermissionDenied))?;
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || inside.as_os_str().is_empty() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // The owner of a sandbox that contains this one may replace directories by links meanwhile.
    remove_nested(work_dir, path).map_err(|error| match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::LOOP | Errno::XDEV | Errno::NOTDIR) => io::ErrorKind::PermissionDenied.into(),
        _ => error,
    })
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
    fn a_nested_sandbox_is_not_made_behind_a_link() {
        let work = tempfile::tempdir().unwrap();
        let root = work.path().join("run");
        std::fs::create_dir(&root).unwrap();
        let (one, two) = (root.join("containers/a"), root.join("containers/a/containers/b"));
        create_nested(&root, &one, None).unwrap();
        create_nested(&root, &two, None).unwrap();
        assert!(two.join("stdout").is_file() && one.join("stderr").is_file());
        assert_eq!(std::fs::metadata(&two).unwrap().permissions().mode() & 0o777, MODE);
        create_nested(&root, &two, None).unwrap();
        remove_nested(&root, &two).unwrap();
        remove_nested(&root, &two).unwrap();
        assert!(!two.exists() && one.exists());
        std::fs::rename(root.join("containers"), root.join("moved")).unwrap();
        std::os::unix::fs::symlink(root.join("moved"), root.join("containers")).unwrap();
        assert!(create_nested(&root, &root.join("containers/c"), None).is_err());
        assert!(remove_nested(&root, &one).is_err());
        assert!(root.join("moved/a").exists());
        // A standalone container may use its directory again.
        let standalone = work.path().join("containers/s");
        create_nested(&standalone, &standalone, None).unwrap();
        create_nested(&standalone, &standalone, None).unwrap();
    }

    #[test]
    fn removal_stays_inside_the_directory() {
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
