//! libprocess messages: receipts for those that come in, links for those that go out.

pub mod links;
pub mod message;
pub(crate) mod message_response;
