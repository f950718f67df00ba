//! What the endpoints of an agent share.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::agent::{Input, PeerMessage};
use edge::app::{App, ProcessKind};
use edge::core_thread::Inbox;
use edge::endpoints::common::{Common, CommonEndpoints};
use edge::endpoints::info::System;
use edge::endpoints::metrics::Metrics;
use edge::http::endpoint::{Availability, Endpoint, EndpointTable};
use edge::http::request::Request;
use edge::http::respond::{Response, unavailable};
use edge::libprocess::message::Dropped;
use edge::readers::rate_limiter::RateLimiter;
use edge::readers::singleflight::Singleflight;
use messages::Message;
use model::{Caller, ContainerId, Upid};
use views::agent::{InvalidSelection, Snapshot, Usage};
use views::metrics::Counters;
use views::{Query, Visibility};

use super::containers::Containers;
use super::endpoints::{PROCESS, TABLE};
use super::host::AgentHost;
use super::publisher::Publisher;
use super::usage;

/// What the endpoints of an agent share.
pub struct AgentApp {
    /// The core's inbox.
    pub inbox: Arc<Inbox<AgentHost>>,
    /// Messages that nobody has understood.
    pub dropped: Dropped,
    /// The view.
    pub publisher: Arc<Publisher>,
    /// The containers, for what they use.
    pub containers: Arc<Containers>,
    /// The core's metrics.
    pub core_metrics: Arc<::agent::Metrics>,
    /// Expensive reads.
    pub singleflight: Arc<Singleflight>,
    /// What the endpoints that every program has are answered from.
    pub common: Common,
    /// The pace of `/monitor/statistics`, which looks into every container.
    pub statistics_limit: RateLimiter,
}

impl App for AgentApp {
    type Host = AgentHost;
    type Shared = AgentApp;

    fn inbox(&self) -> Option<Arc<Inbox<AgentHost>>> {
        Some(self.inbox.clone())
    }

    fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    fn process(&self, id: &str) -> ProcessKind {
        match id {
            PROCESS => ProcessKind::Core,
            _ if Self::table().has_process(id) => ProcessKind::Other,
            _ => ProcessKind::None,
        }
    }

    fn input(&self, from: Upid, to: String, message: Message, caller: Caller) -> Option<Input> {
        Some(Input::Message(PeerMessage { from, caller, to, message }))
    }

    fn endpoints(&self) -> &'static EndpointTable<AgentApp> {
        Self::table()
    }

    fn shared(self: &Arc<Self>, endpoint: &Endpoint<AgentApp>, _: &Request) -> Result<Arc<AgentApp>, Response> {
        if endpoint.availability == Availability::Recovered && self.core_metrics.recovering.get() != 0 {
            return Err(unavailable("Agent has not finished recovery"));
        }
        Ok(self.clone())
    }
}

impl CommonEndpoints for AgentApp {
    fn common(&self) -> &Common {
        &self.common
    }

    fn metrics(&self) -> Metrics {
        let mut counters = Counters::default();
        for (name, value) in self.core_metrics.snapshot() {
            counters.set(name, value);
        }
        for (name, value) in System::read().gauges() {
            counters.set(name, value);
        }
        for (name, value) in self.containers.fetches.gauges() {
            counters.set(name, value);
        }
        counters.set("slave/uptime_secs", self.common.started.elapsed().as_secs_f64());
        views::metrics::agent(&self.publisher.snapshot(), &counters)
    }

    fn table() -> &'static EndpointTable<Self> {
        const { &TABLE }
    }
}

impl AgentApp {
    /// What the caller of a request may see.
    pub fn visibility(&self, _request: &Request) -> Visibility {
        Visibility::everything()
    }

    /// The key under which callers who may see the same share a read of `what`.
    pub fn read_key(&self, request: &Request, what: &str) -> String {
        format!("{what} {}", self.visibility(request).class())
    }

    /// What the selected containers use.
    ///
    /// # Errors
    /// When the query selects containers in a way that makes no sense.
    pub fn measure(
        &self,
        snapshot: &Snapshot,
        query: &Query,
    ) -> Result<BTreeMap<ContainerId, Usage>, InvalidSelection> {
        Ok(usage::measure(&self.containers, &snapshot.containers(query)?))
    }
}
