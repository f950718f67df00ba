//! The part of a coordination service that election needs, as a trait, so that its logic is tested without ZooKeeper.

use std::future::Future;
use std::time::Duration;

/// The reason for which a request failed.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum CoordinationError {
    /// A retry in the same session may succeed. Whether the request was carried out is unknown.
    #[error("not connected: {0}")]
    Connection(String),
    #[error("the session has expired")]
    Expired,
    #[error(
        "ZooKeeper does not permit it ({0}): was the path created with another user and password than those of the URL?"
    )]
    Permission(String),
    #[error("{0}")]
    Other(String),
}

/// Opens sessions for a group of masters.
pub trait Coordinator: Clone + Send + Sync + 'static {
    /// The type of a session, which is a connection with the ephemeral nodes that it owns.
    type Session: Session;

    /// Opens a session, and creates the path of the group if it does not exist.
    ///
    /// # Errors
    /// Returns [`CoordinationError`] if the service cannot be reached or refuses the session.
    fn open(&self) -> impl Future<Output = Result<Self::Session, CoordinationError>> + Send;
}

/// A session. Dropping it closes it.
pub trait Session: Send + Sync + 'static {
    /// Returns the timeout after which the service ends a session that it has not heard from.
    fn timeout(&self) -> Duration;

    /// Adds a child that ends with the session. Its name is `prefix` with a number higher than all before, and is
    /// returned.
    ///
    /// # Errors
    /// Returns [`CoordinationError`]; the child may exist nevertheless.
    fn join(&self, prefix: &str, data: &[u8]) -> impl Future<Output = Result<String, CoordinationError>> + Send;

    /// Removes a child. A missing child is not an error.
    ///
    /// # Errors
    /// Returns [`CoordinationError`] if the request fails.
    fn leave(&self, child: &str) -> impl Future<Output = Result<(), CoordinationError>> + Send;

    /// Returns whether a child exists. The service's own leader answers, which proves that this session is alive.
    ///
    /// # Errors
    /// Returns [`CoordinationError`] if the request fails.
    fn confirm(&self, child: &str) -> impl Future<Output = Result<bool, CoordinationError>> + Send;

    /// Returns the children of the group, and a future that resolves when they may have changed.
    ///
    /// # Errors
    /// Returns [`CoordinationError`] if the request fails.
    fn children(
        &self,
    ) -> impl Future<Output = Result<(Vec<String>, impl Future<Output = ()> + Send + 'static), CoordinationError>> + Send;

    /// Returns the data of a child; `None` if the child does not exist.
    ///
    /// # Errors
    /// Returns [`CoordinationError`] if the request fails.
    fn data(&self, child: &str) -> impl Future<Output = Result<Option<Vec<u8>>, CoordinationError>> + Send;

    /// Resolves when the session has ended, or has been without a connection for its timeout.
    fn over(&self) -> impl Future<Output = CoordinationError> + Send;
}
