//! Carries out probes of the task: commands as child processes, connections on short-lived threads, so that the loop
//! never blocks.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use messages::v1::{CommandInfo, TaskInfo};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::checks::{Outcome, Probe};
use crate::command::{Execution, InvalidCommand};
use crate::core::Exit;
use crate::process;
use crate::tls;
use crate::write_stderr::write_stderr;

/// The capacity of the channel of results, in which threads wait for the loop.
const RESULTS: usize = 4;
const STACK: usize = 64 << 10;
/// The stack size of a thread that does a TLS handshake, in bytes.
const TLS_STACK: usize = 1 << 20;

/// The probes in progress. `K` says which check of which task a probe is for.
#[derive(Debug)]
pub struct Probes<K> {
    results: Receiver<(K, Outcome)>,
    sender: SyncSender<(K, Outcome)>,
    /// Becomes readable when a thread has a result.
    signal: Arc<OwnedFd>,
    /// The network namespace of the task; `None` for that of this process.
    network: Option<Arc<OwnedFd>>,
    commands: BTreeMap<K, (Pid, Instant)>,
}

impl<K: Copy + Ord + Send + 'static> Probes<K> {
    /// Makes an empty set.
    ///
    /// # Errors
    /// Returns the error of the operating system if no eventfd can be created.
    pub fn new() -> io::Result<Self> {
        let (sender, results) = sync_channel(RESULTS);
        let signal = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        Ok(Probes { results, sender, signal, network: None, commands: BTreeMap::new() })
    }

    /// Returns the descriptor that becomes readable when a thread has a result.
    pub fn signal(&self) -> &OwnedFd {
        &self.signal
    }

    /// Lets further probes of ports connect in this network namespace; `None` for that of this process.
    pub fn enter_network(&mut self, network: Option<Arc<OwnedFd>>) {
        self.network = network;
    }

    /// Begins a probe. Returns the outcome if it is known at once. `execution` says how a command is started where the task
    /// runs.
    pub fn begin(
        &mut self,
        checker: K,
        probe: Probe,
        timeout: Duration,
        execution: &dyn Fn(&TaskInfo) -> Result<Execution, InvalidCommand>,
    ) -> Option<Outcome> {
        match probe {
            Probe::Command(command) => match start(*command, execution) {
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
                self.on_thread(checker, STACK, move || Ok(Outcome::Tcp(Bounded::connect(port, ipv6, timeout).is_ok())))
            }
            Probe::Http { port, path, ipv6 } => self.on_thread(checker, STACK, move || {
                let mut stream = Bounded::connect(port, ipv6, timeout)?;
                get(&mut stream, port, &path)
            }),
            Probe::Https { port, path, ipv6 } => self.on_thread(checker, TLS_STACK, move || {
                let mut stream = tls::connect(Bounded::connect(port, ipv6, timeout)?)?;
                get(&mut stream, port, &path)
            }),
        }
    }

    fn on_thread(
        &self,
        checker: K,
        stack: usize,
        look: impl FnOnce() -> io::Result<Outcome> + Send + 'static,
    ) -> Option<Outcome> {
        let (sender, signal, network) = (self.sender.clone(), Arc::clone(&self.signal), self.network.clone());
        let work = move || {
            // The thread ends with the probe, so that no other work is in that network (setns(2)).
            let entered = network.map_or(Ok(()), |network| {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).map_err(io::Error::from)
            });
            let _ = sender.send((checker, entered.and_then(|()| look()).unwrap_or(Outcome::NoResult)));
            let _ = rustix::io::write(&*signal, &1u64.to_ne_bytes());
        };
        match thread::Builder::new().stack_size(stack).spawn(work) {
            Ok(_) => None,
            Err(_) => Some(Outcome::NoResult),
        }
    }

    /// Handles the end of a child. Returns the outcome if the child was a probe.
    pub fn ended(&mut self, pid: Pid, exit: Exit) -> Option<(K, Outcome)> {
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
    pub fn take(&self) -> Vec<(K, Outcome)> {
        let _ = rustix::io::read(&*self.signal, &mut [0u8; 8]);
        self.results.try_iter().collect()
    }
}

fn start(
    command: CommandInfo,
    execution: &dyn Fn(&TaskInfo) -> Result<Execution, InvalidCommand>,
) -> Result<Pid, String> {
    let task = TaskInfo { command: Some(Box::new(command)), ..TaskInfo::default() };
    let execution = execution(&task).map_err(|error| error.to_string())?;
    process::start(&execution).map_err(|error| error.to_string())
}

