//! The thread that commits: whatever waits becomes durable by one write and one flush.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::LogError;
use super::file::Log;
use super::frame::Frame;

/// Entries that wait. Who has more to write than the disk takes waits, too.
const QUEUE: usize = 65_536;
/// A group is closed at this size, so that the first in it do not wait for the last.
const MAX_GROUP: usize = 4 << 20;
/// Between attempts to write to a full disk.
const PAUSE: Duration = Duration::from_secs(1);
/// A log below this is not worth replacing.
const MIN_COMPACTION: u64 = 8 << 20;
/// A log is replaced when it is so many times as long as right after the last time.
const GROWTH: u64 = 4;

/// What is written, and who hears of it. Its methods are called on the writer's thread.
pub trait Journal: Send + 'static {
    /// What is appended.
    type Entry: Send + 'static;

    /// The bytes of an entry; `None` for one that need not survive, but keeps its place in the order.
    fn encode(&mut self, entry: &Self::Entry) -> Option<Vec<u8>>;

    /// These are durable, and everything before them.
    fn durable(&mut self, entries: Vec<Self::Entry>);

    /// The shortest list of records that says what all durable entries say.
    fn snapshot(&mut self) -> Vec<Vec<u8>>;

    /// Takes what happened to the log.
    fn on_event(&mut self, event: WriterEvent);
}

/// What happened to a log.
#[derive(Debug)]
pub enum WriterEvent {
    /// The disk is full. Nothing is lost and nothing is confirmed; it is tried again.
    Stalled(LogError),
    /// There is room again.
    Resumed,
    /// Nothing will be written any more.
    Failed(LogError),
}

/// What a writer has done so far.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Records that were appended.
    pub records: AtomicU64,
    /// Times that appended records were made durable.
    pub flushes: AtomicU64,
    /// Times that the log was rewritten without superseded records.
    pub compactions: AtomicU64,
}

/// The writer has failed or was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log takes no more records")]
pub struct Closed;

/// Dropping it writes what waits, and ends the thread.
pub struct Writer<E> {
    queue: Option<SyncSender<E>>,
    stopping: Arc<AtomicBool>,
    statistics: Arc<Statistics>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<E: Send + 'static> Writer<E> {
    /// Starts the thread that writes.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(log: Log, journal: impl Journal<Entry = E>) -> std::io::Result<Self> {
        let (queue, entries) = sync_channel(QUEUE);
        let stopping = Arc::new(AtomicBool::new(false));
        let statistics = Arc::new(Statistics::default());
        let committer = Committer {
            compact_at: compaction_of(log.length()),
            log,
            journal,
            entries,
            stopping: stopping.clone(),
            statistics: statistics.clone(),
        };
        let thread = thread::Builder::new().name("log".into()).spawn(move || committer.run())?;
        Ok(Writer { queue: Some(queue), stopping, statistics, thread: Mutex::new(Some(thread)) })
    }

    /// Waits while the queue is full.
    pub fn write(&self, entry: E) -> Result<(), Closed> {
        self.queue.as_ref().ok_or(Closed)?.send(entry).map_err(|_| Closed)
    }

    /// Returns the counters of the writer.
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.statistics
    }
}

impl<E> Drop for Writer<E> {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.queue = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            // A panic there has been reported by its own hook.
            let _ = thread.join();
        }
    }
}

struct Committer<J: Journal> {
    log: Log,
    journal: J,
    entries: Receiver<J::Entry>,
    compact_at: u64,
    stopping: Arc<AtomicBool>,
    statistics: Arc<Statistics>,
}

impl<J: Journal> Committer<J> {
    fn run(mut self) {
        while let Ok(first) = self.entries.recv() {
            if let Err(error) = self.commit(first) {
                // The queue closes with this thread: whoever writes hears of it.
                self.journal.on_event(WriterEvent::Failed(error));
                return;
            }
            self.compact_if_long();
        }
    }

    fn commit(&mut self, first: J::Entry) -> Result<(), LogError> {
        let mut frame = Frame::new();
        let mut group = Vec::new();
        let mut next = Some(first);
        let mut records = 0;
        while let Some(entry) = next {
            if let Some(bytes) = self.journal.encode(&entry) {
                frame.push(&bytes)?;
                records += 1;
            }
            group.push(entry);
            next = if frame.len() < MAX_GROUP && group.len() < QUEUE { self.entries.try_recv().ok() } else { None };
        }
        if !frame.is_empty() {
            self.append(&mut frame)?;
            self.statistics.records.fetch_add(records, Ordering::Relaxed);
            self.statistics.flushes.fetch_add(1, Ordering::Relaxed);
        }
        self.journal.durable(group);
        Ok(())
    }

    /// As long as the disk is full nothing is confirmed, so nothing is accepted that depends on it.
    fn append(&mut self, frame: &mut Frame) -> Result<(), LogError> {
        let mut stalled = false;
        loop {
            match self.log.append(frame) {
                Ok(()) => {
                    if stalled {
                        self.journal.on_event(WriterEvent::Resumed);
                    }
                    return Ok(());
                }
                Err(full) if full.is_full() && !self.stopping.load(Ordering::Acquire) => {
                    if !stalled {
                        self.journal.on_event(WriterEvent::Stalled(full));
                    }
                    stalled = true;
                    thread::park_timeout(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn compact_if_long(&mut self) {
        if self.log.length() < self.compact_at {
            return;
        }
        match self.log.compact(self.journal.snapshot()) {
            Ok(()) => {
                self.statistics.compactions.fetch_add(1, Ordering::Relaxed);
                self.compact_at = compaction_of(self.log.length());
            }
            Err(error) => {
                tracing::warn!(%error, "cannot shorten the log; it goes on growing");
                self.compact_at = self.log.length() * 2;
            }
        }
    }
}

fn compaction_of(length: u64) -> u64 {
    (length * GROWTH).max(MIN_COMPACTION)
}
