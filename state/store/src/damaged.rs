//! Keeps damaged stores. A file that cannot be read is renamed, and a marker beside it prevents a restart from creating
//! a new store in its place, since no program may forget an existing cluster by itself. The operator puts a good copy
//! in the place of the file, or removes the marker.
//!
//! ```text
//! <name>             does not exist any more
//! <name>.damaged-1   the file (or directory) as it was found
//! <name>.refused     the marker: the name of the renamed store, the reason, and what to do
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A damaged store was renamed, and the operator has not decided yet what takes its place.
#[derive(Debug, thiserror::Error)]
#[error("it was found damaged: {reason}")]
pub struct DamageMarker {
    /// The path of the damaged store.
    pub kept: PathBuf,
    /// The path of the marker, which prevents a new store.
    pub marker: PathBuf,
    /// The reason for which the store is damaged.
    pub reason: String,
}

/// Renames the store at `path` and writes the marker.
///
/// # Errors
/// Returns the error of the operating system. Nothing has changed then, and the next start finds the damage again.
pub fn mark_damaged(path: &Path, reason: &str) -> io::Result<DamageMarker> {
    let kept = (1..).map(|number| beside(path, &format!("damaged-{number}"))).find(|kept| !is_there(kept));
    let kept = kept.ok_or(io::ErrorKind::AlreadyExists)?;
    let marker = marker(path);
    // The marker is written first. After a crash in between both exist, and the file is read again.
    let written = write(&marker, path, &kept, reason).and_then(|()| fs::rename(path, &kept));
    if let Err(error) = written {
        // The file is still in place, so that the marker has no effect.
        let _ = fs::remove_file(&marker);
        return Err(error);
    }
    sync_directory(path)?;
    Ok(DamageMarker { kept, marker, reason: reason.to_owned() })
}

/// Returns the marker of a store that was renamed, if nothing is in its place and the operator has not removed the
/// marker.
pub fn unresolved(path: &Path) -> Option<DamageMarker> {
    let marker = marker(path);
    if is_there(path) || !is_there(&marker) {
        return None;
    }
    // A marker that cannot be read still counts.
    let text = fs::read_to_string(&marker).unwrap_or_default();
    let mut lines = text.lines();
    let kept = lines.next().filter(|name| !name.is_empty()).unwrap_or("?");
    let reason = lines.next().unwrap_or("it is not known why").to_owned();
    Some(DamageMarker { kept: path.with_file_name(kept), marker, reason })
}

/// Removes the marker, because the store at `path` is good now or is not needed.
///
/// # Errors
/// Returns the error of the operating system.
pub fn clear_marker(path: &Path) -> io::Result<()> {
    match fs::remove_file(marker(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write(marker: &Path, path: &Path, kept: &Path, reason: &str) -> io::Result<()> {
    let name = kept.file_name().unwrap_or_default().to_string_lossy();
    let reason = reason.replace('\n', " ");
    let mut file = File::create(marker)?;
    let advice = "put a good copy in its place; or remove this file, and the next start begins anew";
    writeln!(file, "{name}\n{reason}\n\n{} is damaged and was renamed: {advice}", path.display())?;
    file.sync_all()
}

fn marker(path: &Path) -> PathBuf {
    beside(path, "refused")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Returns whether something is at `path`, including a dangling link.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_refused_until_an_operator_decides() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        assert!(unresolved(&path).is_none(), "no store has ever existed");
        for number in 1..=3 {
            let content = format!("bad {number}");
            fs::write(&path, &content).unwrap();
            let damaged = mark_damaged(&path, "page 7\nis torn").unwrap();
            assert_eq!(damaged.kept, directory.path().join(format!("x.db.damaged-{number}")));
            assert_eq!(fs::read_to_string(&damaged.kept).unwrap(), content);
            for _restart in 0..2 {
                let refused = unresolved(&path).unwrap();
                assert_eq!((&refused.kept, refused.reason.as_str()), (&damaged.kept, "page 7 is torn"));
            }
            // A good copy is another decision than a new store.
            if number == 2 {
                fs::write(&path, "good").unwrap();
                assert!(unresolved(&path).is_none());
            }
            clear_marker(&path).unwrap();
            clear_marker(&path).unwrap();
            assert!(unresolved(&path).is_none());
        }
    }

    #[test]
    fn a_file_that_cannot_be_moved_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.db");
        assert!(mark_damaged(&path, "it is away").is_err());
        assert!(unresolved(&path).is_none(), "a marker without a file would refuse a first start");
    }

    #[test]
    fn an_empty_marker_refuses_as_well() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("x.db.refused"), "").unwrap();
        let refused = unresolved(&directory.path().join("x.db")).unwrap();
        assert_eq!(refused.reason, "it is not known why");
    }
}
