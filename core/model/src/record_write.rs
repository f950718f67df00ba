//! The writes that are handed to durable storage.

/// One write to a durable map from keys to bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordWrite {
    /// The key, a path: its first part names a kind of record, the rest is opaque (a role may contain slashes).
    pub key: String,
    /// The new value; `None` deletes the key.
    pub value: Option<Vec<u8>>,
}
