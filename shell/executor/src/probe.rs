//! Carries out probes of the task: commands as child processes, connections on short-lived threads, so that the loop
//! never blocks.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use messages::v1::{CommandInfo, TaskInfo};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::command::execution;
use crate::core::{Checker, Exit, Outcome, Probe};
use crate::process;
use crate::write_stderr::write_stderr;

/// The capacity of the channel of results. Each checker has at most one thread.
const RESULTS: usize = 4;
const STACK: usize = 64 << 10;

/// The probes in progress.
#[derive(Debug)]
pub struct Probes {
    results: Receiver<(Checker, Outcome)>,
    sender: SyncSender<(Checker, Outcome)>,
    /// Becomes readable when a thread has a result.
    signal: Arc<OwnedFd>,
    commands: BTreeMap<Checker, (Pid, Instant)>,
}

impl Probes {
    /// Makes an empty set.
    ///
    /// # Errors
    /// Returns the error of the operating system if no eventfd can be created.
    pub fn new() -> io::Result<Self> {
        let (sender, results) = sync_channel(RESULTS);
        let signal = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Ok(Probes { results, sender, signal, commands: BTreeMap::new() })
    }

    /// Returns the descriptor that becomes readable when a thread has a result.
    pub fn signal(&self) -> &OwnedFd {
        &self.signal
    }

    /// Begins a probe. Returns the outcome if it is known at once.
    pub fn begin(
        &mut self,
        checker: Checker,
        probe: Probe,
        timeout: Duration,
        variables: &[(String, String)],
    ) -> Option<Outcome> {
        match probe {
            Probe::Command(command) => match start(*command, variables) {
                Ok(pid) => {
                    self.commands.insert(checker, (pid, Instant::now() + timeout));
                    None
                }
                Err(error) => {
                    write_stderr(format_args!("executor: a check cannot be run: {error}"));
                    Some(Outcome::NoResult)
                }
            },
            Probe::Tcp { port, ipv6 } => {
                self.on_thread(checker, move || Ok(Outcome::Tcp(connect(port, ipv6, timeout).is_ok())))
            }
            Probe::Http { port, path, ipv6 } => self.on_thread(checker, move || http(port, &path, ipv6, timeout)),
        }
    }

    fn on_thread(
        &self,
        checker: Checker,
        probe: impl FnOnce() -> io::Result<Outcome> + Send + 'static,
    ) -> Option<Outcome> {
        let (sender, signal) = (self.sender.clone(), Arc::clone(&self.signal));
        let work = move || {
            let _ = sender.send((checker, probe().unwrap_or(Outcome::NoResult)));
            let _ = rustix::io::write(&*signal, &1u64.to_ne_bytes());
        };
        match thread::Builder::new().stack_size(STACK).spawn(work) {
            Ok(_) => None,
            Err(_) => Some(Outcome::NoResult),
        }
    }

    /// Handles the end of a child. Returns the outcome if the child was a probe.
    pub fn ended(&mut self, pid: Pid, exit: Exit) -> Option<(Checker, Outcome)> {
        let checker = *self.commands.iter().find(|(_, (command, _))| *command == pid)?.0;
        let (_, deadline) = self.commands.remove(&checker)?;
        let outcome = if Instant::now() < deadline { Outcome::Command(exit) } else { Outcome::NoResult };
        Some((checker, outcome))
    }

    /// Kills commands beyond their timeout. They are reported once they have ended.
    pub fn end_overdue(&self) {
        let now = Instant::now();
        for (pid, _) in self.commands.values().filter(|(_, deadline)| *deadline <= now) {
            // Each command leads a session, and so a process group.
            let _ = kill_process_group(*pid, Signal::KILL);
        }
    }

    /// Returns the earliest timeout of a command.
    pub fn deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        self.commands.values().map(|(_, deadline)| *deadline).filter(|deadline| *deadline > now).min()
    }

    /// Returns the results of the threads.
    pub fn take(&self) -> Vec<(Checker, Outcome)> {
        let _ = rustix::io::read(&*self.signal, &mut [0u8; 8]);
        self.results.try_iter().collect()
    }
}

fn start(command: CommandInfo, variables: &[(String, String)]) -> Result<Pid, String> {
    let task = TaskInfo { command: Some(Box::new(command)), ..TaskInfo::default() };
    let execution = execution(&task, variables).map_err(|error| error.to_string())?;
    process::start(&execution).map_err(|error| error.to_string())
}

fn connect(port: u16, ipv6: bool, timeout: Duration) -> io::Result<TcpStream> {
    let ip: IpAddr = if ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    let stream = TcpStream::connect_timeout(&SocketAddr::new(ip, port), timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

/// Sends an HTTP request and reads the first line of the response, which has the status.
fn http(port: u16, path: &str, ipv6: bool, timeout: Duration) -> io::Result<Outcome> {
    const MAX_LINE: u64 = 1024;
    let mut stream = connect(port, ipv6, timeout)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nUser-Agent: tepui\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    BufReader::with_capacity(256, stream.take(MAX_LINE)).read_until(b'\n', &mut line)?;
    Ok(status(&line).map_or(Outcome::NoResult, Outcome::Http))
}

/// Parses the status in a line such as `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let text = str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_first_line_tells() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r"), Some(204));
        assert_eq!(status(b"HTTP/1.0 500"), Some(500));
        assert_eq!(status(b"SSH-2.0-x 200"), None);
    }

    #[test]
    fn a_server_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        assert_eq!(http(port, "/health", false, Duration::from_secs(5)).unwrap(), Outcome::Http(302));
        assert!(server.join().unwrap().starts_with("GET /health HTTP/1.1\r\n"));
        // The port does not accept connections any more.
        assert!(connect(port, false, Duration::from_secs(5)).is_err());
    }
}
