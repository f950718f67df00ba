//! Identifiers as types of their own, cheap to clone and ordered.
//!
//! Ids are made from validated protobuf ids or minted by a core. The types do not check the syntax of their text, which
//! `validation` does.

use std::fmt;
use std::sync::Arc;

use messages::v1;
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the id with this text, which is not checked.
            pub fn new(text: impl AsRef<str>) -> Self {
                $name(Arc::from(text.as_ref()))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

macro_rules! proto_id {
    ($($name:ident = $proto:ty),* $(,)?) => {$(
        impl From<&$proto> for $name {
            fn from(id: &$proto) -> Self {
                $name::new(&id.value)
            }
        }

        impl $name {
            /// Returns the message that carries this id.
            pub fn to_proto(&self) -> $proto {
                <$proto>::from(self)
            }
        }
    )*};
}

text_id!(/// `<master id>-%04d`.
    FrameworkId);
text_id!(/// `<master id>-S<n>`.
    AgentId);
text_id!(/// `<master id>-O<n>`.
    OfferId);
text_id!(/// Chosen by the scheduler; unique within its framework.
    TaskId);
text_id!(/// Chosen by the scheduler; unique within framework and agent.
    ExecutorId);
text_id!(/// A role name, e.g. `eng/web`.
    Role);
text_id!(/// The name of a peer that has authenticated itself.
    Principal);

proto_id!(
    FrameworkId = v1::FrameworkId,
    AgentId = v1::AgentId,
    OfferId = v1::OfferId,
    TaskId = v1::TaskId,
    ExecutorId = v1::ExecutorId,
);

impl From<&FrameworkId> for v1::FrameworkId {
    fn from(id: &FrameworkId) -> Self {
        v1::FrameworkId { value: id.as_str().to_owned() }
    }
}

impl From<&AgentId> for v1::AgentId {
    fn from(id: &AgentId) -> Self {
        v1::AgentId { value: id.as_str().to_owned() }
    }
}

impl From<&OfferId> for v1::OfferId {
    fn from(id: &OfferId) -> Self {
        v1::OfferId { value: id.as_str().to_owned() }
    }
}

impl From<&TaskId> for v1::TaskId {
    fn from(id: &TaskId) -> Self {
        v1::TaskId { value: id.as_str().to_owned() }
    }
}

impl From<&ExecutorId> for v1::ExecutorId {
    fn from(id: &ExecutorId) -> Self {
        v1::ExecutorId { value: id.as_str().to_owned() }
    }
}

/// One open event stream. Its text is the `Mesos-Stream-Id` header. The edge mints it from the randomness of the
/// operating system, since whoever knows it may make calls on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub Uuid);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request that waits for its response. The edge mints the number; the core responds to it at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyId(pub u64);
