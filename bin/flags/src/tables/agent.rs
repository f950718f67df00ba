//! `tepui agent`, `mesos-agent`, `mesos-slave`.

use super::agent_network;
use super::common::{LOGGING, MODULES, NOT_IMPLEMENTED, SECURITY, flag, unset};
use crate::definition::{Definition, Flag, Kind};

/// The flags of an agent.
pub const AGENT: Definition = Definition {
    program: "tepui agent",
    about: "Starts an agent: it offers this machine's resources to the master and runs tasks in containers.",
    sections: &[
        ("Network, identity, master", NETWORK),
        ("Resources and attributes", RESOURCES),
        ("Containers", CONTAINERS),
        ("Linux isolation", LINUX),
        ("Docker", DOCKER),
        ("Network isolation", agent_network::NETWORK_ISOLATION),
        ("Disk, fetcher, garbage collection", DISK),
        ("Executors", EXECUTORS),
        ("Recovery", RECOVERY),
        ("Security", SECURITY_FLAGS),
        ("Extension", EXTENSION),
        ("Logging", LOGGING),
    ],
};

const NO_DOCKER: &str = "the docker containerizer is not built yet";

const NETWORK: &[Flag] = &[
    unset("master", Kind::Text, "The master: host:port."),
    unset("ip", Kind::Text, "The address to listen on; the master must be able to reach it."),
    unset("ip6", Kind::Text, "An IPv6 address for tasks.").no_effect(NOT_IMPLEMENTED),
    flag("port", Kind::Integer, "5051", "The port to listen on; 0 picks a free one."),
    unset("advertise_ip", Kind::Text, "The address peers are told to use, when it differs from --ip."),
    unset("advertise_port", Kind::Integer, "The port peers are told to use, when it differs from --port."),
    unset(
        "ip_discovery_command",
        Kind::Text,
        "A command that prints the address to listen on; not together with --ip.",
    ),
    unset("ip6_discovery_command", Kind::Text, "A command that prints the IPv6 address.").no_effect(NOT_IMPLEMENTED),
    unset("hostname", Kind::Text, "The name frameworks are told; it must resolve for them."),
    flag("hostname_lookup", Kind::Bool, "true", "Look the host name up; otherwise the address serves as name."),
    unset("domain", Kind::Json, "The region and zone of this agent (DomainInfo)."),
    flag("zk_session_timeout", Kind::Duration, "10secs", "ZooKeeper session timeout."),
    unset("master_detector", Kind::Text, "A module for leader detection.").refused(MODULES),
    flag(
        "registration_backoff_factor",
        Kind::Duration,
        "1secs",
        "The first registration waits a random time up to this; retries double it, up to 1mins.",
    ),
];

const RESOURCES: &[Flag] = &[
    unset(
        "resources",
        Kind::Text,
        "What to offer, e.g. cpus:4;mem:8192;disk:10240;ports:[31000-32000], or a JSON array of Resource. What is not named is detected.",
    ),
    unset("attributes", Kind::Text, "What to tell about this machine, e.g. rack:abc;zone:west;level:10."),
    flag("default_role", Kind::Text, "*", "The role of resources without one."),
    unset("resource_provider_config_dir", Kind::Text, "Configurations of resource providers.")
        .no_effect(NOT_IMPLEMENTED),
    unset("csi_plugin_config_dir", Kind::Text, "Configurations of CSI plug-ins.").no_effect(NOT_IMPLEMENTED),
    unset("disk_profile_adaptor", Kind::Text, "A module.").refused(MODULES),
    unset(
        "agent_features",
        Kind::Json,
        "The agent capabilities to announce, e.g. {\"capabilities\":[{\"type\":\"MULTI_ROLE\"}, ...]}; those that masters need must be among them.",
    ),
    unset(
        "resource_estimator",
        Kind::Text,
        "What is allocated but idle and can be offered once more as revocable: fixed:cpus:4;mem:1024, load:0.2 (what containers leave unused, less 20 %), or the name of Mesos' fixed estimator with its parameters in --modules.",
    ),
    unset(
        "qos_controller",
        Kind::Text,
        "When executors on revocable resources must go: load:load_threshold_5min=8,load_threshold_15min=6,memory_available=0.05, or the name of Mesos' load controller with its parameters in --modules.",
    ),
    flag(
        "qos_correction_interval_min",
        Kind::Duration,
        "0ns",
        "Least time between its corrections; at least a second.",
    ),
    flag("oversubscribed_resources_interval", Kind::Duration, "15secs", "How often estimates are sent."),
    flag(
        "reconfiguration_policy",
        Kind::Text,
        "equal",
        "Which changes of the agent's description are allowed over a restart: equal, additive or any.",
    ),
];

