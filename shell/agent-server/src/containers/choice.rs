//! Which containerizer launches a container (`ComposingContainerizer` of Mesos): the first in the order of
//! `--containerizers` that does not decline.

use ::agent::ContainerLaunch;
use messages::v1;

use crate::docker::is_docker;
use crate::requests::container_info;

/// A containerizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerizerName {
    /// The one of the agent itself.
    Mesos,
    /// That of Docker.
    Docker,
}

impl ContainerizerName {
    /// Returns the name in `--containerizers`.
    pub fn as_str(self) -> &'static str {
        match self {
            ContainerizerName::Mesos => "mesos",
            ContainerizerName::Docker => "docker",
        }
    }

    /// Returns whether this containerizer takes such a container. As in Mesos, one without a description is not Docker's.
    pub fn takes(self, container: Option<&v1::ContainerInfo>) -> bool {
        (self == ContainerizerName::Docker) == is_docker(container)
    }
}

/// Returns the containerizer of a container; `None` if all decline.
pub fn choose(order: &[ContainerizerName], launch: &ContainerLaunch) -> Option<ContainerizerName> {
    order.iter().copied().find(|name| name.takes(container_info(launch)))
}

/// Returns the text of Mesos for a container that all decline.
pub(super) fn none_of(order: &[ContainerizerName]) -> String {
    let names: Vec<&str> = order.iter().map(|name| name.as_str()).collect();
    format!(
        "None of the enabled containerizers ({}) could create a container for the provided TaskInfo/ExecutorInfo message",
        names.join(",")
    )
}
