//! `tepui local`, `mesos-local`: what it adds to the flags of master and agent.

use super::common::{LOGGING, flag, unset};
use crate::definition::{Definition, Flag, Kind};

/// The flags of a local cluster. Other master and agent flags are taken from `MESOS_*` variables.
pub const LOCAL: Definition = Definition {
    program: "tepui local",
    about: "Starts a whole cluster on this machine: one master and some agents, each a process of its own.",
    sections: &[("Cluster", CLUSTER), ("Logging", LOGGING)],
};

const CLUSTER: &[Flag] = &[
    flag("num_slaves", Kind::Integer, "2", "How many agents to start.").alias(&["agents", "num_agents"]),
    flag("ip", Kind::Text, "127.0.0.1", "The address everything listens on."),
    flag("port", Kind::Integer, "5050", "The port of the master; the agents take the following ones."),
    unset("work_dir", Kind::Text, "Where master and agents keep their files; without it, a new temporary directory."),
    unset(
        "resources",
        Kind::Text,
        "Resources of each agent, e.g. cpus:2;mem:1024; without it, the machine's divided by the number of agents.",
    ),
    unset("attributes", Kind::Text, "Attributes of each agent, e.g. rack:a1;ssd:yes."),
    unset("isolation", Kind::Text, "Isolation of each agent, as for `tepui agent`."),
    unset("launcher", Kind::Text, "Launcher of each agent: linux or posix."),
    unset("container_logger", Kind::Text, "How stdout and stderr are bounded, as for `tepui agent`."),
];
