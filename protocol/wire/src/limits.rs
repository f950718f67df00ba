//! The bounds on untrusted input, checked before anything is allocated for it.

/// What one message may cost. Reaching a bound is an error, never a truncation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one encoded message, protobuf or JSON.
    pub max_bytes: usize,
    /// Messages nested in messages (protobuf), or arrays and objects (JSON).
    pub max_depth: usize,
    /// Fields in one message, counted over all levels; bounds the memory a few wire bytes can claim, since an empty
    /// element of a repeated field is two bytes on the wire and hundreds in memory.
    pub max_elements: usize,
}

impl Limits {
    /// Bytes of memory per byte on the wire. Messages that have a use stay below 35.
    const MEMORY_FACTOR: usize = 48;
    /// A short message may consist of little else than empty lists and sub-messages.
    const MEMORY_FLOOR: usize = 64 << 10;

    /// Bytes of memory that a message of `bytes` on the wire may take once it is decoded.
    pub(crate) const fn max_memory(self, bytes: usize) -> usize {
        bytes.saturating_mul(Self::MEMORY_FACTOR).saturating_add(Self::MEMORY_FLOOR)
    }
}

impl Default for Limits {
    /// C++ protobuf refuses more than 64 MiB and a depth of 100.
    fn default() -> Self {
        Limits { max_bytes: 64 << 20, max_depth: 100, max_elements: 2_000_000 }
    }
}