const CONTAINERS: &[Flag] = &[
    flag("containerizers", Kind::Text, "mesos", "The containerizers: mesos."),
    unset(
        "isolation",
        Kind::Text,
        "Comma-separated isolators, e.g. cgroups/cpu,cgroups/mem,cgroups/pids,namespaces/pid. Without it, all that this machine and user allow.",
    ),
    unset(
        "launcher",
        Kind::Text,
        "linux (cgroups and namespaces, needs root) or posix. Without it, linux where possible.",
    ),
    unset("launcher_dir", Kind::Text, "Where helper programs lie; this program has them built in.")
        .no_effect("helpers are built in"),
    unset("image_providers", Kind::Text, "Image providers.").no_effect(NOT_IMPLEMENTED),
    unset("image_provisioner_backend", Kind::Text, "Image backend.").no_effect(NOT_IMPLEMENTED),
    unset("image_gc_config", Kind::Json, "Image garbage collection.").no_effect(NOT_IMPLEMENTED),
    flag("appc_simple_discovery_uri_prefix", Kind::Text, "http://", "Appc discovery prefix.")
        .no_effect(NOT_IMPLEMENTED),
    flag("appc_store_dir", Kind::Text, "/tmp/mesos/store/appc", "Appc image store.").no_effect(NOT_IMPLEMENTED),
    flag("runtime_dir", Kind::Text, "/var/run/mesos", "Where run-time state is kept that need not survive a reboot."),
    unset("work_dir", Kind::Text, "Where sandboxes and the agent's state are kept. Needed."),
    flag(
        "sandbox_directory",
        Kind::Text,
        "/mnt/mesos/sandbox",
        "Where the sandbox is mounted in containers with an image.",
    )
    .no_effect(NOT_IMPLEMENTED),
    unset("default_container_info", Kind::Json, "ContainerInfo for executors that have none.")
        .no_effect(NOT_IMPLEMENTED),
    unset("default_container_dns", Kind::Json, "DNS of containers.").no_effect(NOT_IMPLEMENTED),
    unset("default_container_shm_size", Kind::Bytes, "Size of /dev/shm in containers.").no_effect(NOT_IMPLEMENTED),
    flag("disallow_sharing_agent_ipc_namespace", Kind::Bool, "false", "Each container gets an IPC namespace.")
        .no_effect(NOT_IMPLEMENTED),
    flag("disallow_sharing_agent_pid_namespace", Kind::Bool, "false", "Each container gets a PID namespace.")
        .no_effect(NOT_IMPLEMENTED),
    unset(
        "container_logger",
        Kind::Text,
        "How stdout and stderr in sandboxes are bounded: sandbox (not at all), logrotate:max_stdout_size=10MB, or org_apache_mesos_LogrotateContainerLogger with --modules. Without it they are rotated at 10MB and 4 old files stay (stdout.1 is the latest).",
    ),
    flag("host_path_volume_force_creation", Kind::Text, "", "Host paths that may be created for volumes.")
        .no_effect(NOT_IMPLEMENTED),
    unset("volume_gid_range", Kind::Text, "Group ids for shared volumes.").no_effect(NOT_IMPLEMENTED),
];

const LINUX: &[Flag] = &[
    flag("cgroups_hierarchy", Kind::Text, "/sys/fs/cgroup", "Where cgroups are mounted."),
    flag("cgroups_root", Kind::Text, "mesos", "The cgroup below which all cgroups of containers are made."),
    flag("cgroups_enable_cfs", Kind::Bool, "false", "Limit CPU time by CFS bandwidth, not only by shares."),
    flag("cgroups_limit_swap", Kind::Bool, "false", "Limit memory and swap together."),
    flag(
        "cgroups_destroy_timeout",
        Kind::Duration,
        "1mins",
        "Time for a cgroup to become empty before that is an error in the log. Killing goes on.",
    ),
    flag("cgroups_cpu_enable_pids_and_tids_count", Kind::Bool, "false", "Count processes and threads in statistics.")
        .no_effect("threads are counted wherever cgroups/pids is in use"),
    unset("cgroups_net_cls_primary_handle", Kind::Text, "net_cls handle.").no_effect(NOT_IMPLEMENTED),
    unset("cgroups_net_cls_secondary_handles", Kind::Text, "net_cls handles.").no_effect(NOT_IMPLEMENTED),
    unset("allowed_devices", Kind::Json, "Devices containers may use.").no_effect(NOT_IMPLEMENTED),
    unset("agent_subsystems", Kind::Text, "cgroup subsystems for the agent itself.")
        .alias(&["slave_subsystems"])
        .no_effect(NOT_IMPLEMENTED),
    unset("nvidia_gpu_devices", Kind::Text, "GPUs to offer.").no_effect(NOT_IMPLEMENTED),
    unset("perf_events", Kind::Text, "Performance events to sample.").no_effect(NOT_IMPLEMENTED),
    flag("perf_interval", Kind::Duration, "1mins", "Sampling interval.").no_effect(NOT_IMPLEMENTED),
    flag("perf_duration", Kind::Duration, "10secs", "Sampling duration.").no_effect(NOT_IMPLEMENTED),
    flag("revocable_cpu_low_priority", Kind::Bool, "true", "Revocable CPU gets low priority."),
    flag("systemd_enable_support", Kind::Bool, "true", "Run executors in a systemd slice.")
        .no_effect("containers have their own cgroups below --cgroups_root"),
    flag("systemd_runtime_directory", Kind::Text, "/run/systemd/system", "systemd's run-time directory.")
        .no_effect("there is no systemd support"),
    unset("effective_capabilities", Kind::Json, "Default effective capabilities.")
        .alias(&["allowed_capabilities"])
        .refused(NOT_IMPLEMENTED),
    unset("bounding_capabilities", Kind::Json, "Default bounding capabilities.").refused(NOT_IMPLEMENTED),
    unset("seccomp_config_dir", Kind::Text, "Seccomp profiles.").refused(NOT_IMPLEMENTED),
    unset("seccomp_profile_name", Kind::Text, "The default seccomp profile.").refused(NOT_IMPLEMENTED),
];

