//! A store below a path of ZooKeeper, for masters that are elected there.
//!
//! | node | holds |
//! | --- | --- |
//! | `<path>/tepui/registry` | the format; its version is the epoch, and every commit checks it |
//! | `…/entries/<00–ff>/<key>` | a record, or the first part of one; records are spread, because the list of a node's children has a limit |
//! | `…/entries/<00–ff>/<key>#<n>` | the further parts of a record that is too large for one node |
//! | `…/journal` | a commit that is too large for one request, until it has been carried out completely |
//!
//! ZooKeeper limits a request and a node to 1 MB (`jute.maxbuffer`), so a commit is one `multi` where that is
//! possible. A larger one is first written to the journal, which a final `multi` marks as complete. From then on its
//! writer, or the next master that takes over, carries it out.

mod client;
mod layout;
mod store;

pub use store::ZooKeeperStore;
