//! The endpoints of a process: one row each, which routing, `/help`, followers, method checks and body limits read.
//!
//! A path names `/<process id>/<route>`, or `/<route>` of the table's delegate. As in libprocess, a path that is longer
//! than any route is served by the nearest route above it (`/api/v1/operator` by `/api/v1`), and `/slaves/` by `/slaves`.

use std::pin::Pin;
use std::sync::Arc;

use super::action::{Action, Realm};
use super::body::BodyStream;
use super::request::{Request, decode};
use super::respond::Response;

/// An answer to come.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Answers a request; `A` is what the process' handlers share. The variant says how the handler takes the body.
pub enum Handler<A> {
    /// The body is received first, within [`MAX_BODY`](crate::limits::MAX_BODY).
    Whole(fn(Arc<A>, Request) -> ResponseFuture),
    /// The handler reads the body while it answers.
    Stream(fn(Arc<A>, Request, BodyStream) -> ResponseFuture),
}

/// Which paths at or below a route an endpoint serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The route and everything below it that has no endpoint of its own, as in libprocess.
    AndBelow,
    /// The route alone.
    Exact,
    /// What is below the route, and not the route itself.
    Below,
}

/// The methods that an endpoint serves. Others are answered with 405.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// Every method: Mesos does not look at that of most reads.
    Any,
    /// These alone.
    Only(&'static [&'static str]),
}

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestContent {
    /// Nothing is expected, and nothing is looked at.
    None,
    /// A form, whatever the `Content-Type` says.
    Form,
    /// JSON, whatever the `Content-Type` says.
    Json,
    /// A call: `application/json` or `application/x-protobuf`, else 415.
    Call,
    /// A call, or `application/recordio` of several messages.
    CallOrRecords,
}

/// What a success is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseContent {
    /// Nothing.
    Empty,
    /// Text.
    Text,
    /// JSON, which `?jsonp=CALLBACK` makes a script of.
    Json,
    /// What the call and its `Accept` ask for; some calls are answered with a stream of records.
    OfTheCall,
    /// JSON, or a stream of lines.
    JsonOrLines,
    /// A file.
    File,
}

/// When a process answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Always.
    Always,
    /// When the master leads. A follower redirects to the same path of the leader; it answers 503 while nobody leads and
    /// while it recovers.
    Leader,
    /// As `Leader`, with a redirect to the leader's address alone.
    LeaderAddress,
    /// When the agent has recovered; 503 before.
    Recovered,
}

/// One endpoint.
pub struct Endpoint<A: 'static> {
    /// The id of the process that it belongs to.
    pub process: &'static str,
    /// Its path below the process, without slashes at its ends; empty for the process itself.
    pub route: &'static str,
    /// Which paths it serves.
    pub extent: Extent,
    /// Which methods it serves.
    pub methods: Methods,
    /// Whom its callers authenticate for; `None` for everybody.
    pub realm: Option<Realm>,
    /// What its callers need the right to.
    pub actions: &'static [Action],
    /// When it answers by itself.
    pub availability: Availability,
    /// What it is sent.
    pub request: RequestContent,
    /// What it sends.
    pub response: ResponseContent,
    /// What it does, in one line.
    pub help: &'static str,
    /// Answers.
    pub handler: Handler<A>,
}

impl<A> Endpoint<A> {
    /// An endpoint that takes every method and the paths below its route, needs no right, always answers, expects no
    /// body, and answers with JSON. The other functions change that.
    pub const fn new(process: &'static str, route: &'static str, help: &'static str, handler: Handler<A>) -> Self {
        Endpoint {
            process,
            route,
            extent: Extent::AndBelow,
            methods: Methods::Any,
            realm: None,
            actions: &[],
            availability: Availability::Always,
            request: RequestContent::None,
            response: ResponseContent::Json,
            help,
            handler,
        }
    }

    /// With another extent.
    pub const fn extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// For these methods alone.
    pub const fn methods(mut self, methods: &'static [&'static str]) -> Self {
        self.methods = Methods::Only(methods);
        self
    }

    /// For callers of a realm with the right to these actions.
    pub const fn needs(mut self, realm: Realm, actions: &'static [Action]) -> Self {
        self.realm = Some(realm);
        self.actions = actions;
        self
    }

    /// Available at times only.
    pub const fn available(mut self, availability: Availability) -> Self {
        self.availability = availability;
        self
    }

    /// With these bodies.
    pub const fn content(mut self, request: RequestContent, response: ResponseContent) -> Self {
        self.request = request;
        self.response = response;
        self
    }

    /// `/<process>/<route>`.
    pub fn path(&self) -> String {
        match self.route {
            "" => format!("/{}", self.process),
            route => format!("/{}/{route}", self.process),
        }
    }

    /// Whether the method is one of those served.
    pub fn takes(&self, method: &http::Method) -> bool {
        match self.methods {
            Methods::Any => true,
            Methods::Only(methods) => methods.contains(&method.as_str()),
        }
    }
}

