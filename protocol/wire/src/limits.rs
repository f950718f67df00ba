//! The bounds on untrusted input, checked before anything is allocated for it.

/// The bounds on the cost of one message. A message beyond a bound is an error; it is never truncated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of one encoded message, protobuf or JSON.
    pub max_bytes: usize,
    /// The deepest nesting of messages in messages (protobuf), or of arrays and objects (JSON).
    pub max_depth: usize,
    /// The most fields in one message, counted over all levels. It bounds the memory that a few wire bytes can claim:
    /// an empty element of a repeated field has two bytes on the wire and hundreds in memory.
    pub max_elements: usize,
    /// The most bytes of memory per byte on the wire. Useful messages stay below 35.
    pub max_memory_factor: usize,
}

impl Limits {
    /// The limits on bytes that this program has encoded, such as its records: only the depth is bounded. A record can be
    /// larger than the message that it was made from, and can need more memory per byte.
    pub const OWN_BYTES: Limits =
        Limits { max_bytes: usize::MAX, max_depth: 100, max_elements: usize::MAX, max_memory_factor: usize::MAX };

    /// The memory that any message may take: a short message may consist of little else than empty lists and
    /// sub-messages.
    const MEMORY_FLOOR: usize = 64 << 10;

    /// Returns the number of bytes of memory that a message of `bytes` on the wire may take once it is decoded.
    pub(crate) const fn max_memory(self, bytes: usize) -> usize {
        bytes.saturating_mul(self.max_memory_factor).saturating_add(Self::MEMORY_FLOOR)
    }
}

impl Default for Limits {
    /// Returns the limits of C++ protobuf: 64 MiB and a depth of 100.
    fn default() -> Self {
        Limits { max_bytes: 64 << 20, max_depth: 100, max_elements: 2_000_000, max_memory_factor: 48 }
    }
}
