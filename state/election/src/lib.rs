//! Who leads: standalone or ZooKeeper; contender and detector.
//!
//! | module | owns |
//! | --- | --- |
//! | `url` | what people write: `zk://…`, `host:port`, `file://…` |
//! | `member` | the nodes of masters below the path of the URL: their names and what is in them |
//! | `coordination` | the little that election needs of ZooKeeper, as a trait |
//! | `zookeeper` | that trait by real ZooKeeper |
//! | `lease` | until when a leader may act without news from ZooKeeper |
//! | `contender` | stands for election, and says when it is won and lost |
//! | `detector` | follows who leads |
//! | `node_cleanup` | takes the node of a dead master away |
//! | `standalone` | a master known by its address |

#![warn(missing_docs)]

mod backoff;
mod contender;
mod coordination;
mod detector;
#[cfg(test)]
mod fake;
mod lease;
mod member;
mod node_cleanup;
mod standalone;
#[cfg(test)]
mod tests;
mod url;
mod zookeeper;

pub use contender::{CandidacyState, Contender, Lost};
pub use coordination::{CoordinationError, Coordinator, Session};
pub use detector::{Detector, DetectorError, Leader};
pub use lease::Lease;
pub use member::{InvalidMember, Label, Member};
pub use node_cleanup::clean_up_node;
pub use standalone::{InvalidAddress, standalone};
pub use url::{Credentials, InvalidUrl, MasterUrl, ZooKeeperUrl};
pub use zookeeper::ZooKeeper;
