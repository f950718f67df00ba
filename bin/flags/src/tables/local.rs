//! The flags that `tepui local` (`mesos-local`) adds to those of master and agent.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::LoggingFlags;
use super::limits::PEER_PORT;
use crate::bounds::Bounds;
use crate::choices::LauncherName;
use crate::macros::flags;

/// The bounds of the number of agents. More than that exceed the ports and memory of a machine.
const AGENTS: Bounds = Bounds::between(1, 1000);

flags! {
    /// The flags of a local cluster. Other flags of masters and agents are read from `MESOS_*` variables.
    LocalFlags {
        logging: LoggingFlags;
        "Cluster" {
            #[alias = "agents"]
            #[alias = "num_agents"]
            num_slaves: usize = "2", in AGENTS => "How many agents to start. `tepui master` starts a master alone.";
            ip: Ipv4Addr = "127.0.0.1" => "The address everything listens on.";
            port: u16 = "5050", in PEER_PORT => "The port of the master; the agents take the following ones.";
            work_dir: Option<PathBuf> =>
                "Where master and agents keep their files; without it, a new temporary directory.";
            resources: Option<String> =>
                "Resources of each agent, e.g. cpus:2;mem:1024; without it, the machine's divided by the number of agents.";
            attributes: Option<String>, in Bounds::Any => "Attributes of each agent, e.g. rack:a1;ssd:yes.";
            isolation: Option<String> => "Isolation of each agent, as for `tepui agent`.";
            launcher: Option<LauncherName> => "Launcher of each agent.";
            container_logger: Option<String> => "How stdout and stderr are bounded, as for `tepui agent`.";
        }
    }
}
