//! The isolators: what separates and limits containers, one per file, named as in `--isolation`.
//!
//! | module | owns |
//! | --- | --- |
//! | `isolator` | the trait, and what an isolator is told of a container |
//! | `list` | the one list: names, what each needs, how it is made |
//! | `set` | the isolators in use, called one after the other |
//! | `cgroups_cpu`, `cgroups_mem`, `cgroups_pids` | a controller each |
//! | `filesystem_linux` | mounts of their own, and the volumes in them |
//! | `namespaces_pid` | process ids of their own |
//! | `posix_rlimits` | resource limits (setrlimit(2)) |
//! | `posix_usage` | what the processes use, added up where no controller says it |

mod cgroups_cpu;
mod cgroups_mem;
mod cgroups_pids;
mod filesystem_linux;
mod isolator;
mod list;
mod namespaces_pid;
mod posix_rlimits;
mod posix_usage;
mod set;

pub(crate) use isolator::{Cause, ContainerContext, Isolator};
pub(crate) use list::{IsolatorOptions, Requested};
pub(crate) use set::Isolators;