const DOCKER: &[Flag] = &[
    flag("docker", Kind::Text, "docker", "The docker program.").no_effect(NO_DOCKER),
    flag("docker_remove_delay", Kind::Duration, "6hrs", "Time before containers are removed.").no_effect(NO_DOCKER),
    flag("docker_kill_orphans", Kind::Bool, "true", "Kill unknown containers.").no_effect(NO_DOCKER),
    unset("docker_mesos_image", Kind::Text, "Image of the agent itself.").no_effect(NO_DOCKER),
    flag("docker_socket", Kind::Text, "/var/run/docker.sock", "Docker's socket.").no_effect(NO_DOCKER),
    flag("docker_stop_timeout", Kind::Duration, "0ns", "Grace period of docker stop.").no_effect(NO_DOCKER),
    unset("docker_config", Kind::Json, "Registry credentials.").no_effect(NO_DOCKER),
    flag("docker_registry", Kind::Text, "https://registry-1.docker.io", "The image registry.").no_effect(NO_DOCKER),
    flag("docker_store_dir", Kind::Text, "/tmp/mesos/store/docker", "The image store.").no_effect(NO_DOCKER),
    flag("docker_ignore_runtime", Kind::Bool, "false", "Ignore an image's runtime configuration.").no_effect(NO_DOCKER),
    flag(
        "docker_volume_checkpoint_dir",
        Kind::Text,
        "/var/run/mesos/isolators/docker/volume",
        "State of docker volumes.",
    )
    .no_effect(NO_DOCKER),
    flag("docker_volume_chown", Kind::Bool, "false", "Change the owner of docker volumes.").no_effect(NO_DOCKER),
];

const DISK: &[Flag] = &[
    flag(
        "gc_delay",
        Kind::Duration,
        "1weeks",
        "How long sandboxes of finished executors are kept; less when the disk fills.",
    ),
    flag(
        "gc_disk_headroom",
        Kind::Float,
        "0.1",
        "The share of the disk to keep free when deciding how long sandboxes are kept.",
    ),
    flag("gc_non_executor_container_sandboxes", Kind::Bool, "false", "Collect sandboxes of nested containers too.")
        .no_effect(NOT_IMPLEMENTED),
    flag("disk_watch_interval", Kind::Duration, "1mins", "How often disk usage is looked at."),
    flag("container_disk_watch_interval", Kind::Duration, "15secs", "How often disk usage of containers is looked at.")
        .no_effect(NOT_IMPLEMENTED),
    flag(
        "enforce_container_disk_quota",
        Kind::Bool,
        "false",
        "Kill containers that use more disk than they asked for.",
    )
    .no_effect(NOT_IMPLEMENTED),
    unset("xfs_project_range", Kind::Text, "XFS project ids.").no_effect(NOT_IMPLEMENTED),
    flag("xfs_kill_containers", Kind::Bool, "false", "Kill containers over their XFS quota.")
        .no_effect(NOT_IMPLEMENTED),
    unset("xfs_quota_headroom", Kind::Bytes, "Headroom over the XFS quota.").no_effect(NOT_IMPLEMENTED),
    flag("fetcher_cache_size", Kind::Bytes, "2GB", "Size of the fetcher's cache.")
        .no_effect("files are fetched without a cache"),
    flag("fetcher_cache_dir", Kind::Text, "/tmp/mesos/fetch", "The fetcher's cache.")
        .no_effect("files are fetched without a cache"),
    flag(
        "fetcher_stall_timeout",
        Kind::Duration,
        "1mins",
        "A download that makes no progress for this time has failed.",
    ),
    flag("frameworks_home", Kind::Text, "", "Prefix for relative URIs."),
    unset("hadoop_home", Kind::Text, "Where Hadoop lies.").no_effect("hdfs URIs are not supported"),
];

