//! Reads an output and the old files that it was rotated to as one stream.
//!
//! A file `stdout` is rotated to `stdout.1`, that to `stdout.2`, and so on. A read alone does not show whether the file
//! was rotated since the last one, because its size may be the same again. The list of old files shows it: each of them
//! keeps its size and modification time while it is renamed. A read is used only if the list was the same before and
//! after it, and no rotation was in progress (`stdout.rotating`, which Tepui's agents create meanwhile).

use std::time::{Duration, Instant};

use messages::v1;

use crate::error::Error;
use crate::files::Files;
use crate::operator::AgentOperator;

/// The interval of reads at the end of the stream. They are cheap, since a file that is being written is in the page
/// cache.
const POLL: Duration = Duration::from_millis(300);
/// The interval of checks while a rotation is in progress.
const BUSY_POLL: Duration = Duration::from_millis(20);
/// The maximum wait for a rotation. It takes milliseconds; one that was interrupted for good is not waited for.
const ROTATION_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum of reads between two listings.
const READS: usize = 16;

/// The properties that identify an old file independent of its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    modified: i64,
    size: u64,
}

/// The files at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Listing {
    /// The old files from the oldest (the one with the highest number) on.
    old: Vec<(u32, Identity)>,
    /// The size of the current file in bytes.
    size: u64,
    rotating: bool,
}

impl Listing {
    /// Returns the files of `path` among the entries of its directory.
    fn of(path: &str, entries: &[v1::FileInfo]) -> Self {
        let mut listing = Listing::default();
        for entry in entries {
            let size = entry.size.unwrap_or_default();
            let Some(suffix) = entry.path.strip_prefix(path) else { continue };
            match suffix.strip_prefix('.') {
                _ if suffix.is_empty() => listing.size = size,
                Some("rotating") => listing.rotating = true,
                Some(number) if !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let modified = entry.mtime.as_ref().map_or(0, |time| time.nanoseconds);
                    let Ok(number) = number.parse() else { continue };
                    listing.old.push((number, Identity { modified, size }));
                }
                _ => {}
            }
        }
        listing.old.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        listing
    }

    fn newest(&self) -> Option<Identity> {
        self.old.last().map(|(_, identity)| *identity)
    }

    fn index_of(&self, identity: Identity) -> Option<usize> {
        self.old.iter().position(|(_, other)| *other == identity)
    }

    fn first(&self) -> Position {
        match self.old.first() {
            Some((_, identity)) => Position { file: File::Old(*identity), offset: 0 },
            None => Position { file: File::Current { after: None }, offset: 0 },
        }
    }

    /// Returns the file that follows the old file with this index.
    fn behind(&self, index: usize) -> File {
        match self.old.get(index + 1) {
            Some((_, next)) => File::Old(*next),
            None => File::Current { after: self.newest() },
        }
    }

    /// Returns the position `bytes` before the end.
    fn before_end(&self, mut bytes: u64) -> Position {
        if bytes <= self.size {
            return Position { file: File::Current { after: self.newest() }, offset: self.size - bytes };
        }
        bytes -= self.size;
        for (_, identity) in self.old.iter().rev() {
            if bytes <= identity.size {
                return Position { file: File::Old(*identity), offset: identity.size - bytes };
            }
            bytes -= identity.size;
        }
        self.first()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Old(Identity),
    /// The current file, after this old one.
    Current {
        after: Option<Identity>,
    },
}

/// The position of the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    file: File,
    offset: u64,
}

/// A position in a later listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    position: Position,
    /// The number of the old file to read; `None` for the current file.
    number: Option<u32>,
    /// Whether the bytes at the position are gone, so that reading continues with the oldest existing file.
    skipped: bool,
}

impl Position {
    fn find_in(self, listing: &Listing) -> Found {
        let (mut index, mut skipped) = match self.file {
            File::Old(identity) => match listing.index_of(identity) {
                Some(index) => (index, false),
                None => return listing.first().found(listing, true),
            },
            File::Current { after } if after == listing.newest() => return self.found(listing, false),
            File::Current { after: None } => (0, false),
            File::Current { after: Some(identity) } => match listing.index_of(identity) {
                Some(index) => (index + 1, false),
                None => return listing.first().found(listing, true),
            },
        };
        let mut offset = self.offset;
        // An old file is shorter than the bytes read of it if the rotation has left the rest in the current file.
        while let Some((_, identity)) = listing.old.get(index) {
            if offset < identity.size {
                return Position { file: File::Old(*identity), offset }.found(listing, skipped);
            }
            if identity.size == 0 {
                // The empty file marks output that was dropped. Where the rest of it is now is unknown.
                (skipped, offset) = (true, 0);
            }
            offset -= identity.size;
            index += 1;
        }
        Position { file: File::Current { after: listing.newest() }, offset }.found(listing, skipped)
    }

