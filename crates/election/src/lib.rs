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
//! | `burial` | takes the node of a dead master away |
//! | `standalone` | a master known by its address |

mod backoff;
mod burial;
mod contender;
mod coordination;
mod detector;
#[cfg(test)]
mod fake;
mod lease;
mod member;
mod standalone;
#[cfg(test)]
mod tests;
mod url;
mod zookeeper;

pub use burial::bury;
pub use contender::{Contender, Lost, Standing};
pub use coordination::{Coordinator, Failure, Session};
pub use detector::{Detector, Leader, Undetectable};
pub use lease::Lease;
pub use member::{Label, Member, Unreadable};
pub use standalone::{NotAMaster, standalone};
pub use url::{Credentials, InvalidUrl, MasterUrl, ZooKeeperUrl};
pub use zookeeper::ZooKeeper;
