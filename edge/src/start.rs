//! The part of the start of a server that masters and agents share.

use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use crate::Error;
use crate::app::App;
use crate::connections::budget::Budget;
use crate::connections::listener::{self, Service};
use crate::connections::plain::PlainAcceptor;
use crate::core_thread::effect_handler::EffectHandler;
use crate::core_thread::{self, Clock, Host, Inbox, InboxItem};
use crate::libprocess::links::Links;
use crate::libprocess::message::SenderCheck;
use crate::limits::{MAX_CONNECTIONS, SHUTDOWN_FLUSH_TIMEOUT};
use crate::running::{Ended, Running};

/// The address to listen on, and the address that peers are told.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address of `--ip`.
    pub ip: Ipv4Addr,
    /// The port of `--port`; zero for any free port.
    pub port: u16,
    /// The address that peers are told; `None` for `ip`.
    pub advertise_ip: Option<Ipv4Addr>,
    /// The port that peers are told; `None` for the port that the server listens on.
    pub advertise_port: Option<u16>,
    /// The check of the senders of messages.
    pub sender_check: SenderCheck,
}

/// A bound socket that does not accept connections yet.
pub struct Bound {
    /// The socket.
    pub listener: TcpListener,
    /// The address that it listens on, with the actual port.
    pub local: SocketAddrV4,
    /// The address that peers are told.
    pub advertised: SocketAddrV4,
    /// The check of the senders of messages.
    pub sender_check: SenderCheck,
}

const BIND_TIMEOUT: Duration = Duration::from_secs(1);

/// Binds the socket of a server.
///
/// # Errors
/// Returns the [`Error`] that says why the address is not available.
pub fn bind(listen: &Listen) -> Result<Bound, Error> {
    let wanted = SocketAddrV4::new(listen.ip, listen.port);
    let failed = |source| Error::listen(wanted, source);
    let listener = bind_with_retry(wanted).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    let local = SocketAddrV4::new(listen.ip, port);
    let ip = listen.advertise_ip.unwrap_or(listen.ip);
    let advertised = SocketAddrV4::new(ip, listen.advertise_port.unwrap_or(port));
    Ok(Bound { listener, local, advertised, sender_check: listen.sender_check })
}

/// Binds the address, and retries for a second while it is in use: a process that a killed agent was just starting
/// holds the agent's sockets until it executes its program.
fn bind_with_retry(address: SocketAddrV4) -> io::Result<TcpListener> {
    let deadline = Instant::now() + BIND_TIMEOUT;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(BIND_TIMEOUT / 50);
            }
            outcome => return outcome,
        }
    }
}

/// Reads a seed from `/dev/urandom`. Ids made from it authorise calls, so that they must not be guessable.
///
/// # Errors
/// Returns [`Error::Randomness`] if the device cannot be read.
pub fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    let mut source = std::fs::File::open("/dev/urandom").map_err(Error::Randomness)?;
    source.read_exact(&mut seed).map_err(Error::Randomness)?;
    Ok(seed)
}

/// Returns the tokio runtime of the caller.
///
/// # Errors
/// Returns [`Error::NoRuntime`] outside a runtime.
pub fn runtime() -> Result<Handle, Error> {
    Handle::try_current().map_err(|_| Error::NoRuntime)
}

/// Starts the core's thread, then accepts connections.
///
/// # Errors
/// Returns the [`Error`] of the thread or of the socket.
pub fn launch<A: App>(
    name: &'static str,
    bound: Bound,
    clock: Clock,
    host: A::Host,
    inbox: Arc<Inbox<A::Host>>,
    app: Arc<A>,
    ended: watch::Receiver<Option<Ended>>,
) -> Result<Running, Error> {
    let core = start_core(name, bound.advertised, clock, host, inbox.clone())?;
    let address = bound.local.into();
    let ended = listen(bound, app, ended)?;
    let stop = Arc::new(move || inbox.send_control(InboxItem::Stop));
    Ok(Running::new(address, ended, stop).with_core(core))
}

/// Starts the core's thread. The tokio runtime of the caller carries its links.
///
/// # Errors
/// Returns [`Error::NoRuntime`] outside a runtime, and [`Error::Thread`] if the thread cannot be started.
pub fn start_core<H: Host>(
    name: &'static str,
    advertised: SocketAddrV4,
    clock: Clock,
    host: H,
    inbox: Arc<Inbox<H>>,
) -> Result<JoinHandle<()>, Error> {
    let links = Links::new(advertised, runtime()?, inbox.clone());
    let effects = EffectHandler::new(inbox.clone(), links);
    core_thread::spawn(name, inbox, clock, host, effects).map_err(Error::Thread)
}

/// Accepts connections until `ended` reports the end of the core. Returns the channel that reports the end of the
/// connections, once pending responses have been written.
///
/// # Errors
/// Returns [`Error::NoRuntime`] outside a runtime, and [`Error::Listen`] if the socket is unusable.
pub fn listen<A: App>(
    bound: Bound,
    app: Arc<A>,
    ended: watch::Receiver<Option<Ended>>,
) -> Result<watch::Receiver<Option<Ended>>, Error> {
    let runtime = runtime()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(bound.listener).map_err(|source| Error::listen(bound.local, source))?
    };
    let (stop, stopping) = watch::channel(false);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let service = Arc::new(Service { app, budget: Budget::of_requests(), sender_check: bound.sender_check });
    let listening = runtime.spawn(listener::serve(listener, PlainAcceptor, service, room.clone(), stopping));
    let (flushed, all_ended) = end_channel();
    runtime.spawn(async move {
        // An error means that the core's thread is gone, which is an end as well.
        let end = ended_of(ended).await;
        stop.send_replace(true);
        // An error means that the accepting task has panicked, so that nothing listens any more.
        let _ = listening.await;
        // Every connection holds a permit. Connections whose peers do not read the last responses are abandoned.
        let _ = timeout(2 * SHUTDOWN_FLUSH_TIMEOUT, room.acquire_many(MAX_CONNECTIONS as u32)).await;
        flushed.send_replace(Some(end));
    });
    Ok(all_ended)
}

async fn ended_of(mut ended: watch::Receiver<Option<Ended>>) -> Ended {
    ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()).unwrap_or_default()
}

/// Returns the channel by which a host reports its end: it sends a value or drops the sender. The `Host` owns the
/// sender.
pub fn end_channel() -> (watch::Sender<Option<Ended>>, watch::Receiver<Option<Ended>>) {
    watch::channel(None)
}
