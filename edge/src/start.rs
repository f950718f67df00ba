//! What starting a master and starting an agent have in common.

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

/// Where to listen, and what peers are told.
#[derive(Debug, Clone)]
pub struct Listen {
    pub ip: Ipv4Addr,
    /// Zero for any.
    pub port: u16,
    pub advertise_ip: Option<Ipv4Addr>,
    pub advertise_port: Option<u16>,
    /// Whether the senders of messages are believed.
    pub sender_check: SenderCheck,
}

/// A bound socket that nobody accepts from yet.
pub struct Bound {
    /// The socket.
    pub listener: TcpListener,
    /// The address that it listens on, with the real port.
    pub local: SocketAddrV4,
    /// The address that peers are told.
    pub advertised: SocketAddrV4,
    /// Whether the senders of messages are believed.
    pub sender_check: SenderCheck,
}

const BIND_TIMEOUT: Duration = Duration::from_secs(1);

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

/// A process that a killed agent was just making holds its sockets until it runs its program, so one refusal is none.
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

/// From the operating system: ids and stream ids authorise calls.
pub fn seed() -> Result<[u8; 32], Error> {
    let mut seed = [0; 32];
    let mut source = std::fs::File::open("/dev/urandom").map_err(Error::Randomness)?;
    source.read_exact(&mut seed).map_err(Error::Randomness)?;
    Ok(seed)
}

pub fn runtime() -> Result<Handle, Error> {
    Handle::try_current().map_err(|_| Error::NoRuntime)
}

/// Starts the core's thread and then accepts connections.
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

/// Starts the core's thread. Must be called inside a tokio runtime, which then carries its links.
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

/// Accepts connections until `ended` says that the core is over. Returns what says that the connections are over as
/// well, after what was still to be answered.
///
/// # Errors
/// When this is not a tokio runtime, or the socket is unfit.
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
    let service = Arc::new(Service { app, budget: Budget::new(), sender_check: bound.sender_check });
    let listening = runtime.spawn(listener::serve(listener, PlainAcceptor, service, room.clone(), stopping));
    let (flushed, all_ended) = end_channel();
    runtime.spawn(async move {
        // An error means that the core's thread is gone, which is an end as well.
        let end = ended_of(ended).await;
        stop.send_replace(true);
        // An error means that accepting has panicked, and nobody listens any more.
        let _ = listening.await;
        // Every connection holds a permit. Those that do not take their last answers are left behind.
        let _ = timeout(2 * SHUTDOWN_FLUSH_TIMEOUT, room.acquire_many(MAX_CONNECTIONS as u32)).await;
        flushed.send_replace(Some(end));
    });
    Ok(all_ended)
}

async fn ended_of(mut ended: watch::Receiver<Option<Ended>>) -> Ended {
    ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()).unwrap_or_default()
}

/// A host reports its end by dropping or sending; `Host` implementations own the sender.
pub fn end_channel() -> (watch::Sender<Option<Ended>>, watch::Receiver<Option<Ended>>) {
    watch::channel(None)
}
