//! Control groups, v1, v2 and both at once: the hierarchies, and the cgroups of one container.
//!
//! | module | owns |
//! | --- | --- |
//! | `mounts` | which hierarchy has which controller |
//! | `locate` | the cgroups that a process of an earlier agent is in |
//! | `tree` | the agent's root in each hierarchy; creates, fills and removes the cgroups of containers |
//! | `device_program` | the limit of devices in the v2 hierarchy |
//! | `limits` | the values that controllers get for `Limits` |
//! | `oom_log` | the processes that the kernel has killed for lack of memory |
//! | `usage` | `Usage` from the statistics of the controllers |

mod device_program;
mod limits;
mod locate;
mod mounts;
mod oom_log;
mod tree;
mod usage;

#[cfg(test)]
mod tests;

pub(crate) use device_program::{attach as attach_device_program, device_program};
pub(crate) use mounts::{Controller, Hierarchies, Version};
pub(crate) use tree::{CgroupTree, ContainerCgroups};
pub(crate) use usage::memory_report;
