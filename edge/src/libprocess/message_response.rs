//! The responses to libprocess messages. Senders discard them, but they are HTTP and carry a date.

use std::time::{Duration, Instant, SystemTime};

/// Renders the two common responses at most once a second.
#[derive(Default)]
pub struct MessageResponses {
    rendered: Option<Instant>,
    accepted: Vec<u8>,
    no_such_process: Vec<u8>,
}

impl MessageResponses {
    /// Returns 202, the response of libprocess if the process exists.
    pub fn accepted(&mut self) -> &[u8] {
        self.refresh();
        &self.accepted
    }

    /// Returns 404.
    pub fn no_such_process(&mut self) -> &[u8] {
        self.refresh();
        &self.no_such_process
    }

    /// Returns 400 with the reason for which a message is refused.
    pub fn refused(&mut self, reason: &str) -> Vec<u8> {
        let date = httpdate::fmt_http_date(SystemTime::now());
        format!(
            "HTTP/1.1 400 Bad Request\r\nDate: {date}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n{reason}",
            reason.len()
        )
        .into_bytes()
    }

    fn refresh(&mut self) {
        if self.rendered.is_some_and(|at| at.elapsed() < Duration::from_secs(1)) {
            return;
        }
        self.rendered = Some(Instant::now());
        let date = httpdate::fmt_http_date(SystemTime::now());
        self.accepted = format!("HTTP/1.1 202 Accepted\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n").into_bytes();
        self.no_such_process = format!(
            "HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 14\r\n\r\n404 Not Found."
        )
        .into_bytes();
    }
}
