//! Below a path of ZooKeeper, for masters that are elected there.
//!
//! | node | holds |
//! | --- | --- |
//! | `<path>/tepui/registry` | the format; its version is the epoch, and every commit checks it |
//! | `…/entries/<00–ff>/<key>` | a record, or the first part of one; spread, since the list of a node's children has a limit |
//! | `…/entries/<00–ff>/<key>#<n>` | the other parts of a record that is too big for one node |
//! | `…/journal` | a commit that is too big for one request, until all of it is in its place |
//!
//! ZooKeeper limits a request and a node to 1 MB (`jute.maxbuffer`), so a commit is one `multi` where that is
//! possible. A bigger one is first written to the journal, which one last `multi` declares complete: from then on it
//! is carried out, by who wrote it or by who takes over.

mod client;
mod layout;
mod store;

pub use store::ZooKeeperStore;
