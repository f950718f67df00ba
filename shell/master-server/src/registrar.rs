//! The store of the master's registry and the thread that writes it. The thread writes all waiting operations in one
//! commit, and confirms them in order once they are durable.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::master::{CorruptRegistry, Input, RegistryOperation, RegistryState};
use ::store::{EmbeddedStore, Entries, MemoryStore, RecordWrite, Store};
use election::ZooKeeperUrl;
use machine::StoreToken;
use messages::v1;
use model::with_sources;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, WeakSender, channel};
use tokio::sync::oneshot;
use views::metrics::Counters;

use super::host::MasterHost;
use super::unread_registry;
use crate::Error;
use edge::core_thread::{Inbox, InboxItem};
use edge::readers::timing::Timing;
use edge::start::runtime;

/// The maximum of operations that wait for the disk. The core bounds the operations that agents cause
/// (`max_pending_stores`) below it; beyond it the core's thread waits.
const MAX_PENDING: usize = 200_000;
/// The maximum of operations in one commit. It is high enough to save fsyncs and low enough to bound the memory of a
/// commit.
const MAX_GROUP: usize = 2_000;
/// The time for the previous owner of the file to end.
const LOCK_HOLDER_TIMEOUT: Duration = Duration::from_secs(3);
/// The pauses between attempts to read or write, the first and the longest.
const RETRY: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];
/// The time window of the write durations, that of Mesos.
const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// The backend of the registry, `--registry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryBackend {
    /// A file in the work directory (`embedded`).
    Embedded,
    /// The ZooKeeper of the election, for all masters of the cluster.
    ZooKeeper {
        /// The URL of the ensemble and the path below which the records are.
        url: ZooKeeperUrl,
        /// The session timeout.
        session_timeout: Duration,
    },
    /// Memory: the registry is gone with the process (`in_memory`).
    InMemory,
}

/// Opens the store without reading it. It has to be called inside a tokio runtime.
///
/// # Errors
/// Returns [`Error`] if the work directory is missing or the store cannot be opened.
pub fn open(backend: RegistryBackend, work_dir: Option<&Path>) -> Result<Box<dyn Store>, Error> {
    for warning in unread_registry::warnings(&backend, work_dir) {
        tracing::warn!("{warning}");
    }
    match (backend, work_dir) {
        (RegistryBackend::ZooKeeper { url, session_timeout }, _) => {
            Ok(Box::new(::store::ZooKeeperStore::new(url, session_timeout, runtime()?)))
        }
        (RegistryBackend::InMemory, _) => Ok(Box::new(MemoryStore::new())),
        (RegistryBackend::Embedded, None) => Err(Error::NoWorkDir),
        (RegistryBackend::Embedded, Some(path)) => Ok(Box::new(embedded(&path.join("registry"))?)),
    }
}

/// Opens the embedded store, and retries for some time: a master that was killed holds its lock until the kernel has
/// removed its process, and a supervisor may start the next master before that.
fn embedded(directory: &Path) -> Result<EmbeddedStore, ::store::Error> {
    let begun = Instant::now();
    loop {
        match EmbeddedStore::open(directory) {
            Err(::store::Error::InUse { .. }) if begun.elapsed() < LOCK_HOLDER_TIMEOUT => std::thread::sleep(RETRY[0]),
            opened => return opened,
        }
    }
}

/// A store that this master has taken over, with its content.
pub struct RecoveredRegistry {
    store: Box<dyn Store>,
    state: RegistryState,
    sizes: RecordSizes,
    timings: Arc<RegistrarTimings>,
}

