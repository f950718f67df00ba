//! The state that the endpoints of a master share.

use std::sync::Arc;

use edge::core_thread::Inbox;
use edge::endpoints::common::{Common, CommonEndpoints};
use edge::endpoints::info::System;
use edge::endpoints::metrics::Metrics;
use edge::http::endpoint::EndpointTable;
use edge::http::request::Request;
use edge::libprocess::message::Dropped;
use edge::readers::singleflight::Singleflight;
use views::Visibility;
use views::metrics::Counters;

use super::allocator_timings::AllocatorTimings;
use super::endpoints::TABLE;
use super::host::MasterHost;
use super::publisher::Publisher;
use super::registrar::{RegistrarTimings, RegistryReader};
use super::scheduler_streams::SchedulerStreams;

/// The state that the endpoints share during one term, or between terms. Between terms nothing reads the inbox;
/// requests that need a leader are answered earlier.
pub struct MasterApp {
    /// The core's inbox.
    pub inbox: Arc<Inbox<MasterHost>>,
    /// The counter of messages that no process understands.
    pub dropped: Arc<Dropped>,
    /// The view that readers are answered from.
    pub publisher: Arc<Publisher>,
    /// The framework that is subscribed on each event stream.
    pub scheduler_streams: Arc<SchedulerStreams>,
    /// The core's metrics.
    pub core_metrics: Arc<::master::Metrics>,
    /// The durations of allocation runs.
    pub timings: Arc<AllocatorTimings>,
    /// The durations of reads and writes of the registry.
    pub registrar: Arc<RegistrarTimings>,
    /// The reader of the registry's content.
    pub registry: RegistryReader,
    /// The expensive reads that identical requests share.
    pub singleflight: Arc<Singleflight>,
    /// The state of the endpoints that every program has.
    pub common: Common,
    /// The limits on the patterns of offer constraints.
    pub offer_constraints_limits: allocator::PatternLimits,
    /// Whether this master leads.
    pub elected: bool,
    /// The `hostname:port` that clients are redirected to.
    pub authority: String,
}

impl MasterApp {
    /// Returns what the caller of a request may see.
    pub fn visibility(&self, _request: &Request) -> Visibility {
        Visibility::everything()
    }

    /// Returns the key of a read of `what`. Callers who may see the same share the read.
    pub fn read_key(&self, request: &Request, what: &str) -> String {
        format!("{what} {}", self.visibility(request).class())
    }
}

impl CommonEndpoints for MasterApp {
    fn common(&self) -> &Common {
        &self.common
    }

    fn metrics(&self) -> Metrics {
        let mut counters = Counters::default();
        counters.set_all(self.core_metrics.iter());
        counters.set_all(System::read().gauges());
        self.timings.report(&mut counters);
        self.registrar.report(&mut counters);
        self.publisher.sinks().report_counters(&mut counters);
        counters.set("master/uptime_secs", self.common.started.elapsed().as_secs_f64());
        counters.set("master/elected", f64::from(u8::from(self.elected)));
        counters.set("master/operator_event_stream_subscribers", self.publisher.subscribers() as f64);
        counters.add("master/dropped_messages", self.dropped.total() as f64);
        views::metrics::master(&self.publisher.snapshot(), &counters)
    }

    fn table() -> &'static EndpointTable<Self> {
        const { &TABLE }
    }
}
