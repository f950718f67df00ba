//! The reasons for which flags have no effect.

pub(super) const MODULES: &str = "C++ modules cannot be loaded into this program";
pub(super) const NOT_IMPLEMENTED: &str = "not implemented yet";
pub(super) const NO_DOCKER_VOLUME: &str = "the isolator docker/volume is not implemented yet";
pub(super) const PORT_MAPPING: &str = "there is no port-mapping isolator";
pub(super) const SECURITY: &str =
    "authentication and authorization are not implemented yet; do not expose the ports to untrusted networks";
