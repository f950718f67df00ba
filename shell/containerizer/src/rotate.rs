//! Rotates one output: `stdout` becomes `stdout.1`, `stdout.1` becomes `stdout.2`, and the oldest file is removed.
//!
//! The file stays the same for the process that appends to it. Its beginning is copied to the new `stdout.1` and then
//! removed by `FALLOC_FL_COLLAPSE_RANGE` (ext4, xfs, f2fs), which keeps what was appended meanwhile: the old files and
//! the file, concatenated, are the stream. A cut is at a block boundary, and at the end of a line if a line ends at a
//! boundary in the later half of the range. File systems without that call get the `copytruncate` of logrotate: bytes
//! written between the copy and the truncation are lost, and an old file may exceed the bound. If a task writes more
//! than all its files may hold between two checks, the excess is removed without a copy, and an empty old file marks
//! the gap.
//!
//! `stdout.rotating` exists during a cut: it is the next `stdout.1`, complete. A reader that treats the files as one
//! stream waits until it is gone. An agent that is killed in between leaves it, and the next agent finishes the
//! rotation: if the file still begins with the same bytes, the cut is still to be made.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FallocateFlags, fallocate};

use crate::Rotation;

/// The smallest unit of a cut. It has to be a multiple of the file system's block, which is at most `MAX_BLOCK`.
const MIN_BLOCK: u64 = 4096;
const MAX_BLOCK: u64 = 64 * 1024;
/// The maximum of block boundaries that are examined for the end of a line.
const MAX_PEEKS: u64 = 1024;

/// Rotates a file that has reached its bound as often as needed. An interrupted rotation is finished first; a file
/// below the bound is checked for that only with `maybe_interrupted`. Returns the length of the file before; zero for a file that
/// does not exist.
///
/// # Errors
/// Returns the error of the file, its directory or the disk. Nothing is lost, and the next call tries again.
pub(crate) fn rotate_if_large(path: &Path, rotation: Rotation, maybe_interrupted: bool) -> io::Result<u64> {
    // Links are not followed: the sandbox belongs to the task, and this thread may be root (as in MESOS-9564).
    let length = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        outcome => outcome?.len(),
    };
    let max_bytes = rotation.max_bytes.max(2 * MIN_BLOCK);
    let large = length >= max_bytes;
    let interrupted = (large || maybe_interrupted) && named(path, "rotating").symlink_metadata().is_ok();
    if !large && !interrupted {
        return Ok(length);
    }
    let file = open(path)?;
    let output = Rotating { path, file, max_bytes, max_files: rotation.max_files };
    if interrupted {
        output.finish_interrupted()?;
    }
    // A task may write faster than this function copies, and other outputs have to be rotated as well. The mark of a
    // gap stays until the next check.
    let at_once = match output.drop_excess()? {
        true => rotation.max_files.saturating_sub(1),
        false => rotation.max_files.saturating_add(2),
    };
    for _ in 0..at_once {
        if output.metadata()?.len() < max_bytes {
            break;
        }
        output.rotate()?;
    }
    Ok(length)
}

/// Opens a regular file with a single name, because the task may have no right to the target of a hard link.
fn open(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let data = file.metadata()?;
    if !data.is_file() || data.nlink() > 1 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file with one name"));
    }
    Ok(file)
}

struct Rotating<'a> {
    path: &'a Path,
    file: File,
    max_bytes: u64,
    max_files: u32,
}

