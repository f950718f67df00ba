//! The endpoints of a process, one row each. Routing, `/help`, redirects of followers, method checks and body limits
//! read the rows.
//!
//! A path names `/<process id>/<route>`, or `/<route>` of the table's delegate. As in libprocess, the nearest route
//! above a path serves it if no route matches (`/api/v1` serves `/api/v1/operator`), and `/slaves` serves `/slaves/`.

use std::pin::Pin;
use std::sync::Arc;

use super::action::{Action, Realm};
use super::body::BodyStream;
use super::request::{Request, decode};
use super::respond::Response;
use crate::limits::{MAX_BODY, MAX_FORM, MAX_IGNORED_BODY, MAX_JSON};

/// A future response.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

/// The function that answers a request. `A` is the state that the handlers of a process share. The variant says how the
/// handler takes the body.
pub enum Handler<A> {
    /// The whole body is received first.
    Whole(fn(Arc<A>, Request) -> ResponseFuture),
    /// The handler reads the body while it answers.
    Stream(fn(Arc<A>, Request, BodyStream) -> ResponseFuture),
}

/// The paths at or below a route that an endpoint serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The route and all paths below it without an endpoint of their own, as in libprocess.
    AndBelow,
    /// The route only.
    Exact,
    /// The paths below the route, without the route itself.
    Below,
}

/// The methods that an endpoint serves. Other methods are answered with 405.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// Every method. Mesos does not check the method of most reads.
    Any,
    /// These methods only.
    Only(&'static [&'static str]),
}

/// The content of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestContent {
    /// The body is ignored.
    None,
    /// A form, independent of the `Content-Type`.
    Form,
    /// JSON, independent of the `Content-Type`.
    Json,
    /// A call in `application/json` or `application/x-protobuf`; any other type is answered with 415.
    Call,
    /// A call, or several messages in `application/recordio`.
    CallOrRecords,
}

impl RequestContent {
    /// Returns the maximum of such a body in bytes, unless the row of the endpoint has another one.
    pub const fn max_body(self) -> usize {
        match self {
            RequestContent::None => MAX_IGNORED_BODY,
            RequestContent::Form => MAX_FORM,
            RequestContent::Json => MAX_JSON,
            RequestContent::Call | RequestContent::CallOrRecords => MAX_BODY,
        }
    }
}

/// The content of a successful response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseContent {
    /// An empty body.
    Empty,
    /// Plain text.
    Text,
    /// JSON, which `?jsonp=CALLBACK` turns into a script.
    Json,
    /// The content depends on the call and its `Accept` header. Some calls are answered with a stream of records.
    OfTheCall,
    /// JSON, or a stream of JSON lines.
    JsonOrLines,
    /// A file.
    File,
}

/// The condition under which a process answers a request itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// The process always answers.
    Always,
    /// The process answers while the master leads. A follower redirects to the same path of the leader, and answers 503
    /// while nobody leads and while the leader recovers.
    Leader,
    /// The same as `Leader`, except that the redirect names the leader's address without the path.
    LeaderAddress,
    /// The process answers once the agent has recovered, and answers 503 before.
    Recovered,
}

/// One endpoint.
pub struct Endpoint<A: 'static> {
    /// The id of the process that the endpoint belongs to.
    pub process: &'static str,
    /// The path below the process, without slashes at both ends; empty for the process itself.
    pub route: &'static str,
    /// The paths that the endpoint serves.
    pub extent: Extent,
    /// The methods that the endpoint serves.
    pub methods: Methods,
    /// The realm that callers authenticate for; `None` if everybody may call.
    pub realm: Option<Realm>,
    /// The actions that callers need the right to.
    pub actions: &'static [Action],
    /// The condition under which the process answers itself.
    pub availability: Availability,
    /// The content of the request.
    pub request: RequestContent,
    /// The maximum of the request's body in bytes, or of each of its records. A larger one is answered with 413.
    pub max_body: usize,
    /// The content of a successful response.
    pub response: ResponseContent,
    /// The description of the endpoint, in one line.
    pub help: &'static str,
    /// The function that answers.
    pub handler: Handler<A>,
}

impl<A> Endpoint<A> {
    /// Makes an endpoint that takes every method and the paths below its route, needs no right, always answers, ignores
    /// the body, and answers with JSON. The other functions change these properties.
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
            max_body: RequestContent::None.max_body(),
            response: ResponseContent::Json,
            help,
            handler,
        }
    }

    /// Sets the paths that the endpoint serves.
    pub const fn extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// Restricts the endpoint to these methods.
    pub const fn methods(mut self, methods: &'static [&'static str]) -> Self {
        self.methods = Methods::Only(methods);
        self
    }

    /// Restricts the endpoint to callers of a realm with the right to these actions.
    pub const fn needs(mut self, realm: Realm, actions: &'static [Action]) -> Self {
        self.realm = Some(realm);
        self.actions = actions;
        self
    }

    /// Sets when the process answers itself.
    pub const fn available(mut self, availability: Availability) -> Self {
        self.availability = availability;
        self
    }

    /// Sets the contents of request and response, and the maximum of a body with that content.
    pub const fn content(mut self, request: RequestContent, response: ResponseContent) -> Self {
        self.request = request;
        self.max_body = request.max_body();
        self.response = response;
        self
    }

    /// Sets the maximum of the body in bytes, after the content.
    pub const fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Returns `/<process>/<route>`.
    pub fn path(&self) -> String {
        match self.route {
            "" => format!("/{}", self.process),
            route => format!("/{}/{route}", self.process),
        }
    }

    /// Returns whether the endpoint serves the method.
    pub fn takes(&self, method: &http::Method) -> bool {
        match self.methods {
            Methods::Any => true,
            Methods::Only(methods) => methods.contains(&method.as_str()),
        }
    }
}

/// All endpoints of a process, in groups.
pub struct EndpointTable<A: 'static> {
    /// The process whose routes are also served without the process id in the path.
    pub delegate: &'static str,
    /// The rows, grouped by the module that has them.
    pub groups: &'static [&'static [Endpoint<A>]],
}

/// The maximum of parts of a route. Further parts of a path are not examined.
const MAX_PARTS: usize = 4;

impl<A> EndpointTable<A> {
    /// Returns every endpoint.
    pub fn rows(&self) -> impl Iterator<Item = &'static Endpoint<A>> {
        self.groups.iter().flat_map(|group| group.iter())
    }

    /// Returns whether a process of this id exists. Messages to such a process are accepted, even if they are dropped.
    pub fn has_process(&self, id: &str) -> bool {
        self.rows().any(|row| row.process == id)
    }

    /// Returns the endpoint that serves a path.
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
            // Mesos removed the `.json` names in 1.0; old monitors still use them.
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
    fn names_with_the_json_suffix_are_served() {
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

    #[test]
    fn the_size_of_a_body_depends_on_its_content() {
        let check = |row: Endpoint<()>, expect: usize| assert_eq!(row.max_body, expect);
        let of = |content| row("master", "x").content(content, ResponseContent::Json);
        check(row("master", "x"), MAX_IGNORED_BODY);
        check(of(RequestContent::Form), MAX_FORM);
        check(of(RequestContent::Json), MAX_JSON);
        check(of(RequestContent::Json).max_body(7), 7);
        check(of(RequestContent::CallOrRecords), MAX_BODY);
    }
}
