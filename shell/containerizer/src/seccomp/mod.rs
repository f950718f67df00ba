//! Filters of system calls (seccomp(2)) from profiles in Docker's format.
//!
//! | module | owns |
//! | --- | --- |
//! | `profile` | the format: parsing, and which rules apply to a container |
//! | `default_profile` | the profile of an agent without profiles of its own |
//! | `compile` | the program for the kernel |
//! | `errno` | the names of error numbers |
//! | `check` | whether a profile can be used at all |
//! | `syscalls` | the numbers of system calls |

mod check;
mod compile;
mod default_profile;
mod errno;
mod profile;
mod syscalls;
#[cfg(test)]
mod tests;

pub use check::{InvalidSeccompProfile, check_seccomp_profile};
pub(crate) use compile::compile;
pub(crate) use default_profile::default_profile;
pub(crate) use profile::{Circumstances, Profile};
pub(crate) use syscalls::Architecture;