/// Takes the store over and reads it, and retries for `timeout` (`--registry_fetch_timeout`). It blocks.
///
/// # Errors
/// Returns [`Error`] if the store stays unavailable or its content cannot be read.
pub fn recover(mut store: Box<dyn Store>, timeout: Duration) -> Result<RecoveredRegistry, Error> {
    let begun = Instant::now();
    let mut pause = RETRY[0];
    let entries = loop {
        match store.take_over() {
            Ok(entries) => break entries,
            Err(error) if error.is_transient() && begun.elapsed() + pause < timeout => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot read the registry, trying again");
                std::thread::sleep(pause);
                pause = (pause * 2).min(RETRY[1]);
            }
            Err(error) => return Err(error.into()),
        }
    };
    let sizes = RecordSizes::of(&entries);
    let state = RegistryState::from_entries(entries).map_err(|corrupt| mark_damaged(&mut *store, corrupt))?;
    let timings = Arc::new(RegistrarTimings::default());
    timings.fetch.record(Instant::now(), begun.elapsed());
    timings.bytes.store(sizes.total, Ordering::Relaxed);
    tracing::info!(
        agents = state.agents.len(),
        unreachable = state.unreachable.len(),
        gone = state.gone.len(),
        "read the registry in {:?}",
        begun.elapsed()
    );
    Ok(RecoveredRegistry { store, state, sizes, timings })
}

/// Marks a damaged store. A store that only a later version of this program understands is not damaged.
fn mark_damaged(store: &mut dyn Store, corrupt: CorruptRegistry) -> Error {
    let kept = if corrupt.is_damage() { store.mark_damaged(&corrupt) } else { None };
    kept.map_or_else(|| Error::Registry(corrupt), Error::Store)
}

impl RecoveredRegistry {
    /// Returns the state for the core.
    pub fn state(&self) -> &RegistryState {
        &self.state
    }

    /// Returns the durations of reads and writes.
    pub fn timings(&self) -> &Arc<RegistrarTimings> {
        &self.timings
    }

    /// Records the new leader, which shows that the store is writable before the master serves requests.
    ///
    /// # Errors
    /// Returns [`Error::Store`] if the store cannot be written.
    pub fn begin(&mut self, info: &v1::MasterInfo) -> Result<(), Error> {
        let writes = self.state.commit([&RegistryOperation::Recover(Box::new(info.clone()))]);
        self.store.commit(&writes)?;
        self.sizes.apply(&writes);
        self.timings.bytes.store(self.sizes.total, Ordering::Relaxed);
        Ok(())
    }

    /// Starts the thread that writes. `timeout` is `--registry_store_timeout`. Mesos aborts after this time; this
    /// master reports an incident and keeps trying.
    ///
    /// # Errors
    /// Returns [`edge::Error::Thread`] if the thread cannot be started.
    pub fn serve(self, inbox: Arc<Inbox<MasterHost>>, timeout: Duration) -> Result<Registrar, Error> {
        // The memory of this channel grows with its content, while that of the standard library is allocated at once.
        let (to, waiting) = channel(MAX_PENDING);
        let stopped = Arc::new(AtomicBool::new(false));
        let failure = Arc::new(OnceLock::new());
        let writer =
            Writer { recovered: self, waiting, inbox, timeout, stopped: stopped.clone(), failure: failure.clone() };
        let thread = std::thread::Builder::new().name("registrar".to_owned()).spawn(move || writer.run());
        Ok(Registrar { to: Some(to), thread: Some(thread.map_err(edge::Error::Thread)?), stopped, failure })
    }
}

/// A request to the registrar's thread.
enum Work {
    /// Makes an operation durable and confirms it with the token.
    Store(StoreToken, RegistryOperation),
    /// Returns the durable state.
    Show(oneshot::Sender<RegistryState>),
}

/// Asks the registrar's thread for the durable state. Between terms there is no thread to ask.
#[derive(Clone, Default)]
pub struct RegistryReader(Option<WeakSender<Work>>);

impl RegistryReader {
    /// Returns the durable state; `None` if there is no registry.
    pub async fn state(&self) -> Option<RegistryState> {
        let (to, state) = oneshot::channel();
        self.0.as_ref()?.upgrade()?.send(Work::Show(to)).await.ok()?;
        state.await.ok()
    }
}

/// The handle of the registrar's thread. Dropping it ends the thread after the queued operations.
pub struct Registrar {
    to: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    stopped: Arc<AtomicBool>,
    failure: Arc<OnceLock<String>>,
}

