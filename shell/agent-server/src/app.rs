//! Requests and messages of an agent: who answers what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ::agent::{Input, PeerMessage};
use http::{Method, StatusCode};
use messages::Message;
use model::{ContainerId, Upid};
use views::Query;
use views::agent::{InvalidSelection, Snapshot, Usage};
use views::master::Build;
use views::metrics::Counters;

use super::containers::Containers;
use super::host::AgentHost;
use super::publisher::Publisher;
use super::routes::{PROCESS, ROUTES};
use super::{executor_api, operator_api, usage};
use edge::app::{App, ProcessKind};
use edge::core_thread::Inbox;
use edge::endpoints::files::Files;
use edge::endpoints::info::{self, System};
use edge::endpoints::logging::Logging;
use edge::endpoints::{files_api, metrics};
use edge::http::request::Request;
use edge::http::respond::{self, Response, bad_request, empty, method_not_allowed, not_found, text};
use edge::libprocess::message::Dropped;
use edge::readers::rate_limiter::RateLimiter;
use edge::readers::singleflight::Singleflight;

pub struct AgentApp {
    pub inbox: Arc<Inbox<AgentHost>>,
    pub dropped: Dropped,
    pub publisher: Arc<Publisher>,
    pub containers: Arc<Containers>,
    pub core_metrics: Arc<::agent::Metrics>,
    pub singleflight: Arc<Singleflight>,
    pub files: Arc<Files>,
    pub logging: Arc<Logging>,
    pub metrics_limit: RateLimiter,
    /// `/monitor/statistics` looks into every container.
    pub statistics_limit: RateLimiter,
    pub build: Build,
    pub flags: Vec<(String, String)>,
    pub started: Instant,
}

impl App for AgentApp {
    type Host = AgentHost;

    fn inbox(&self) -> Option<Arc<Inbox<AgentHost>>> {
        Some(self.inbox.clone())
    }

    fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    fn process(&self, id: &str) -> ProcessKind {
        match id {
            PROCESS => ProcessKind::Core,
            _ if ROUTES.has_process(id) => ProcessKind::Other,
            _ => ProcessKind::None,
        }
    }

    fn input(&self, from: Upid, to: String, message: Message) -> Option<Input> {
        Some(Input::Message(PeerMessage { from, to, message }))
    }

    async fn handle(self: Arc<Self>, request: Request) -> Response {
        let Some(endpoint) = ROUTES.resolve(&request.path) else { return not_found() };
        match (endpoint.process, endpoint.route) {
            (PROCESS, "api/v1/executor") => executor_api::handle(&self, &request).await,
            (PROCESS, "api/v1") => operator_api::handle(&self, &request).await,
            (PROCESS, "health") => empty(StatusCode::OK),
            (PROCESS, "flags") => match request.method {
                Method::GET => respond::json(info::flags(&self.flags), request.jsonp()),
                _ => method_not_allowed(&["GET"], &request.method),
            },
            (PROCESS, route) => self.read(route, &request).await,
            ("files", route) => files_api::handle(&self.files, route, &request).await,
            ("metrics", "snapshot") => {
                let app = self.clone();
                metrics::snapshot(&self.metrics_limit, &request, move || app.metrics()).await
            }
            ("metrics", _) if endpoint.exact => metrics::prometheus(move || self.metrics()).await,
            ("version", _) => respond::json(info::version(&self.build), request.jsonp()),
            ("system", _) => respond::json(System::read().stats(), request.jsonp()),
            ("logging", _) => self.logging.toggle(&request),
            ("help", _) => text(StatusCode::OK, ROUTES.list()),
            _ => not_found(),
        }
    }
}

impl AgentApp {
    /// A read of the view; those that show containers measure them first.
    async fn read(self: &Arc<Self>, route: &'static str, request: &Request) -> Response {
        if route == "state" && self.core_metrics.recovering.get() != 0 {
            return respond::unavailable("Agent has not finished recovery");
        }
        if route == "monitor/statistics" {
            self.statistics_limit.acquire().await;
        }
        if route == "containers"
            && let Err(refusal) = self.publisher.snapshot().containers(&request.query)
        {
            return bad_request(refusal.to_string());
        }
        let (app, query) = (self.clone(), request.query.meaningful());
        let key = format!("{route}?{query:?}");
        let prepare = move || {
            let snapshot = app.publisher.snapshot();
            let kept = snapshot.clone();
            let build = move || {
                let usage = match route {
                    "containers" => app.measure(&snapshot, &query).ok()?,
                    "monitor/statistics" => app.measure(&snapshot, &Query::default()).ok()?,
                    _ => BTreeMap::new(),
                };
                snapshot.get(route, &query, &usage)
            };
            (build, kept)
        };
        match self.singleflight.clone().run(key, prepare).await {
            Some(body) => respond::json(body, request.jsonp()),
            None => not_found(),
        }
    }

    pub fn measure(
        &self,
        snapshot: &Snapshot,
        query: &Query,
    ) -> Result<BTreeMap<ContainerId, Usage>, InvalidSelection> {
        Ok(usage::measure(&self.containers, &snapshot.containers(query)?))
    }

    pub fn metrics(&self) -> metrics::Metrics {
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
        counters.set("slave/uptime_secs", self.started.elapsed().as_secs_f64());
        views::metrics::agent(&self.publisher.snapshot(), &counters)
    }
}
