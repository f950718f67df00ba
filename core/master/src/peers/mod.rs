//! libprocess peers: the links to them, and the handlers of their messages.

mod links;
mod messages;

pub(crate) use links::Links;
pub(crate) use messages::{is_process_of, message};
