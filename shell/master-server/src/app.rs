//! Requests and messages of a master: who answers what.

use std::sync::Arc;
use std::time::Instant;

use ::master::Caller;
use http::{Method, StatusCode};
use views::master::Build;
use views::metrics::Counters;

use super::allocator_timings::AllocatorTimings;
use super::host::MasterHost;
use super::publisher::Publisher;
use super::registrar::RegistrarTimings;
use super::routes::ROUTES;
use super::scheduler_streams::SchedulerStreams;
use super::{
    explain, failures, operator_api, partitions, scheduler_api, v0_endpoints, v0_operator_endpoints,
    v0_reservation_endpoints,
};
use edge::core_thread::Inbox;
use edge::endpoints::files::Files;
use edge::endpoints::info::{self, System};
use edge::endpoints::logging::Logging;
use edge::endpoints::{files_api, metrics};
use edge::http::request::Request;
use edge::http::respond::{self, Response, empty, method_not_allowed, not_found, redirect, text};
use edge::libprocess::message::Dropped;
use edge::readers::rate_limiter::RateLimiter;
use edge::readers::singleflight::Singleflight;

/// Of one term, or of the time between terms: then nobody reads the inbox, and `post` answers what a follower cannot.
pub struct MasterApp {
    pub inbox: Arc<Inbox<MasterHost>>,
    pub dropped: Arc<Dropped>,
    pub publisher: Arc<Publisher>,
    pub scheduler_streams: Arc<SchedulerStreams>,
    pub core_metrics: Arc<::master::Metrics>,
    pub timings: Arc<AllocatorTimings>,
    pub registrar: Arc<RegistrarTimings>,
    pub singleflight: Arc<Singleflight>,
    pub files: Arc<Files>,
    pub logging: Arc<Logging>,
    pub metrics_limit: RateLimiter,
    pub build: Build,
    pub flags: Vec<(String, String)>,
    pub started: Instant,
    pub elected: bool,
    /// `hostname:port`, where clients are redirected to.
    pub authority: String,
}

impl MasterApp {
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        let Some(endpoint) = ROUTES.resolve(&request.path) else { return not_found() };
        match (endpoint.process, endpoint.route) {
            ("master", "api/v1/scheduler") => scheduler_api::handle(&self, &request).await,
            ("master", "api/v1") => operator_api::handle(&self, &request).await,
            ("master", "health") => empty(StatusCode::OK),
            ("master", "redirect") if endpoint.exact => redirect(&format!("//{}", self.authority)),
            ("master", "redirect") => not_found(),
            ("master", "flags") => match request.method {
                Method::GET => respond::json(info::flags(&self.flags), request.jsonp()),
                _ => method_not_allowed(&["GET"], &request.method),
            },
            ("master", "explain") => explain::get(&self, &request).await,
            ("master", "failures") => failures::api::get(&self, &request).await,
            ("master", "teardown") => v0_endpoints::teardown(&self, &request).await,
            ("master", "kill-task") => v0_endpoints::kill_task(&self, &request).await,
            ("master", route @ ("reserve" | "unreserve" | "create-volumes" | "destroy-volumes")) => {
                v0_reservation_endpoints::handle(&self, route, &request).await
            }
            ("master", "weights") => v0_operator_endpoints::weights(&self, &request).await,
            ("master", "quota") => v0_operator_endpoints::quota(&self, &request).await,
            ("master", "maintenance/schedule") => v0_operator_endpoints::schedule(&self, &request).await,
            ("master", "maintenance/status") => v0_operator_endpoints::status(&self, &request).await,
            ("master", "partitions") => partitions::handle(&self, &request).await,
            ("master", "machine/down") => v0_operator_endpoints::machine_down(&self, &request).await,
            ("master", "machine/up") => v0_operator_endpoints::machine_up(&self, &request).await,
            ("master", route) => v0_endpoints::read(&self, route, &request).await,
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

    pub fn caller(&self) -> Caller {
        Caller::default()
    }

    pub fn metrics(&self) -> metrics::Metrics {
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
        counters.set("master/uptime_secs", self.started.elapsed().as_secs_f64());
        counters.set("master/elected", f64::from(u8::from(self.elected)));
        counters.set("master/operator_event_stream_subscribers", self.publisher.subscribers() as f64);
        counters.add("master/dropped_messages", self.dropped.total() as f64);
        views::metrics::master(&self.publisher.snapshot(), &counters)
    }
}
