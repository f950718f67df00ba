//! The endpoints that masters and agents have in common, as rows of the endpoint table.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use views::master::Build;

use super::files::Files;
use super::info::{self, System};
use super::logging::Logging;
use super::metrics::{self, Metrics};
use super::{files_api, help};
use crate::http::action::{Action, Realm};
use crate::http::endpoint::{
    Endpoint, EndpointTable, Extent, Handler, RequestContent, ResponseContent, ResponseFuture,
};
use crate::http::request::Request;
use crate::http::respond::{self, empty};
use crate::readers::rate_limiter::RateLimiter;

/// The state that the common endpoints are answered from.
pub struct Common {
    /// The files below `/files`.
    pub files: Arc<Files>,
    /// The verbosity of the log.
    pub logging: Arc<Logging>,
    /// The rate limit of `/metrics/snapshot`.
    pub metrics_limit: RateLimiter,
    /// The description of the running program.
    pub build: Build,
    /// Every flag that has a value, for `/flags`.
    pub flags: Vec<(String, String)>,
    /// The time at which the process started.
    pub started: Instant,
}

/// A program that serves the common endpoints.
pub trait CommonEndpoints: Send + Sync + Sized + 'static {
    /// Returns the state that the common endpoints are answered from.
    fn common(&self) -> &Common;

    /// Returns all metrics with their current values.
    fn metrics(&self) -> Metrics;

    /// Returns the table that the common rows are part of, for `/help`.
    fn table() -> &'static EndpointTable<Self>;
}

/// The rows of the common endpoints of a program.
pub struct CommonRows<A>(std::marker::PhantomData<A>);

impl<A: CommonEndpoints> CommonRows<A> {
    /// The rows of the processes that every program has.
    pub const ROWS: &'static [Endpoint<A>] = &[
        Endpoint::new("files", "browse", "Lists the files of a directory: ?path=.", Handler::Whole(browse))
            .needs(Realm::ReadOnly, &[Action::AccessMesosLog, Action::AccessSandbox]),
        Endpoint::new("files", "read", "Reads a part of a file: ?path=&offset=&length=.", Handler::Whole(read))
            .needs(Realm::ReadOnly, &[Action::AccessMesosLog, Action::AccessSandbox]),
        Endpoint::new("files", "download", "Returns a whole file: ?path=.", Handler::Whole(download))
            .needs(Realm::ReadOnly, &[Action::AccessMesosLog, Action::AccessSandbox])
            .content(RequestContent::None, ResponseContent::File),
        Endpoint::new("files", "debug", "Lists the virtual paths and what they lead to.", Handler::Whole(debug))
            .needs(Realm::ReadOnly, &[Action::GetEndpoint]),
        Endpoint::new(
            "help",
            "",
            "Describes the endpoints: /help/PROCESS/ENDPOINT, ?format=json.",
            Handler::Whole(help),
        )
        .content(RequestContent::None, ResponseContent::Text),
        Endpoint::new(
            "logging",
            "toggle",
            "Shows the verbosity of the log, or changes it for a while: ?level=&duration=.",
            Handler::Whole(toggle),
        )
        .needs(Realm::ReadWrite, &[Action::GetEndpoint])
        .content(RequestContent::None, ResponseContent::Text),
        Endpoint::new("metrics", "", "Returns the metrics in the format of Prometheus.", Handler::Whole(prometheus))
            .extent(Extent::Exact)
            .needs(Realm::ReadOnly, &[Action::GetEndpoint])
            .content(RequestContent::None, ResponseContent::Text),
        Endpoint::new("metrics", "snapshot", "Returns the metrics: ?timeout=.", Handler::Whole(snapshot))
            .needs(Realm::ReadOnly, &[Action::GetEndpoint]),
        Endpoint::new("system", "stats.json", "Returns the load and the memory of the machine.", Handler::Whole(stats)),
        Endpoint::new("version", "", "Returns what was built, when and of what.", Handler::Whole(version)),
    ];
}

/// Returns the row of `/health` of `process`. A client that reaches it gets 200.
pub const fn health<A: CommonEndpoints>(process: &'static str) -> Endpoint<A> {
    let handler = Handler::Whole(|_: Arc<A>, _| Box::pin(async { empty(StatusCode::OK) }));
    Endpoint::new(process, "health", "Answers 200: the process is there.", handler)
        .content(RequestContent::None, ResponseContent::Empty)
}

/// Returns the row of `/flags` of `process`.
pub const fn flags<A: CommonEndpoints>(process: &'static str) -> Endpoint<A> {
    let handler: fn(Arc<A>, Request) -> ResponseFuture =
        |app, request| Box::pin(async move { respond::json(info::flags(&app.common().flags), request.jsonp()) });
    Endpoint::new(process, "flags", "Returns the flags that the process was started with.", Handler::Whole(handler))
        .methods(&["GET"])
        .needs(Realm::ReadOnly, &[Action::ViewFlags])
}

fn browse<A: CommonEndpoints>(app: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move { files_api::browse(&app.common().files, &request).await })
}

fn read<A: CommonEndpoints>(app: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move { files_api::read(&app.common().files, &request).await })
}

fn download<A: CommonEndpoints>(app: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move { files_api::download(&app.common().files, &request).await })
}

fn debug<A: CommonEndpoints>(app: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move { files_api::debug(&app.common().files, &request) })
}

fn help<A: CommonEndpoints>(_: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move { help::answer(A::table(), &request) })
}

fn toggle<A: CommonEndpoints>(app: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move { app.common().logging.toggle(&request) })
}

fn prometheus<A: CommonEndpoints>(app: Arc<A>, _: Request) -> ResponseFuture {
    Box::pin(async move { metrics::prometheus(move || app.metrics()).await })
}

fn snapshot<A: CommonEndpoints>(app: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move {
        let collected = app.clone();
        metrics::snapshot(&app.common().metrics_limit, &request, move || collected.metrics()).await
    })
}

fn stats<A: CommonEndpoints>(_: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move { respond::json(System::read().stats(), request.jsonp()) })
}

fn version<A: CommonEndpoints>(app: Arc<A>, request: Request) -> ResponseFuture {
    Box::pin(async move { respond::json(info::version(&app.common().build), request.jsonp()) })
}