impl Rotating<'_> {
    fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    fn rotate(&self) -> io::Result<()> {
        let data = self.metadata()?;
        let cut = self.cut(&data)?;
        if self.max_files == 0 {
            return self.cut_off(cut, None);
        }
        let pending = match self.copy(cut) {
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                // The oldest file is removed to free space; the next check tries again.
                let oldest = (1..=self.max_files).rev().map(|number| numbered(self.path, number));
                let _ = fs::remove_file(named(self.path, "copying"));
                let removed = oldest.map(fs::remove_file).any(|removed| removed.is_ok());
                return if removed { Ok(()) } else { Err(error) };
            }
            outcome => outcome?,
        };
        self.cut_off(cut, Some(&pending))?;
        self.install()
    }

    /// Returns where the next old file ends: at a block boundary within the bound, and at the end of a line if
    /// possible.
    fn cut(&self, data: &Metadata) -> io::Result<u64> {
        let block = data.blksize().clamp(MIN_BLOCK, MAX_BLOCK);
        // The range that is removed may not reach the end of the file.
        let last = self.max_bytes.min(data.len().saturating_sub(1)) / block * block;
        let mut byte = [0];
        for peek in 0..MAX_PEEKS {
            let end = last.saturating_sub(peek * block);
            if end < (last / 2).max(block) {
                break;
            }
            self.file.read_exact_at(&mut byte, end - 1)?;
            if byte == *b"\n" {
                return Ok(end);
            }
        }
        Ok(last)
    }

    /// Copies the first bytes to `stdout.rotating`, by a new file, so that no file of the task is written to.
    fn copy(&self, length: u64) -> io::Result<File> {
        let (temporary, pending) = (named(self.path, "copying"), named(self.path, "rotating"));
        remove(&temporary)?;
        let owner = self.metadata()?;
        let mut copy = OpenOptions::new().append(true).create_new(true).mode(owner.mode() & 0o777).open(&temporary)?;
        // Without root the copy belongs to the agent, as the file does.
        let _ = fchown(&copy, Some(owner.uid()), Some(owner.gid()));
        let mut source = &self.file;
        source.seek(SeekFrom::Start(0))?;
        io::copy(&mut source.take(length), &mut copy)?;
        // Readers identify old files by this time, so no two files may have the same.
        let newest = numbered(self.path, 1).symlink_metadata().and_then(|data| data.modified());
        let after_newest = newest.map_or(SystemTime::UNIX_EPOCH, |time| time + Duration::from_micros(1));
        copy.set_modified(after_newest.max(SystemTime::now()))?;
        fs::rename(temporary, pending)?;
        Ok(copy)
    }

    /// Removes the first bytes. If the file system cannot do that, the whole file is added to the copy and truncated.
    fn cut_off(&self, cut: u64, copy: Option<&File>) -> io::Result<()> {
        if cut > 0 && fallocate(&self.file, FallocateFlags::COLLAPSE_RANGE, 0, cut).is_ok() {
            return Ok(());
        }
        if let Some(mut copy) = copy {
            let mut source = &self.file;
            source.seek(SeekFrom::Start(cut))?;
            let modified = copy.metadata()?.modified()?;
            io::copy(&mut source, &mut copy)?;
            copy.set_modified(modified)?;
        }
        self.file.set_len(0)
    }

    /// Renames `stdout.rotating` to `stdout.1`, that to `stdout.2`, and so on, and removes the last one.
    fn install(&self) -> io::Result<()> {
        let exists = |number: &u32| numbered(self.path, *number).symlink_metadata().is_ok();
        let in_a_row = (1..self.max_files).take_while(exists).count();
        for number in (1..=u32::try_from(in_a_row).unwrap_or_default()).rev() {
            fs::rename(numbered(self.path, number), numbered(self.path, number + 1))?;
        }
        fs::rename(named(self.path, "rotating"), numbered(self.path, 1))
    }

    fn finish_interrupted(&self) -> io::Result<()> {
        let path = named(self.path, "rotating");
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let pending = match OpenOptions::new().read(true).append(true).custom_flags(flags).open(&path) {
            Ok(pending) if pending.metadata()?.is_file() => pending,
            // The file was not made by a rotation.
            _ => return fs::remove_file(path),
        };
        let length = pending.metadata()?.len();
        if length == 0 || self.max_files == 0 {
            return fs::remove_file(path);
        }
        if self.begins_with(&pending, length)? {
            self.cut_off(length, Some(&pending))?;
        }
        self.install()
    }

    fn begins_with(&self, other: &File, length: u64) -> io::Result<bool> {
        const PIECE: usize = 64 * 1024;
        if self.metadata()?.len() < length {
            return Ok(false);
        }
        let (mut ours, mut theirs) = (vec![0; PIECE], vec![0; PIECE]);
        let mut at = 0;
        while at < length {
            let piece = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
            let (ours, theirs) = (&mut ours[..piece], &mut theirs[..piece]);
            self.file.read_exact_at(ours, at)?;
            other.read_exact_at(theirs, at)?;
            if ours != theirs {
                return Ok(false);
            }
            at += piece as u64;
        }
        Ok(true)
    }

    /// Removes the bytes that would be copied only to be deleted by later copies, because a task has written more than
    /// all its files may hold since the last check. An empty old file shows readers that something is missing. Returns
    /// whether bytes were removed.
    fn drop_excess(&self) -> io::Result<bool> {
        let data = self.metadata()?;
        let most = self.max_bytes.saturating_mul(u64::from(self.max_files.max(1)));
        if data.len() <= most.saturating_add(self.max_bytes.saturating_mul(2)) {
            return Ok(false);
        }
        let block = data.blksize().clamp(MIN_BLOCK, MAX_BLOCK);
        let excess = (data.len() - most) / block * block;
        self.copy(0)?;
        for number in 1..=self.max_files {
            remove(&numbered(self.path, number))?;
        }
        // If the call fails, the copies are made as usual.
        let dropped = fallocate(&self.file, FallocateFlags::COLLAPSE_RANGE, 0, excess).is_ok();
        if dropped && self.max_files > 0 {
            self.install()?;
        } else {
            remove(&named(self.path, "rotating"))?;
        }
        Ok(dropped)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    named(path, &number.to_string())
}