/// A connection to a port of this machine with a total time limit, however slowly the peer answers.
#[derive(Debug)]
pub struct Bounded {
    stream: TcpStream,
    deadline: Instant,
}

impl Bounded {
    /// Connects to the loopback address.
    ///
    /// # Errors
    ///
    /// No process listens, or it does not answer in time.
    pub fn connect(port: u16, ipv6: bool, timeout: Duration) -> io::Result<Self> {
        let ip: IpAddr = if ipv6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let deadline = Instant::now() + timeout;
        Ok(Bounded { stream: TcpStream::connect_timeout(&SocketAddr::new(ip, port), timeout)?, deadline })
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn peer(&self) -> io::Result<IpAddr> {
        Ok(self.stream.peer_addr()?.ip())
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Sends an HTTP request and reads the first line of the response, which has the status.
fn get(stream: &mut (impl Read + Write), port: u16, path: &str) -> io::Result<Outcome> {
    const MAX_LINE: u64 = 1024;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nUser-Agent: tepui\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
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
    use crate::checks::Checker;
    use std::net::TcpListener;

    #[test]
    fn the_status_is_in_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r"), Some(204));
        assert_eq!(status(b"HTTP/1.0 500"), Some(500));
        assert_eq!(status(b"SSH-2.0-x 200"), None);
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Waits for the result of a probe.
    fn look(probe: Probe, timeout: Duration) -> Outcome {
        let mut probes = Probes::new().unwrap();
        assert_eq!(probes.begin(Checker::Health, probe, timeout, &|_| Err(InvalidCommand::NoCommand)), None);
        let (checker, outcome) = probes.results.recv_timeout(PATIENCE).unwrap();
        assert_eq!(checker, Checker::Health);
        outcome
    }

    fn listen() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[test]
    fn a_server_answers() {
        let (listener, port) = listen();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n").unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let http = Probe::Http { port, path: "/health".into(), ipv6: false };
        assert_eq!(look(http, PATIENCE), Outcome::Http(302));
        assert!(server.join().unwrap().starts_with("GET /health HTTP/1.1\r\n"));
        // The port does not accept connections any more.
        assert_eq!(look(Probe::Tcp { port, ipv6: false }, PATIENCE), Outcome::Tcp(false));
    }

    /// A server whose certificate names another host, is self-signed and was valid for a day.
    fn tls_server(listener: TcpListener, answer: &'static [u8]) -> thread::JoinHandle<String> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let certificate = CertificateDer::from_pem_slice(include_bytes!("../tests/tls/certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tests/tls/key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let mut line = String::new();
            let mut reader = BufReader::new(&mut stream);
            let _ = reader.read_line(&mut line);
            let _ = stream.write_all(answer);
            let _ = stream.flush();
            line
        })
    }

    #[test]
    fn a_server_answers_over_tls_whatever_its_certificate_is() {
        let check = |answer: &'static [u8], expect: Outcome| {
            let (listener, port) = listen();
            let server = tls_server(listener, answer);
            let https = Probe::Https { port, path: "/health".into(), ipv6: false };
            assert_eq!(look(https, PATIENCE), expect);
            assert_eq!(server.join().unwrap(), "GET /health HTTP/1.1\r\n");
        };
        check(b"HTTP/1.1 204 No Content\r\n\r\n", Outcome::Http(204));
        check(b"HTTP/1.1 500 Internal Server Error\r\n\r\n", Outcome::Http(500));
    }

    /// A process that listens is not enough.
    #[test]
    fn a_server_without_tls_is_not_healthy_by_https() {
        let (listener, port) = listen();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 256]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        });
        let https = Probe::Https { port, path: "/".into(), ipv6: false };
        assert_eq!(look(https, PATIENCE), Outcome::NoResult);
        server.join().unwrap();
    }

    /// Each byte comes well within the time limit, but all of them together do not.
    #[test]
    fn a_server_that_answers_byte_by_byte_is_not_waited_for() {
        let (listener, port) = listen();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The loop ends when the client has closed the connection.
            while stream.write_all(b"H").is_ok() {
                thread::sleep(Duration::from_millis(10));
            }
        });
        let http = Probe::Http { port, path: "/".into(), ipv6: false };
        let started = Instant::now();
        assert_eq!(look(http, Duration::from_millis(200)), Outcome::NoResult);
        assert!(started.elapsed() < Duration::from_secs(8), "1024 bytes would take ten seconds");
        server.join().unwrap();
    }
}
