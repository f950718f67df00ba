//! Threads that do blocking work for the core: one changes running containers (cgroups, volumes, ownership), one
//! removes their files. Each thread does its work in the order in which the core's thread hands it over.

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};

use tracing::warn;

/// A piece of work, which reports its completion itself.
type Job = Box<dyn FnOnce() + Send>;

/// The maximum of jobs that wait for one thread. Beyond it the core's thread waits for the disk, which slows down the
/// clients that cause the jobs.
const MAX_PENDING: usize = 16_384;

/// A thread with a queue. Dropping the last handle ends the thread after the queued jobs.
#[derive(Debug, Clone)]
pub struct Worker {
    name: &'static str,
    jobs: SyncSender<Job>,
}

impl Worker {
    /// Starts a thread called `name`.
    ///
    /// # Errors
    /// Returns the error of the operating system if the thread cannot be started.
    pub fn start(name: &'static str) -> io::Result<Self> {
        let (sender, jobs) = sync_channel::<Job>(MAX_PENDING);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            jobs.iter().for_each(|job| {
                // A job that panics must not end the thread, because other jobs wait behind it.
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                    warn!(thread = name, "a job has panicked");
                }
            });
        })?;
        Ok(Worker { name, jobs: sender })
    }

    /// Queues a job behind earlier ones.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        if let Err(TrySendError::Full(job)) = self.jobs.try_send(Box::new(job)) {
            warn!(thread = self.name, "{MAX_PENDING} jobs wait for the disk; the agent's core waits as well");
            // The thread ends only with the last handle, and this is one.
            let _ = self.jobs.send(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn jobs_run_in_order_even_if_one_fails() {
        let worker = Worker::start("test").unwrap();
        let (sender, done) = sync_channel(4);
        for number in 0..4 {
            let sender = sender.clone();
            worker.run(move || {
                assert_ne!(number, 1, "this job panics");
                sender.send(number).unwrap();
            });
        }
        drop(sender);
        assert_eq!(done.iter().collect::<Vec<_>>(), [0, 2, 3]);
    }
}
