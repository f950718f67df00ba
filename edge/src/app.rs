//! What the edge needs to know of the program it serves: a master or an agent.

use std::future::Future;
use std::sync::Arc;

use messages::Message;
use model::{Caller, Upid};

use crate::core_thread::{Host, Inbox};
use crate::http::endpoint::{Endpoint, EndpointTable};
use crate::http::request::Request;
use crate::http::respond::Response;
use crate::libprocess::message::Dropped;

/// What a process id names here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    /// Nothing.
    None,
    /// A process whose messages go to the core.
    Core,
    /// A process that takes no messages.
    Other,
}

/// A program that the edge serves.
pub trait App: Send + Sync + 'static {
    /// What hosts its core.
    type Host: Host;
    /// What the handlers of its endpoints share.
    type Shared: Send + Sync + 'static;

    /// Returns the core's inbox; `None` while this process has no core, and messages are dropped.
    fn inbox(&self) -> Option<Arc<Inbox<Self::Host>>>;

    /// The messages that nobody has understood.
    fn dropped(&self) -> &Dropped;

    /// What a process id names.
    fn process(&self, id: &str) -> ProcessKind;

    /// The core's input for a message of `caller`; `None` when it is refused.
    fn input(&self, from: Upid, to: String, message: Message, caller: Caller) -> Option<<Self::Host as Host>::Input>;

    /// Resolves when what links mean to this process ends, and they with it; never where that is its own end.
    fn end_of_term(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Its endpoints.
    fn endpoints(&self) -> &'static EndpointTable<Self::Shared>;

    /// What the handler of `endpoint` is given now.
    ///
    /// # Errors
    /// The answer of a process that does not serve the endpoint now
    /// ([`Availability`](crate::http::endpoint::Availability)): a redirect, or 503.
    fn shared(
        self: &Arc<Self>,
        endpoint: &Endpoint<Self::Shared>,
        request: &Request,
    ) -> Result<Arc<Self::Shared>, Response>;
}
