//! Threads that do for the core what takes a disk: one changes running containers (cgroups, volumes, ownership), one
//! removes what is left of them. The core's thread hands the work over, and each thread does it in that order.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use tracing::warn;

/// A piece of work, which says itself when it is done.
type Job = Box<dyn FnOnce() + Send>;

/// Jobs that may wait for one thread. Beyond it the core's thread waits for the disk after all: whoever causes so many
/// gets new tasks only as fast as they can be done.
const MAX_PENDING: usize = 16_384;

/// A thread with a queue. It ends after what it was given when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Worker {
    name: &'static str,
    jobs: SyncSender<Job>,
}

impl Worker {
    /// Starts a thread with this name.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: &'static str) -> io::Result<Self> {
        let (sender, jobs) = sync_channel::<Job>(MAX_PENDING);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            jobs.iter().for_each(|job| {
                // A job that panics must not end the thread; what waits behind it goes on.
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                    warn!(thread = name, "a job has panicked");
                }
            });
        })?;
        Ok(Worker { name, jobs: sender })
    }

    /// Has a job done after those before it.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        if let Err(TrySendError::Full(job)) = self.jobs.try_send(Box::new(job)) {
            warn!(thread = self.name, "{MAX_PENDING} jobs wait for the disk: waiting");
            // The thread ends with the last handle, and this is one.
            let _ = self.jobs.send(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn jobs_are_done_in_order_whatever_becomes_of_one() {
        let worker = Worker::start("test").unwrap();
        let (tell, told) = sync_channel(4);
        for number in 0..4 {
            let tell = tell.clone();
            worker.run(move || {
                assert_ne!(number, 1, "this job panics");
                tell.send(number).unwrap();
            });
        }
        drop(tell);
        assert_eq!(told.iter().collect::<Vec<_>>(), [0, 2, 3]);
    }
}
