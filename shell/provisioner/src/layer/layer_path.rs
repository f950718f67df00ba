//! The names of a layer's members. They are checked as text before any file is touched.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use untrusted_files::MAX_PATH;

/// A path below the root of a layer, split into its parent and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LayerPath {
    /// The parent, as a relative path that is empty for the root.
    pub parent: PathBuf,
    pub name: OsString,
}

impl LayerPath {
    /// Reads the name of a member. Leading slashes and `.` do not matter; `None` is the root itself.
    ///
    /// # Errors
    /// The name has a part `..` or a zero byte, or is longer than a path may be.
    pub fn parse(name: &Path) -> Result<Option<Self>, ()> {
        let bytes = name.as_os_str().as_bytes();
        if bytes.len() >= MAX_PATH || bytes.contains(&0) {
            return Err(());
        }
        let mut path = PathBuf::new();
        for component in name.components() {
            match component {
                Component::Normal(part) => path.push(part),
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir | Component::Prefix(_) => return Err(()),
            }
        }
        let Some(name) = path.file_name().map(OsStr::to_owned) else { return Ok(None) };
        path.pop();
        Ok(Some(LayerPath { parent: path, name }))
    }

    /// Returns the path as a text for people.
    pub fn shown(&self) -> String {
        self.parent.join(&self.name).display().to_string()
    }

    /// Returns the path with the same parent and another name.
    pub fn with_name(&self, name: &OsStr) -> Self {
        LayerPath { parent: self.parent.clone(), name: name.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_below_the_root() {
        let check = |name: &str, expect: Option<(&str, &str)>| {
            let path = LayerPath::parse(Path::new(name)).unwrap();
            let found = path.as_ref().map(|path| (path.parent.to_str().unwrap(), path.name.to_str().unwrap()));
            assert_eq!(found, expect, "{name}");
        };
        check("a", Some(("", "a")));
        check("./a//b/", Some(("a", "b")));
        check("/etc/passwd", Some(("etc", "passwd")));
        check("./", None);
        check("/", None);
        for wrong in ["..", "a/..", "a/../b", "/../x", "a\0", &"a/".repeat(2048)] {
            assert!(LayerPath::parse(Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
