//! Filters of system calls (seccomp(2)) from profiles in Docker's format.
//!
//! | module | owns |
//! | --- | --- |
//! | `profile` | the format: parsing, and which rules apply to a container |
//! | `default_profile` | the profile of an agent without profiles of its own |
//! | `compile` | the program for the kernel |
//! | `syscalls` | the numbers of system calls |

mod compile;
mod default_profile;
mod profile;
mod syscalls;
#[cfg(test)]
mod tests;

pub(crate) use compile::compile;
pub(crate) use default_profile::default_profile;
pub(crate) use profile::{Circumstances, Profile};
pub(crate) use syscalls::Architecture;
