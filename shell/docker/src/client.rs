//! One request after the other, on a thread that waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};

use crate::{Error, Exchange, Progress, Request, Socket};

/// The answer to a request: not a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; for a stream what came last.
    pub body: Vec<u8>,
}

/// A client that waits for each answer. Each request has a connection of its own, which ends with it: there are few, and
/// the daemon is on this machine.
#[derive(Debug, Clone)]
pub struct Client {
    socket: Socket,
}

/// The interval at which a cancellation is noticed.
const ATTENTION: Duration = Duration::from_millis(100);

impl Client {
    /// Makes a client of the daemon at this socket.
    pub fn new(socket: Socket) -> Self {
        Client { socket }
    }

    /// Returns the socket.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends a request and waits for its answer, in this time.
    ///
    /// # Errors
    /// Returns [`Error`] if there is no answer in time, or it is a refusal.
    pub fn call(&self, request: &Request, timeout: Duration) -> Result<Answer, Error> {
        let exchange = Exchange::begin(&self.socket, request)?;
        run(exchange, timeout, &AtomicBool::new(false), &mut |_| Ok(()))
    }

    /// Sends a request and hands each part of its answer on. `timeout` bounds the time without a part.
    ///
    /// # Errors
    /// Returns [`Error`] if nothing comes in time, the answer is a refusal, a part is refused by `part`, or `cancelled` is
    /// set, upon which the daemon gives up what it does.
    pub fn stream(
        &self,
        request: &Request,
        timeout: Duration,
        cancelled: &AtomicBool,
        part: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let exchange = Exchange::begin_stream(&self.socket, request)?;
        let last = run(exchange, timeout, cancelled, part)?;
        part(&last.body)
    }
}

fn run(
    mut exchange: Exchange,
    timeout: Duration,
    cancelled: &AtomicBool,
    part: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<Answer, Error> {
    let mut deadline = Instant::now() + timeout;
    loop {
        if cancelled.load(Ordering::Acquire) {
            return Err(Error::Cancelled);
        }
        match exchange.advance()? {
            Progress::Done(answer) => return Ok(answer),
            Progress::Part(bytes) => {
                part(&bytes)?;
                deadline = Instant::now() + timeout;
                continue;
            }
            Progress::Waiting => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::TimedOut(timeout.as_secs()));
        }
        let left = left.min(ATTENTION);
        let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [exchange.poll_fd()], Some(&left)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::Broken(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Answers one request with these bytes, and keeps the connection for as long as the client has it.
    fn daemon(answer: &'static [u8], keep: bool) -> (tempfile::TempDir, Client) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("d.sock");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
            if keep {
                let _ = stream.read(&mut [0; 1]);
            }
        });
        let client = Client::new(path.to_str().unwrap().parse().unwrap());
        (directory, client)
    }

    fn call(answer: &'static [u8]) -> Result<Answer, Error> {
        let (_directory, client) = daemon(answer, false);
        client.call(&Request::version(), Duration::from_secs(20))
    }

    #[test]
    fn answers_and_refusals_differ() {
        let answer = call(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
        let error = call(b"HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"No such container: x\"}").unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "No such container: x");
        assert!(matches!(call(b"SSH-2.0-x\r\n"), Err(Error::Invalid(_))));
        assert!(matches!(call(b""), Err(Error::Invalid(_) | Error::Broken(_))));
    }

    #[test]
    fn a_daemon_that_is_down_is_named() {
        let client = Client::new("/no/such/docker.sock".parse().unwrap());
        let error = client.call(&Request::version(), Duration::from_secs(1)).unwrap_err();
        assert!(error.is_transient());
        assert!(error.to_string().contains("'/no/such/docker.sock'; is dockerd running"), "{error}");
    }

    #[test]
    fn a_daemon_that_hangs_is_not_waited_for() {
        let (_directory, client) = daemon(b"HTTP/1.1 200 OK\r\n", true);
        let error = client.call(&Request::version(), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, Error::TimedOut(_)), "{error}");
    }

    #[test]
    fn a_stream_ends_when_its_reader_gives_up() {
        let (_directory, client) = daemon(b"HTTP/1.1 200 OK\r\n\r\nfirst part", true);
        let cancelled = AtomicBool::new(false);
        let mut parts = Vec::new();
        let result = client.stream(&Request::version(), Duration::from_secs(20), &cancelled, &mut |part| {
            parts.extend_from_slice(part);
            cancelled.store(true, Ordering::Release);
            Ok(())
        });
        assert!(matches!(result, Err(Error::Cancelled)));
        assert_eq!(parts, b"first part");
    }
}
