//! The interface of the program that the edge serves: a master or an agent.

use std::future::Future;
use std::sync::Arc;

use messages::Message;
use model::{Caller, Upid};

use crate::core_thread::{Host, Inbox};
use crate::http::endpoint::{Endpoint, EndpointTable};
use crate::http::request::Request;
use crate::http::respond::Response;
use crate::libprocess::message::Dropped;

/// The meaning of a libprocess process id in this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    /// The id names no process.
    None,
    /// The id names a process whose messages go to the core.
    Core,
    /// The id names a process that takes no messages.
    Other,
}

/// A program that the edge serves.
pub trait App: Send + Sync + 'static {
    /// The host of its core.
    type Host: Host;
    /// The value that the handlers of its endpoints share.
    type Shared: Send + Sync + 'static;

    /// Returns the core's inbox; `None` while this process has no core, and messages are dropped.
    fn inbox(&self) -> Option<Arc<Inbox<Self::Host>>>;

    /// Returns the counter of messages that were dropped because no process understands them.
    fn dropped(&self) -> &Dropped;

    /// Returns the kind of process that an id names.
    fn process(&self, id: &str) -> ProcessKind;

    /// Returns the core's input for a message of `caller`; `None` if the message is refused.
    fn input(&self, from: Upid, to: String, message: Message, caller: Caller) -> Option<<Self::Host as Host>::Input>;

    /// Resolves when this process closes its links because its term ends. It never resolves in a program whose links
    /// end with the process.
    fn end_of_term(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Returns the endpoints that the program serves.
    fn endpoints(&self) -> &'static EndpointTable<Self::Shared>;

    /// Returns the value that the handler of `endpoint` is given for this request.
    ///
    /// # Errors
    /// Returns the response of a process that does not serve the endpoint now
    /// ([`Availability`](crate::http::endpoint::Availability)): a redirect, or 503.
    fn shared(
        self: &Arc<Self>,
        endpoint: &Endpoint<Self::Shared>,
        request: &Request,
    ) -> Result<Arc<Self::Shared>, Response>;
}
