//! `tepui master`, `mesos-master`.

use super::common::{LOGGING, MODULES, NOT_IMPLEMENTED, SECURITY, flag, unset};
use crate::definition::{Definition, Flag, Kind};

/// The flags of a master.
pub const MASTER: Definition = Definition {
    program: "tepui master",
    about: "Starts a master: it keeps the cluster's state, offers resources to frameworks and passes tasks to agents.",
    sections: &[
        ("Network and identity", NETWORK),
        ("Leader election and registry", REGISTRY),
        ("Agents", AGENTS),
        ("Allocation", ALLOCATION),
        ("Security", SECURITY_FLAGS),
        ("Limits, web UI, extension", LIMITS),
        ("Logging", LOGGING),
    ],
};

const NETWORK: &[Flag] = &[
    unset(
        "ip",
        Kind::Text,
        "The address to listen on; peers must be able to reach it. Without it, the address of the host name.",
    ),
    flag("port", Kind::Integer, "5050", "The port to listen on; 0 picks a free one."),
    unset("advertise_ip", Kind::Text, "The address peers are told to use, when it differs from --ip."),
    unset("advertise_port", Kind::Integer, "The port peers are told to use, when it differs from --port."),
    unset(
        "ip_discovery_command",
        Kind::Text,
        "A command that prints the address to listen on; not together with --ip.",
    ),
    unset(
        "hostname",
        Kind::Text,
        "The name shown to people and used in redirects. Without it, found from the address.",
    ),
    flag("hostname_lookup", Kind::Bool, "true", "Look the host name up; otherwise the address serves as name."),
    unset("cluster", Kind::Text, "A name for the cluster, shown to people."),
    unset("domain", Kind::Json, "The region and zone of this master (DomainInfo)."),
    flag("require_agent_domain", Kind::Bool, "false", "Let only agents with a domain register."),
];

const REGISTRY: &[Flag] = &[
    unset(
        "zk",
        Kind::Text,
        "ZooKeeper for leader election: zk://[user:password@]host:port,host:port/path, or file:///path of a file with it.",
    ),
    flag("zk_session_timeout", Kind::Duration, "10secs", "ZooKeeper session timeout."),
    unset("quorum", Kind::Integer, "Masters that must agree on a registry write.")
        .no_effect("the registry is kept by ZooKeeper, which has its own quorum"),
    unset(
        "registry",
        Kind::Text,
        "Where the registry (agents, quota, weights, maintenance) is kept: embedded (a file in --work_dir; the default when there is one) zookeeper (below --zk; the default with it) or in_memory. replicated_log is accepted and means zookeeper with --zk and embedded without.",
    ),
    flag("registry_strict", Kind::Bool, "false", "Deprecated in Mesos.").no_effect("deprecated"),
    flag("registry_fetch_timeout", Kind::Duration, "1mins", "Time to read the registry at start."),
    flag(
        "registry_store_timeout",
        Kind::Duration,
        "20secs",
        "Time to write the registry; when it takes longer that is an error in the log, and the master goes on trying.",
    ),
    flag("log_auto_initialize", Kind::Bool, "true", "Initialise the replicated log on first use.")
        .no_effect("there is no replicated log"),
    unset("master_contender", Kind::Text, "A module for leader election.").refused(MODULES),
    unset("master_detector", Kind::Text, "A module for leader detection.").refused(MODULES),
    flag("registry_gc_interval", Kind::Duration, "15mins", "How often old unreachable and gone agents are dropped."),
    flag("registry_max_agent_age", Kind::Duration, "2weeks", "How long unreachable and gone agents are remembered."),
    flag("registry_max_agent_count", Kind::Integer, "102400", "How many unreachable and gone agents are remembered."),
    unset("work_dir", Kind::Text, "The directory for this master's files; needed by Mesos, optional here."),
];

const AGENTS: &[Flag] = &[
    flag("agent_ping_timeout", Kind::Duration, "15secs", "Time for an agent to answer a ping.")
        .alias(&["slave_ping_timeout"]),
    flag("max_agent_ping_timeouts", Kind::Integer, "5", "Missed pings after which an agent is unreachable.")
        .alias(&["max_slave_ping_timeouts"]),
    flag(
        "agent_reregister_timeout",
        Kind::Duration,
        "10mins",
        "Time for a disconnected agent to come back before it is unreachable.",
    )
    .alias(&["slave_reregister_timeout"]),
    flag(
        "recovery_agent_removal_limit",
        Kind::Text,
        "100%",
        "The share of agents that may be given up after a failover. Beyond it none is, which is an error in the log (Mesos: the master ends).",
    )
    .alias(&["recovery_slave_removal_limit"]),
    unset(
        "agent_removal_rate_limit",
        Kind::Text,
        "At most this many agents are marked unreachable per time, e.g. 1/10mins.",
    )
    .alias(&["slave_removal_rate_limit"]),
    unset(
        "recovery_policy",
        Kind::Json,
        "What is done about failures: JSON with enabled, max_share, rules, suspicion, thresholds, flapping and probation_secs, or off. Without it, suspicious and flapping agents, up to 20% of all, are not offered until they are well. docs/failures.md explains all of it.",
    ),
    unset(
        "failure_sinks",
        Kind::Json,
        "Who is told of failures: a JSON list of sinks of type log, webhook (url, secret_file) or exec (command), each with severity, types and news. docs/failures.md explains all of it.",
    ),
    unset("whitelist", Kind::Text, "A file of host names whose agents are offered; all others are not. It is watched."),
];

