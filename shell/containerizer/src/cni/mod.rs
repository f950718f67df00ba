//! Networks of containers by plugins (CNI): what the isolator `network/cni` is made of.
//!
//! | module | owns |
//! | --- | --- |
//! | `request` | what a container asks of a network, and what it has got |
//! | `config` | the configuration of a network, from the operator's file to the input of each plugin |
//! | `result` | the answer of a plugin |
//! | `networks` | the operator's directory of configurations, and the search for plugins |
//! | `plugin` | one run of a plugin, with a deadline and bounds |
//! | `attachment` | the directory of a container: it is attached to its networks and detached from them |
//! | `namespace` | network namespaces, and the handles that keep them |
//! | `names` | `hosts`, `hostname` and `resolv.conf` |
//! | `detacher` | the threads that detach containers that have ended |

mod attachment;
mod config;
mod detacher;
mod names;
mod namespace;
mod networks;
mod plugin;
mod request;
mod result;

pub(crate) use attachment::{Attached, Attachments};
pub(crate) use detacher::Detacher;
pub(crate) use names::FILES as NAME_FILES;
pub use names::NetworkDns;
pub(crate) use networks::Networks;
pub use request::{AddressRequest, JoinedNetwork, NetworkRequest, PortMapping};
pub use result::{CniResult, Dns, InvalidResult};