    fn found(self, listing: &Listing, skipped: bool) -> Found {
        let number = match self.file {
            File::Old(identity) => listing.index_of(identity).and_then(|index| listing.old.get(index)).map(|old| old.0),
            File::Current { .. } => None,
        };
        Found { position: self, number, skipped }
    }
}

/// A part of an output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Piece {
    /// The bytes; empty at the end of the stream.
    pub data: Vec<u8>,
    /// Whether output before these bytes was removed by rotations before it was read.
    pub skipped: bool,
}

/// Reads an output from its oldest file on, across rotations. No byte is lost or repeated as long as the old files
/// exist.
#[derive(Debug, Clone)]
pub struct FollowRotated {
    files: Files,
    path: String,
    position: Option<Position>,
    skipped: bool,
    poll: Duration,
}

impl FollowRotated {
    pub(crate) fn new(files: Files, path: String) -> Self {
        FollowRotated { files, path, position: None, skipped: false, poll: POLL }
    }

    /// Sets the interval of reads at the end of the stream. The default is 300 ms.
    pub fn polling_every(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Moves to `bytes` bytes before the end of the stream, or to its beginning if the stream is shorter.
    ///
    /// # Errors
    /// Returns [`Error`] if the files cannot be listed.
    pub async fn start_before_end(&mut self, bytes: u64) -> Result<(), Error> {
        self.position = Some(self.settled_listing().await?.before_end(bytes));
        Ok(())
    }

    /// Returns the bytes that have not been read yet; empty if there are none now.
    ///
    /// # Errors
    /// Returns [`Error`] if the agent cannot be reached or has no such file. The next call reads the same part again.
    pub async fn available(&mut self) -> Result<Piece, Error> {
        let mut listing = self.settled_listing().await?;
        loop {
            let found = self.position.map_or_else(|| listing.first().found(&listing, false), |p| p.find_in(&listing));
            let (data, size) = self.read(found).await?;
            let later = self.settled_listing().await?;
            if later.old != listing.old {
                // A listing is no snapshot: files that are renamed while it is made may be missing from it. What was found by such
                // a listing is not used, not even as a position.
                listing = later;
                continue;
            }
            self.skipped |= found.skipped;
            let mut position = found.position;
            position.offset += data.len() as u64;
            match position.file {
                File::Old(identity) if position.offset >= identity.size || data.is_empty() => {
                    let index = later.index_of(identity).unwrap_or_default();
                    position = Position { file: later.behind(index), offset: 0 };
                }
                // The file is shorter than what was read although it was not rotated: its writer has truncated it.
                File::Current { .. } if size < found.position.offset => position.offset = 0,
                _ => {}
            }
            self.position = Some(position);
            let at_end = found.number.is_none() && size >= found.position.offset;
            if !data.is_empty() || at_end {
                return Ok(Piece { data, skipped: std::mem::take(&mut self.skipped) });
            }
        }
    }

    /// Waits until the output has more bytes, and returns them. The result is never empty.
    ///
    /// # Errors
    /// Returns the errors of [`FollowRotated::available`].
    pub async fn next(&mut self) -> Result<Piece, Error> {
        loop {
            let piece = self.available().await?;
            if !piece.data.is_empty() {
                return Ok(piece);
            }
            self.skipped = piece.skipped;
            tokio::time::sleep(self.poll).await;
        }
    }

    /// Reads at a position, and returns the bytes and the size of that file.
    async fn read(&self, found: Found) -> Result<(Vec<u8>, u64), Error> {
        let path = match found.number {
            Some(number) => format!("{}.{number}", self.path),
            None => self.path.clone(),
        };
        let mut data = Vec::new();
        for _ in 0..READS {
            let read = match self.files.read_bytes(&path, found.position.offset + data.len() as u64).await {
                // The file was rotated since the listing; the next listing shows it.
                Err(Error::NoFile { .. }) if found.number.is_some() => return Ok((data, 0)),
                outcome => outcome?,
            };
            let end =
                read.data.is_empty() || found.position.offset + (data.len() + read.data.len()) as u64 >= read.size;
            data.extend(read.data);
            if end {
                return Ok((data, read.size));
            }
        }
        let size = found.position.offset + data.len() as u64;
        Ok((data, size))
    }

    /// Returns the files once no rotation is in progress.
    async fn settled_listing(&self) -> Result<Listing, Error> {
        let directory = self.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let agent = AgentOperator::new(self.files.address().clone());
        let deadline = Instant::now() + ROTATION_TIMEOUT;
        loop {
            let listing = Listing::of(&self.path, &agent.list_files(directory).await?);
            if !listing.rotating || Instant::now() >= deadline {
                return Ok(listing);
            }
            tokio::time::sleep(BUSY_POLL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(modified: i64, size: u64) -> Identity {
        Identity { modified, size }
    }

    /// Returns a listing of old files by modification time and size, the oldest first.
    fn listing(old: &[(i64, u64)], size: u64) -> Listing {
        let count = u32::try_from(old.len()).unwrap();
        let numbered = (0..).zip(old).map(|(at, (modified, size))| (count - at, identity(*modified, *size)));
        Listing { old: numbered.collect(), size, rotating: false }
    }

    #[test]
    fn old_files_are_known_by_their_numbers() {
        let entry = |name: &str, nanoseconds, size| v1::FileInfo {
            path: format!("/s/{name}"),
            size: Some(size),
            mtime: Some(v1::TimeInfo { nanoseconds }),
            ..Default::default()
        };
        let entries = [
            entry("stdout", 9, 5),
            entry("stdout.1", 8, 4),
            entry("stdout.10", 6, 2),
            entry("stdout.2", 7, 3),
            entry("stdout.03", 1, 1),
            entry("stdout.1.gz", 1, 1),
            entry("stdout.bak", 1, 1),
            entry("stdout2", 1, 1),
        ];
        let listing = Listing::of("/s/stdout", &entries);
        assert_eq!(listing.old, [(10, identity(6, 2)), (2, identity(7, 3)), (1, identity(8, 4))]);
        assert_eq!((listing.size, listing.rotating), (5, false));
        assert!(Listing::of("/s/stdout", &[entry("stdout.rotating", 1, 1)]).rotating);
    }

    fn check(from: Position, listing: &Listing, number: Option<u32>, offset: u64, skipped: bool) {
        let found = from.find_in(listing);
        assert_eq!((found.number, found.position.offset, found.skipped), (number, offset, skipped), "{from:?}");
    }

    #[test]
    fn a_position_is_found_after_rotations() {
        let current = |after: Option<(i64, u64)>, offset| Position {
            file: File::Current { after: after.map(|(modified, size)| identity(modified, size)) },
            offset,
        };
        let old = |(modified, size), offset| Position { file: File::Old(identity(modified, size)), offset };
        // Nothing has changed.
        check(current(Some((1, 10)), 7), &listing(&[(1, 10)], 8), None, 7, false);
        check(current(None, 7), &listing(&[], 8), None, 7, false);
        // After one rotation, the rest of the file that is old now comes first.
        check(current(Some((1, 10)), 7), &listing(&[(1, 10), (2, 9)], 3), Some(1), 7, false);
        check(current(None, 7), &listing(&[(2, 9)], 3), Some(1), 7, false);
        // More was read than the rotation has moved.
        check(current(Some((1, 10)), 12), &listing(&[(1, 10), (2, 9)], 30), None, 3, false);
        check(current(Some((1, 10)), 12), &listing(&[(1, 10), (2, 9), (3, 9)], 30), Some(1), 3, false);
        // The whole file that is old now was read before.
        check(current(Some((1, 10)), 9), &listing(&[(1, 10), (2, 9)], 3), None, 0, false);
        // After two rotations, the oldest file is gone.
        check(current(Some((2, 9)), 4), &listing(&[(2, 9), (3, 9), (4, 9)], 3), Some(2), 4, false);
        // The preceding file is gone, so that the next one may be gone as well.
        check(current(Some((1, 10)), 4), &listing(&[(3, 9), (4, 9)], 3), Some(2), 0, true);
        check(current(Some((1, 10)), 4), &listing(&[], 3), None, 0, true);
        // An empty file marks output that was dropped.
        check(current(None, 7), &listing(&[(2, 0), (3, 9)], 3), Some(1), 0, true);
        check(current(Some((1, 10)), 7), &listing(&[(1, 10), (2, 0)], 3), None, 0, true);
        // The position is within an old file that is renamed or removed.
        check(old((2, 9), 4), &listing(&[(2, 9), (3, 9), (4, 9)], 3), Some(3), 4, false);
        check(old((2, 9), 4), &listing(&[(3, 9), (4, 9)], 3), Some(2), 0, true);
    }

    #[test]
    fn the_end_of_the_stream_may_reach_into_old_files() {
        let listing = listing(&[(1, 10), (2, 10)], 5);
        for (bytes, number, offset) in
            [(0, None, 5), (5, None, 0), (6, Some(1), 9), (15, Some(1), 0), (16, Some(2), 9), (99, Some(2), 0)]
        {
            let found = listing.before_end(bytes).found(&listing, false);
            assert_eq!((found.number, found.position.offset), (number, offset), "{bytes}");
        }
    }
}
