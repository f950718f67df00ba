//! The Docker containerizer: containers at a Docker daemon, each with a process of the agent that looks after it.
//!
//! | module | owns |
//! | --- | --- |
//! | `options` | [`DockerOptions`], the flags |
//! | `containerizer` | [`DockerContainerizer`]: what a container starts with, its limits and its usage |
//! | `images` | the images that the daemon has to have |
//! | `ending` | the end and the removal of containers |
//! | `leftovers` | the containers of the daemon that an earlier agent has left |

mod containerizer;
mod ending;
mod images;
mod leftovers;
mod options;

pub use containerizer::{DockerContainerizer, helper_limits, is_docker};
pub use options::DockerOptions;
