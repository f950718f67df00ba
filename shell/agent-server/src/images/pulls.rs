//! The pulls that are under way, for the log and for readers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use provisioner::{PullEvent, PullProgress};

/// The interval between two reports about one pull, in the log and to its task.
const REPORTED: Duration = Duration::from_secs(5);

/// The pulls that are under way.
#[derive(Debug, Default)]
pub(super) struct Pulls(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    pulls: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    container: String,
    image: String,
    progress: Arc<PullProgress>,
}

/// A pull that is shown as long as this lives.
pub(super) struct Pull<'a> {
    pulls: &'a Pulls,
    number: u64,
    image: String,
    container: String,
    progress: Arc<PullProgress>,
    logged: Mutex<Instant>,
}

/// One pull, for readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingPull {
    /// The container that waits for the image.
    pub container: String,
    /// The image as the task names it.
    pub image: String,
    /// The progress of the pull, as a text for people.
    pub progress: String,
}

impl Pulls {
    /// Enters a pull.
    pub fn begin(&self, container: &str, image: &str) -> Pull<'_> {
        let progress = Arc::<PullProgress>::default();
        let entry = Entry { container: container.to_owned(), image: image.to_owned(), progress: Arc::clone(&progress) };
        let mut table = self.lock();
        let number = table.next;
        table.next += 1;
        table.pulls.insert(number, entry);
        Pull {
            pulls: self,
            number,
            image: image.to_owned(),
            container: container.to_owned(),
            progress,
            logged: Mutex::new(Instant::now()),
        }
    }

    /// Returns the pulls that are under way, the oldest first.
    pub fn pending(&self) -> Vec<PendingPull> {
        let shown = |entry: &Entry| PendingPull {
            container: entry.container.clone(),
            image: entry.image.clone(),
            progress: entry.progress.to_string(),
        };
        self.lock().pulls.values().map(shown).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pull<'_> {
    /// Takes a step into account, and logs and reports the progress of long pulls.
    pub fn observe(&self, event: &PullEvent, report: &dyn Fn(String)) {
        self.progress.observe(event);
        match event {
            PullEvent::Layers { .. } => {
                tracing::info!(container = self.container, image = self.image, "pulling an image: {}", self.progress);
            }
            PullEvent::Received { .. } | PullEvent::LayerDone { .. } => {
                let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
                if logged.elapsed() >= REPORTED {
                    *logged = Instant::now();
                    tracing::info!(
                        container = self.container,
                        image = self.image,
                        "pulling an image: {}",
                        self.progress
                    );
                    report(format!("Pulling image '{}': {}", self.image, self.progress));
                }
            }
        }
    }
}

impl Drop for Pull<'_> {
    fn drop(&mut self) {
        self.pulls.lock().pulls.remove(&self.number);
    }
}
