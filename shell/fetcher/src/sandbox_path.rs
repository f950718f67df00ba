//! Paths that stay where they belong, checked as text before anything is touched.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// A path below the sandbox: plain names, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SandboxPath(Vec<OsString>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InvalidPath {
    /// Absolute, or with `..`, or with a NUL.
    Escapes,
    /// Nothing but the sandbox itself.
    Root,
}

/// Kernel limits; longer ones could only fail later.
const MAX_PATH: usize = 4096;

impl SandboxPath {
    pub fn new(path: &Path) -> Result<Self, InvalidPath> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.len() > MAX_PATH || bytes.contains(&0) {
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

    /// The names of the directories above, and its own.
    pub fn split(&self) -> (&[OsString], &OsStr) {
        match self.0.split_last() {
            Some((name, parents)) => (parents, name),
            None => (&[], OsStr::new(".")),
        }
    }

    pub fn names(&self) -> &[OsString] {
        &self.0
    }

    /// Whether a symbolic link at this place may point there.
    ///
    /// `..` is allowed at the beginning only, and no further up than the sandbox: the directories above a link are
    /// real ones (the sandbox never walks through links), so this much is certain. `x/..` is not: `x` may be a link
    /// itself, and a chain of links that each look harmless can lead out (MESOS-9610 and its kind).
    pub fn may_link_to(&self, target: &Path) -> bool {
        let bytes = target.as_os_str().as_bytes();
        if bytes.is_empty() || bytes.len() > MAX_PATH || bytes.contains(&0) {
            return false;
        }
        let mut up = 0;
        let mut descended = false;
        for component in target.components() {
            match component {
                Component::ParentDir if descended => return false,
                Component::ParentDir => up += 1,
                Component::Normal(_) => descended = true,
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => return false,
            }
        }
        up < self.0.len()
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
    fn links_point_inside_whatever_the_links_on_the_way_do() {
        let at = |path: &str| SandboxPath::new(Path::new(path)).unwrap();
        for (link, target, allowed) in [
            ("l", "a", true),
            ("l", "a/b", true),
            ("d/l", "../a", true),
            ("d/e/l", "../../a", true),
            ("l", ".", true),
            ("d/l", "..", true),
            ("l", "..", false),
            ("l", "../a", false),
            ("d/l", "../../a", false),
            ("l", "/etc", false),
            ("d/l", "x/..", false),
            ("d/l", "x/../../..", false),
            ("l", "", false),
        ] {
            assert_eq!(at(link).may_link_to(Path::new(target)), allowed, "{link} -> {target}");
        }
    }
}
