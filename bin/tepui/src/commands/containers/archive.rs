//! The archives in which files are copied. The other side is a program in a container, which may send anything: only plain
//! files and directories with relative names are written, and never through a link.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Builder, EntryType};

/// Writes a file or a directory with all that is in it as an archive, whose entries begin with `name`.
///
/// # Errors
///
/// A file cannot be read, or the archive cannot be written.
pub fn pack(source: &Path, name: &str, archive: impl Write) -> io::Result<()> {
    let mut builder = Builder::new(archive);
    // Links stay links; their targets are not copied.
    builder.follow_symlinks(false);
    let kind = fs::symlink_metadata(source)?.file_type();
    if kind.is_symlink() && !ends_with_slash(source) {
        builder.append_path_with_name(source, name)?;
    } else if fs::metadata(source)?.is_dir() {
        builder.append_dir_all(name, source)?;
    } else {
        builder.append_file(name, &mut File::open(source)?)?;
    }
    builder.into_inner()?.flush()
}

/// Returns whether a path ends with a slash, which stands for what a link leads to.
fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Writes the files of an archive. Its entries begin with `name`, for which `target` is put. A link is written if it is all
/// that the archive has. Returns the names of the entries that were left out, because they are neither files nor directories.
///
/// # Errors
///
/// The archive is broken, an entry has a name outside, or a file cannot be written.
pub fn unpack(archive: impl Read, name: &str, target: &Path) -> io::Result<Vec<String>> {
    let mut left_out = Vec::new();
    let mut only_link = None;
    let mut entries = 0_u64;
    for entry in Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        entries += 1;
        let below = inside(&path, name).ok_or_else(|| {
            let path = path.to_string_lossy();
            let shown = model::visible(&path);
            io::Error::other(format!(
                "the archive from the container has an entry '{shown}', which is not below '{name}'"
            ))
        })?;
        let place = if below.as_os_str().is_empty() { target.to_owned() } else { target.join(&below) };
        match entry.header().entry_type() {
            EntryType::Directory => match fs::symlink_metadata(&place) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Err(io::Error::other(format!("'{}' is in the way of a directory", place.display()))),
                Err(_) => fs::create_dir(&place)?,
            },
            EntryType::Regular | EntryType::Continuous => write(&mut entry, &place)?,
            EntryType::Symlink if below.as_os_str().is_empty() && entries == 1 => {
                only_link = entry.link_name()?.map(|leads_to| leads_to.into_owned());
                left_out.push(path.to_string_lossy().into_owned());
            }
            _ => left_out.push(path.to_string_lossy().into_owned()),
        }
    }
    // Nothing is written after the link, so nothing is written through it.
    if let (Some(leads_to), 1) = (only_link, entries) {
        write_link(&leads_to, target)?;
        left_out.clear();
    }
    Ok(left_out)
}

/// Writes a link anew, in the place of a file or a link.
fn write_link(leads_to: &Path, place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_file() || found.is_symlink() => fs::remove_file(place)?,
        Ok(_) => return Err(io::Error::other(format!("'{}' is in the way of a link", place.display()))),
        Err(_) => {}
    }
    std::os::unix::fs::symlink(leads_to, place)
}

/// Writes a file anew, without following a link in its place.
fn write(contents: &mut impl Read, place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(found) if found.is_file() => fs::remove_file(place)?,
        Ok(_) => return Err(io::Error::other(format!("'{}' is in the way of a file", place.display()))),
        Err(_) => {}
    }
    let mut file = File::create_new(place)?;
    io::copy(contents, &mut file).map(drop)
}

/// Returns the path of an entry below `name`; `None` if it is not below it.
fn inside(path: &Path, name: &str) -> Option<PathBuf> {
    let mut parts = path.components().filter(|part| *part != Component::CurDir);
    if parts.next()? != Component::Normal(name.as_ref()) {
        return None;
    }
    parts.map(|part| matches!(part, Component::Normal(_)).then_some(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_copied() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tree = from.path().join("tree");
        fs::create_dir_all(tree.join("below")).unwrap();
        fs::write(tree.join("below/file"), "text").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", tree.join("link")).unwrap();
        let mut archive = Vec::new();
        pack(&tree, "tree", &mut archive).unwrap();
        let target = to.path().join("other");
        assert_eq!(unpack(archive.as_slice(), "tree", &target).unwrap(), ["tree/link"]);
        assert_eq!(fs::read_to_string(target.join("below/file")).unwrap(), "text");
        assert!(fs::symlink_metadata(target.join("link")).is_err());
        // A second copy replaces the files.
        unpack(archive.as_slice(), "tree", &target).unwrap();

        let mut archive = Vec::new();
        pack(&tree.join("below/file"), "file", &mut archive).unwrap();
        unpack(archive.as_slice(), "file", &to.path().join("name")).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("name")).unwrap(), "text");
    }

    #[test]
    fn a_link_alone_is_copied_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("target"));
        std::os::unix::fs::symlink("/no/such/file", &link).unwrap();
        let mut archive = Vec::new();
        pack(&link, "link", &mut archive).unwrap();
        for _ in 0..2 {
            assert_eq!(unpack(archive.as_slice(), "link", &target).unwrap(), [""; 0]);
            assert_eq!(fs::read_link(&target).unwrap(), Path::new("/no/such/file"));
        }

        // A hostile program sends a link and then a file behind it.
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let mut builder = Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "x", &outside).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        builder.append_data(&mut header, "x/file", io::empty()).unwrap();
        let archive = builder.into_inner().unwrap();
        assert!(unpack(archive.as_slice(), "x", &directory.path().join("x")).is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn an_archive_writes_only_below_its_name() {
        let check = |path: &str| {
            let target = tempfile::tempdir().unwrap();
            let mut header = tar::Header::new_gnu();
            // `set_path` refuses such names, a hostile program does not.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(0);
            header.set_cksum();
            let mut builder = Builder::new(Vec::new());
            builder.append(&header, io::empty()).unwrap();
            let archive = builder.into_inner().unwrap();
            assert!(unpack(archive.as_slice(), "x", &target.path().join("x")).is_err(), "{path}");
        };
        for path in ["../x", "x/../../y", "/x", "y", "/etc/passwd", "x/../x"] {
            check(path);
        }
    }

    #[test]
    fn an_existing_link_is_not_followed() {
        let target = tempfile::tempdir().unwrap();
        let outside = target.path().join("outside");
        fs::write(&outside, "kept").unwrap();
        std::os::unix::fs::symlink(&outside, target.path().join("x")).unwrap();
        let source = target.path().join("source");
        fs::write(&source, "new").unwrap();
        let mut archive = Vec::new();
        pack(&source, "x", &mut archive).unwrap();
        assert!(unpack(archive.as_slice(), "x", &target.path().join("x")).is_err());
        assert_eq!(fs::read_to_string(outside).unwrap(), "kept");
    }
}
