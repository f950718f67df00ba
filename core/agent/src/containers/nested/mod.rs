//! Nested and standalone containers, which operators and executors launch by calls to the agent. A nested container
//! runs in another container and ends with it; a standalone one is top-level and belongs to no executor.
//!
//! | module | owns |
//! | --- | --- |
//! | `container` | the state of one container |
//! | `index` | all of them, and the calls that wait for containers |
//! | `held` | the launches that wait until their parent has been started |
//! | `launch` | the calls that launch a container |
//! | `calls` | the calls that wait for, signal and remove containers |
//! | `events` | the reports of the containerizer, and the end of a parent |
//! | `recover` | the containers of an earlier process of this agent |

pub(crate) mod calls;
mod container;
pub(crate) mod events;
pub(crate) mod held;
mod index;
mod launch;
mod recover;

pub(crate) use container::termination;
pub(crate) use index::NestedContainers;
pub use recover::RecoveredNested;
pub(crate) use recover::recover;