/// All endpoints of a process, in groups.
pub struct EndpointTable<A: 'static> {
    /// The process that paths without a process belong to.
    pub delegate: &'static str,
    /// Its endpoints and those of the other processes.
    pub groups: &'static [&'static [Endpoint<A>]],
}

/// No route has more parts, so that no more of a path are looked at.
const MAX_PARTS: usize = 4;

impl<A> EndpointTable<A> {
    /// Every endpoint.
    pub fn rows(&self) -> impl Iterator<Item = &'static Endpoint<A>> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// Whether a process of this id exists: messages to it are taken (if only to drop them).
    pub fn has_process(&self, id: &str) -> bool {
        self.rows().any(|row| row.process == id)
    }

    /// The endpoint that serves a path.
    pub fn resolve(&self, path: &str) -> Option<&'static Endpoint<A>> {
        let mut parts = path.split('/').filter(|part| !part.is_empty()).map(|part| decode(part).ok());
        let parts: Vec<String> = parts.by_ref().take(MAX_PARTS + 1).collect::<Option<_>>()?;
        match parts.first() {
            Some(id) if self.has_process(id) => self.nearest(id, &parts[1..]),
            _ => self.nearest(self.delegate, &parts),
        }
    }

    fn nearest(&self, process: &str, parts: &[String]) -> Option<&'static Endpoint<A>> {
        (0..=parts.len().min(MAX_PARTS)).rev().find_map(|count| {
            let wanted = parts[..count].join("/");
            // The `.json` names went away with Mesos 1.0; old monitors still use them.
            let bare = wanted.strip_suffix(".json").unwrap_or(&wanted);
            let exact = count == parts.len();
            let named = |route: &str| {
                self.rows().find(|row| row.process == process && row.route == route && row.extent.serves(exact))
            };
            named(&wanted).or_else(|| named(bare))
        })
    }
}

impl Extent {
    fn serves(self, exact: bool) -> bool {
        match self {
            Extent::AndBelow => true,
            Extent::Exact => exact,
            Extent::Below => !exact,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::respond::not_found;

    const fn row(process: &'static str, route: &'static str) -> Endpoint<()> {
        Endpoint::new(process, route, "", Handler::Whole(|_, _| Box::pin(async { not_found() })))
    }

    const TABLE: EndpointTable<()> = EndpointTable {
        delegate: "master",
        groups: &[
            &[
                row("master", "api/v1"),
                row("master", "api/v1/scheduler"),
                row("master", "state"),
                row("master", "slaves"),
                row("master", "redirect").extent(Extent::Exact),
                row("master", "partitions").extent(Extent::Exact).methods(&["GET"]),
                row("master", "partitions").extent(Extent::Below).methods(&["GET", "PUT", "DELETE"]),
            ],
            &[row("system", "stats.json"), row("version", "")],
        ],
    };

    fn check(path: &str, expect: Option<(&str, &str, Extent)>) {
        let found = TABLE.resolve(path).map(|row| (row.process, row.route, row.extent));
        assert_eq!(found, expect, "{path}");
    }

    #[test]
    fn paths_find_their_route() {
        let state = Some(("master", "state", Extent::AndBelow));
        check("/state", state);
        check("/master/state", state);
        check("//state", state);
        check("/ma%73ter/state", state);
        check("/version", Some(("version", "", Extent::AndBelow)));
        check("/master", None);
        check("/", None);
        check("/nope", None);
        check("/%zz", None);
    }

    #[test]
    fn a_longer_path_falls_back_to_the_nearest_route() {
        check("/api/v1/operator", Some(("master", "api/v1", Extent::AndBelow)));
        check("/master/api/v1/x/y/z/a/b", Some(("master", "api/v1", Extent::AndBelow)));
        check("/api/v1/scheduler", Some(("master", "api/v1/scheduler", Extent::AndBelow)));
        check("/slaves/", Some(("master", "slaves", Extent::AndBelow)));
        check("/redirect", Some(("master", "redirect", Extent::Exact)));
        check("/redirect/x", None);
        check("/partitions/", Some(("master", "partitions", Extent::Exact)));
        check("/partitions/a", Some(("master", "partitions", Extent::Below)));
        check("/partitions/a/b/c/d/e", Some(("master", "partitions", Extent::Below)));
        check("/api", None);
    }

    #[test]
    fn the_old_json_names_live_on() {
        check("/master/state.json", Some(("master", "state", Extent::AndBelow)));
        check("/system/stats.json", Some(("system", "stats.json", Extent::AndBelow)));
        check("/system/stats", None);
    }

    #[test]
    fn methods_are_those_of_the_row() {
        let takes = |path: &str, method: http::Method| TABLE.resolve(path).unwrap().takes(&method);
        assert!(takes("/state", http::Method::PATCH));
        assert!(!takes("/partitions", http::Method::PUT));
        assert!(takes("/partitions/a", http::Method::PUT));
    }
}
