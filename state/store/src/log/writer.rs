//! The thread that commits: all waiting entries become durable by one write and one flush.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::error::LogError;
use super::file::Log;
use super::frame::Frame;

/// The maximum of waiting entries. At the bound, callers wait for the disk.
const QUEUE: usize = 65_536;
/// The size in bytes at which a group is closed, so that its first entries do not wait for the last.
const MAX_GROUP: usize = 4 << 20;
/// The pause between attempts to write to a full disk.
const PAUSE: Duration = Duration::from_secs(1);
/// The interval in which an idle writer checks whether its log is still in its place.
const CHECK: Duration = Duration::from_secs(1);
/// The maximum of attempts to write a log anew while its directory is removed again and again.
const RENEWALS: u32 = 500;
/// The pause between these attempts.
const RENEWAL_PAUSE: Duration = Duration::from_millis(10);
/// The size in bytes below which a log is not compacted.
const MIN_COMPACTION: u64 = 8 << 20;
/// A log is compacted when it has grown by this factor since the last compaction.
const GROWTH: u64 = 4;

/// The content of a log and the receiver of its confirmations. The methods are called on the writer's thread.
pub trait Journal: Send + 'static {
    /// One entry to append.
    type Entry: Send + 'static;

    /// Returns the bytes of an entry; `None` for an entry that need not survive, but keeps its place in the order.
    fn encode(&mut self, entry: &Self::Entry) -> Option<Vec<u8>>;

    /// Reports that these entries, and all before them, are durable.
    fn durable(&mut self, entries: Vec<Self::Entry>);

    /// Returns the shortest list of records that is equivalent to all entries that were [encoded](Self::encode).
    fn snapshot(&mut self) -> Vec<Vec<u8>>;

    /// Receives an event of the log.
    fn on_event(&mut self, event: WriterEvent);
}

/// An event of a log.
#[derive(Debug)]
pub enum WriterEvent {
    /// The disk is full. No record is lost or confirmed; the writer keeps trying.
    Stalled(LogError),
    /// The disk has free space again.
    Resumed,
    /// The log was removed, moved away, or hidden by a mount. Its content was written to this new file.
    Renewed(PathBuf),
    /// The writer has failed, and writes nothing any more.
    Failed(LogError),
}

/// The counters of a writer.
#[derive(Debug, Default)]
pub struct Statistics {
    /// The number of appended records.
    pub records: AtomicU64,
    /// The number of flushes of appended records.
    pub flushes: AtomicU64,
    /// The number of compactions, which remove superseded records.
    pub compactions: AtomicU64,
}

/// The writer has failed or was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log takes no more records")]
pub struct Closed;

/// The handle of the writer's thread. Dropping it writes the waiting entries and ends the thread.
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
    /// Returns the error of the operating system if the thread cannot be started.
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

    /// Queues an entry. It blocks while the queue is full.
    ///
    /// # Errors
    /// Returns [`Closed`] if the writer has failed.
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
            // A panic of the thread has been reported by its own hook.
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
        loop {
            let done = match self.entries.recv_timeout(CHECK) {
                Ok(first) => self.commit(first),
                // Without this check, what was written before would be lost if no further entry came.
                Err(RecvTimeoutError::Timeout) if self.log.is_displaced() => match self.renew() {
                    // The next entry or the next check tries again.
                    Err(full) if full.is_full() => continue,
                    done => done,
                },
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Err(error) = done {
                // The queue closes with this thread, so that later writes fail.
                self.journal.on_event(WriterEvent::Failed(error));
                return;
            }
            self.compact_if_long();
        }
    }

    /// Writes everything to a new log, since the old one is not in its place any more.
    fn renew(&mut self) -> Result<(), LogError> {
        let mut attempts = 0;
        while let Err(error) = self.log.renew(self.journal.snapshot()) {
            attempts += 1;
            if !error.is_missing() || attempts == RENEWALS {
                return Err(error);
            }
            // Whoever removes the directory is still doing so.
            thread::sleep(RENEWAL_PAUSE);
        }
        self.compact_at = compaction_of(self.log.length());
        self.journal.on_event(WriterEvent::Renewed(self.log.path().to_owned()));
        Ok(())
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

    /// Appends a frame, and retries while the disk is full. No record is confirmed meanwhile, so no action that depends
    /// on it is taken.
    fn append(&mut self, frame: &mut Frame) -> Result<(), LogError> {
        let mut stalled = false;
        loop {
            let appended = self.log.append(frame);
            // The frame is durable only if its file is found again. The check comes after the write, so that a removal
            // before it is not missed; the journal has the frame's entries already.
            let written = if self.log.is_displaced() { self.renew() } else { appended };
            match written {
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
                tracing::warn!(%error, "cannot compact the log, which keeps growing");
                self.compact_at = self.log.length() * 2;
            }
        }
    }
}

fn compaction_of(length: u64) -> u64 {
    (length * GROWTH).max(MIN_COMPACTION)
}
