//! Expensive reads: built on a blocking thread, one at a time, and shared by everybody who asks for the same
//! before the build has begun. Whoever comes later may expect to see later changes, and gets the next build.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};

type Result = Option<Bytes>;

pub struct Flights {
    boarding: Mutex<HashMap<String, watch::Receiver<Option<Result>>>>,
    /// One build at a time leaves the other processors to the core and to scheduler calls.
    runway: Semaphore,
}

impl Flights {
    pub fn new() -> Self {
        Flights { boarding: Mutex::new(HashMap::new()), runway: Semaphore::new(1) }
    }

    /// `build` takes its snapshot when it runs. Nothing when it yields nothing or has failed.
    pub async fn fly(self: Arc<Self>, key: String, build: impl FnOnce() -> Result + Send + 'static) -> Result {
        let mut arrival = self.clone().board(key, build);
        let result = arrival.wait_for(Option::is_some).await.ok()?;
        result.clone().flatten()
    }

    fn board(
        self: Arc<Self>,
        key: String,
        build: impl FnOnce() -> Result + Send + 'static,
    ) -> watch::Receiver<Option<Result>> {
        let mut boarding = self.lock();
        if let Some(arrival) = boarding.get(&key) {
            return arrival.clone();
        }
        let (arrived, arrival) = watch::channel(None);
        boarding.insert(key.clone(), arrival.clone());
        drop(boarding);
        // A task of its own: whoever asked first may hang up, the others still wait.
        tokio::spawn(async move {
            let permit = self.runway.acquire().await;
            self.lock().remove(&key);
            let result = tokio::task::spawn_blocking(build).await.ok().flatten();
            drop(permit);
            arrived.send_replace(Some(result));
        });
        arrival
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<Option<Result>>>> {
        self.boarding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_asks_before_the_build_begins_shares_it() {
        let flights = Arc::new(Flights::new());
        let builds = Arc::new(AtomicUsize::new(0));
        let (release, gate) = sync_channel::<()>(1);
        let (begun, first_runs) = tokio::sync::oneshot::channel();
        let first = tokio::spawn(flights.clone().fly("state".to_owned(), move || {
            let _ = begun.send(());
            gate.recv().ok()?;
            Some(Bytes::from_static(b"0"))
        }));
        first_runs.await.unwrap();
        // The first build runs, so these nine share the next one.
        let later: Vec<_> = (0..9)
            .map(|_| {
                let builds = builds.clone();
                flights.clone().board("state".to_owned(), move || {
                    Some(Bytes::from((builds.fetch_add(1, Ordering::SeqCst) + 1).to_string()))
                })
            })
            .collect();
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), "0");
        for mut arrival in later {
            let result = arrival.wait_for(Option::is_some).await.unwrap().clone();
            assert_eq!(result, Some(Some(Bytes::from_static(b"1"))));
        }
        assert_eq!(builds.load(Ordering::SeqCst), 1);
    }
}
