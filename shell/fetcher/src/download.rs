//! Downloads files from HTTP servers. A download that breaks off is tried again, and continues where it ended if the
//! server says that the file is the same (RFC 9110, sections 13.1.5 and 14).

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::header::{self, HeaderMap, HeaderValue};
use ureq::http::{Response, uri::Uri};
use ureq::{Agent, Body, BodyReader};

use crate::error::Reason;
use crate::host_settings::HostSettings;
use crate::output::{CopyFailure, Output};
use crate::plan::Plan;
use crate::redirect;
use crate::retry::{Attempts, is_transient};

/// A download whose first response has arrived.
pub(crate) struct Download<'p> {
    plan: &'p Plan,
    hosts: &'p HostSettings,
    agent: Agent,
    uri: Uri,
    attempts: Attempts,
    /// The body of the latest response, until it is read.
    body: Option<BodyReader<'static>>,
    size: Option<u64>,
    /// The entity tag of the file, with which the download can continue.
    tag: Option<HeaderValue>,
}

/// A failed attempt.
struct Failure {
    reason: Reason,
    transient: bool,
    retry_after: Option<Duration>,
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Failure { reason, transient: false, retry_after: None }
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        use ureq::Error::{ConnectionFailed, HostNotFound, Io, Timeout};
        let transient = matches!(error, Io(_) | Timeout(_) | HostNotFound | ConnectionFailed);
        Failure { reason: Reason::Download(Box::new(error)), transient, retry_after: None }
    }
}

impl<'p> Download<'p> {
    /// Requests the file.
    ///
    /// # Errors
    /// Returns the [`Reason`] of the last attempt.
    pub fn open(uri: &str, plan: &'p Plan, hosts: &'p HostSettings) -> Result<Self, Reason> {
        let parsed: Uri = uri.parse().map_err(|_| Reason::Download(Box::new(ureq::Error::BadUri(uri.to_owned()))))?;
        let attempts = Attempts::new(plan.limits.attempts, plan.limits.retry_delay);
        let agent = agent(uri, plan);
        let mut download = Download { plan, hosts, agent, uri: parsed, attempts, body: None, size: None, tag: None };
        loop {
            match download.request(0) {
                Ok(response) => {
                    download.describe(&response);
                    download.body = Some(response.into_body().into_reader());
                    return Ok(download);
                }
                Err(failure) => download.again(failure, false)?,
            }
        }
    }

    /// Returns the size of the file in bytes, if the server has told it.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Returns the [`Reason`] of the last attempt, or why the file cannot be written.
    pub fn save(mut self, output: &mut Output<'_>) -> Result<(), Reason> {
        loop {
            let before = output.written();
            match self.attempt(output) {
                Ok(()) => return Ok(()),
                Err(failure) => self.again(failure, output.written() > before)?,
            }
        }
    }

