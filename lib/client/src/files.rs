//! Reads the files that a master or an agent shows: logs and sandboxes.

use std::time::Duration;

use serde_json::Value;

use crate::address::Address;
use crate::error::Error;
use crate::operator::{AgentOperator, FileContents, about_file, get_json};
use crate::rotated::FollowRotated;

/// The maximum number of bytes of one read. Masters and agents return a few pages at once.
const CHUNK: usize = 64 << 10;

/// The interval of reads at the end of a file. They are cheap, since a file that is being written is in the page cache.
const POLL: Duration = Duration::from_millis(300);

/// Browses and reads the files of one master or agent by their virtual paths (`/files` of Mesos).
#[derive(Debug, Clone)]
pub struct Files {
    address: Address,
}

/// A part of a file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The offset of the part in the file, in bytes.
    pub offset: u64,
    /// The text as the server has decoded it. The server replaces bytes that are not UTF-8, so that the length of the
    /// text may differ from the number of bytes read. [`Files::read_bytes`] allows to continue at the end of a part.
    pub data: String,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq)]
pub struct FileInfo {
    /// The virtual path.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// Whether the entry is a directory.
    pub is_directory: bool,
}

impl Files {
    /// Makes a reader of the files of the master or agent at `address`.
    pub fn new(address: Address) -> Self {
        Files { address }
    }

    /// Returns the size of a file in bytes.
    ///
    /// # Errors
    /// Returns [`Error::NoFile`] if there is no such file, and any other [`Error`] of the request.
    pub async fn size(&self, path: &str) -> Result<u64, Error> {
        let answer = get_json(&self.address, &format!("/files/read?path={}", encode(path))).await;
        let answer = answer.map_err(|error| about_file(error, path))?;
        answer["offset"].as_u64().ok_or_else(|| self.protocol("no offset in the answer to /files/read"))
    }

    /// Reads up to 64 KiB from `offset` as text; empty at the end of the file.
    ///
    /// # Errors
    /// Returns [`Error::NoFile`] if there is no such file, and any other [`Error`] of the request.
    pub async fn read(&self, path: &str, offset: u64) -> Result<Chunk, Error> {
        let query = format!("/files/read?path={}&offset={offset}&length={CHUNK}", encode(path));
        let answer = get_json(&self.address, &query).await.map_err(|error| about_file(error, path))?;
        match (&answer["offset"], &answer["data"]) {
            (Value::Number(offset), Value::String(data)) => {
                Ok(Chunk { offset: offset.as_u64().unwrap_or_default(), data: data.clone() })
            }
            _ => Err(self.protocol("no data in the answer to /files/read")),
        }
    }

    /// Reads up to 64 KiB from `offset`; empty at the end of the file.
    ///
    /// # Errors
    /// Returns [`Error::NoFile`] if there is no such file, and any other [`Error`] of the request.
    pub async fn read_bytes(&self, path: &str, offset: u64) -> Result<FileContents, Error> {
        // Masters and agents have the same call.
        AgentOperator::new(self.address.clone()).read_file(path, offset, Some(CHUNK as u64)).await
    }

    /// Returns a reader that follows the file from `offset`, as `tail -f` does.
    pub fn follow(&self, path: impl Into<String>, offset: u64) -> Follow {
        Follow { files: self.clone(), path: path.into(), offset, poll: POLL }
    }

    /// Returns a reader that follows a rotated output (`stdout`, `stderr`) from its oldest file on, as one stream.
    pub fn follow_rotated(&self, path: impl Into<String>) -> FollowRotated {
        FollowRotated::new(self.clone(), path.into())
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the entries of a directory.
    ///
    /// # Errors
    /// Returns [`Error::NoFile`] if there is no such directory, and any other [`Error`] of the request.
    pub async fn browse(&self, path: &str) -> Result<Vec<FileInfo>, Error> {
        let answer = get_json(&self.address, &format!("/files/browse?path={}", encode(path))).await;
        let answer = answer.map_err(|error| about_file(error, path))?;
        let Value::Array(entries) = answer else { return Err(self.protocol("no list in the answer to /files/browse")) };
        Ok(entries
            .iter()
            .map(|entry| FileInfo {
                path: entry["path"].as_str().unwrap_or_default().to_owned(),
                size: entry["size"].as_u64().unwrap_or_default(),
                is_directory: entry["mode"].as_str().is_some_and(|mode| mode.starts_with('d')),
            })
            .collect())
    }

    fn protocol(&self, reason: &str) -> Error {
        Error::Protocol { address: self.address.clone(), reason: reason.to_owned() }
    }
}

/// A reader that follows a file while it grows.
#[derive(Debug, Clone)]
pub struct Follow {
    files: Files,
    path: String,
    offset: u64,
    poll: Duration,
}

impl Follow {
    /// Sets the interval of reads at the end of the file. The default is 300 ms.
    pub fn polling_every(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Returns the offset of the next part in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the bytes that have not been read yet; empty if there are none now. A file that has become shorter was
    /// rotated or truncated, and is read from its start (see [`FollowRotated`] for outputs of tasks).
    ///
    /// # Errors
    /// Returns [`Error`] if the file cannot be read. The next call reads the same part again.
    pub async fn available(&mut self) -> Result<Vec<u8>, Error> {
        let mut read = self.files.read_bytes(&self.path, self.offset).await?;
        if read.size < self.offset {
            self.offset = 0;
            read = self.files.read_bytes(&self.path, 0).await?;
        }
        self.offset += read.data.len() as u64;
        Ok(read.data)
    }

    /// Waits until the file has more bytes, and returns them. The result is never empty.
    ///
    /// # Errors
    /// Returns the errors of [`Follow::available`].
    pub async fn next(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            let data = self.available().await?;
            if !data.is_empty() {
                return Ok(data);
            }
            tokio::time::sleep(self.poll).await;
        }
    }
}

/// Percent-encodes a query value: everything but unreserved characters and `/` (RFC 3986, 2.3 and 3.4).
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(encode("/a b/é&x=1"), "/a%20b/%C3%A9%26x%3D1");
    }
}
