//! Leader election: standalone or with ZooKeeper; contender and detector, compatible with those of Mesos.
//!
//! | module | owns |
//! | --- | --- |
//! | `url` | the URLs of masters: `zk://…`, `host:port`, `file://…` |
//! | `member` | the nodes of masters below the path of the URL: their names and contents |
//! | `coordination` | the part of ZooKeeper that election uses, as a trait |
//! | `zookeeper` | the implementation of that trait |
//! | `lease` | the time for which a leader may act without an answer from ZooKeeper |
//! | `contender` | a candidate: joins the election and reports that it has won or lost |
//! | `detector` | follows who leads |
//! | `node_cleanup` | removes the node of a master that has ended |
//! | `standalone` | a master known by its address |

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