    fn attempt(&mut self, output: &mut Output<'_>) -> Result<(), Failure> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => self.resume(output)?,
        };
        match output.copy(&mut body) {
            // A server may send a part of the part that it was asked for.
            Ok(()) if self.size.is_some_and(|size| output.written() < size) => {
                Err(ureq::Error::Io(io::ErrorKind::UnexpectedEof.into()).into())
            }
            Ok(()) => Ok(()),
            Err(CopyFailure::Other(reason)) => Err(reason.into()),
            Err(CopyFailure::Read(error)) => Err(match error.downcast::<ureq::Error>() {
                Ok(error) => error.into(),
                Err(error) => ureq::Error::Io(error).into(),
            }),
        }
    }

    /// Requests the rest of the file, or all of it if the server does not send the rest.
    fn resume(&mut self, output: &mut Output<'_>) -> Result<BodyReader<'static>, Failure> {
        let from = if self.tag.is_some() { output.written() } else { 0 };
        let response = self.request(from)?;
        if response.status().as_u16() == 206 {
            if !continues(response.headers(), from, self.size) {
                self.tag = None;
                let error = io::Error::new(io::ErrorKind::InvalidData, "the server sent another part of the file");
                return Err(ureq::Error::Io(error).into());
            }
            tracing::info!("the download of '{}' continues at byte {from}", self.uri.path());
        } else {
            output.restart()?;
            self.describe(&response);
        }
        Ok(response.into_body().into_reader())
    }

    /// Remembers the size and the entity tag of a whole file. A weak tag does not promise the same bytes.
    fn describe(&mut self, response: &Response<Body>) {
        let headers = response.headers();
        self.size = headers.get(header::CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
        self.tag = headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")).cloned();
    }

    /// Sends a request for the file from a byte on, and follows redirects. Every host gets its own headers only.
    fn request(&self, from: u64) -> Result<Response<Body>, Failure> {
        let mut uri = self.uri.clone();
        for _ in 0..=self.plan.limits.redirects {
            let mut request = self.agent.get(uri.clone());
            for (name, value) in self.hosts.headers(&uri) {
                request = request.header(name, value);
            }
            if let (Some(tag), true) = (&self.tag, from > 0) {
                request = request.header(header::RANGE, format!("bytes={from}-")).header(header::IF_RANGE, tag);
            }
            let response = request.call()?;
            match response.status().as_u16() {
                // Mesos accepts no other success: a 204 is not the file, and a 206 only the rest of it.
                200 => return Ok(response),
                206 if from > 0 => return Ok(response),
                301 | 302 | 303 | 307 | 308 => {
                    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
                    uri = redirect::target(&uri, location.unwrap_or_default())?;
                }
                status => {
                    let wait = response.headers().get(header::RETRY_AFTER);
                    let retry_after = wait.and_then(|value| value.to_str().ok()?.trim().parse().ok());
                    return Err(Failure {
                        reason: Reason::Status(status),
                        transient: is_transient(status),
                        retry_after: retry_after.map(Duration::from_secs),
                    });
                }
            }
        }
        Err(Reason::Download(Box::new(ureq::Error::TooManyRedirects)).into())
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// Returns the reason of the failure if there is no further attempt.
    fn again(&mut self, failure: Failure, progressed: bool) -> Result<(), Reason> {
        let delay = failure.transient.then(|| self.attempts.failed(progressed, failure.retry_after)).flatten();
        let Some(delay) = delay else { return Err(failure.reason) };
        tracing::warn!("a download is tried again in {delay:?}: {}", failure.reason);
        self.pause(delay)
    }

    fn pause(&self, delay: Duration) -> Result<(), Reason> {
        const STEP: Duration = Duration::from_millis(100);
        let end = Instant::now() + delay;
        loop {
            if self.plan.cancelled.load(Ordering::Relaxed) {
                return Err(Reason::Cancelled);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(STEP));
        }
    }
}

/// Returns whether a partial response begins at a byte and belongs to a file of this size.
fn continues(headers: &HeaderMap, from: u64, size: Option<u64>) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok()?.strip_prefix("bytes "));
    let Some((range, total)) = range.and_then(|text| text.split_once('/')) else { return false };
    let begins = range.split_once('-').and_then(|(first, _)| first.parse().ok()) == Some(from);
    begins && (total == "*" || size.is_none() || total.parse().ok() == size)
}

fn agent(uri: &str, plan: &Plan) -> Agent {
    Config::builder()
        .user_agent(AutoHeaderValue::Provided(String::from("mesos-fetcher").into()))
        // A `.tar.gz` has to arrive unchanged, and some servers would decompress it.
        .accept_encoding(AutoHeaderValue::Provided(String::from("identity").into()))
        .http_status_as_error(false)
        // Redirects are followed here, because headers of one host must not reach another.
        .max_redirects(0)
        .max_redirects_will_error(false)
        // An https URI must not lead to a file over plain HTTP, which could be changed on the way.
        .https_only(uri.starts_with("https://"))
        .timeout_resolve(Some(plan.limits.connect_timeout))
        .timeout_connect(Some(plan.limits.connect_timeout))
        .timeout_recv_response(Some(plan.stall_timeout.max(Duration::from_millis(1))))
        .timeout_per_read(Some(plan.stall_timeout.max(Duration::from_millis(1))))
        .max_idle_connections(0)
        .build()
        .new_agent()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_continues_the_same_file() {
        for (range, expected) in [
            ("bytes 5-9/10", true),
            ("bytes 5-9/*", true),
            ("bytes 4-9/10", false),
            ("bytes 5-9/11", false),
            ("bytes */10", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_static(range));
            assert_eq!(continues(&headers, 5, Some(10)), expected, "{range}");
        }
    }
}