const EXECUTORS: &[Flag] = &[
    unset(
        "executor_environment_variables",
        Kind::Json,
        "The environment of executors, a JSON object; without it a minimal PATH.",
    ),
    flag("executor_registration_timeout", Kind::Duration, "1mins", "Time for an executor to register."),
    flag(
        "executor_reregistration_timeout",
        Kind::Duration,
        "2secs",
        "Time for an executor to come back after a restart of the agent; it begins anew while others do, for a minute at most.",
    ),
    unset("executor_reregistration_retry_interval", Kind::Duration, "How often v0 executors are asked to come back."),
    flag("executor_shutdown_grace_period", Kind::Duration, "5secs", "Time for an executor to shut down."),
    flag("http_command_executor", Kind::Bool, "false", "The command executor uses the HTTP API.")
        .no_effect("it always does"),
    flag("http_executor_domain_sockets", Kind::Bool, "false", "Serve executors on a unix socket.")
        .no_effect(NOT_IMPLEMENTED),
    unset("domain_socket_location", Kind::Text, "That socket.").no_effect(NOT_IMPLEMENTED),
    flag("http_heartbeat_interval", Kind::Duration, "30secs", "Heartbeats on attached container streams.")
        .no_effect(NOT_IMPLEMENTED),
    flag("switch_user", Kind::Bool, "true", "Run tasks as the user they name (needs root)."),
    flag(
        "max_completed_executors_per_framework",
        Kind::Integer,
        "150",
        "Completed executors to remember of each framework.",
    ),
];

const RECOVERY: &[Flag] = &[
    flag(
        "recover",
        Kind::Text,
        "reconnect",
        "After a restart: reconnect to executors, or cleanup: end them, forget the agent's id, and exit.",
    ),
    flag("recovery_timeout", Kind::Duration, "15mins", "How long executors wait for the agent to come back."),
    flag(
        "strict",
        Kind::Bool,
        "true",
        "Errors in the stored state are fatal. With --no-strict what cannot be read is passed over, or kept aside and a new agent begun.",
    ),
];

const SECURITY_FLAGS: &[Flag] = &[
    unset("credential", Kind::Json, "Principal and secret of this agent.").refused(SECURITY),
    flag("authenticatee", Kind::Text, "crammd5", "The v0 authenticatee.").no_effect(NOT_IMPLEMENTED),
    flag("authentication_backoff_factor", Kind::Duration, "1secs", "Backoff of authentication.")
        .no_effect(NOT_IMPLEMENTED),
    flag("authentication_timeout_min", Kind::Duration, "5secs", "Least time for an authentication.")
        .no_effect(NOT_IMPLEMENTED),
    flag("authentication_timeout_max", Kind::Duration, "1mins", "Most time for an authentication.")
        .no_effect(NOT_IMPLEMENTED),
    flag("authorizer", Kind::Text, "local", "The authorizer.").no_effect(NOT_IMPLEMENTED),
    unset("acls", Kind::Json, "Who may do what.").refused(SECURITY),
    unset("firewall_rules", Kind::Json, "Endpoints to switch off.").refused(SECURITY),
    unset("http_authenticators", Kind::Text, "The HTTP authenticator.").refused(SECURITY),
    unset("http_credentials", Kind::Json, "Principals and secrets for HTTP.").refused(SECURITY),
    flag("authenticate_http_readwrite", Kind::Bool, "false", "Authenticate HTTP requests that change things.")
        .refused(SECURITY),
    flag("authenticate_http_readonly", Kind::Bool, "false", "Authenticate HTTP requests that read.").refused(SECURITY),
    flag("authenticate_http_executors", Kind::Bool, "false", "Authenticate executors.").refused(SECURITY),
    unset("jwt_secret_key", Kind::Text, "The key of executor tokens.")
        .alias(&["executor_secret_key"])
        .refused(SECURITY),
    unset("secret_resolver", Kind::Text, "A secret resolver module.").refused(MODULES),
];

const EXTENSION: &[Flag] = &[
    unset(
        "modules",
        Kind::Json,
        "Parameters of modules that are built in: Mesos' fixed estimator, load controller and logrotate container logger.",
    ),
    unset("modules_dir", Kind::Text, "A directory of module files.").refused(MODULES),
    unset("hooks", Kind::Text, "Hook modules.").refused(MODULES),
    flag("memory_profiling", Kind::Bool, "false", "Enable memory profiling.").no_effect(NOT_IMPLEMENTED),
];
