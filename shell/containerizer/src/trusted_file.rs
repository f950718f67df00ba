//! Files of nested sandboxes. The users of a container control the directories in its sandbox, in which the sandboxes of
//! nested containers are, so that no link may be followed there (as in MESOS-9564).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};

/// A file in a directory that was reached without a link.
#[derive(Debug)]
pub(crate) struct TrustedFile {
    path: PathBuf,
    /// The directory, which the path names by its descriptor.
    _directory: Option<OwnedFd>,
}

impl TrustedFile {
    /// Finds a file by its path. The last `untrusted` directories of the path are reached without following a link.
    ///
    /// # Errors
    /// Returns the error of the operating system if a directory does not exist, or a link is in its place.
    pub(crate) fn find(path: &Path, untrusted: usize) -> io::Result<Self> {
        if untrusted == 0 {
            return Ok(TrustedFile { path: path.to_owned(), _directory: None });
        }
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let (directory, name) = (path.parent().ok_or_else(invalid)?, path.file_name().ok_or_else(invalid)?);
        let root = directory.ancestors().nth(untrusted).ok_or_else(invalid)?;
        let below = directory.strip_prefix(root).map_err(|_| invalid())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let directory = rustix::fs::openat2(&root, below, flags, Mode::empty(), beneath)?;
        // The link of a descriptor leads to the opened directory itself (proc_pid_fd(5)).
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        Ok(TrustedFile { path, _directory: Some(directory) })
    }

    /// Returns a path of the file, which is valid as long as this value.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn links_are_followed_above_the_sandbox_only() {
        let work = tempfile::tempdir().unwrap();
        let at = |path: &str| work.path().join(path);
        fs::create_dir_all(at("real/containers/n")).unwrap();
        fs::write(at("real/containers/n/stdout"), "text").unwrap();
        fs::create_dir_all(at("other/n")).unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        let read = |path: &str, untrusted| {
            let file = TrustedFile::find(&at(path), untrusted)?;
            fs::read_to_string(file.path())
        };
        assert_eq!(read("link/containers/n/stdout", 2).unwrap(), "text");
        assert_eq!(read("link/containers/n/stdout", 0).unwrap(), "text");
        assert!(read("link/containers/n/stdout", 3).is_err());
        fs::rename(at("real/containers"), at("real/kept")).unwrap();
        std::os::unix::fs::symlink(at("real/kept"), at("real/containers")).unwrap();
        assert!(read("link/containers/n/stdout", 2).is_err());
    }
}
