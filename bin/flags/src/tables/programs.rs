//! The programs that have Mesos flags.

use super::{AddressFlags, AgentFlags, ExecuteFlags, LocalFlags, LoggingFlags, MasterFlags, NetworkIsolationFlags};
use crate::definition::{Definition, FlagGroup, Program};

/// The definitions of all programs.
pub const DEFINITIONS: [Definition; 4] =
    [MasterFlags::DEFINITION, AgentFlags::DEFINITION, LocalFlags::DEFINITION, ExecuteFlags::DEFINITION];

impl Program for MasterFlags {
    const DEFINITION: Definition = Definition {
        program: "tepui master",
        about: "Starts a master: it keeps the cluster's state, offers resources to frameworks and passes tasks to agents.",
        sections: &[AddressFlags::SECTIONS, MasterFlags::SECTIONS, LoggingFlags::SECTIONS],
    };
}

impl Program for AgentFlags {
    const DEFINITION: Definition = Definition {
        program: "tepui agent",
        about: "Starts an agent: it offers this machine's resources to the master and runs tasks in containers.",
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
        about: "Starts a whole cluster on this machine: one master and some agents, each a process of its own. Other flags of \
                masters and agents are taken from MESOS_* variables.",
        sections: &[LocalFlags::SECTIONS, LoggingFlags::SECTIONS],
    };
}

impl Program for ExecuteFlags {
    const DEFINITION: Definition = Definition {
        program: "mesos-execute",
        about: "Runs one command (or task, or task group) on the cluster and waits for its end.",
        sections: &[ExecuteFlags::SECTIONS, LoggingFlags::SECTIONS],
    };
}
