//! Expensive reads. One build at a time runs on a thread of low priority, and all identical requests that arrive before
//! the build begins share its result. A later request may expect later changes, and gets the next build.

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

type Outcome = Option<Bytes>;
type Job = Box<dyn FnOnce() + Send>;

/// The niceness of builds relative to the process, so that the core and connections come first when processors are
/// short.
const NICE: i32 = 10;

/// Builds responses once for all identical requests that wait for them (Go `x/sync/singleflight`).
pub struct Singleflight {
    pending: Mutex<HashMap<String, watch::Receiver<Option<Outcome>>>>,
    /// Only one build runs at a time, which leaves the other processors to the core and to scheduler calls.
    build_permit: Semaphore,
    builder: SyncSender<Job>,
    /// The runtime on which snapshots are taken, independent of the runtime of the caller.
    runtime: Handle,
}

impl Singleflight {
    /// Starts the thread of the builds. The thread ends when the last handle is dropped.
    ///
    /// # Errors
    /// Returns the error of the operating system if the thread cannot be started.
    pub fn new(runtime: Handle) -> std::io::Result<Arc<Self>> {
        // The channel holds at most one job, because its sender has the `build_permit`.
        let (builder, jobs) = sync_channel::<Job>(1);
        std::thread::Builder::new().name("readers".to_owned()).spawn(move || {
            // Without the lower priority a build still works, but competes with the core.
            let own = rustix::process::getpriority_process(None).unwrap_or_default();
            let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), own + NICE);
            jobs.iter().for_each(|job| job());
        })?;
        let pending = Mutex::new(HashMap::new());
        Ok(Arc::new(Singleflight { pending, build_permit: Semaphore::new(1), builder, runtime }))
    }

    /// Returns the result of the next build for `key`; `None` if the build fails or has no result. `prepare` runs when
    /// no more requests can join the build. It returns the function that builds the response, and a clone of the
    /// snapshot that has to outlive the build. Only the build runs at low priority: a thread of low priority must not
    /// hold a lock that the core waits for, and a thread that frees memory of the core holds a lock of the allocator.
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
        // The build has a task of its own, because the first caller may disconnect while others still wait.
        self.runtime.clone().spawn(async move {
            let permit = self.build_permit.acquire().await;
            self.lock().remove(&key);
            let (build, kept) = prepare();
            let (built, outcome) = tokio::sync::oneshot::channel();
            let job = Box::new(move || {
                // A build that panics must not end the thread; its callers get no result.
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(build));
                // The receiver may be gone.
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
        // While the first build runs, these nine requests share the next one.
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
