//! What an event stream carries.

use std::sync::Arc;

use messages::schema::HasDescriptor;

use crate::{ContentType, encode_as};

/// An event of a stream, encoded in the subscriber's content type by whoever writes it.
pub trait StreamEvent {
    /// The event in the subscriber's encoding.
    fn encode_as(&self, content_type: ContentType) -> Vec<u8>;

    /// About how many bytes it keeps in memory while it waits.
    fn size(&self) -> usize;
}

impl<M: HasDescriptor> StreamEvent for Arc<M> {
    fn encode_as(&self, content_type: ContentType) -> Vec<u8> {
        encode_as(content_type, &**self)
    }

    fn size(&self) -> usize {
        self.encoded_len()
    }
}
