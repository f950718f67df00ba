//! Paths that stay within the sandbox, checked as text before anything is changed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use untrusted_files::MAX_PATH;

/// A path below the sandbox, made of at least one plain name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SandboxPath(Vec<OsString>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InvalidPath {
    /// The path is absolute, or contains `..` or a zero byte.
    Escapes,
    /// The path is the sandbox itself.
    Root,
}

impl SandboxPath {
    /// Checks a relative path.
    ///
    /// # Errors
    /// Returns [`InvalidPath`] if the path leaves the sandbox or is the sandbox itself.
    pub fn new(path: &Path) -> Result<Self, InvalidPath> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() >= MAX_PATH || bytes.contains(&0) {
            return Err(InvalidPath::Escapes);
        }
        let mut names = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name.to_owned()),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(InvalidPath::Escapes),
            }
        }
        if names.is_empty() { Err(InvalidPath::Root) } else { Ok(SandboxPath(names)) }
    }

    /// Returns the names of the directories above, and the last name.
    pub fn split(&self) -> (&[OsString], &OsStr) {
        match self.0.split_last() {
            Some((name, parents)) => (parents, name),
            None => (&[], OsStr::new(".")),
        }
    }

    /// Returns all names.
    pub fn names(&self) -> &[OsString] {
        &self.0
    }

    /// Returns the path for the name of an archive's member. Leading slashes are dropped, as tar and unzip do, so that
    /// an absolute name is one below the sandbox.
    ///
    /// # Errors
    /// Returns the errors of [`SandboxPath::new`].
    pub fn of_member(name: &Path) -> Result<Self, InvalidPath> {
        let bytes = name.as_os_str().as_bytes();
        let relative = bytes.iter().position(|byte| *byte != b'/').map_or(&[][..], |from| &bytes[from..]);
        SandboxPath::new(Path::new(OsStr::from_bytes(relative)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_inside() {
        for (path, expected) in [
            ("a", Ok(1)),
            ("./a//b/", Ok(2)),
            ("", Err(InvalidPath::Root)),
            ("./.", Err(InvalidPath::Root)),
            ("/etc/passwd", Err(InvalidPath::Escapes)),
            ("a/../b", Err(InvalidPath::Escapes)),
            ("..", Err(InvalidPath::Escapes)),
            ("a\0b", Err(InvalidPath::Escapes)),
        ] {
            assert_eq!(
                SandboxPath::new(Path::new(path)).map(|sandbox_path| sandbox_path.names().len()),
                expected,
                "{path:?}"
            );
        }
    }

    #[test]
    fn absolute_members_are_relative_to_the_sandbox() {
        for (name, expected) in [
            ("/etc/passwd", Ok("etc/passwd")),
            ("///a", Ok("a")),
            ("a", Ok("a")),
            ("/", Err(InvalidPath::Root)),
            ("/../a", Err(InvalidPath::Escapes)),
        ] {
            let expected = expected.map(|path| SandboxPath::new(Path::new(path)).unwrap());
            assert_eq!(SandboxPath::of_member(Path::new(name)), expected, "{name}");
        }
    }
}
