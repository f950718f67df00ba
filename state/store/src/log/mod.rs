//! An append log: records that are durable in the order they were given, with one flush for all that wait.
//!
//! | module | owns |
//! | --- | --- |
//! | `frame` | the bytes: a batch of records with its length and checksum |
//! | `file` | the file: appending, replaying, replacing it by a shorter one |
//! | `device` | what is done to a file that holds a log, so that tests can have a disk fail |
//! | `writer` | the thread that commits in groups, and what happens when the disk does not take more |
//! | `error` | what can go wrong |

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
