//! One term: a core that leads, from the take-over of the registry to its end, and everything that belongs to it.

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ::master::{Input, Master, Metrics};
use ::store::{Entries, Error as StoreError, RecordWrite, Store};
use election::Lease;
use messages::v1;
use model::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::watch;
use views::master::{Build, Limits, Settings, StaticInfo, View};

use super::allocator_timings::AllocatorTimings;
use super::app::MasterApp;
use super::failures::Sinks;
use super::host::MasterHost;
use super::publisher::Publisher;
use super::registrar::{RegistrarTimings, RegistryBackend, RegistryReader, open, recover};
use super::scheduler_streams::SchedulerStreams;
use super::whitelist;
use crate::Error;
use edge::Ended;
use edge::core_thread::{Clock, Inbox, InboxItem};
use edge::endpoints::common::Common;
use edge::endpoints::files::Files;
use edge::endpoints::logging::Logging;
use edge::endpoints::metrics;
use edge::libprocess::message::Dropped;
use edge::readers::singleflight::Singleflight;
use edge::start::{end_channel, seed, start_core};

/// The state that all terms of a process share.
#[derive(Clone)]
pub struct MasterProcess {
    /// The configuration of the core. Its `master_id` is that of the next candidacy.
    pub config: ::master::Config,
    /// The backend of the registry.
    pub registry: RegistryBackend,
    /// The time for reading the registry.
    pub registry_fetch_timeout: Duration,
    /// The time for a write of the registry.
    pub registry_store_timeout: Duration,
    /// The directory of the embedded registry.
    pub work_dir: Option<PathBuf>,
    /// The file with the host names of the agents whose resources are offered.
    pub whitelist: Option<PathBuf>,
    /// The bounds of the histories that views keep.
    pub history: Limits,
    /// The maximum of event streams of operators.
    pub max_operator_subscribers: usize,
    pub publish_per_framework_metrics: bool,
    pub sinks: Arc<Sinks>,
    /// The description of the program.
    pub build: Build,
    /// Every flag that has a value.
    pub flags: Vec<(String, String)>,
    /// The files below `/files`.
    pub files: Arc<Files>,
    /// The verbosity of the log.
    pub logging: Arc<Logging>,
    /// The counter of messages that no process understands.
    pub dropped: Arc<Dropped>,
    /// The `hostname:port` that clients are redirected to.
    pub authority: String,
    /// The clock of all terms.
    pub clock: Clock,
    /// The time at which the process started, on the monotonic clock.
    pub started: Instant,
    /// The time at which the process started, on the wall clock.
    pub started_at: Timestamp,
    /// The runtime of the connections and tasks.
    pub runtime: Handle,
}

/// A term that has begun.
pub struct Term {
    /// The state that the endpoints are answered from.
    pub app: Arc<MasterApp>,
    /// The channel that reports the end of the core.
    pub ended: watch::Receiver<Option<Ended>>,
    /// The core's thread.
    pub core: JoinHandle<()>,
}

impl Term {
    /// Takes over the registry, which ends the term of the previous leader, and starts the core. It blocks, and has to
    /// be called inside a tokio runtime.
    ///
    /// # Errors
    /// Returns [`Error`] if the registry cannot be taken over or a thread cannot be started.
    pub fn begin(process: &MasterProcess, lease: Lease) -> Result<Self, Error> {
        let store = open(process.registry.clone(), process.work_dir.as_deref())?;
        let store = Box::new(LeasedStore { store, lease: lease.clone() });
        let mut recovered = recover(store, process.registry_fetch_timeout)?;
        let core_metrics = Arc::new(Metrics::default());
        let core = Master::new(process.config.clone(), seed()?, core_metrics.clone(), recovered.state().clone());
        recovered.begin(core.info())?;

        let publisher = process.publisher(core.info(), true);
        let inbox = Inbox::new();
        let scheduler_streams = Arc::new(SchedulerStreams::default());
        let timings = Arc::new(AllocatorTimings::default());
        inbox.send_control(InboxItem::Input(Input::Elected));
        let registrar = recovered.timings().clone();
        let store = recovered.serve(inbox.clone(), process.registry_store_timeout)?;
        let registry = store.reader();
        let (end, ended) = end_channel();
        let (ready, begun) = std::sync::mpsc::sync_channel(1);
        let host = MasterHost::new(core, store, publisher.clone(), scheduler_streams.clone(), timings.clone(), end);
        let host = host.with_lease(lease).with_ready_signal(ready);
        let app = process.app(
            publisher.clone(),
            inbox.clone(),
            scheduler_streams,
            core_metrics,
            timings,
            registrar,
            registry,
            true,
        )?;
        let core = start_core("master-core", process.config.address, process.clock, host, inbox.clone())?;
        // The first requests must see the agents, weights and quota of the registry. An error means that the core has
        // ended.
        let _ = begun.recv();
        if let Some(path) = process.whitelist.clone() {
            process.runtime.spawn(whitelist::watch(path, inbox, Arc::downgrade(&publisher)));
        }
        process.runtime.spawn(heartbeats(Arc::downgrade(&publisher), process.config.heartbeat_interval));
        Ok(Term { app, ended, core })
    }

