//! Files a master or agent shows: logs and sandboxes.

use std::time::Duration;

use serde_json::Value;

use crate::address::Address;
use crate::error::Error;
use crate::operator::{AgentOperator, FileContents, about_file, get_json};
use crate::rotated::FollowRotated;

/// The most `/files/read` hands out at once is a few pages; asking for more only wastes memory.
const CHUNK: usize = 64 << 10;

/// Agents serve a file that is being written from the page cache.
const POLL: Duration = Duration::from_millis(300);

/// Browses and reads the files of one master or agent.
#[derive(Debug, Clone)]
pub struct Files {
    address: Address,
}

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub offset: u64,
    /// Text as the server decoded it; bytes that are no UTF-8 were replaced there, so that its length may differ from
    /// what was read: to go on from its end use [`Files::read_bytes`].
    pub data: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FileInfo {
    pub path: String,
    pub size: u64,
    pub is_directory: bool,
}

impl Files {
    pub fn new(address: Address) -> Self {
        Files { address }
    }

    /// The size of the file.
    pub async fn size(&self, path: &str) -> Result<u64, Error> {
        let answer = get_json(&self.address, &format!("/files/read?path={}", encode(path))).await;
        let answer = answer.map_err(|error| about_file(error, path))?;
        answer["offset"].as_u64().ok_or_else(|| self.protocol("no offset in the answer to /files/read"))
    }

    /// Up to 64 KiB from `offset`; empty at the end of the file.
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

    /// Bytes as they are from `offset`, up to 64 KiB; empty at the end of the file.
    pub async fn read_bytes(&self, path: &str, offset: u64) -> Result<FileContents, Error> {
        // Masters and agents answer this call alike.
        AgentOperator::new(self.address.clone()).read_file(path, offset, Some(CHUNK as u64)).await
    }

    /// Reads on and on from `offset`, as `tail -f` does.
    pub fn follow(&self, path: impl Into<String>, offset: u64) -> Follow {
        Follow { files: self.clone(), path: path.into(), offset, poll: POLL }
    }

    /// Reads an output that is rotated (`stdout`, `stderr`) from its oldest file on, as one stream.
    pub fn follow_rotated(&self, path: impl Into<String>) -> FollowRotated {
        FollowRotated::new(self.clone(), path.into())
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

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

/// A file that may grow.
#[derive(Debug, Clone)]
pub struct Follow {
    files: Files,
    path: String,
    offset: u64,
    poll: Duration,
}

impl Follow {
    /// How long to wait at the end of the file before looking again.
    pub fn polling_every(mut self, poll: Duration) -> Self {
        self.poll = poll;
        self
    }

    /// Where the next piece begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What there is beyond what was read, empty when there is nothing yet. A file that
    /// became shorter was rotated or truncated: it is read from its start (see [`FollowRotated`] for outputs of tasks).
    pub async fn available(&mut self) -> Result<Vec<u8>, Error> {
        let mut read = self.files.read_bytes(&self.path, self.offset).await?;
        if read.size < self.offset {
            self.offset = 0;
            read = self.files.read_bytes(&self.path, 0).await?;
        }
        self.offset += read.data.len() as u64;
        Ok(read.data)
    }

    /// The next piece, never empty: waits for the file to grow.
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

/// Percent-encodes a query value; everything but unreserved characters and `/` (RFC 3986, 2.3 and 3.4).
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
