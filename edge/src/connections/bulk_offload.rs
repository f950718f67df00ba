//! Chooses the thread that a connection runs on. Most connections run on the I/O threads. A connection that sends a
//! large response moves to one separate thread, and returns with the next small response. A task that copies megabytes
//! exhausts its share of the processor and is then scheduled late; the calls of a scheduler whose connection shared
//! that thread would wait with it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tracing::warn;

use super::connection::Connection;

/// The thread for large responses. It starts with the first of them.
#[derive(Default)]
pub struct BulkThread(OnceLock<Option<Thread>>);

struct Thread {
    handle: Handle,
    /// Dropping it ends the thread.
    _alive: oneshot::Sender<()>,
}

impl BulkThread {
    /// Returns the runtime of the thread; `None` if the thread cannot be started. Connections then stay on their
    /// threads.
    fn handle(&self) -> Option<&Handle> {
        let thread = self.0.get_or_init(|| match Thread::start() {
            Ok(thread) => Some(thread),
            Err(error) => {
                warn!(%error, "cannot start the thread for large responses");
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
            // The receiver fails when the sender is dropped, which is the signal to end the thread.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Thread { handle, _alive })
    }
}

/// The task of a connection, which moves between the I/O threads and the bulk thread.
pub struct BulkOffload<F> {
    /// `None` once the task has moved to the other runtime.
    connection_task: Option<Pin<Box<F>>>,
    connection: Connection,
    bulk: Arc<BulkThread>,
    io_runtime: Handle,
    offloaded: bool,
}

impl<F: Future<Output = ()> + Send + 'static> BulkOffload<F> {
    /// Wraps the task of `connection`. The result has to be spawned on `io_runtime`.
    pub fn new(connection_task: F, connection: Connection, bulk: Arc<BulkThread>, io_runtime: Handle) -> Self {
        BulkOffload { connection_task: Some(Box::pin(connection_task)), connection, bulk, io_runtime, offloaded: false }
    }

    /// Moves the task to the other runtime; `None` if the bulk thread cannot be started.
    fn switch_runtime(&mut self) -> Option<()> {
        let runtime = if self.offloaded { &self.io_runtime } else { self.bulk.handle()? };
        let moved = BulkOffload {
            connection_task: self.connection_task.take(),
            connection: self.connection.clone(),
            bulk: self.bulk.clone(),
            io_runtime: self.io_runtime.clone(),
            offloaded: !self.offloaded,
        };
        runtime.spawn(moved);
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
        // The new task polls the inner task at once, so no wake-up is lost.
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
        let (sender, receiver) = oneshot::channel();
        let connection_task = async move {
            let mut threads = Vec::new();
            for bytes in [0, usize::MAX, usize::MAX, 0] {
                own.response_started(bytes);
                tokio::task::yield_now().await;
                threads.push(thread_name());
            }
            sender.send(threads).unwrap();
        };
        tokio::spawn(BulkOffload::new(connection_task, connection, Arc::default(), Handle::current()));
        let threads = receiver.await.unwrap();
        let offloaded: Vec<bool> = threads.iter().map(|thread| thread == "bulk").collect();
        assert_eq!(offloaded, [false, true, true, false], "{threads:?}");
    }
}