impl Registrar {
    /// Makes an operation durable in order, after which the core receives `Input::Stored`.
    pub fn store(&self, token: StoreToken, operation: RegistryOperation) {
        let Some(to) = &self.to else { return };
        match to.try_send(Work::Store(token, operation)) {
            Ok(()) => {}
            Err(TrySendError::Full(item)) => {
                tracing::warn!("{MAX_PENDING} operations wait for the registry; the master's core waits as well");
                // An error means that the thread has ended, and so will this one.
                let _ = to.blocking_send(item);
            }
            // The thread has ended and has asked the core to stop.
            Err(TrySendError::Closed(_)) => {}
        }
    }

    /// Returns a reader of the durable state.
    pub fn reader(&self) -> RegistryReader {
        RegistryReader(self.to.as_ref().map(Sender::downgrade))
    }

    /// Returns why the registry cannot be written any more; `None` while it can.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }
}

impl Drop for Registrar {
    /// Waits for the thread, so that the store is free for its next owner.
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        self.to = None;
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A thread that panicked has nothing left to wait for.
            let _ = thread.join();
        }
    }
}

struct Writer {
    recovered: RecoveredRegistry,
    waiting: Receiver<Work>,
    inbox: Arc<Inbox<MasterHost>>,
    timeout: Duration,
    stopped: Arc<AtomicBool>,
    failure: Arc<OnceLock<String>>,
}

impl Writer {
    fn run(mut self) {
        while let Some(first) = self.waiting.blocking_recv() {
            let mut group = vec![first];
            group.extend(std::iter::from_fn(|| self.waiting.try_recv().ok()).take(MAX_GROUP - 1));
            let (mut operations, mut tokens, mut readers) = (Vec::new(), Vec::new(), Vec::new());
            for work in group {
                match work {
                    Work::Store(token, operation) => {
                        tokens.push(token);
                        operations.push(operation);
                    }
                    Work::Show(to) => readers.push(to),
                }
            }
            if !operations.is_empty() && self.write(&operations, tokens).is_err() {
                return;
            }
            for to in readers {
                // The receiver may be gone.
                let _ = to.send(self.recovered.state.clone());
            }
        }
    }

    /// Makes a group of operations durable and confirms them. An error means that the term is over.
    fn write(&mut self, operations: &[RegistryOperation], tokens: Vec<StoreToken>) -> Result<(), ()> {
        let writes = self.recovered.state.commit(operations);
        let begun = Instant::now();
        if let Err(reason) = self.commit(&writes) {
            self.step_down(reason);
            return Err(());
        }
        let timings = &self.recovered.timings;
        timings.store.record(Instant::now(), begun.elapsed());
        self.recovered.sizes.apply(&writes);
        timings.bytes.store(self.recovered.sizes.total, Ordering::Relaxed);
        for token in tokens {
            // The number of these inputs is bounded by the operations of the core in progress.
            self.inbox.send_control(InboxItem::Input(Input::Stored(token)));
        }
        Ok(())
    }

    /// Writes to the store, and repeats a write that fails for a transient reason until it succeeds.
    fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), String> {
        let begun = Instant::now();
        let mut pause = RETRY[0];
        let mut late = false;
        loop {
            match self.recovered.store.commit(writes) {
                Ok(()) => {
                    if late {
                        self.inbox.send_control(InboxItem::Input(Input::StoreStalled(None)));
                    }
                    return Ok(());
                }
                Err(error) if error.is_transient() && !self.stopped.load(Ordering::Acquire) => {
                    let error = &error as &dyn std::error::Error;
                    if begun.elapsed() >= self.timeout && !std::mem::replace(&mut late, true) {
                        tracing::error!(
                            error,
                            "the registry could not be written for {:?} (--registry_store_timeout): nothing that has to \
                             be durable happens until it can",
                            self.timeout
                        );
                        self.inbox.send_control(InboxItem::Input(Input::StoreStalled(Some(with_sources(error)))));
                    } else {
                        tracing::warn!(error, "cannot write the registry, trying again");
                    }
                    std::thread::park_timeout(pause);
                    pause = (pause * 2).min(RETRY[1]);
                }
                Err(error) => return Err(with_sources(&error)),
            }
        }
    }

    fn step_down(&self, reason: String) {
        if self.stopped.load(Ordering::Acquire) {
            return;
        }
        tracing::error!(reason, "the registry cannot be written any more; this master ends its term");
        // Only this thread sets the value, once.
        let _ = self.failure.set(format!("cannot write the registry: {reason}"));
        self.inbox.send_control(InboxItem::Stop);
    }
}

