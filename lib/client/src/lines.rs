//! A stream of lines, as `GET /failures?follow` answers. Empty lines say only that the peer is there, and are left out.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::address::Address;
use crate::error::Error;
use crate::transport;

/// A longer line is none that a master writes.
const MAX_LINE: usize = 16 << 20;
/// Masters write an empty line every 15 s; some may be late.
const SILENCE: Duration = Duration::from_secs(60);

/// Dropping it ends the stream.
#[derive(Debug)]
pub struct Lines {
    address: Address,
    body: Incoming,
    unread: Vec<u8>,
}

/// Asks for a stream of lines.
pub async fn lines(address: &Address, path: &str) -> Result<Lines, Error> {
    let (address, response) = transport::send(address, &transport::Call::get(path)).await?;
    if !response.status().is_success() {
        let status = response.status().as_u16();
        // The error is in its body.
        return match transport::body_of(&address, response).await {
            Err(error) => Err(error),
            Ok(_) => Err(Error::Status { address, status, body: String::new() }),
        };
    }
    Ok(Lines { address, body: response.into_body(), unread: Vec::new() })
}

impl Lines {
    /// The next one that is not empty; `None` when the peer ended the stream.
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