    /// Stops the core: no further step happens, and streams and links are closed.
    pub fn stop(&self) {
        self.app.inbox.send_control(InboxItem::Stop);
    }

    /// Waits for the core to end, after [`stop`](Self::stop) or by itself.
    pub async fn end(&mut self) -> Ended {
        // An error means that the core's thread is gone.
        let ended = self.ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
        self.app.publisher.close();
        ended.unwrap_or_default()
    }
}

/// A store that is used only under a valid lease. The store fences itself by epochs; this check keeps a master whose
/// lease has expired from taking the store over again, which would end the term of its successor.
struct LeasedStore {
    store: Box<dyn Store>,
    lease: Lease,
}

impl LeasedStore {
    fn check(&self) -> Result<(), StoreError> {
        if self.lease.is_valid() { Ok(()) } else { Err(StoreError::Fenced) }
    }
}

impl Store for LeasedStore {
    fn take_over(&mut self) -> Result<Entries, StoreError> {
        self.check()?;
        self.store.take_over()
    }

    fn commit(&mut self, writes: &[RecordWrite]) -> Result<(), StoreError> {
        self.check()?;
        self.store.commit(writes)
    }

    fn mark_damaged(&mut self, cause: &dyn std::error::Error) -> Option<StoreError> {
        self.store.mark_damaged(cause)
    }
}

impl MasterProcess {
    /// Returns the description of this master as a candidate.
    pub fn info(&self) -> v1::MasterInfo {
        self.config.master_info(self.config.master_id.as_deref().unwrap_or_default())
    }

    /// Returns the state that a process without a core answers from.
    ///
    /// # Errors
    /// Returns [`Error`] if the thread of the expensive reads cannot be started.
    pub fn follower_app(&self) -> Result<Arc<MasterApp>, Error> {
        self.app(
            self.publisher(&self.info(), false),
            Inbox::new(),
            Arc::default(),
            Arc::new(Metrics::default()),
            Arc::default(),
            Arc::new(RegistrarTimings::default()),
            RegistryReader::default(),
            false,
        )
    }

    fn publisher(&self, info: &v1::MasterInfo, elected: bool) -> Arc<Publisher> {
        let facts = StaticInfo {
            build: self.build.clone(),
            pid: self.config.pid(),
            info: info.clone(),
            started: self.started_at,
            elected: elected.then(|| self.clock.now().wall),
            leader: elected.then(|| info.clone()),
            flags: self.flags.iter().cloned().collect(),
            settings: Settings {
                roles: self.config.roles.clone(),
                publish_per_framework_metrics: self.publish_per_framework_metrics,
                fair_sharing_excluded_resource_names: self.config.allocator.excluded_resource_names.clone(),
            },
            heartbeat_interval: self.config.heartbeat_interval,
            limits: self.history,
        };
        Publisher::new(View::new(facts), self.max_operator_subscribers, self.sinks.clone())
    }

    fn app(
        &self,
        publisher: Arc<Publisher>,
        inbox: Arc<Inbox<MasterHost>>,
        scheduler_streams: Arc<SchedulerStreams>,
        core_metrics: Arc<Metrics>,
        timings: Arc<AllocatorTimings>,
        registrar: Arc<RegistrarTimings>,
        registry: RegistryReader,
        elected: bool,
    ) -> Result<Arc<MasterApp>, Error> {
        Ok(Arc::new(MasterApp {
            inbox,
            dropped: self.dropped.clone(),
            publisher,
            scheduler_streams,
            core_metrics,
            timings,
            registrar,
            registry,
            singleflight: Singleflight::new(self.runtime.clone()).map_err(edge::Error::Thread)?,
            common: Common {
                files: self.files.clone(),
                logging: self.logging.clone(),
                metrics_limit: metrics::rate_limit(),
                build: self.build.clone(),
                flags: self.flags.clone(),
                started: self.started,
            },
            offer_constraints_limits: self.config.offer_constraints_limits,
            elected,
            authority: self.authority.clone(),
        }))
    }
}

/// Sends heartbeats on the event streams of operators. The core sends those of schedulers.
async fn heartbeats(publisher: Weak<Publisher>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(publisher) = publisher.upgrade() else { return };
        publisher.heartbeat();
    }
}