/// The durations of reads and writes of the registry, and its size.
#[derive(Debug)]
pub struct RegistrarTimings {
    fetch: Timing,
    store: Timing,
    bytes: AtomicU64,
}

impl Default for RegistrarTimings {
    fn default() -> Self {
        RegistrarTimings { fetch: Timing::over(WINDOW), store: Timing::over(WINDOW), bytes: AtomicU64::new(0) }
    }
}

impl RegistrarTimings {
    /// Adds the timings and the size to `counters` under Mesos' names.
    pub fn report(&self, counters: &mut Counters) {
        let now = Instant::now();
        self.fetch.report(now, "registrar/state_fetch", counters);
        self.store.report(now, "registrar/state_store", counters);
        counters.set("registrar/registry_size_bytes", self.bytes.load(Ordering::Relaxed) as f64);
    }
}

/// The size of each record in bytes.
#[derive(Debug, Default)]
struct RecordSizes {
    records: BTreeMap<String, u64>,
    total: u64,
}

impl RecordSizes {
    fn of(entries: &Entries) -> Self {
        let records: BTreeMap<String, u64> =
            entries.iter().map(|(key, value)| (key.clone(), (key.len() + value.len()) as u64)).collect();
        RecordSizes { total: records.values().sum(), records }
    }

    fn apply(&mut self, writes: &[RecordWrite]) {
        for RecordWrite { key, value } in writes {
            let before = match value {
                Some(value) => {
                    let size = (key.len() + value.len()) as u64;
                    self.total += size;
                    self.records.insert(key.clone(), size)
                }
                None => self.records.remove(key),
            };
            self.total -= before.unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ::store::Error as StoreError;
    use messages::v1::WeightInfo;

    use super::*;

    /// The behaviour of the next commits.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Disk {
        Works,
        Full,
        TakenOver,
    }

    /// A store whose disk fails as the test wants.
    struct FlakyStore {
        disk: Arc<Mutex<(Disk, usize)>>,
        memory: MemoryStore,
    }

    impl Store for FlakyStore {
        fn take_over(&mut self) -> Result<Entries, StoreError> {
            self.memory.take_over()
        }

        fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), StoreError> {
            let mut disk = self.disk.lock().unwrap();
            disk.1 += 1;
            match disk.0 {
                Disk::Works => self.memory.commit(writes),
                Disk::Full => Err(StoreError::Unavailable { source: "no space left on device".into() }),
                Disk::TakenOver => Err(StoreError::Fenced),
            }
        }
    }

    struct Fixture {
        disk: Arc<Mutex<(Disk, usize)>>,
        memory: MemoryStore,
        inbox: Arc<Inbox<MasterHost>>,
        registrar: Registrar,
    }

    /// The upper bound of every wait, far above what is needed.
    const TIMEOUT: Duration = Duration::from_secs(20);

    impl Fixture {
        fn new(timeout: Duration) -> Self {
            let disk = Arc::new(Mutex::new((Disk::Works, 0)));
            let memory = MemoryStore::new();
            let inbox = Inbox::new();
            let store = Box::new(FlakyStore { disk: disk.clone(), memory: memory.clone() });
            let recovered = recover(store, TIMEOUT).unwrap();
            Fixture { disk, memory, registrar: recovered.serve(inbox.clone(), timeout).unwrap(), inbox }
        }

        fn set_disk(&self, disk: Disk) {
            self.disk.lock().unwrap().0 = disk;
        }

        fn store(&self, token: u64, role: &str) {
            let weight = WeightInfo { role: Some(role.to_owned()), weight: 2.0 };
            self.registrar.store(StoreToken(token), RegistryOperation::UpdateWeights(vec![weight]));
        }

