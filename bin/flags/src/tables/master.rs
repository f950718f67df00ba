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
            cluster: Option<String> => "A name of the cluster, which is shown to users.";
            require_agent_domain: bool = "false" => "Let only agents with a domain register.";
        }
        "Leader election and registry" {
            zk: Option<String> =>
                "ZooKeeper for leader election: zk://[user:password@]host:port,host:port/path, or file:///path of a file that contains it.";
            zk_session_timeout: Duration = "10secs", in ZK_SESSION => "ZooKeeper session timeout.";
            registry: Option<RegistryName> =>
                "Where the registry (agents, quota, weights, maintenance) is kept: embedded (a file in --work_dir; the default with --work_dir), zookeeper (below --zk; the default with --zk) or in_memory. replicated_log is accepted and means zookeeper with --zk and embedded without it.";
            registry_fetch_timeout: Duration = "1mins", in POSITIVE => "The time within which the registry must be read at the start.";
            registry_store_timeout: Duration = "20secs", in POSITIVE =>
                "The time within which the registry must be written. If it takes longer, the master logs an error and keeps trying.";
            registry_gc_interval: Duration = "15mins", in INTERVAL =>
                "The interval at which old unreachable and gone agents are removed.";
            registry_max_agent_age: Duration = "2weeks" =>
                "How long unreachable and gone agents are kept; with 0secs, until the next --registry_gc_interval.";
            registry_max_agent_count: usize = "102400" =>
                "The number of unreachable and gone agents that are kept; with 0, none after the next --registry_gc_interval.";
            work_dir: Option<PathBuf> => "The directory of this master's files. Mesos requires it; here it is optional.";
            [NoEffect: "the registry is kept by ZooKeeper, which has its own quorum"] {
                quorum: u64 => "The number of masters that must agree on a registry write.";
            }
            [NoEffect: "deprecated"] {
                registry_strict: bool = "false" => "Deprecated in Mesos.";
            }
            [NoEffect: "there is no replicated log"] {
                log_auto_initialize: bool = "true" => "Initialize the replicated log on first use.";
            }
            [Refused: MODULES] {
                master_contender: String => "A module for leader election.";
                master_detector: String => "A module for leader detection.";
            }
        }
        "Agents" {
            #[alias = "slave_ping_timeout"]
            agent_ping_timeout: Duration = "15secs", in secs_between(1, 15 * 60) =>
                "The time within which an agent must answer a ping.";
            #[alias = "max_slave_ping_timeouts"]
            max_agent_ping_timeouts: u32 = "5", in Bounds::between(1, u32::MAX as u64) =>
                "The number of missed pings after which an agent is marked unreachable.";
            #[alias = "slave_reregister_timeout"]
            agent_reregister_timeout: Duration = "10mins", in secs(10 * 60) =>
                "The time within which a disconnected agent must re-register before it is marked unreachable. Agents wait up to a minute between two attempts, so a shorter time would affect healthy agents.";
            #[alias = "recovery_slave_removal_limit"]
            recovery_agent_removal_limit: Percent = "100%" =>
                "The share of agents that may be marked unreachable after a failover. If more agents are missing, none of them is, and the master logs an error (in Mesos the master ends).";
            #[alias = "slave_removal_rate_limit"]
            agent_removal_rate_limit: Option<Rate> =>
                "The rate at which agents are marked unreachable, e.g. 1/10mins.";
            recovery_policy: Option<JsonOrOff> =>
                "What the master does about failures: JSON with enabled, max_share, rules, suspicion, thresholds, flapping and probation_secs, or off. Without it, suspicious and flapping agents, up to 20% of all, are not offered until they have recovered. See docs/failures.md.";
            failure_sinks: Option<Json> =>
                "Who is notified of failures: a JSON list of sinks of type log, webhook (url, secret_file) or exec (command), each with severity, types and events. See docs/failures.md.";
            whitelist: Option<WatchedFile> =>
                "A file of host names; only agents on these hosts are offered. The master watches the file for changes. * means no whitelist.";
        }
        "Allocation" {
            allocation_interval: Duration = "1secs", in POSITIVE =>
                "The maximum time between allocations. Allocation is driven by events and happens a few milliseconds after a change.";
            allocator_agent_recovery_factor: f64 = "0.8", in SHARE =>
                "The share of agents to wait for after a failover if quota is set.";
            allocator_recovery_timeout: Duration = "10mins" => "The time to wait for these agents; with 0secs the master does not wait.";
            #[alias = "user_sorter"]
            role_sorter: SorterName = "drf" => "How resources are shared among roles.";
            framework_sorter: SorterName = "drf" => "How resources are shared among the frameworks of a role.";
            roles: Option<List> => "Comma-separated names of the roles that frameworks may use. Without it, any role.";
            weights: Option<List>, in Bounds::Any =>
                "Deprecated: role=weight,... for a cluster in which no weight was ever set; UPDATE_WEIGHTS sets weights at run time.";
            fair_sharing_excluded_resource_names: Option<List> =>
                "Comma-separated resource names that do not count in fair sharing, e.g. gpus.";
            filter_gpu_resources: bool = "true" =>
                "Offer agents with GPUs only to frameworks with the GPU_RESOURCES capability.";
            min_allocatable_resources: String = "cpus:0.01|mem:32", in Bounds::Any =>
                "The minimum resources of an offer: alternatives separated by |. If empty, anything is offered.";
            offer_timeout: Option<Duration>, in POSITIVE =>
                "The time after which unanswered offers are rescinded. Without it, offers stay until they are answered.";
            offer_constraints_re2_max_mem: Bytes = "4KB", in Bounds::Bytes { min: 1 << 10, max: u64::MAX } =>
                "The memory limit of a regular expression in offer constraints, as RE2 would measure it.";
            offer_constraints_re2_max_program_size: usize = "100", in Bounds::at_least(1) =>
                "The size limit of a regular expression in offer constraints, in states of its automaton.";
            [NoEffect: MODULES] {
                allocator: String = "hierarchical" => "The allocator.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                #[alias = "max_executors_per_slave"]
                max_executors_per_agent: u64 => "The maximum number of executors on an agent.";
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
                authenticate_http_readwrite: bool = "false" => "Authenticate HTTP requests that change state.";
                authenticate_http_readonly: bool = "false" => "Authenticate HTTP requests that read.";
                authenticate_http_frameworks: bool = "false" => "Only authenticated HTTP frameworks may subscribe.";
                http_framework_authenticators: String => "The HTTP authenticator for frameworks.";
                acls: Json => "Access control lists.";
                credentials: Json => "Principals and secrets.";
                firewall_rules: Json => "Endpoints to disable.";
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
            max_completed_frameworks: usize = "50" => "The number of completed frameworks to keep.";
            max_completed_tasks_per_framework: usize = "1000" =>
                "The number of completed tasks to keep for each framework.";
            max_unreachable_tasks_per_framework: usize = "1000" =>
                "The number of unreachable tasks to keep for each framework.";
            max_operator_event_stream_subscribers: usize = "1000", in Bounds::at_least(1) =>
                "The maximum number of operator event streams; beyond it, the oldest is closed.";
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
