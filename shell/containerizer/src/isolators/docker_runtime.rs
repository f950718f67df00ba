//! `docker/runtime`: containers run the programs of their images, in the root file systems of these images.
//!
//! The launcher of the container (`container-launch`) does the work, since the executor of a task stays outside of the
//! image.

use super::Isolator;

/// The isolator that permits containers to have images.
#[derive(Debug)]
pub(super) struct DockerRuntime;

impl Isolator for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker/runtime"
    }
}