        /// Waits until `count` attempts have been made in total.
        fn attempts(&self, count: usize) {
            let begun = Instant::now();
            while self.disk.lock().unwrap().1 < count {
                assert!(begun.elapsed() < TIMEOUT, "no {count} attempts");
                std::thread::yield_now();
            }
        }

        /// Returns the next `count` events for the core.
        fn received(&self, count: usize) -> Vec<String> {
            let (mut events, mut batch) = (Vec::new(), Vec::new());
            while events.len() < count {
                // The call takes an empty batch.
                self.inbox.take(&mut batch, Some(Instant::now() + TIMEOUT));
                assert!(!batch.is_empty(), "no {count} events");
                events.append(&mut batch);
            }
            let show = |item| match item {
                InboxItem::Input(Input::Stored(token)) => format!("stored {}", token.0),
                InboxItem::Input(Input::StoreStalled(Some(reason))) => reason,
                InboxItem::Input(Input::StoreStalled(None)) => "written again".to_owned(),
                InboxItem::Stop => "stop".to_owned(),
                _ => "something else".to_owned(),
            };
            events.into_iter().map(show).collect()
        }

        fn is_quiet(&self) -> bool {
            let mut batch = Vec::new();
            self.inbox.take(&mut batch, Some(Instant::now()));
            batch.is_empty()
        }

        fn records(&self) -> usize {
            self.memory.clone().take_over().unwrap().len()
        }
    }

    #[test]
    fn a_full_disk_delays_and_loses_nothing() {
        // The second attempt is late already. That is reported, and nothing else changes.
        let fixture = Fixture::new(Duration::ZERO);
        fixture.set_disk(Disk::Full);
        fixture.store(1, "a");
        fixture.store(2, "b");
        fixture.attempts(3);
        assert_eq!(fixture.received(1), ["the store does not answer: no space left on device"], "once");
        assert!(fixture.is_quiet(), "confirmed what was not written");
        fixture.set_disk(Disk::Works);
        assert_eq!(fixture.received(3), ["written again", "stored 1", "stored 2"]);
        assert_eq!(fixture.registrar.failure(), None);
        assert_eq!(fixture.records(), 2);
    }

    #[test]
    fn a_master_that_was_deposed_confirms_nothing_and_stops() {
        let fixture = Fixture::new(TIMEOUT);
        fixture.set_disk(Disk::TakenOver);
        fixture.store(1, "a");
        assert_eq!(fixture.received(1), ["stop"]);
        let reason = "cannot write the registry: another master has taken over";
        assert_eq!(fixture.registrar.failure(), Some(reason));
        fixture.store(2, "b");
        fixture.set_disk(Disk::Works);
        assert!(fixture.is_quiet());
        assert_eq!(fixture.records(), 0);
    }

    #[test]
    fn a_full_disk_does_not_delay_the_end_of_a_master() {
        let fixture = Fixture::new(TIMEOUT);
        fixture.set_disk(Disk::Full);
        fixture.store(1, "a");
        fixture.attempts(6);
        let begun = Instant::now();
        let Fixture { registrar, inbox, .. } = fixture;
        drop(registrar);
        // The pauses between attempts are longer than this by now.
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let mut batch = Vec::new();
        inbox.take(&mut batch, Some(Instant::now()));
        assert!(batch.is_empty());
    }

    #[test]
    fn reading_the_registry_is_retried_until_the_timeout() {
        struct UnavailableStore(usize);
        impl Store for UnavailableStore {
            fn take_over(&mut self) -> Result<Entries, StoreError> {
                self.0 = self.0.saturating_sub(1);
                if self.0 == 0 { Ok(Entries::new()) } else { Err(StoreError::Unavailable { source: "away".into() }) }
            }

            fn commit(&mut self, _: &[RecordWrite]) -> Result<(), StoreError> {
                Ok(())
            }
        }
        assert!(recover(Box::new(UnavailableStore(3)), TIMEOUT).is_ok());
        let given_up = recover(Box::new(UnavailableStore(usize::MAX)), Duration::from_millis(10)).err();
        assert!(matches!(given_up, Some(Error::Store(StoreError::Unavailable { .. }))), "{given_up:?}");
    }
}
