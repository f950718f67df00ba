//! Performance events of containers, counted by the kernel for each cgroup (perf_event_open(2)).
//!
//! | module | owns |
//! | --- | --- |
//! | `event` | the names of events, and their numbers in the kernel |
//! | `counter` | the system call |
//! | `sampler` | the thread that counts for a while in each interval |

mod counter;
mod event;
mod sampler;

pub(crate) use counter::is_counted;
pub(crate) use event::{PerfEvent, parse_events};
pub(crate) use sampler::PerfSampler;
