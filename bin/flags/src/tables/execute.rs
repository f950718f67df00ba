//! `tepui run`, `mesos-execute`: a one-shot framework.

use super::common::{LOGGING, NOT_IMPLEMENTED, SECURITY, flag, unset};
use crate::definition::{Definition, Flag, Kind};

/// The flags of `mesos-execute`.
pub const EXECUTE: Definition = Definition {
    program: "mesos-execute",
    about: "Runs one command (or task, or task group) on the cluster and waits for its end.",
    sections: &[("What to run", WHAT), ("Framework", FRAMEWORK), ("Containers", CONTAINERS), ("Logging", LOGGING)],
};

const WHAT: &[Flag] = &[
    unset("command", Kind::Text, "The command to run."),
    unset("name", Kind::Text, "The name of the task; also its id."),
    flag("shell", Kind::Bool, "true", "Run the command with /bin/sh -c; otherwise its first word is the program."),
    unset("env", Kind::Json, "Environment of the command, a JSON object of strings."),
    flag("resources", Kind::Text, "cpus:1;mem:128", "Resources of the task."),
    unset("task", Kind::Json, "A whole TaskInfo instead of --command; agent_id may be left out."),
    unset("task_group", Kind::Json, "A TaskGroupInfo to run as one."),
    unset("kill_after", Kind::Duration, "Kill the task after this time."),
    unset("rlimits", Kind::Json, "Resource limits (RLimitInfo) of the command."),
    unset("volumes", Kind::Json, "Volumes (an array of Volume) of the container."),
    flag("tty", Kind::Bool, "false", "Attach a terminal.").refused(NOT_IMPLEMENTED),
];

const FRAMEWORK: &[Flag] = &[
    unset("master", Kind::Text, "The master: host:port."),
    flag("role", Kind::Text, "*", "The role to run in."),
    unset("principal", Kind::Text, "The framework's principal."),
    unset("secret", Kind::Text, "The principal's secret.").refused(SECURITY),
    flag("checkpoint", Kind::Bool, "false", "Let the task survive a restart of the agent."),
    unset("framework_capabilities", Kind::Text, "Comma-separated framework capabilities, e.g. GPU_RESOURCES."),
    flag("partition_aware", Kind::Bool, "true", "Enable PARTITION_AWARE."),
    flag("content_type", Kind::Text, "protobuf", "How to talk to the master: protobuf or json.")
        .no_effect("it is always protobuf"),
];

const CONTAINERS: &[Flag] = &[
    flag("containerizer", Kind::Text, "mesos", "The containerizer: mesos or docker.").refused(NOT_IMPLEMENTED),
    unset("docker_image", Kind::Text, "A Docker image to run in.").refused(NOT_IMPLEMENTED),
    unset("appc_image", Kind::Text, "An appc image to run in.").refused(NOT_IMPLEMENTED),
    unset("networks", Kind::Text, "Comma-separated CNI networks.").refused(NOT_IMPLEMENTED),
    unset("effective_capabilities", Kind::Json, "Effective capabilities (CapabilityInfo)."),
    unset("bounding_capabilities", Kind::Json, "Bounding capabilities (CapabilityInfo)."),
    flag("hadoop", Kind::Text, "hadoop", "The Hadoop client.").no_effect(NOT_IMPLEMENTED),
    flag("hdfs", Kind::Text, "localhost:9000", "The HDFS name node.").no_effect(NOT_IMPLEMENTED),
    unset("package", Kind::Text, "A package to upload to HDFS.").refused(NOT_IMPLEMENTED),
    flag("overwrite", Kind::Bool, "false", "Overwrite the package.").no_effect(NOT_IMPLEMENTED),
];
