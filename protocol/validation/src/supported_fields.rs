//! The table of all fields that describe tasks and executors: those that an agent carries out, those that it refuses,
//! and those that only inform others. A test walks the descriptors, so that no field is missing.

/// The support of an agent for a field that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// The field is carried out.
    Honoured,
    /// The field changes nothing about the container: a name, a label, or something that is handed on as it is.
    Informational,
    /// The fields of the message inside decide, each by its own row.
    ByField,
    /// This isolator carries the field out; the field is refused if the isolator is not in use.
    Isolator(&'static str),
    /// These values are carried out; all others are refused, since the second part is missing.
    Only(&'static [&'static str], &'static str),
    /// These values are carried out without an isolator, and all values by this isolator.
    OrIsolator(&'static [&'static str], &'static str),
    /// The field is not supported yet. The text names the missing part.
    Refused(&'static str),
}

use Support::{ByField, Honoured, Informational, Isolator, Only, OrIsolator, Refused};

/// The messages whose fields are in the table, with the fields in the order of the schema.
pub(crate) const FIELDS: &[(&str, &[(&str, Support)])] = &[
    (
        "mesos.v1.TaskInfo",
        &[
            ("name", Informational),
            ("task_id", Honoured),
            ("agent_id", Honoured),
            ("resources", Honoured),
            ("executor", ByField),
            ("command", ByField),
            ("container", ByField),
            ("health_check", ByField),
            ("check", ByField),
            ("kill_policy", Honoured),
            // The field is for the executor; Mesos' command executor does not use it either.
            ("data", Informational),
            ("labels", Informational),
            ("discovery", Informational),
            ("max_completion_time", Honoured),
            ("limits", Honoured),
        ],
    ),
    (
        "mesos.v1.ExecutorInfo",
        &[
            ("type", Honoured),
            ("executor_id", Honoured),
            ("framework_id", Honoured),
            ("command", ByField),
            ("container", ByField),
            ("resources", Honoured),
            ("name", Informational),
            ("source", Informational),
            ("data", Informational),
            ("discovery", Informational),
            ("shutdown_grace_period", Honoured),
            ("labels", Informational),
        ],
    ),
    (
        "mesos.v1.CommandInfo",
        &[
            ("uris", ByField),
            ("environment", ByField),
            ("shell", Honoured),
            ("value", Honoured),
            ("arguments", Honoured),
            ("user", Honoured),
        ],
    ),
    (
        "mesos.v1.CommandInfo.URI",
        &[
            ("value", Honoured),
            ("executable", Honoured),
            ("extract", Honoured),
            // The field says how to fetch, not what to fetch.
            ("cache", Informational),
            ("output_file", Honoured),
        ],
    ),
    ("mesos.v1.Environment", &[("variables", ByField)]),
    (
        "mesos.v1.Environment.Variable",
        &[("name", Honoured), ("type", Honoured), ("value", Honoured), ("secret", ByField)],
    ),
    (
        "mesos.v1.Secret",
        &[("type", Only(&["VALUE"], SECRET_RESOLVER)), ("reference", Refused(SECRET_RESOLVER)), ("value", Honoured)],
    ),
    (
        "mesos.v1.ContainerInfo",
        &[
            ("type", Only(&["MESOS"], "the containerizer 'docker'")),
            ("volumes", ByField),
            ("hostname", Isolator("filesystem/linux")),
            // The field belongs to the other type, which is refused by itself; Mesos only logs it beside MESOS.
            ("docker", Informational),
            ("mesos", ByField),
            ("network_infos", ByField),
            ("linux_info", ByField),
            ("rlimit_info", ByField),
            ("tty_info", Honoured),
        ],
    ),
    (
        "mesos.v1.Volume",
        &[
            ("mode", Honoured),
            ("container_path", Honoured),
            // A relative path is one in the sandbox, by the isolator that always comes with this one.
            ("host_path", Isolator("volume/host_path")),
            ("image", Isolator("docker/runtime")),
            ("source", ByField),
        ],
    ),
    (
        "mesos.v1.Volume.Source",
        &[
            ("type", Only(&["HOST_PATH", "SANDBOX_PATH", "SECRET"], "volumes of this type")),
            ("docker_volume", Refused("the isolator 'docker/volume'")),
            ("host_path", Isolator("volume/host_path")),
            ("sandbox_path", Isolator("volume/sandbox_path")),
            ("secret", Isolator("volume/secret")),
            ("csi_volume", Refused("the isolator 'volume/csi'")),
        ],
    ),
    ("mesos.v1.Volume.Source.HostPath", &[("path", Honoured), ("mount_propagation", ByField)]),
    ("mesos.v1.Volume.Source.SandboxPath", &[("type", Honoured), ("path", Honoured)]),
    (
        "mesos.v1.MountPropagation",
        &[("mode", Only(&["HOST_TO_CONTAINER", "BIDIRECTIONAL"], "this propagation of mounts"))],
    ),
    ("mesos.v1.ContainerInfo.MesosInfo", &[("image", Isolator("docker/runtime"))]),
    (
        "mesos.v1.Image",
        &[
            ("type", Only(&["DOCKER"], "images of this type: use DOCKER, which stands for OCI images, too")),
            ("appc", Refused("images of type APPC: use DOCKER, which stands for OCI images, too")),
            ("docker", ByField),
            ("cached", Honoured),
        ],
    ),
    (
        "mesos.v1.Image.Docker",
        &[
            ("name", Honoured),
            (
                "credential",
                Refused("credentials of this kind; put them into 'config' or into the agent's --docker_config"),
            ),
            ("config", ByField),
        ],
    ),
    (
        "mesos.v1.NetworkInfo",
        &[
            ("ip_addresses", ByField),
            // A network without a name is the network of the agent, which every container shares.
            ("name", Isolator("network/cni")),
            // Plugins are told about them.
            ("groups", Isolator("network/cni")),
            ("labels", Informational),
            ("port_mappings", ByField),
        ],
    ),
    (
        "mesos.v1.NetworkInfo.IPAddress",
        &[("protocol", OrIsolator(&["IPv4"], "network/cni")), ("ip_address", Isolator("network/cni"))],
    ),
    (
        "mesos.v1.NetworkInfo.PortMapping",
        &[
            ("host_port", Isolator("network/cni")),
            ("container_port", Isolator("network/cni")),
            ("protocol", Isolator("network/cni")),
        ],
    ),
    (
        "mesos.v1.LinuxInfo",
        &[
            ("capability_info", Isolator("linux/capabilities")),
            ("bounding_capabilities", Isolator("linux/capabilities")),
            ("effective_capabilities", Isolator("linux/capabilities")),
            ("share_pid_namespace", OrIsolator(&["true"], "namespaces/pid")),
            ("seccomp", ByField),
            ("ipc_mode", OrIsolator(&["SHARE_PARENT"], "namespaces/ipc")),
            ("shm_size", Isolator("namespaces/ipc")),
            // The container of an executor has cgroups of its own in either case.
            ("share_cgroups", Honoured),
        ],
    ),
    ("mesos.v1.CapabilityInfo", &[("capabilities", Honoured)]),
    (
        "mesos.v1.SeccompInfo",
        &[("profile_name", Isolator("linux/seccomp")), ("unconfined", OrIsolator(&["true"], "linux/seccomp"))],
    ),
    ("mesos.v1.RLimitInfo", &[("rlimits", Isolator("posix/rlimits"))]),
    (
        "mesos.v1.RLimitInfo.RLimit",
        &[
            (
                "type",
                Only(
                    &[
                        "RLMT_AS",
                        "RLMT_CORE",
                        "RLMT_CPU",
                        "RLMT_DATA",
                        "RLMT_FSIZE",
                        // Linux has not enforced this limit since 2.4.25, so there is nothing to set.
                        "RLMT_LOCKS",
                        "RLMT_MEMLOCK",
                        "RLMT_MSGQUEUE",
                        "RLMT_NICE",
                        "RLMT_NOFILE",
                        "RLMT_NPROC",
                        "RLMT_RSS",
                        "RLMT_RTPRIO",
                        "RLMT_RTTIME",
                        "RLMT_SIGPENDING",
                        "RLMT_STACK",
                    ],
                    "this resource limit",
                ),
            ),
            ("hard", Honoured),
            ("soft", Honoured),
        ],
    ),
    (
        "mesos.v1.HealthCheck",
        &[
            ("delay_seconds", Honoured),
            ("interval_seconds", Honoured),
            ("timeout_seconds", Honoured),
            ("consecutive_failures", Honoured),
            ("grace_period_seconds", Honoured),
            ("type", Honoured),
            ("command", ByField),
            ("http", ByField),
            ("tcp", Honoured),
        ],
    ),
    (
        "mesos.v1.HealthCheck.HTTPCheckInfo",
        &[
            ("protocol", Honoured),
            ("scheme", Honoured),
            ("port", Honoured),
            ("path", Honoured),
            // Mesos has never read this field.
            ("statuses", Informational),
        ],
    ),
    (
        "mesos.v1.CheckInfo",
        &[
            ("type", Honoured),
            ("command", ByField),
            ("http", Honoured),
            ("tcp", Honoured),
            ("delay_seconds", Honoured),
            ("interval_seconds", Honoured),
            ("timeout_seconds", Honoured),
        ],
    ),
    ("mesos.v1.CheckInfo.Command", &[("command", ByField)]),
];

/// The missing part for secrets of type REFERENCE. Mesos' reason is `Default secret resolver cannot resolve
/// references`.
const SECRET_RESOLVER: &str = "a secret resolver, so only secrets of type VALUE can be resolved";

/// Paths with a rule of their own: a check runs as the task does, with the task's files.
pub(crate) const PATHS: &[(&str, Support)] = &[
    ("check.command.command.user", Refused("checks as another user than the task's")),
    ("check.command.command.uris", Refused("files of its own for a check")),
    ("health_check.command.user", Refused("checks as another user than the task's")),
    ("health_check.command.uris", Refused("files of its own for a check")),
];
