//! `docker/runtime`: containers run what their images say, in the root file systems of these.
//!
//! The launcher of the container does the work (`container-launch`), since the executor of a task stays outside of the image.

use super::Isolator;

/// Says that containers can have images.
#[derive(Debug)]
pub(super) struct DockerRuntime;

impl Isolator for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker/runtime"
    }
}
