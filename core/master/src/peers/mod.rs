//! libprocess peers: the links to them, and where their messages go.

mod links;
mod messages;

pub(crate) use links::Links;
pub(crate) use messages::{is_process_of, message};
