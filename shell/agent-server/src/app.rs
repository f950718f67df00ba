//! The state that the endpoints of an agent share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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

/// The state that the endpoints of an agent share.
pub struct AgentApp {
    /// The core's inbox.
    pub inbox: Arc<Inbox<AgentHost>>,
    /// The counter of messages that no process understands.
    pub dropped: Dropped,
    /// The view that readers are answered from.
    pub publisher: Arc<Publisher>,
    /// The containers, whose usage some endpoints show.
    pub containers: Arc<Containers>,
    /// The core's metrics.
    pub core_metrics: Arc<::agent::Metrics>,
    /// The expensive reads that identical requests share.
    pub singleflight: Arc<Singleflight>,
    /// `--http_heartbeat_interval`: the time between heartbeats on the output of a session.
    pub heartbeat_interval: Duration,
    /// The state of the endpoints that every program has.
    pub common: Common,
    /// The rate limit of `/monitor/statistics`, which measures every container.
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
        counters.set_all(self.core_metrics.iter());
        counters.set_all(System::read().gauges());
        counters.set_all(self.containers.fetches.gauges());
        counters.set("slave/uptime_secs", self.common.started.elapsed().as_secs_f64());
        views::metrics::agent(&counters)
    }

    fn table() -> &'static EndpointTable<Self> {
        const { &TABLE }
    }
}

impl AgentApp {
    /// Returns what the caller of a request may see.
    pub fn visibility(&self, _request: &Request) -> Visibility {
        Visibility::everything()
    }

    /// Returns the key of a read of `what`. Callers who may see the same share the read.
    pub fn read_key(&self, request: &Request, what: &str) -> String {
        format!("{what} {}", self.visibility(request).class())
    }

    /// Returns the usage of the selected containers.
    ///
    /// # Errors
    /// Returns 400 if the query selects containers in an invalid way.
    pub fn measure(
        &self,
        snapshot: &Snapshot,
        query: &Query,
    ) -> Result<BTreeMap<ContainerId, Usage>, InvalidSelection> {
        Ok(usage::measure(&self.containers, &snapshot.containers(query)?))
    }
}
