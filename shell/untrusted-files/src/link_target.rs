//! The targets of symbolic links, as texts.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The longest path of Linux, with its zero byte.
pub const MAX_PATH: usize = 4096;

/// The maximum number of links that are followed one after the other, as in the kernel.
pub const MAX_LINKS: u32 = 40;

/// Returns whether a symbolic link may have this target, wherever it leads.
pub fn is_link_target(target: &Path) -> bool {
    let bytes = target.as_os_str().as_bytes();
    !bytes.is_empty() && bytes.len() < MAX_PATH && !bytes.contains(&0)
}

/// Returns the target of a link as a path below a root. `directory`, which has the link, is relative to that root, in
/// which absolute targets begin; `..` does not lead above it.
pub fn target_below_root(directory: &Path, target: &Path) -> PathBuf {
    let mut path = if target.is_absolute() { PathBuf::new() } else { directory.to_owned() };
    for component in target.components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => drop(path.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_points_anywhere_but_to_nothing() {
        let long = "a".repeat(MAX_PATH);
        for (target, expected) in
            [("/etc", true), ("../..", true), ("a", true), ("", false), ("a\0b", false), (&long, false)]
        {
            assert_eq!(is_link_target(Path::new(target)), expected, "{target:?}");
        }
    }

    #[test]
    fn a_target_is_below_the_root() {
        for (directory, target, expected) in [
            ("a/b", "c", "a/b/c"),
            ("a/b", "/c", "c"),
            ("a/b", "../c", "a/c"),
            ("a", "../../../etc/./passwd", "etc/passwd"),
            ("", "..", ""),
        ] {
            assert_eq!(target_below_root(Path::new(directory), Path::new(target)), Path::new(expected), "{target}");
        }
    }
}
