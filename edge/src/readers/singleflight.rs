//! Expensive reads: built one at a time on a thread of low priority, and shared by everybody who asks for the same
//! before the build has begun. Whoever comes later may expect to see later changes, and gets the next build.

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

type Outcome = Option<Bytes>;
type Job = Box<dyn FnOnce() + Send>;

/// Builds give way to the core and to connections where processors are short: so much nicer than the process.
const NICE: i32 = 10;

pub struct Singleflight {
    pending: Mutex<HashMap<String, watch::Receiver<Option<Outcome>>>>,
    /// One build at a time leaves the other processors to the core and to scheduler calls.
    build_permit: Semaphore,
    builder: SyncSender<Job>,
    /// Where snapshots are taken, whoever asks.
    runtime: Handle,
}

impl Singleflight {
    /// The thread ends when the last handle is dropped.
    pub fn new(runtime: Handle) -> std::io::Result<Arc<Self>> {
        // Never holds more than one: who sends has the build_permit.
        let (builder, jobs) = sync_channel::<Job>(1);
        std::thread::Builder::new().name("readers".to_owned()).spawn(move || {
            // Best effort: without it a build is only slower to give way.
            let own = rustix::process::getpriority_process(None).unwrap_or_default();
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), own + NICE);
            jobs.iter().for_each(|job| job());
        })?;
        let pending = Mutex::new(HashMap::new());
        Ok(Arc::new(Singleflight { pending, build_permit: Semaphore::new(1), builder, runtime }))
    }

    /// `prepare` takes a snapshot when boarding ends, and returns what builds the answer from it, and what has to outlive
    /// the build: a clone of the snapshot. Only the build runs at low priority: a thread that gives way must not hold a
    /// lock that the core waits for, and one that frees what the core has allocated holds one of the allocator's.
    /// Nothing when the build yields nothing or has failed.
    pub async fn run<B, K>(self: Arc<Self>, key: String, prepare: impl FnOnce() -> (B, K) + Send + 'static) -> Outcome
    where
        B: FnOnce() -> Outcome + Send + 'static,
        K: Send + 'static,
    {
        let mut receiver = self.clone().join(key, prepare);
        let outcome = receiver.wait_for(Option::is_some).await.ok()?;
        outcome.clone().flatten()
    }

    fn join<B, K>(
        self: Arc<Self>,
        key: String,
        prepare: impl FnOnce() -> (B, K) + Send + 'static,
    ) -> watch::Receiver<Option<Outcome>>
    where
        B: FnOnce() -> Outcome + Send + 'static,
        K: Send + 'static,
    {
        let mut pending = self.lock();
        if let Some(receiver) = pending.get(&key) {
            return receiver.clone();
        }
        let (sender, receiver) = watch::channel(None);
        pending.insert(key.clone(), receiver.clone());
        drop(pending);
        // A task of its own: whoever asked first may hang up, the others still wait.
        self.runtime.clone().spawn(async move {
            let permit = self.build_permit.acquire().await;
            self.lock().remove(&key);
            let (build, kept) = prepare();
            let (built, outcome) = tokio::sync::oneshot::channel();
            let job = Box::new(move || {
                // A build that panics must not end the thread; its readers get nothing.
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(build));
                // Nobody may be waiting any more.
                let _ = built.send(outcome.ok().flatten());
            });
            let sent = self.builder.try_send(job);
            let outcome = if sent.is_ok() { outcome.await.ok().flatten() } else { None };
            drop(permit);
            drop(kept);
            sender.send_replace(Some(outcome));
        });
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Option<Outcome>>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn requests_before_the_build_begins_share_it() {
        let singleflight = Singleflight::new(Handle::current()).unwrap();
        let builds = Arc::new(AtomicUsize::new(0));
        let (release, gate) = sync_channel::<()>(1);
        let (begun, first_runs) = tokio::sync::oneshot::channel();
        let first = tokio::spawn(singleflight.clone().run("state".to_owned(), move || {
            let build = move || {
                let _ = begun.send(());
                gate.recv().ok()?;
                Some(Bytes::from_static(b"0"))
            };
            (build, ())
        }));
        first_runs.await.unwrap();
        // The first build runs, so these nine share the next one.
        let later: Vec<_> = (0..9)
            .map(|_| {
                let builds = builds.clone();
                singleflight.clone().join("state".to_owned(), move || {
                    (move || Some(Bytes::from((builds.fetch_add(1, Ordering::SeqCst) + 1).to_string())), ())
                })
            })
            .collect();
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), "0");
        for mut receiver in later {
            let result = receiver.wait_for(Option::is_some).await.unwrap().clone();
            assert_eq!(result, Some(Some(Bytes::from_static(b"1"))));
        }
        assert_eq!(builds.load(Ordering::SeqCst), 1);
    }
}
