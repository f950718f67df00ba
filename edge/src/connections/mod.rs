//! Sockets: accepting connections, reading and writing them with deadlines, and the budgets for the memory that they
//! hold.

pub mod budget;
mod bulk_offload;
pub mod connection;
pub(crate) mod io;
pub(crate) mod listener;
pub mod plain;
pub mod transport;
