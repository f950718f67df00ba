//! The places of the files in a tar archive. The archive is read once, without the contents of its files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Component, Path};
use std::sync::Arc;

use tar::{Archive, EntryType};
use untrusted_files::{AllowedReader, HeaderAllowance};

use super::files::ArchiveFile;

/// The maximum number of members. An archive has a few files for each layer.
const MAX_MEMBERS: usize = 100_000;
/// The maximum number of links that lead to a file.
const MAX_LINKS: u32 = 8;

/// The files of a tar archive by their normalised names.
#[derive(Debug)]
pub(crate) struct TarIndex {
    file: Arc<File>,
    members: BTreeMap<String, Member>,
}

#[derive(Debug)]
enum Member {
    File {
        at: u64,
        size: u64,
    },
    /// A link to another member: `docker save` links layers that images share.
    Link(String),
}

impl TarIndex {
    /// Reads the headers of an archive.
    ///
    /// # Errors
    /// The file is no tar archive, or has more members than an archive of images may have.
    pub fn read(file: File) -> io::Result<Self> {
        let allowance = HeaderAllowance::default();
        let mut members = BTreeMap::new();
        let mut reader = file.try_clone()?;
        reader.rewind()?;
        let mut archive = Archive::new(AllowedReader::new(reader, allowance.clone()));
        for entry in archive.entries_with_seek()? {
            let entry = entry?;
            allowance.refill();
            if members.len() >= MAX_MEMBERS {
                return Err(io::Error::other(format!("it has more than {MAX_MEMBERS} files")));
            }
            let path = entry.path()?.into_owned();
            let Some(name) = normalised(Path::new(""), &path) else { continue };
            let parent = path.parent().unwrap_or(Path::new(""));
            let member = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => {
                    Some(Member::File { at: entry.raw_file_position(), size: entry.size() })
                }
                EntryType::Symlink => entry.link_name()?.and_then(|to| normalised(parent, &to)).map(Member::Link),
                EntryType::Link => entry.link_name()?.and_then(|to| normalised(Path::new(""), &to)).map(Member::Link),
                _ => None,
            };
            members.extend(member.map(|member| (name, member)));
        }
        Ok(TarIndex { file: Arc::new(file), members })
    }

    /// Opens a file by its name; `None` if there is none.
    pub fn open(&self, name: &str) -> Option<ArchiveFile> {
        let mut name = normalised(Path::new(""), Path::new(name))?;
        for _ in 0..MAX_LINKS {
            match self.members.get(&name)? {
                Member::File { at, size } => return Some(ArchiveFile::new(Arc::clone(&self.file), *at, *size)),
                Member::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

/// Returns a path from the root of the archive without `.` and `..`; `None` for a path that leads out of it or is no
/// text.
fn normalised(directory: &Path, path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let start = if path.is_absolute() { Path::new("") } else { directory };
    for component in start.components().chain(path.components()) {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_archive() {
        let check = |directory: &str, path: &str, expect: Option<&str>| {
            assert_eq!(normalised(Path::new(directory), Path::new(path)).as_deref(), expect, "{directory} {path}");
        };
        check("", "./a//b/", Some("a/b"));
        check("", "/a", Some("a"));
        check("x", "../y/layer.tar", Some("y/layer.tar"));
        check("x", "/y", Some("y"));
        check("x", "../../etc/passwd", None);
        check("", ".", None);
    }
}
