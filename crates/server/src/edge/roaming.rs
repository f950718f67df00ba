//! Where a connection runs. Most run on the I/O threads; one that is being sent a large answer moves to a thread where
//! all of those are, until it is sent a small one. Whoever copies megabytes uses up its turns on the processors and then
//! has to wait for them: with the connection of a scheduler on the same thread, its calls would wait, too.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tracing::warn;

use super::connection::Connection;

/// The thread for large answers; it starts with the first of them.
#[derive(Default)]
pub struct Bulk(OnceLock<Option<Thread>>);

struct Thread {
    handle: Handle,
    /// The thread ends when this is dropped.
    _alive: oneshot::Sender<()>,
}

impl Bulk {
    /// Nothing when it cannot be started: then connections stay where they are.
    fn handle(&self) -> Option<&Handle> {
        let thread = self.0.get_or_init(|| match Thread::start() {
            Ok(thread) => Some(thread),
            Err(error) => {
                warn!(%error, "cannot start the thread for large answers");
                None
            }
        });
        thread.as_ref().map(|thread| &thread.handle)
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (_alive, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("bulk".to_owned()).spawn(move || {
            // An error means what it is there for: nobody needs the thread any more.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Thread { handle, _alive })
    }
}

/// A conversation that runs where its connection belongs.
pub struct Roaming<F> {
    /// Nothing once it went on elsewhere.
    conversation: Option<Pin<Box<F>>>,
    connection: Connection,
    bulk: Arc<Bulk>,
    home: Handle,
    away: bool,
}

impl<F: Future<Output = ()> + Send + 'static> Roaming<F> {
    /// To be polled on `home` first.
    pub fn new(conversation: F, connection: Connection, bulk: Arc<Bulk>, home: Handle) -> Self {
        Roaming { conversation: Some(Box::pin(conversation)), connection, bulk, home, away: false }
    }

    /// Moves to the other place, if it can.
    fn turn(&mut self) -> Option<()> {
        let place = if self.away { &self.home } else { self.bulk.handle()? };
        let moved = Roaming {
            conversation: self.conversation.take(),
            connection: self.connection.clone(),
            bulk: self.bulk.clone(),
            home: self.home.clone(),
            away: !self.away,
        };
        place.spawn(moved);
        Some(())
    }
}

impl<F: Future<Output = ()> + Send + 'static> Future for Roaming<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(conversation) = &mut this.conversation else { return Poll::Ready(()) };
        if conversation.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if this.connection.is_bulky() == this.away {
            return Poll::Pending;
        }
        // The new task polls it at once, so no wake-up is lost with this one.
        match this.turn() {
            Some(()) => Poll::Ready(()),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::current;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn place() -> String {
        current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_conversation_runs_elsewhere_while_its_connection_is_bulky() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let peer = socket.peer_addr().unwrap();
        let connection = Connection::new(socket, peer);
        let own = connection.clone();
        let (tell, told) = oneshot::channel();
        let conversation = async move {
            let mut places = Vec::new();
            for bytes in [0, usize::MAX, usize::MAX, 0] {
                own.answering(bytes);
                tokio::task::yield_now().await;
                places.push(place());
            }
            tell.send(places).unwrap();
        };
        tokio::spawn(Roaming::new(conversation, connection, Arc::default(), Handle::current()));
        let places = told.await.unwrap();
        let away: Vec<bool> = places.iter().map(|place| place == "bulk").collect();
        assert_eq!(away, [false, true, true, false], "{places:?}");
    }
}
