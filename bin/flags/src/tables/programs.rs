//! The programs that have Mesos flags.

use super::{AddressFlags, AgentFlags, ExecuteFlags, LocalFlags, LoggingFlags, MasterFlags, NetworkIsolationFlags};
use crate::definition::{Definition, FlagGroup, Program};

/// The definitions of all programs.
pub const DEFINITIONS: [Definition; 4] =
    [MasterFlags::DEFINITION, AgentFlags::DEFINITION, LocalFlags::DEFINITION, ExecuteFlags::DEFINITION];

impl Program for MasterFlags {
    const DEFINITION: Definition = Definition {
        program: "tepui master",
        about: "Starts a master, which keeps the state of the cluster, offers resources to frameworks and passes tasks to agents.",
        sections: &[AddressFlags::SECTIONS, MasterFlags::SECTIONS, LoggingFlags::SECTIONS],
    };
}

impl Program for AgentFlags {
    const DEFINITION: Definition = Definition {
        program: "tepui agent",
        about: "Starts an agent, which offers the resources of this machine to the master and runs tasks in containers.",
        sections: &[
            AddressFlags::SECTIONS,
            AgentFlags::SECTIONS,
            NetworkIsolationFlags::SECTIONS,
            LoggingFlags::SECTIONS,
        ],
    };
}

impl Program for LocalFlags {
    const DEFINITION: Definition = Definition {
        program: "tepui local",
        about: "Starts a cluster on this machine: one master and some agents, each as a separate process. Other flags of masters \
                and agents are taken from MESOS_* variables.",
        sections: &[LocalFlags::SECTIONS, LoggingFlags::SECTIONS],
    };
}

impl Program for ExecuteFlags {
    const DEFINITION: Definition = Definition {
        program: "mesos-execute",
        about: "Runs a command, a task or a task group on the cluster and waits for its end.",
        sections: &[ExecuteFlags::SECTIONS, LoggingFlags::SECTIONS],
    };
}
