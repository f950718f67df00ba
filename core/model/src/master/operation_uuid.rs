//! The identifier of an operation on an agent's resources.

use messages::v1;

/// The UUID of one operation, which the master mints (Mesos: `Operation.uuid`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationUuid(uuid::Uuid);

impl OperationUuid {
    /// Wraps a UUID that was just minted.
    pub fn new(uuid: uuid::Uuid) -> Self {
        OperationUuid(uuid)
    }

    /// Reads the identifier of a message; `None` if it does not have 16 bytes.
    pub fn from_proto(uuid: &v1::Uuid) -> Option<Self> {
        uuid::Uuid::from_slice(&uuid.value).ok().map(OperationUuid)
    }

    /// Returns the identifier as messages contain it.
    pub fn to_proto(self) -> v1::Uuid {
        v1::Uuid { value: self.0.as_bytes().to_vec() }
    }
}

impl std::fmt::Display for OperationUuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
