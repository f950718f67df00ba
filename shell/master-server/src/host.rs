//! Hosts the master's core on its thread: hands inputs to it and carries out its effects.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use ::master::{Command, Input, Master, MasterEffects, Outbox, RegistryOperation, SchedulerEvent, Timer};
use election::Lease;
use machine::{Interpreter, StateMachine, StoreToken};
use model::master::Change;
use model::{Monotonic, Now, StreamId};
use tokio::sync::watch;

use super::allocator_timings::AllocatorTimings;
use super::publisher::Publisher;
use super::registrar::Registrar;
use super::scheduler_streams::SchedulerStreams;
use edge::Ended;
use edge::core_thread::effect_handler::EffectHandler;
use edge::core_thread::host_interpreter::{EffectHost, HostInterpreter};
use edge::core_thread::{Host, shrink_after_burst};

/// The host of a master's core.
pub struct MasterHost {
    /// The core.
    pub core: Master,
    /// The registrar that makes registry operations durable.
    pub store: Registrar,
    /// The view for readers.
    pub publisher: Arc<Publisher>,
    /// The framework that is subscribed on each event stream.
    pub scheduler_streams: Arc<SchedulerStreams>,
    /// The durations of allocation runs.
    pub timings: Arc<AllocatorTimings>,
    /// Reports the end of the core when the host is dropped.
    pub ended: watch::Sender<Option<Ended>>,
    lease: Lease,
    /// Receives a signal when readers see the content of the registry.
    ready: Option<SyncSender<()>>,
    /// The time at which the next allocation is due.
    allocation_due: Option<Monotonic>,
    outbox: Outbox,
    changes: Vec<Change>,
}

impl MasterHost {
    /// Makes the host of `core` without a limit on its lease.
    pub fn new(
        core: Master,
        store: Registrar,
        publisher: Arc<Publisher>,
        scheduler_streams: Arc<SchedulerStreams>,
        timings: Arc<AllocatorTimings>,
        ended: watch::Sender<Option<Ended>>,
    ) -> Self {
        MasterHost {
            core,
            store,
            publisher,
            scheduler_streams,
            timings,
            ended,
            lease: Lease::unlimited(),
            ready: None,
            allocation_due: None,
            outbox: Outbox::default(),
            changes: Vec::new(),
        }
    }

    /// Sets the channel that receives a signal at the end of the first batch. The channel closes if the core ends
    /// before.
    pub fn with_ready_signal(mut self, ready: SyncSender<()>) -> Self {
        self.ready = Some(ready);
        self
    }

    /// Sets the lease. The core acts only while the lease is valid.
    pub fn with_lease(mut self, lease: Lease) -> Self {
        self.lease = lease;
        self
    }
}

impl EffectHost for MasterHost {
    type Effects = MasterEffects;

    fn store(&mut self, token: StoreToken, operation: RegistryOperation) {
        self.store.store(token, operation);
    }

    fn publish_change(&mut self, change: Change) {
        self.changes.push(change);
    }

    fn command(&mut self, command: Command, _: &mut EffectHandler<Self>) {
        match command {
            Command::SessionOpened { stream, framework } => self.scheduler_streams.opened(stream, framework.to_proto()),
        }
    }

    fn timer_armed(&mut self, timer: &Timer, at: Monotonic) {
        if *timer == Timer::Allocate {
            self.allocation_due = Some(at);
        }
    }

    fn close_stream(&mut self, stream: StreamId, effects: &mut EffectHandler<Self>) {
        self.scheduler_streams.closed(stream);
        effects.close_stream(stream);
    }
}

impl Host for MasterHost {
    type Input = Input;
    type Event = SchedulerEvent;
    type Timer = Timer;

    fn timer(timer: Timer) -> Input {
        Input::Timer(timer)
    }

    fn stream_closed(stream: StreamId) -> Input {
        Input::StreamClosed(stream)
    }

    fn exited(address: SocketAddrV4) -> Input {
        Input::Exited(address)
    }

    fn step(&mut self, now: Now, input: Input, effects: &mut EffectHandler<Self>) {
        if let Input::StreamClosed(stream) = &input {
            self.scheduler_streams.closed(*stream);
        }
        let allocation = matches!(input, Input::Timer(Timer::Allocate)).then(Instant::now);
        if let Some(begun) = allocation
            && let Some(due) = self.allocation_due.take()
        {
            self.timings.allocation_latency.record(begun, now.monotonic.since(due));
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        self.core.step(now, input, &mut outbox);
        if let Some(begun) = allocation {
            self.timings.allocation_run.record(begun, begun.elapsed());
        }
        HostInterpreter { host: self, effects }.interpret_all(&mut outbox);
        self.outbox = outbox;
    }

    fn may_act(&self) -> bool {
        self.lease.is_valid()
    }

    fn publish(&mut self) {
        if !self.changes.is_empty() {
            self.publisher.publish(&mut self.changes);
            shrink_after_burst(&mut self.changes);
        }
        if let Some(ready) = self.ready.take() {
            // The channel has room for its only signal.
            let _ = ready.try_send(());
        }
    }
}

impl Drop for MasterHost {
    fn drop(&mut self) {
        self.ended.send_replace(Some(Ended { reason: self.store.failure().map(str::to_owned) }));
    }
}