fn named(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    struct RotatedOutput {
        directory: tempfile::TempDir,
        /// The bytes that the task has written so far.
        stream: Vec<u8>,
        task: File,
    }

    impl RotatedOutput {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let task = OpenOptions::new().append(true).create(true).open(directory.path().join("stdout")).unwrap();
            RotatedOutput { directory, stream: Vec::new(), task }
        }

        fn path(&self) -> PathBuf {
            self.directory.path().join("stdout")
        }

        /// Returns a file on a file system that can remove the beginning of a file. Without one, the test reports that
        /// it is skipped.
        fn with_cuts() -> Option<Self> {
            let output = RotatedOutput::new();
            output.task.set_len(2 * MAX_BLOCK).unwrap();
            let cuts = fallocate(open(&output.path()).unwrap(), FallocateFlags::COLLAPSE_RANGE, 0, MAX_BLOCK).is_ok();
            if !cuts {
                let reason = "the file system of the temporary directory cannot cut off the beginning of a file";
                testkit::skip::skipped(&testkit::skip::current_test(), reason);
            }
            output.task.set_len(0).unwrap();
            cuts.then_some(output)
        }

        /// Appends lines that differ from each other.
        fn write(&mut self, bytes: usize) {
            let mut text = Vec::new();
            while text.len() < bytes {
                let at = self.stream.len() + text.len();
                text.extend(format!("line {at} {}\n", "x".repeat(at % 90)).into_bytes());
            }
            self.task.write_all(&text).unwrap();
            self.stream.extend(text);
        }

        fn rotate(&self, max_bytes: u64, max_files: u32) {
            rotate_if_large(&self.path(), Rotation { max_bytes, max_files }, true).unwrap();
        }

        /// Returns the old files from the oldest on, and the file.
        fn kept(&self) -> Vec<Vec<u8>> {
            let old = (1..20).rev().map(|number| numbered(&self.path(), number)).filter(|path| path.exists());
            old.chain([self.path()]).map(|path| fs::read(path).unwrap()).collect()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.directory.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }

        fn check_end_of_stream(&self) {
            let kept = self.kept().concat();
            assert!(self.stream.ends_with(&kept), "what is kept is the end of the stream, without a gap");
        }
    }

    #[test]
    fn no_byte_is_lost_and_the_oldest_file_is_removed() {
        let Some(mut output) = RotatedOutput::with_cuts() else { return };
        for _ in 0..6 {
            output.write(30_000);
            output.rotate(20_000, 3);
            output.check_end_of_stream();
        }
        assert_eq!(output.names(), ["stdout", "stdout.1", "stdout.2", "stdout.3"]);
        let kept = output.kept();
        assert!(kept.iter().all(|file| file.len() <= 20_000));
        assert!(kept.concat().len() > 30_000);
    }

    #[test]
    fn nothing_is_lost_before_the_bound_on_files() {
        let mut output = RotatedOutput::new();
        for _ in 0..4 {
            output.write(15_000);
            output.rotate(20_000, 50);
        }
        assert_eq!(output.kept().concat(), output.stream);
    }

    #[test]
    fn files_end_with_lines_where_lines_end_with_blocks() {
        let Some(mut output) = RotatedOutput::with_cuts() else { return };
        let line = [b'y'; 63];
        for _ in 0..1000 {
            output.task.write_all(&[&line[..], b"\n"].concat()).unwrap();
        }
        output.rotate(40_000, 9);
        assert!(output.kept().len() > 1);
        assert!(output.kept().iter().all(|file| file.ends_with(b"\n") && file.len() % 64 == 0));
    }

    #[test]
    fn a_small_file_is_not_rotated() {
        let mut output = RotatedOutput::new();
        output.write(100);
        output.rotate(200, 1);
        output.rotate(1, 1);
        assert_eq!(output.names(), ["stdout"]);
    }

    #[test]
    fn no_old_files_are_kept_if_none_are_configured() {
        let mut output = RotatedOutput::new();
        output.write(19_000);
        output.rotate(9000, 0);
        assert!(fs::metadata(output.path()).unwrap().len() < 9000);
        assert_eq!(output.names(), ["stdout"]);
        output.check_end_of_stream();
    }

    #[test]
    fn a_file_far_above_all_bounds_is_brought_below_them() {
        let Some(mut output) = RotatedOutput::with_cuts() else { return };
        output.write(30_000);
        output.rotate(20_000, 3);
        output.write(2_000_000);
        output.rotate(20_000, 3);
        assert!(output.kept()[0].is_empty(), "the sign that something is missing");
        output.check_end_of_stream();
        output.rotate(20_000, 3);
        assert_eq!(output.names(), ["stdout", "stdout.1", "stdout.2", "stdout.3"]);
        assert!(output.kept().iter().all(|file| file.len() <= 20_000));
        assert!(output.kept().concat().len() > 40_000);
        output.check_end_of_stream();
    }

    /// An agent may be killed between any two steps.
    #[test]
    fn an_interrupted_rotation_is_finished() {
        for (steps, until) in [("copied a part", 0), ("copied", 1), ("cut", 2)] {
            let Some(mut output) = RotatedOutput::with_cuts() else { return };
            output.write(30_000);
            output.rotate(20_000, 9);
            output.write(15_000);
            let rotating =
                Rotating { path: &output.path(), file: open(&output.path()).unwrap(), max_bytes: 20_000, max_files: 9 };
            let cut = rotating.cut(&rotating.metadata().unwrap()).unwrap();
            if until == 0 {
                fs::write(named(&output.path(), "copying"), &output.stream[..100]).unwrap();
            }
            if until >= 1 {
                rotating.copy(cut).unwrap();
            }
            if until >= 2 {
                rotating.cut_off(cut, None).unwrap();
            }
            output.write(500);
            output.rotate(20_000, 9);
            assert_eq!(output.kept().concat(), output.stream, "killed when it had {steps}");
            output.write(30_000);
            output.rotate(20_000, 9);
            assert_eq!(output.kept().concat(), output.stream, "killed when it had {steps}");
            assert!(output.names().iter().all(|name| !name.ends_with("ing")), "{:?}", output.names());
        }
    }

    /// The method of logrotate, on file systems that cannot remove the beginning of a file.
    #[test]
    fn without_collapse_range_the_whole_file_is_copied() {
        let mut output = RotatedOutput::new();
        output.write(30_000);
        let rotating =
            Rotating { path: &output.path(), file: open(&output.path()).unwrap(), max_bytes: 20_000, max_files: 9 };
        let copy = rotating.copy(10_000).unwrap();
        // The call refuses a length that is not at a block boundary.
        rotating.cut_off(10_000, Some(&copy)).unwrap();
        rotating.install().unwrap();
        output.write(100);
        assert_eq!(output.kept().concat(), output.stream);
        assert_eq!(output.kept().len(), 2);
    }

    #[test]
    fn old_files_are_distinguished_by_their_time() {
        let Some(mut output) = RotatedOutput::with_cuts() else { return };
        output.write(200_000);
        output.rotate(10_000, 50);
        let times: std::collections::BTreeSet<_> = (1..=output.kept().len() as u32 - 1)
            .map(|number| numbered(&output.path(), number).metadata().unwrap().modified().unwrap())
            .collect();
        assert_eq!(times.len(), output.kept().len() - 1);
    }

    #[test]
    fn files_planted_by_the_task_are_not_followed_or_truncated() {
        let mut output = RotatedOutput::new();
        let secret = output.directory.path().join("secret");
        fs::write(&secret, [b's'; 90_000]).unwrap();
        let rotation = Rotation { max_bytes: 10_000, max_files: 1 };
        fs::remove_file(output.path()).unwrap();
        std::os::unix::fs::symlink(&secret, output.path()).unwrap();
        assert!(
            rotate_if_large(&output.path(), rotation, false).is_err() || fs::read(&secret).unwrap().len() == 90_000
        );
        fs::remove_file(output.path()).unwrap();
        fs::hard_link(&secret, output.path()).unwrap();
        assert!(rotate_if_large(&output.path(), rotation, false).is_err());
        fs::remove_file(output.path()).unwrap();
        output.task = OpenOptions::new().append(true).create(true).open(output.path()).unwrap();
        output.write(30_000);
        for name in ["1", "rotating", "copying"] {
            std::os::unix::fs::symlink(&secret, named(&output.path(), name)).unwrap();
        }
        rotate_if_large(&output.path(), rotation, false).unwrap();
        assert_eq!(fs::read(&secret).unwrap(), [b's'; 90_000]);
        output.check_end_of_stream();
    }
}
