//! What the endpoints of a master share.

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

/// What the endpoints of a master share: of one term, or of the time between terms. Then nobody reads the inbox, and what
/// needs a leader is answered before it comes here.
pub struct MasterApp {
    /// The core's inbox.
    pub inbox: Arc<Inbox<MasterHost>>,
    /// Messages that nobody has understood.
    pub dropped: Arc<Dropped>,
    /// The view.
    pub publisher: Arc<Publisher>,
    /// Who is subscribed on which stream.
    pub scheduler_streams: Arc<SchedulerStreams>,
    /// The core's metrics.
    pub core_metrics: Arc<::master::Metrics>,
    /// How long allocations take.
    pub timings: Arc<AllocatorTimings>,
    /// How long the registry takes.
    pub registrar: Arc<RegistrarTimings>,
    /// What is in the registry.
    pub registry: RegistryReader,
    /// Expensive reads.
    pub singleflight: Arc<Singleflight>,
    /// What the endpoints that every program has are answered from.
    pub common: Common,
    /// How large the patterns of offer constraints may be.
    pub offer_constraints_limits: allocator::PatternLimits,
    /// Whether this master leads.
    pub elected: bool,
    /// `hostname:port`, where clients are redirected to.
    pub authority: String,
}

impl MasterApp {
    /// What the caller of a request may see.
    pub fn visibility(&self, _request: &Request) -> Visibility {
        Visibility::everything()
    }

    /// The key under which callers who may see the same share a read of `what`.
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
        for (name, value) in self.core_metrics.iter() {
            counters.set(name, value);
        }
        for (name, value) in System::read().gauges() {
            counters.set(name, value);
        }
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
