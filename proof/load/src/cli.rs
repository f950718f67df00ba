//! The command line of `load`; its help texts are the manual.

use std::net::SocketAddrV4;

use clap::{Args, Parser, Subcommand};

/// Simulated agents and schedulers against any Mesos master.
///
/// Every agent is a libprocess process of its own (`slave(17)@127.0.0.1:PORT`, all behind one port) that registers,
/// answers pings and runs tasks: TASK_RUNNING at once, TASK_FINISHED when that is acknowledged. One scheduler uses the
/// v1 HTTP API (protobuf, event stream, calls pipelined on one connection), launches one task per offer and
/// acknowledges every update. Readers fetch /state. Any master that speaks Mesos 1.x can be measured.
///
/// Start a fresh master first, e.g. `LIBPROCESS_IP=127.0.0.1 LIBPROCESS_PORT=5050 MESOS_REGISTRY=in_memory
/// mesos-master`. Every run needs an empty one, since agents that have left still cost it memory. The generator shares
/// the machine with the master; it also reports its own processor time. Build it with `--release`.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Run),
    Incremental(Incremental),
    Freed(Freed),
    Reads(Reads),
    Failover(Failover),
}

impl Command {
    pub fn targets(&self) -> Vec<Target> {
        match self {
            Command::Run(options) => options.masters.targets(),
            Command::Incremental(options) => options.masters.targets(),
            Command::Freed(options) => options.masters.targets(),
            Command::Reads(options) => options.masters.targets(),
            Command::Failover(options) => vec![Target { address: options.master, pid: None }],
        }
    }

    pub fn json(&self) -> bool {
        match self {
            Command::Run(options) => options.masters.json,
            Command::Incremental(options) => options.masters.json,
            Command::Freed(options) => options.masters.json,
            Command::Reads(options) => options.masters.json,
            Command::Failover(options) => options.json,
        }
    }
}

/// Measures one master, or two of them one after the other.
///
/// The phases of a run: (1) the agents register; (2) a scheduler subscribes and is offered every agent; (3) tasks are
/// launched as fast as offers allow, until each is finished and acknowledged; (4) one client reads /state; (5) tasks
/// are launched at a fixed rate, first without readers, then while many clients read /state at once; (6) there are only
/// pings. At the end the framework is torn down and the agents unregister.
#[derive(Debug, Clone, Args)]
pub struct Run {
    #[command(flatten)]
    pub masters: Masters,

    /// Agents to simulate
    #[arg(long, default_value_t = 10_000)]
    pub agents: usize,

    /// The number of tasks of phase 3
    #[arg(long, default_value_t = 10_000)]
    pub tasks: usize,

    /// The number of tasks launched by one ACCEPT. Use more than one where agents are fewer than tasks: the run would
    /// otherwise measure how long a master that offers freed resources once a second waits
    #[arg(long, default_value_t = 1)]
    pub tasks_per_offer: usize,

    /// Reads of /state in phase 4
    #[arg(long, default_value_t = 7)]
    pub state_reads: usize,

    /// Clients that read /state at once in phase 5; 0 skips the phase
    #[arg(long, default_value_t = 10)]
    pub state_clients: usize,

    /// Seconds for which these clients read repeatedly
    #[arg(long, default_value_t = 5)]
    pub client_seconds: u64,

    /// Tasks launched per second in phase 5
    #[arg(long, default_value_t = 100)]
    pub rate: usize,

    /// Seconds of phase 6; masters of Mesos ping each agent every 15 seconds
    #[arg(long, default_value_t = 15)]
    pub idle_seconds: u64,
}

/// Measures what one more agent and one more task cost in a small cluster and in one that is ten times larger.
///
/// With `--agents 1000`, 1000 agents register and a scheduler subscribes. Then the cost of `--step` more agents
/// (registered and offered) and of `--step` tasks is measured; the cluster grows to 10,000 agents, and both are
/// measured again. If the work is proportional to what changes, the ratio is 1.
#[derive(Debug, Clone, Args)]
pub struct Incremental {
    #[command(flatten)]
    pub masters: Masters,

    /// Size of the small cluster
    #[arg(long, default_value_t = 1000)]
    pub agents: usize,

    /// The number of agents and tasks over which the cost is averaged
    #[arg(long, default_value_t = 500)]
    pub step: usize,
}

/// Measures the time until freed resources are offered again.
///
/// First, tasks that take a whole agent each are launched at a fixed rate, and the time from an agent's TASK_FINISHED
/// to the next offer of that agent is measured. Then a second framework subscribes, both decline their oldest offers at
/// that rate with a filter of 0 s, and the time from a DECLINE to the offer of the same agent to the other framework is
/// measured (masters keep a filter of 0 s for an allocation interval).
#[derive(Debug, Clone, Args)]
pub struct Freed {
    #[command(flatten)]
    pub masters: Masters,

