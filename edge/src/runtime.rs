//! The runtime that connections run on.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// The number of I/O threads. Two keep up with any core, which is one thread; more would compete with it and with
/// containers.
const WORKERS: usize = 2;

/// The number of tasks that a worker runs before it polls for I/O and for wake-ups by the core's thread. With tokio's
/// defaults of 61 and 31, a scheduler's call waits for that many pieces of large responses.
const INTERVAL: u32 = 5;

/// Makes the runtime of the connections.
///
/// # Errors
/// Returns the error of the operating system if its threads cannot be started.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("io")
        .event_interval(INTERVAL)
        .global_queue_interval(INTERVAL)
        .enable_all()
        .build()
}
