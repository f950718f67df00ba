//! Control groups, v1, v2 and both at once: where they are, and one container's share of them.
//!
//! | module | owns |
//! | --- | --- |
//! | `mounts` | which hierarchy has which controller |
//! | `locate` | the cgroups that a process of an earlier agent is in |
//! | `tree` | our root in each hierarchy: making, filling and removing the cgroups of containers |
//! | `limits` | from `Limits` to the values the controllers want |
//! | `usage` | from the controllers' statistics to `Usage` |

mod limits;
mod locate;
mod mounts;
mod tree;
mod usage;

#[cfg(test)]
mod tests;

pub(crate) use mounts::{Controller, Hierarchies, Version};
pub(crate) use tree::{CgroupTree, ContainerCgroups};
pub(crate) use usage::memory_report;