    /// Agents to simulate
    #[arg(long, default_value_t = 1000)]
    pub agents: usize,

    /// Tasks launched, then offers declined, per second
    #[arg(long, default_value_t = 100)]
    pub rate: usize,

    /// Seconds of each of the two parts
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
}

/// Measures what reads of a large cluster cost its master, and what tasks cost it in memory.
///
/// The agents register and are offered to a scheduler. Tasks are launched until each was finished and acknowledged, then
/// as many that run for ever: measured is by how much the master grows. Then every large read is done once and `--times`
/// times more. Start a master of Tepui with `--max_completed_tasks_per_framework` of at least `--tasks`, or the history
/// holds less than that.
#[derive(Debug, Clone, Args)]
pub struct Reads {
    #[command(flatten)]
    pub masters: Masters,

    /// Agents to simulate
    #[arg(long, default_value_t = 50_000)]
    pub agents: usize,

    /// Tasks that end, and tasks that go on
    #[arg(long, default_value_t = 50_000)]
    pub tasks: usize,

    /// Tasks launched by one ACCEPT
    #[arg(long, default_value_t = 1)]
    pub tasks_per_offer: usize,

    /// Reads of each kind after the first
    #[arg(long, default_value_t = 10)]
    pub times: usize,
}

/// Measures how long the agents of a killed master take to re-register with the next one.
///
/// Starts the master with the command after `--`, which must listen on `--master`; lets agents register and run tasks
/// that never end; kills it (SIGKILL), starts the same command again, and lets all agents re-register at once as soon
/// as it leads. The master is killed at the end.
#[derive(Debug, Clone, Args)]
pub struct Failover {
    /// The address of the command's master, as ip:port
    #[arg(long)]
    pub master: SocketAddrV4,

    /// Agents to simulate
    #[arg(long, default_value_t = 10_000)]
    pub agents: usize,

    /// Tasks that each agent runs
    #[arg(long, default_value_t = 10)]
    pub tasks_per_agent: usize,

    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,

    /// Seconds after which a phase is aborted
    #[arg(long, default_value_t = 120)]
    pub timeout: u64,

    /// The master's command line, e.g. `-- tepui master --ip=127.0.0.1 --port=5050 --work_dir=/tmp/master`
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct Masters {
    /// The master to measure, as ip:port
    #[arg(long)]
    pub master: SocketAddrV4,

    /// Its process id; without it neither processor time nor memory is reported
    #[arg(long)]
    pub master_pid: Option<u32>,

    /// A second master as the reference. It is measured after the first and printed beside it, with the ratio of the
    /// two
    #[arg(long)]
    pub versus: Option<SocketAddrV4>,

    /// The process id of the reference
    #[arg(long, requires = "versus")]
    pub versus_pid: Option<u32>,

    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,

    /// Seconds after which a phase is aborted
    #[arg(long, default_value_t = 120)]
    pub timeout: u64,
}

/// One master under measurement.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub address: SocketAddrV4,
    pub pid: Option<u32>,
}

impl Masters {
    pub fn targets(&self) -> Vec<Target> {
        let first = Target { address: self.master, pid: self.master_pid };
        let second = self.versus.map(|address| Target { address, pid: self.versus_pid });
        std::iter::once(first).chain(second).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_valid() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_failover_needs_a_command() {
        let arguments = "load failover --master 127.0.0.1:1 -- tepui master --port=1";
        let command = Cli::parse_from(arguments.split(' ')).command;
        assert_eq!(command.targets().len(), 1);
        let Command::Failover(failover) = command else { panic!("not a failover") };
        assert_eq!(failover.command, ["tepui", "master", "--port=1"]);
        assert!(Cli::try_parse_from(["load", "failover", "--master", "127.0.0.1:1"]).is_err());
    }

    #[test]
    fn two_masters_are_two_targets() {
        let arguments = "load run --master 127.0.0.1:1 --master-pid 7 --versus 127.0.0.1:2 --agents 5";
        let Command::Run(run) = Cli::parse_from(arguments.split(' ')).command else { panic!("not a run") };
        let targets: Vec<_> = run.masters.targets().iter().map(|t| (t.address.port(), t.pid)).collect();
        assert_eq!((targets, run.agents), (vec![(1, Some(7)), (2, None)], 5));
        assert!(Cli::try_parse_from(["load", "run", "--master", "localhost:1"]).is_err());
    }
}
