//! The bytes of a log: a header, then frames. A frame contains the records that were committed together.
//!
//! ```text
//! header  "TEPUILOG" version:u32 0:u32
//! frame   "tplf" length:u32 checksum:u32 payload       checksum: CRC-32 of length and payload
//! payload (length:u32 record)*                         all numbers little-endian
//! ```
//!
//! A frame is written only after the flush of the one before, so only the last can be incomplete. An unreadable frame
//! with a readable one somewhere behind it is therefore damage, and not the trace of a crash.

use super::error::LogError;

/// The first bytes of a log.
pub const HEADER: [u8; 16] = *b"TEPUILOG\x01\0\0\0\0\0\0\0";
/// Returns whether `bytes` begin with the name of a log and another version.
pub fn is_other_version(bytes: &[u8]) -> bool {
    let version = bytes.get(8..12).and_then(|version| version.try_into().ok()).map(u32::from_le_bytes);
    bytes.starts_with(&HEADER[..8]) && version.is_some_and(|version| version > 1)
}

/// The maximum size of a record in bytes.
pub const MAX_RECORD: usize = 64 << 20;

/// The maximum size of a payload: a batch that was almost full, and one more record.
const MAX_PAYLOAD: usize = 2 * MAX_RECORD;

const MARK: [u8; 4] = *b"tplf";
const HEAD: usize = 12;

/// The records of the next frame.
#[derive(Debug)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Makes an empty frame.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend_from_slice(&MARK);
        bytes.resize(HEAD, 0);
        Frame(bytes)
    }

    /// Returns whether the frame has no record.
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEAD
    }

    /// Returns the size of the frame in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends a record.
    ///
    /// # Errors
    /// Returns [`LogError::TooLarge`] if the record exceeds [`MAX_RECORD`].
    pub fn push(&mut self, record: &[u8]) -> Result<(), LogError> {
        if record.len() > MAX_RECORD {
            return Err(LogError::TooLarge { size: record.len(), limit: MAX_RECORD });
        }
        // The length is below the bound, which fits.
        self.0.extend_from_slice(&(record.len() as u32).to_le_bytes());
        self.0.extend_from_slice(record);
        Ok(())
    }

    /// Sets length and checksum, and returns the bytes of the frame.
    pub fn bytes(&mut self) -> &[u8] {
        let length = ((self.0.len() - HEAD) as u32).to_le_bytes();
        let checksum = checksum(length, self.0.get(HEAD..).unwrap_or_default());
        self.0.splice(4..HEAD, length.into_iter().chain(checksum.to_le_bytes()));
        &self.0
    }
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// Returns the records of the frame at the start of `bytes`, and where the frame ends; `None` if there is no complete
/// frame.
pub fn read(bytes: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let rest = bytes.strip_prefix(&MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let size = u32::from_le_bytes(*length) as usize;
    let payload = rest.get(..size).filter(|_| size <= MAX_PAYLOAD)?;
    if checksum(*length, payload) != u32::from_le_bytes(*sum) {
        return None;
    }
    Some((records(payload)?, HEAD + size))
}

fn records(mut payload: &[u8]) -> Option<Vec<&[u8]>> {
    let mut records = Vec::new();
    while !payload.is_empty() {
        let (length, rest) = payload.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        records.push(record);
        payload = rest;
    }
    Some(records)
}

/// Returns whether a complete frame begins anywhere in `bytes`.
pub fn contains_frame(bytes: &[u8]) -> bool {
    let marks = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    marks.into_iter().any(|(at, _)| bytes.get(at..).and_then(read).is_some())
}
