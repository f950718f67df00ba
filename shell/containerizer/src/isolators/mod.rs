//! The isolators, which separate and limit containers, one per file, named as in `--isolation`.
//!
//! | module | owns |
//! | --- | --- |
//! | `isolator` | the trait, and what an isolator knows about a container |
//! | `list` | the list of all isolators: names, requirements, constructors |
//! | `set` | the isolators in use, called in order |
//! | `cgroups_cpu`, `cgroups_mem`, `cgroups_pids` | one controller each |
//! | `filesystem_linux` | mount namespaces, and the volumes in them |
//! | `namespaces_pid` | pid namespaces |
//! | `posix_rlimits` | resource limits (setrlimit(2)) |
//! | `posix_usage` | the usage of processes, summed up where no controller measures it |

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
