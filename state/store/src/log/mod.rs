//! An append log: records become durable in order, with one flush for all that wait.
//!
//! | module | owns |
//! | --- | --- |
//! | `frame` | the bytes: a batch of records with its length and checksum |
//! | `file` | the file: appending, replaying, replacing it by a shorter one |
//! | `device` | the operations on the file of a log, which tests let fail |
//! | `writer` | the thread that commits in groups, and its behaviour while the disk is full |
//! | `error` | the errors of a log |

mod device;
mod error;
mod file;
mod frame;
mod writer;

pub use device::Device;
pub use error::LogError;
pub use file::{Log, Replay};
pub use writer::{Closed, Journal, Statistics, Writer, WriterEvent};

#[cfg(test)]
mod tests;
