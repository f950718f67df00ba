//! A stream of lines, such as the response of `GET /failures?follow`. Empty lines are heartbeats and are left out.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::address::Address;
use crate::error::Error;
use crate::transport;

/// The maximum length of a line in bytes, above that of any line of a master.
const MAX_LINE: usize = 16 << 20;
/// The time without bytes after which the master counts as lost. Masters write an empty line every 15 s.
const SILENCE: Duration = Duration::from_secs(60);

/// A stream of lines. Dropping the value ends the stream.
#[derive(Debug)]
pub struct Lines {
    address: Address,
    body: Incoming,
    unread: Vec<u8>,
}

/// Requests a stream of lines.
///
/// # Errors
/// Returns [`Error`] if the request fails or is refused.
pub async fn lines(address: &Address, path: &str) -> Result<Lines, Error> {
    let (address, response) = transport::send(address, &transport::Call::get(path)).await?;
    if !response.status().is_success() {
        let status = response.status().as_u16();
        // The body has the reason.
        return match transport::body_of(&address, response).await {
            Err(error) => Err(error),
            Ok(_) => Err(Error::Status { address, status, body: String::new() }),
        };
    }
    Ok(Lines { address, body: response.into_body(), unread: Vec::new() })
}

impl Lines {
    /// Waits for the next line that is not empty; `None` if the peer has ended the stream.
    ///
    /// # Errors
    /// Returns [`Error`] if the connection breaks, the peer is silent for too long, or a line is too long or not UTF-8.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if !line.is_empty() {
                    return Ok(Some(line));
                }
            }
            if self.unread.len() > MAX_LINE {
                return Err(Error::Protocol {
                    address: self.address.clone(),
                    reason: "its line has no end".to_owned(),
                });
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| Error::Timeout(self.address.clone()))? else { return Ok(None) };
            let frame = frame.map_err(|source| Error::Transport { address: self.address.clone(), source })?;
            if let Some(data) = frame.data_ref() {
                self.unread.extend_from_slice(data);
            }
        }
    }
}
