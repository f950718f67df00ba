//! The fields of a container at Docker that differ from those of the Mesos containerizer, which are in
//! `supported_fields`. A test walks the descriptors, so that no field is missing.

use crate::supported_fields::Support::{self, ByField, Honoured, Informational, Only, Refused};

/// The messages whose fields are in the table, with the fields in the order of the schema.
pub(crate) const DOCKER_FIELDS: &[(&str, &[(&str, Support)])] = &[
    (
        "mesos.v1.ContainerInfo",
        &[
            ("type", Only(&["DOCKER"], "the containerizer 'docker' for this type")),
            ("volumes", ByField),
            ("hostname", Honoured),
            ("docker", ByField),
            // The field belongs to the other type; Mesos only logs it beside DOCKER.
            ("mesos", Informational),
            ("network_infos", ByField),
            ("linux_info", ByField),
            ("rlimit_info", ByField),
            (
                "tty_info",
                Refused("terminals for containers of Mesos at Docker; the parameter 'tty' of 'docker' makes one"),
            ),
        ],
    ),
    (
        "mesos.v1.ContainerInfo.DockerInfo",
        &[
            ("image", Honoured),
            ("network", Honoured),
            ("port_mappings", Honoured),
            ("privileged", Honoured),
            // One that is unknown is refused with its name when the container is described.
            ("parameters", Honoured),
            ("force_pull_image", Honoured),
            ("volume_driver", Honoured),
        ],
    ),
    (
        "mesos.v1.Volume",
        &[
            ("mode", Honoured),
            ("container_path", Honoured),
            ("host_path", Honoured),
            ("image", Refused("images as volumes at Docker")),
            ("source", ByField),
        ],
    ),
    (
        "mesos.v1.Volume.Source",
        &[
            ("type", Only(&["HOST_PATH", "SANDBOX_PATH", "DOCKER_VOLUME"], "volumes of this type at Docker")),
            ("docker_volume", Honoured),
            ("host_path", ByField),
            ("sandbox_path", ByField),
            ("secret", Refused("volumes with secrets at Docker")),
            ("csi_volume", Refused("volumes of CSI at Docker")),
        ],
    ),
    (
        "mesos.v1.Volume.Source.SandboxPath",
        &[("type", Only(&["SELF"], "a parent of the container, whose sandbox this would be")), ("path", Honoured)],
    ),
    (
        "mesos.v1.NetworkInfo",
        &[
            ("ip_addresses", ByField),
            ("name", Honoured),
            ("groups", Refused("groups of networks at Docker")),
            ("labels", Informational),
            ("port_mappings", Refused("this form of port mappings at Docker; use 'container.docker.port_mappings'")),
        ],
    ),
    ("mesos.v1.NetworkInfo.IPAddress", &[("protocol", Informational), ("ip_address", Honoured)]),
    (
        "mesos.v1.LinuxInfo",
        &[
            ("capability_info", ByField),
            (
                "bounding_capabilities",
                Refused(
                    "bounding capabilities at Docker, where they are the effective ones; use 'effective_capabilities'",
                ),
            ),
            ("effective_capabilities", ByField),
            ("share_pid_namespace", Honoured),
            ("seccomp", ByField),
            ("ipc_mode", Honoured),
            ("shm_size", Honoured),
            ("share_cgroups", Honoured),
        ],
    ),
    (
        "mesos.v1.SeccompInfo",
        &[
            (
                "profile_name",
                Refused("profiles of the agent at Docker, which has its own; see --seccomp-profile of dockerd"),
            ),
            ("unconfined", Honoured),
        ],
    ),
    ("mesos.v1.RLimitInfo", &[("rlimits", ByField)]),
];
