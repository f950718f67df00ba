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
            num_slaves: usize = "2", in AGENTS => "The number of agents to start. `tepui master` starts only a master.";
            ip: Ipv4Addr = "127.0.0.1" => "The address on which all processes listen.";
            port: u16 = "5050", in PEER_PORT => "The port of the master; the agents take the following ones.";
            work_dir: Option<PathBuf> =>
                "The directory of the files of master and agents. Without it, a new temporary directory.";
            resources: Option<String> =>
                "The resources of each agent, e.g. cpus:2;mem:1024. Without it, each agent gets an equal share of the machine.";
            attributes: Option<String>, in Bounds::Any => "The attributes of each agent, e.g. rack:a1;ssd:yes.";
            isolation: Option<String> => "The isolation of each agent, as for `tepui agent`.";
            launcher: Option<LauncherName> => "The launcher of each agent.";
            container_logger: Option<String> => "How stdout and stderr are limited, as for `tepui agent`.";
        }
    }
}