const ALLOCATION: &[Flag] = &[
    flag(
        "allocation_interval",
        Kind::Duration,
        "1secs",
        "Upper bound of the time between allocations. Allocation is driven by events, a few milliseconds after something changed.",
    ),
    flag("allocator", Kind::Text, "hierarchical", "The allocator.").no_effect(MODULES),
    flag(
        "allocator_agent_recovery_factor",
        Kind::Float,
        "0.8",
        "Share of agents to wait for after a failover when quota is set.",
    ),
    flag("allocator_recovery_timeout", Kind::Duration, "10mins", "Time to wait for them."),
    flag("role_sorter", Kind::Text, "drf", "How roles share: drf or random.").alias(&["user_sorter"]),
    flag("framework_sorter", Kind::Text, "drf", "How the frameworks of a role share: drf or random."),
    unset("roles", Kind::Text, "Comma-separated role names that frameworks may use; without it, any."),
    unset(
        "weights",
        Kind::Text,
        "Deprecated: role=weight,... of a cluster in which no weight was ever set; UPDATE_WEIGHTS sets them at run time.",
    ),
    unset(
        "fair_sharing_excluded_resource_names",
        Kind::Text,
        "Comma-separated resource names that do not count in fair sharing, e.g. gpus.",
    ),
    flag(
        "filter_gpu_resources",
        Kind::Bool,
        "true",
        "Offer agents with GPUs only to frameworks with the GPU_RESOURCES capability.",
    ),
    flag(
        "min_allocatable_resources",
        Kind::Text,
        "cpus:0.01|mem:32",
        "The least worth offering: alternatives separated by |.",
    ),
    unset("offer_timeout", Kind::Duration, "Take back offers that were not answered in this time."),
    flag(
        "offer_constraints_re2_max_mem",
        Kind::Bytes,
        "4KB",
        "Memory limit of a regular expression in offer constraints, as RE2 would measure it.",
    ),
    flag(
        "offer_constraints_re2_max_program_size",
        Kind::Integer,
        "100",
        "Size limit of a regular expression in offer constraints, in states of its automaton.",
    ),
    unset("max_executors_per_agent", Kind::Integer, "At most this many executors on an agent.")
        .alias(&["max_executors_per_slave"])
        .no_effect(NOT_IMPLEMENTED),
];

const SECURITY_FLAGS: &[Flag] = &[
    flag("authenticate_frameworks", Kind::Bool, "false", "Only authenticated v0 frameworks may register.")
        .alias(&["authenticate"])
        .refused(SECURITY),
    flag("authenticate_agents", Kind::Bool, "false", "Only authenticated agents may register.")
        .alias(&["authenticate_slaves"])
        .refused(SECURITY),
    flag("authentication_v0_timeout", Kind::Duration, "15secs", "Time for a v0 authentication.")
        .no_effect(NOT_IMPLEMENTED),
    flag("authenticate_http_readwrite", Kind::Bool, "false", "Authenticate HTTP requests that change things.")
        .alias(&["authenticate_http"])
        .refused(SECURITY),
    flag("authenticate_http_readonly", Kind::Bool, "false", "Authenticate HTTP requests that read.").refused(SECURITY),
    flag("authenticate_http_frameworks", Kind::Bool, "false", "Only authenticated HTTP frameworks may subscribe.")
        .refused(SECURITY),
    flag("authenticators", Kind::Text, "crammd5", "The v0 authenticator.").no_effect(NOT_IMPLEMENTED),
    flag("http_authenticators", Kind::Text, "basic", "The HTTP authenticator.").no_effect(NOT_IMPLEMENTED),
    unset("http_framework_authenticators", Kind::Text, "The HTTP authenticator for frameworks.").refused(SECURITY),
    flag("authorizers", Kind::Text, "local", "The authorizer.").no_effect(NOT_IMPLEMENTED),
    unset("acls", Kind::Json, "Who may do what.").refused(SECURITY),
    unset("credentials", Kind::Json, "Principals and secrets.").refused(SECURITY),
    unset("firewall_rules", Kind::Json, "Endpoints to switch off.").refused(SECURITY),
    unset("rate_limits", Kind::Json, "Rate limits for v0 frameworks.").no_effect(NOT_IMPLEMENTED),
    flag("root_submissions", Kind::Bool, "true", "Let frameworks run as root."),
];

const LIMITS: &[Flag] = &[
    flag("max_completed_frameworks", Kind::Integer, "50", "Completed frameworks to remember."),
    flag("max_completed_tasks_per_framework", Kind::Integer, "1000", "Completed tasks to remember of each framework."),
    flag(
        "max_unreachable_tasks_per_framework",
        Kind::Integer,
        "1000",
        "Unreachable tasks to remember of each framework.",
    ),
    flag(
        "max_operator_event_stream_subscribers",
        Kind::Integer,
        "1000",
        "Operator event streams; beyond it the oldest is closed.",
    ),
    flag("publish_per_framework_metrics", Kind::Bool, "true", "Publish metrics for each framework."),
    flag("webui_dir", Kind::Text, "/usr/share/mesos/webui", "The web UI's files.").no_effect(NOT_IMPLEMENTED),
    unset("modules", Kind::Json, "Modules to load.").refused(MODULES),
    unset("modules_dir", Kind::Text, "A directory of module files.").refused(MODULES),
    unset("hooks", Kind::Text, "Hook modules.").refused(MODULES),
    flag("memory_profiling", Kind::Bool, "false", "Enable memory profiling.").no_effect(NOT_IMPLEMENTED),
];
