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
pub struct BulkThread(OnceLock<Option<Thread>>);

struct Thread {
    handle: Handle,
    /// The thread ends when this is dropped.
    _alive: oneshot::Sender<()>,
}

impl BulkThread {
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
pub struct BulkOffload<F> {
    /// Nothing once it went on elsewhere.
    connection_task: Option<Pin<Box<F>>>,
    connection: Connection,
    bulk: Arc<BulkThread>,
    io_runtime: Handle,
    offloaded: bool,
}

impl<F: Future<Output = ()> + Send + 'static> BulkOffload<F> {
    /// To be polled on `io_runtime` first.
    pub fn new(connection_task: F, connection: Connection, bulk: Arc<BulkThread>, io_runtime: Handle) -> Self {
        BulkOffload { connection_task: Some(Box::pin(connection_task)), connection, bulk, io_runtime, offloaded: false }
    }

    /// Moves to the other place, if it can.
    fn switch_runtime(&mut self) -> Option<()> {
        let place = if self.offloaded { &self.io_runtime } else { self.bulk.handle()? };
        let moved = BulkOffload {
            connection_task: self.connection_task.take(),
            connection: self.connection.clone(),
            bulk: self.bulk.clone(),
            io_runtime: self.io_runtime.clone(),
            offloaded: !self.offloaded,
        };
        place.spawn(moved);
        Some(())
    }
}

impl<F: Future<Output = ()> + Send + 'static> Future for BulkOffload<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(connection_task) = &mut this.connection_task else { return Poll::Ready(()) };
        if connection_task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if this.connection.is_sending_bulk() == this.offloaded {
            return Poll::Pending;
        }
        // The new task polls it at once, so no wake-up is lost with this one.
        match this.switch_runtime() {
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
    use crate::connections::plain::PlainTransport;

    fn thread_name() -> String {
        current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_bulk_response_moves_the_connection_to_the_bulk_thread() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let peer = socket.peer_addr().unwrap();
        let connection = Connection::new(PlainTransport::new(socket).unwrap(), peer);
        let own = connection.clone();
        let (tell, told) = oneshot::channel();
        let connection_task = async move {
            let mut places = Vec::new();
            for bytes in [0, usize::MAX, usize::MAX, 0] {
                own.response_started(bytes);
                tokio::task::yield_now().await;
                places.push(thread_name());
            }
            tell.send(places).unwrap();
        };
        tokio::spawn(BulkOffload::new(connection_task, connection, Arc::default(), Handle::current()));
        let places = told.await.unwrap();
        let offloaded: Vec<bool> = places.iter().map(|place| place == "bulk").collect();
        assert_eq!(offloaded, [false, true, true, false], "{places:?}");
    }
}
