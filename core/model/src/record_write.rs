//! What is handed to durable storage.

/// One change of a durable map from keys to bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordWrite {
    /// A path: the first part names a kind of record, the rest is opaque (a role may contain slashes).
    pub key: String,
    /// `None` deletes the key.
    pub value: Option<Vec<u8>>,
}
