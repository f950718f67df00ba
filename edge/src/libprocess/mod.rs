//! libprocess messages: receipts for incoming ones, links for outgoing ones.

pub mod links;
pub mod message;
pub(crate) mod message_response;
