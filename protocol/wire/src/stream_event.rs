//! The events of a stream.

use std::sync::Arc;

use messages::schema::HasDescriptor;

use crate::{ContentType, encode_as};

/// An event of a stream. Its writer encodes it in the subscriber's content type.
pub trait StreamEvent {
    /// Returns the event in the subscriber's encoding.
    fn encode_as(&self, content_type: ContentType) -> Vec<u8>;

    /// Returns about how many bytes of memory the event takes while it waits.
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
