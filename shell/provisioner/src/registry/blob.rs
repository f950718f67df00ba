//! Reads one blob, even if connections break, registries stall, or the agent is killed.

use std::fs::File;
use std::io::{self, Read, Write};

use super::RegistryError;
use super::client::RegistryClient;
use super::endpoint::Endpoint;
use crate::{Digest, ImageReference};

/// Reads a blob to its end: first the bytes that an earlier attempt has left in a file, then the rest from the
/// registry. The bytes from the registry are appended to the file, so that the next attempt need not fetch them again.
/// The caller checks the digest.
pub(crate) struct BlobReader<'a> {
    client: &'a RegistryClient,
    endpoint: &'a Endpoint,
    reference: &'a ImageReference,
    digest: Digest,
    /// The size in bytes, if the manifest states it.
    size: Option<u64>,
    partial: File,
    /// The number of bytes of the file that are still to be read before the registry is asked.
    left_in_file: u64,
    /// The number of bytes that were passed on.
    position: u64,
    stream: Option<Box<dyn Read>>,
    attempt: u32,
    failure: Option<RegistryError>,
}

impl<'a> BlobReader<'a> {
    /// Makes a reader that begins with the contents of `partial`, a file at its beginning that is open for reading and
    /// appending.
    ///
    /// # Errors
    /// Returns the error if the size of `partial` cannot be read.
    pub fn new(
        client: &'a RegistryClient,
        endpoint: &'a Endpoint,
        reference: &'a ImageReference,
        digest: Digest,
        size: Option<u64>,
        partial: File,
    ) -> io::Result<Self> {
        let left_in_file = partial.metadata()?.len();
        Ok(BlobReader {
            client,
            endpoint,
            reference,
            digest,
            size,
            partial,
            left_in_file,
            position: 0,
            stream: None,
            attempt: 0,
            failure: None,
        })
    }

    /// Returns why reading failed, if it was the registry's fault.
    pub fn failure(&mut self) -> Option<RegistryError> {
        self.failure.take()
    }

    /// Reads from the registry, and continues where the last connection broke.
    fn read_remote(&mut self, buffer: &mut [u8]) -> Result<usize, RegistryError> {
        loop {
            self.client.check_cancelled()?;
            if self.size.is_some_and(|size| self.position >= size) {
                return Ok(0);
            }
            let broken = match self.connected() {
                Ok(stream) => match stream.read(buffer) {
                    // This is the end, unless the manifest has announced more bytes.
                    Ok(0) if self.size.is_none_or(|size| self.position >= size) => return Ok(0),
                    Ok(0) => io::Error::from(io::ErrorKind::UnexpectedEof),
                    Ok(read) => {
                        self.attempt = 0;
                        return Ok(read);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => error,
                },
                // The request has been repeated already.
                Err(error) => return Err(error),
            };
            self.stream = None;
            if self.attempt >= self.client.retries() {
                let url = format!("{}, blob {}", self.endpoint, self.digest);
                return Err(RegistryError::Broken { url, source: broken });
            }
            self.client.pause(self.attempt, None)?;
            self.attempt += 1;
        }
    }

    fn connected(&mut self) -> Result<&mut Box<dyn Read>, RegistryError> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let (stream, start) = self.client.blob(self.endpoint, self.reference, self.digest, self.position)?;
                let mut stream: Box<dyn Read> = Box::new(stream);
                let skipped = self.position.saturating_sub(start);
                let broken = |source| RegistryError::Broken { url: self.endpoint.to_string(), source };
                io::copy(&mut stream.by_ref().take(skipped), &mut io::sink()).map_err(broken)?;
                stream
            }
        };
        Ok(self.stream.insert(stream))
    }
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left_in_file > 0 {
            let limit = usize::try_from(self.left_in_file).unwrap_or(usize::MAX).min(buffer.len());
            let read = self.partial.read(buffer.get_mut(..limit).unwrap_or_default())?;
            self.left_in_file = if read == 0 { 0 } else { self.left_in_file - read as u64 };
            self.position += read as u64;
            if read > 0 || limit == 0 {
                return Ok(read);
            }
        }
        let read = self.read_remote(buffer).map_err(|error| {
            let text = error.to_string();
            self.failure = Some(error);
            io::Error::other(text)
        })?;
        self.partial.write_all(buffer.get(..read).unwrap_or_default())?;
        self.position += read as u64;
        Ok(read)
    }
}
