//! The flags of `tepui master` and `mesos-master`.

use std::path::PathBuf;
use std::time::Duration;

use super::limits::{INTERVAL, POSITIVE, SHARE, ZK_SESSION, secs, secs_between};
use super::reasons::{MODULES, NOT_IMPLEMENTED, SECURITY};
use super::{AddressFlags, LoggingFlags};
use crate::bounds::Bounds;
use crate::choices::{RegistryName, SorterName};
use crate::macros::flags;
use crate::value::{Bytes, Json, JsonOrOff, List, Percent, Rate, WatchedFile};

flags! {
    /// The flags of a master (`src/master/flags.cpp`).
    MasterFlags {
        address: AddressFlags;
        logging: LoggingFlags;
        "Cluster" {
            port: u16 = "5050" => "The port to listen on; 0 picks a free one.";
            cluster: Option<String> => "A name for the cluster, shown to people.";
            require_agent_domain: bool = "false" => "Let only agents with a domain register.";
        }
        "Leader election and registry" {
            zk: Option<String> =>
                "ZooKeeper for leader election: zk://[user:password@]host:port,host:port/path, or file:///path of a file with it.";
            zk_session_timeout: Duration = "10secs", in ZK_SESSION => "ZooKeeper session timeout.";
            registry: Option<RegistryName> =>
                "Where the registry (agents, quota, weights, maintenance) is kept: embedded (a file in --work_dir; the default when there is one), zookeeper (below --zk; the default with it) or in_memory. replicated_log is accepted and means zookeeper with --zk and embedded without.";
            registry_fetch_timeout: Duration = "1mins", in POSITIVE => "Time to read the registry at start.";
            registry_store_timeout: Duration = "20secs", in POSITIVE =>
                "Time to write the registry; when it takes longer that is an error in the log, and the master keeps trying.";
            registry_gc_interval: Duration = "15mins", in INTERVAL =>
                "How often old unreachable and gone agents are dropped.";
            registry_max_agent_age: Duration = "2weeks" =>
                "How long unreachable and gone agents are remembered; with 0secs, until the next --registry_gc_interval.";
            registry_max_agent_count: usize = "102400" =>
                "How many unreachable and gone agents are remembered; with 0, none after the next --registry_gc_interval.";
            work_dir: Option<PathBuf> => "The directory for this master's files; needed by Mesos, optional here.";
            [NoEffect: "the registry is kept by ZooKeeper, which has its own quorum"] {
                quorum: u64 => "Masters that must agree on a registry write.";
            }
            [NoEffect: "deprecated"] {
                registry_strict: bool = "false" => "Deprecated in Mesos.";
            }
            [NoEffect: "there is no replicated log"] {
                log_auto_initialize: bool = "true" => "Initialise the replicated log on first use.";
            }
            [Refused: MODULES] {
                master_contender: String => "A module for leader election.";
                master_detector: String => "A module for leader detection.";
            }
        }
        "Agents" {
            #[alias = "slave_ping_timeout"]
            agent_ping_timeout: Duration = "15secs", in secs_between(1, 15 * 60) =>
                "Time for an agent to answer a ping.";
            #[alias = "max_slave_ping_timeouts"]
            max_agent_ping_timeouts: u32 = "5", in Bounds::between(1, u32::MAX as u64) =>
                "Missed pings after which an agent is unreachable.";
            #[alias = "slave_reregister_timeout"]
            agent_reregister_timeout: Duration = "10mins", in secs(10 * 60) =>
                "Time for a disconnected agent to come back before it is unreachable. Agents wait up to a minute between two attempts, so a shorter one would mark healthy agents unreachable.";
            #[alias = "recovery_slave_removal_limit"]
            recovery_agent_removal_limit: Percent = "100%" =>
                "The share of agents that may be given up after a failover. Beyond it none is, which is an error in the log (Mesos: the master ends).";
            #[alias = "slave_removal_rate_limit"]
            agent_removal_rate_limit: Option<Rate> =>
                "At most this many agents are marked unreachable per time, e.g. 1/10mins.";
            recovery_policy: Option<JsonOrOff> =>
                "What is done about failures: JSON with enabled, max_share, rules, suspicion, thresholds, flapping and probation_secs, or off. Without it, suspicious and flapping agents, up to 20% of all, are not offered until they are well. docs/failures.md explains all of it.";
            failure_sinks: Option<Json> =>
                "Who is told of failures: a JSON list of sinks of type log, webhook (url, secret_file) or exec (command), each with severity, types and news. docs/failures.md explains all of it.";
            whitelist: Option<WatchedFile> =>
                "A file of host names whose agents are offered; all others are not. It is watched. * means that there is none.";
        }
        "Allocation" {
            allocation_interval: Duration = "1secs", in POSITIVE =>
                "Upper bound of the time between allocations. Allocation is driven by events, a few milliseconds after something changed.";
            allocator_agent_recovery_factor: f64 = "0.8", in SHARE =>
                "Share of agents to wait for after a failover when quota is set.";
            allocator_recovery_timeout: Duration = "10mins" => "Time to wait for them; 0secs for not at all.";
            #[alias = "user_sorter"]
            role_sorter: SorterName = "drf" => "How roles share.";
            framework_sorter: SorterName = "drf" => "How the frameworks of a role share.";
            roles: Option<List> => "Comma-separated role names that frameworks may use; without it, any.";
            weights: Option<List>, in Bounds::Any =>
                "Deprecated: role=weight,... of a cluster in which no weight was ever set; UPDATE_WEIGHTS sets them at run time.";
            fair_sharing_excluded_resource_names: Option<List> =>
                "Comma-separated resource names that do not count in fair sharing, e.g. gpus.";
            filter_gpu_resources: bool = "true" =>
                "Offer agents with GPUs only to frameworks with the GPU_RESOURCES capability.";
            min_allocatable_resources: String = "cpus:0.01|mem:32", in Bounds::Any =>
                "The least worth offering: alternatives separated by |. Empty: anything is.";
            offer_timeout: Option<Duration>, in POSITIVE =>
                "Take back offers that were not answered in this time. Without it, they stay until they are answered.";
            offer_constraints_re2_max_mem: Bytes = "4KB", in Bounds::Bytes { min: 1 << 10, max: u64::MAX } =>
                "Memory limit of a regular expression in offer constraints, as RE2 would measure it.";
            offer_constraints_re2_max_program_size: usize = "100", in Bounds::at_least(1) =>
                "Size limit of a regular expression in offer constraints, in states of its automaton.";
            [NoEffect: MODULES] {
                allocator: String = "hierarchical" => "The allocator.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                #[alias = "max_executors_per_slave"]
                max_executors_per_agent: u64 => "At most this many executors on an agent.";
            }
        }
        "Security" {
            root_submissions: bool = "true" => "Let frameworks run as root.";
            [Refused: SECURITY] {
                #[alias = "authenticate"]
                authenticate_frameworks: bool = "false" => "Only authenticated v0 frameworks may register.";
                #[alias = "authenticate_slaves"]
                authenticate_agents: bool = "false" => "Only authenticated agents may register.";
                #[alias = "authenticate_http"]
                authenticate_http_readwrite: bool = "false" => "Authenticate HTTP requests that change things.";
                authenticate_http_readonly: bool = "false" => "Authenticate HTTP requests that read.";
                authenticate_http_frameworks: bool = "false" => "Only authenticated HTTP frameworks may subscribe.";
                http_framework_authenticators: String => "The HTTP authenticator for frameworks.";
                acls: Json => "Who may do what.";
                credentials: Json => "Principals and secrets.";
                firewall_rules: Json => "Endpoints to switch off.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                authentication_v0_timeout: Duration = "15secs" => "Time for a v0 authentication.";
                authenticators: String = "crammd5" => "The v0 authenticator.";
                http_authenticators: String = "basic" => "The HTTP authenticator.";
                authorizers: String = "local" => "The authorizer.";
                rate_limits: Json => "Rate limits for v0 frameworks.";
            }
        }
        "Limits, web UI, extension" {
            max_completed_frameworks: usize = "50" => "Completed frameworks to remember.";
            max_completed_tasks_per_framework: usize = "1000" =>
                "Completed tasks to remember of each framework.";
            max_unreachable_tasks_per_framework: usize = "1000" =>
                "Unreachable tasks to remember of each framework.";
            max_operator_event_stream_subscribers: usize = "1000", in Bounds::at_least(1) =>
                "Operator event streams; beyond it the oldest is closed.";
            publish_per_framework_metrics: bool = "true" => "Publish metrics for each framework.";
            [NoEffect: NOT_IMPLEMENTED] {
                webui_dir: PathBuf = "/usr/share/mesos/webui" => "The web UI's files.";
                memory_profiling: bool = "false" => "Enable memory profiling.";
            }
            [Refused: MODULES] {
                modules: Json => "Modules to load.";
                modules_dir: PathBuf => "A directory of module files.";
                hooks: String => "Hook modules.";
            }
        }
    }
}
