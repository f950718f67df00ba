//! The little that election needs of a coordination service, so that its logic is tested without one.

use std::future::Future;
use std::time::Duration;

/// Why a request failed.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum CoordinationError {
    /// It may work in a moment, in the same session. Whether the request was carried out is not known.
    #[error("not connected: {0}")]
    Connection(String),
    #[error("the session has expired")]
    Expired,
    #[error(
        "ZooKeeper does not permit it ({0}): was the path made with another user and password than those of the URL?"
    )]
    Permission(String),
    #[error("{0}")]
    Other(String),
}

/// Opens sessions on the group of masters.
pub trait Coordinator: Clone + Send + Sync + 'static {
    /// A connection to ZooKeeper with the ephemeral nodes that it owns.
    type Session: Session;

    /// A session for a group that exists; creates its path where it does not.
    fn open(&self) -> impl Future<Output = Result<Self::Session, CoordinationError>> + Send;
}

/// A session; closed when it is dropped.
pub trait Session: Send + Sync + 'static {
    /// Without news for so long the service ends it.
    fn timeout(&self) -> Duration;

    /// Adds a child that ends with the session; its name is `prefix` and a number higher than all before.
    fn join(&self, prefix: &str, data: &[u8]) -> impl Future<Output = Result<String, CoordinationError>> + Send;

    /// Removes a child; it may be gone already.
    fn leave(&self, child: &str) -> impl Future<Output = Result<(), CoordinationError>> + Send;

    /// Whether a child is there. The answer comes from the service's own leader: it tells that this session lives.
    fn confirm(&self, child: &str) -> impl Future<Output = Result<bool, CoordinationError>> + Send;

    /// The children of the group, and what resolves when that may have changed.
    fn children(
        &self,
    ) -> impl Future<Output = Result<(Vec<String>, impl Future<Output = ()> + Send + 'static), CoordinationError>> + Send;

    /// Returns what a child of the path holds; `None` when the child does not exist.
    ///
    /// # Errors
    ///
    /// ZooKeeper does not answer, or the session is over.
    fn data(&self, child: &str) -> impl Future<Output = Result<Option<Vec<u8>>, CoordinationError>> + Send;

    /// Resolves when the session is over, or has been without connection for as long as it lasts.
    fn over(&self) -> impl Future<Output = CoordinationError> + Send;
}
