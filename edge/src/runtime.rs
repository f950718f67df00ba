//! The runtime that connections run on.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// Two I/O threads keep up with any core, which is one thread; more only fight with it and with containers.
const WORKERS: usize = 2;

/// How many tasks a worker runs before it looks for new I/O and for wake-ups by the core's thread. The usual 61 and 31
/// make a scheduler's call wait for as many pieces of large responses.
const INTERVAL: u32 = 5;

pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("io")
        .event_interval(INTERVAL)
        .global_queue_interval(INTERVAL)
        .enable_all()
        .build()
}
