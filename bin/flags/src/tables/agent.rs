//! The flags of `tepui agent`, `mesos-agent` and `mesos-slave`.

use std::path::PathBuf;
use std::time::Duration;

use super::limits::{INTERVAL, POSITIVE, SHARE, ZK_SESSION, secs, up_to_secs};
use super::reasons::{MODULES, NO_DOCKER_VOLUME, NOT_IMPLEMENTED, SECURITY};
use super::{AddressFlags, LoggingFlags, NetworkIsolationFlags};
use crate::bounds::Bounds;
use crate::choices::{BackendName, Containerizers, LauncherName, ReconfigurationName, RecoverName};
use crate::macros::flags;
use crate::value::{Bytes, Json, List};

flags! {
    /// The flags of an agent (`src/slave/flags.cpp`).
    AgentFlags {
        address: AddressFlags;
        logging: LoggingFlags;
        network_isolation: NetworkIsolationFlags;
        "Master" {
            master: String => "The master: host:port, zk://host:port,host:port/path, or file:///path of a file that contains one of these.";
            port: u16 = "5051" => "The port to listen on; 0 picks a free one.";
            zk_session_timeout: Duration = "10secs", in ZK_SESSION => "ZooKeeper session timeout.";
            registration_backoff_factor: Duration = "1secs", in up_to_secs(60) =>
                "The first registration waits for a random time up to this value; each retry doubles it, up to 1mins.";
            [NoEffect: NOT_IMPLEMENTED] {
                ip6: String => "An IPv6 address for tasks.";
                ip6_discovery_command: String => "A command that prints the IPv6 address.";
            }
            [Refused: MODULES] {
                master_detector: String => "A module for leader detection.";
            }
        }
        "Resources and attributes" {
            resources: Option<String>, in Bounds::Any =>
                "The resources to offer, e.g. cpus:4;mem:8192;disk:10240;ports:[31000-32000], or a JSON array of Resource. Resources that are not named are detected.";
            attributes: Option<String>, in Bounds::Any =>
                "Attributes of this machine, e.g. rack:abc;zone:west;level:10.";
            default_role: String = "*" => "The role of resources without one.";
            agent_features: Option<Json> =>
                "The agent capabilities to announce, e.g. {\"capabilities\":[{\"type\":\"MULTI_ROLE\"}, ...]}; capabilities that masters require must be included.";
            resource_estimator: Option<String> =>
                "Estimates allocated but idle resources, which are then offered as revocable: fixed:cpus:4;mem:1024, load:0.2 (what containers leave unused, less 20 %), or the name of Mesos' fixed estimator with its parameters in --modules.";
            qos_controller: Option<String> =>
                "Decides when executors on revocable resources are ended: load:load_threshold_5min=8,load_threshold_15min=6,memory_available=0.05, or the name of Mesos' load controller with its parameters in --modules.";
            qos_correction_interval_min: Duration = "0ns" => "The minimum time between two corrections of the QoS controller; at least one second.";
            oversubscribed_resources_interval: Duration = "15secs", in INTERVAL => "The interval at which estimates are sent.";
            reconfiguration_policy: ReconfigurationName = "equal" =>
                "Which changes of the agent's resources, attributes and names are allowed over a restart.";
            [NoEffect: NOT_IMPLEMENTED] {
                resource_provider_config_dir: PathBuf => "Configurations of resource providers.";
                csi_plugin_config_dir: PathBuf => "Configurations of CSI plug-ins.";
            }
            [Refused: MODULES] {
                disk_profile_adaptor: String => "A module.";
            }
        }
        "Containers" {
            work_dir: PathBuf => "The directory of sandboxes and of the agent's state.";
            runtime_dir: Option<PathBuf> =>
                "The directory of state that need not survive a reboot. Without it, /var/run/mesos for root, otherwise run below --work_dir.";
            containerizers: Containerizers = "mesos" =>
                "Who launches containers: mesos, docker, or both, e.g. docker,mesos. Docker takes those whose type is DOCKER, by the daemon at --docker_socket.";
            isolation: Option<List> =>
                "Comma-separated isolators, e.g. cgroups/cpu,cgroups/mem,cgroups/pids,namespaces/pid,linux/capabilities,linux/seccomp. Without it, those for processors, memory, processes, pid and mount namespaces, images, volumes and rlimits, as far as this machine and user allow.";
            launcher: Option<LauncherName> =>
                "linux (cgroups and namespaces, needs root) or posix. Without it, linux where possible.";
            container_logger: Option<String> =>
                "How stdout and stderr in sandboxes are limited: sandbox (no limit), logrotate:max_stdout_size=10MB, or org_apache_mesos_LogrotateContainerLogger with --modules. Without it, they are rotated at 10MB and 4 old files are kept (stdout.1 is the latest).";
            image_providers: Option<String>, in Bounds::Any => "The kinds of images that containers can have: DOCKER (with OCI images), the default.";
            default_container_shm_size: Option<Bytes> =>
                "The size of /dev/shm of containers that do not name one, with namespaces/ipc; 64MB without it.";
            disallow_sharing_agent_pid_namespace: bool = "false" =>
                "With namespaces/pid, refuse containers that ask for the pid namespace of the agent.";
            disallow_sharing_agent_ipc_namespace: bool = "false" =>
                "Refuse containers that ask for the IPC namespace of the agent, with namespaces/ipc.";
            host_path_volume_force_creation: String = "", in Bounds::Any =>
                "Directories separated by colons; the missing sources of HOST_PATH volumes below them are made.";
            sandbox_directory: PathBuf = "/mnt/mesos/sandbox" => "The path of the sandbox in containers with an image.";
            docker_registry: String = "https://registry-1.docker.io" => "The registry of images whose names have no registry, or a directory with archives of images: /path has IMAGE.tar, as docker save writes it.";
            image_registry_settings: Option<PathBuf> =>
                "A file of JSON with the settings of registries by host[:port]: mirrors, plain_http, certificate_authorities, and signed_by, the files of public keys (PEM) of which one must have signed the images, as by cosign. The key * stands for all other registries.";
            docker_config: Option<Json> => "Credentials for registries in the format of Docker's config.json, or file:///path of such a file.";
            docker_store_dir: PathBuf = "/tmp/mesos/store/docker" => "The directory of the image store, which `tepui image` lists and changes.";
            docker_ignore_runtime: bool = "false" => "Ignore the program, the environment and the working directory of images.";
            image_provisioner_backend: Option<BackendName> =>
                "How containers get the files of their images: overlay (the layers are shared, the default) or copy.";
            image_gc_config: Option<Json> =>
                "Removes images that no container uses when the disk of the store fills, e.g. {\"image_disk_headroom\":0.1,\"image_disk_watch_interval\":{\"nanoseconds\":3600000000000},\"excluded_images\":[]}. Without it, only PRUNE_IMAGES and `tepui image prune` remove images.";
            default_container_dns: Option<Json> =>
                "How names are resolved in CNI networks whose plugin does not say it, and in networks of Docker, e.g. {\"mesos\":[{\"network_mode\":\"CNI\",\"dns\":{\"nameservers\":[\"8.8.8.8\"]}}],\"docker\":[{\"network_mode\":\"BRIDGE\",\"dns\":{\"nameservers\":[\"8.8.8.8\"]}}]}.";
            default_container_info: Option<Json> =>
                "The ContainerInfo of executors and command tasks that have none, e.g. {\"type\":\"MESOS\",\"volumes\":[{\"container_path\":\"/tmp\",\"host_path\":\"tmp\",\"mode\":\"RW\"}]}.";
            [NoEffect: "helpers are built in"] {
                launcher_dir: PathBuf => "The directory of helper programs.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                appc_simple_discovery_uri_prefix: String = "http://" => "Appc discovery prefix.";
                appc_store_dir: PathBuf = "/tmp/mesos/store/appc" => "Appc image store.";
                volume_gid_range: String => "Group ids for shared volumes.";
            }
        }
        "Linux isolation" {
            cgroups_hierarchy: PathBuf = "/sys/fs/cgroup" => "The directory in which cgroups are mounted.";
            cgroups_root: String = "mesos" => "The cgroup that contains the cgroups of all containers.";
            cgroups_enable_cfs: bool = "false" => "Limit CPU time by CFS bandwidth, not only by shares.";
            cgroups_limit_swap: bool = "false" => "Limit memory and swap together.";
            cgroups_destroy_timeout: Duration = "1mins", in POSITIVE =>
                "The time after which a cgroup that does not become empty is logged as an error. Killing continues.";
            allowed_devices: Option<Json> =>
                "Devices that tasks can use besides null, tty and the like, with cgroups/devices, e.g. {\"allowed_devices\":[{\"device\":{\"path\":\"/dev/fuse\"},\"access\":{\"read\":true,\"write\":true}}]}.";
            cgroups_net_cls_primary_handle: Option<String> =>
                "The upper half of the classes that cgroups/net_cls gives to containers, e.g. 0x0012. Without it, they get none.";
            cgroups_net_cls_secondary_handles: Option<String> =>
                "The range of the lower halves, e.g. 0x0001,0x00ff; all from 1 without it.";
            #[alias = "allowed_capabilities"]
            effective_capabilities: Option<Json> =>
                "The capabilities of tasks that do not ask for others, with linux/capabilities, e.g. {\"capabilities\":[\"NET_RAW\"]}.";
            bounding_capabilities: Option<Json> =>
                "The capabilities that tasks can ask for, with linux/capabilities. Without it, those that the agent has.";
            seccomp_config_dir: Option<PathBuf> => "The directory of profiles of system calls in Docker's format, for linux/seccomp.";
            seccomp_profile_name: Option<String> =>
                "The profile in --seccomp_config_dir of tasks that do not ask for another one. Without it, a built-in profile.";
            nvidia_gpu_devices: Option<List> =>
                "The GPUs that gpu/nvidia gives to containers, by their indices of nvidia-smi, e.g. 0,1, together with gpus:2 in --resources. Without both, all GPUs of the machine.";
            perf_events: Option<List> =>
                "The performance events that cgroups/perf_event counts for each container, e.g. cycles,instructions,task-clock; none without it.";
            perf_interval: Duration = "1mins", in INTERVAL => "The time from one counting of performance events to the next.";
            perf_duration: Duration = "10secs", in POSITIVE => "The time of one counting, not above --perf_interval.";
            revocable_cpu_low_priority: bool = "true" => "Give revocable CPU low priority.";
            [NoEffect: "threads are counted wherever cgroups/pids is in use"] {
                cgroups_cpu_enable_pids_and_tids_count: bool = "false" => "Count processes and threads in statistics.";
            }
            [NoEffect: "containers have their own cgroups below --cgroups_root"] {
                systemd_enable_support: bool = "true" => "Run executors in a systemd slice.";
            }
            [NoEffect: "there is no systemd support"] {
                systemd_runtime_directory: PathBuf = "/run/systemd/system" => "systemd's run-time directory.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                #[alias = "slave_subsystems"]
                agent_subsystems: String => "cgroup subsystems for the agent itself.";
            }
        }
        "Docker" {
            docker_socket: String = "/var/run/docker.sock" => "The unix socket of the Docker daemon, with --containerizers=docker,mesos.";
            docker_stop_timeout: Duration = "0ns" =>
                "The time between the stop signal and SIGKILL of a container at Docker, where neither the task nor the kill names one. With 0ns a kill waits for --executor_shutdown_grace_period.";
            docker_remove_delay: Duration = "6hrs" => "How long containers at Docker that have ended are kept.";
            docker_kill_orphans: bool = "true" =>
                "Remove containers at Docker that Mesos or Tepui has started and no agent on this machine knows.";
            [NoEffect: "the agent speaks with the daemon at --docker_socket itself"] {
                docker: String = "docker" => "The docker program.";
            }
            [NoEffect: "executors outlive the agent without it"] {
                docker_mesos_image: String => "Image of the agent itself.";
            }
            [NoEffect: NO_DOCKER_VOLUME] {
                docker_volume_checkpoint_dir: PathBuf = "/var/run/mesos/isolators/docker/volume" =>
                    "State of docker volumes.";
                docker_volume_chown: bool = "false" => "Change the owner of docker volumes.";
            }
        }
        "Disk, fetcher, garbage collection" {
            gc_delay: Duration = "1weeks" =>
                "How long sandboxes of finished executors are kept; shorter when the disk fills up. With 0secs they are removed at once.";
            gc_disk_headroom: f64 = "0.1", in SHARE =>
                "The share of the disk to keep free when deciding how long sandboxes are kept.";
            disk_watch_interval: Duration = "1mins", in INTERVAL => "The interval at which disk usage is checked.";
            container_disk_watch_interval: Duration = "15secs", in INTERVAL =>
                "The interval at which disk/du measures the sandboxes, and disk/xfs looks for containers to end.";
            enforce_container_disk_quota: bool = "false" =>
                "With disk/du, end containers whose sandbox uses more disk than they were allocated; with disk/xfs, refuse their writes.";
            fetcher_stall_timeout: Duration = "1mins", in secs(1) =>
                "The time without progress after which a download fails.";
            frameworks_home: Option<PathBuf> = "", in Bounds::Any => "The prefix of relative URIs.";
            fetcher_cache_size: Bytes = "2GB" =>
                "The size of the cache of URIs with `cache`; the files that were used least recently make room. With 0B there is no cache.";
            fetcher_cache_dir: PathBuf = "/tmp/mesos/fetch" =>
                "The directory of the fetcher's cache, one for each agent of a machine. Its files are removed when the agent starts.";
            fetcher_host_settings: Option<PathBuf> =>
                "A JSON file with headers and credentials for hosts that files are downloaded from, e.g. {\"files.example.com\":{\"username\":\"...\",\"password\":\"...\"}}; instead of username and password, token, or headers. It is read for each download.";
            hadoop_home: Option<PathBuf> = "", in Bounds::Any =>
                "The directory of the Hadoop client, which copies files of hdfs://, s3a:// and other schemes. Without it, HADOOP_HOME or the path of the agent has it.";
            xfs_project_range: String = "[5000-10000]" =>
                "The project ids that disk/xfs gives to sandboxes and persistent volumes, e.g. [5000-10000,20000-30000].";
            xfs_kill_containers: bool = "false" =>
                "With disk/xfs and --enforce_container_disk_quota, end containers that use more disk than they were allocated, instead of refusing their writes.";
            xfs_quota_headroom: Bytes = "10MB" =>
                "With --xfs_kill_containers, how much more disk a container can write until it is ended.";
            gc_non_executor_container_sandboxes: bool = "false" =>
                "Remove the sandboxes of nested containers --gc_delay after their end, although their executor runs. Those of standalone containers are removed in any case.";
        }
        "Executors" {
            executor_environment_variables: Option<Json> =>
                "The environment of executors, a JSON object of strings. Without it, a minimal PATH.";
            executor_registration_timeout: Duration = "1mins", in POSITIVE => "The time within which an executor must register.";
            executor_reregistration_timeout: Duration = "2secs", in up_to_secs(15) =>
                "The time within which executors must reconnect after a restart of the agent. It starts again whenever one reconnects, for a minute at most.";
            executor_reregistration_retry_interval: Option<Duration>, in INTERVAL =>
                "The interval at which v0 executors are asked to reconnect. Without it, they are asked once.";
            executor_shutdown_grace_period: Duration = "5secs" =>
                "The time for an executor to shut down; with 0secs it is killed at once.";
            switch_user: bool = "true" => "Run tasks as the user they name (needs root).";
            max_completed_executors_per_framework: usize = "150" =>
                "The number of completed executors to keep for each framework.";
            http_heartbeat_interval: Duration = "30secs", in INTERVAL =>
                "The interval of heartbeats on the output of a container session.";
            [NoEffect: "it always does"] {
                http_command_executor: bool = "false" => "The command executor uses the HTTP API.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                http_executor_domain_sockets: bool = "false" => "Serve executors on a unix socket.";
                domain_socket_location: PathBuf => "The path of that socket.";
            }
        }
        "Recovery" {
            recover: RecoverName = "reconnect" =>
                "What to do after a restart: reconnect to executors, or cleanup, which ends them, forgets the agent's id, and exits.";
            recovery_timeout: Duration = "15mins" =>
                "How long executors wait for the agent to restart; with 0secs they end with it.";
            strict: bool = "true" =>
                "Errors in the stored state end the agent. With --no-strict, records that cannot be read are skipped; if that is not possible, the state is kept under another name and the agent starts as a new one.";
        }
        "Security" {
            [Refused: SECURITY] {
                credential: Json => "Principal and secret of this agent.";
                acls: Json => "Access control lists.";
                firewall_rules: Json => "Endpoints to disable.";
                http_authenticators: String => "The HTTP authenticator.";
                http_credentials: Json => "Principals and secrets for HTTP.";
                authenticate_http_readwrite: bool = "false" => "Authenticate HTTP requests that change state.";
                authenticate_http_readonly: bool = "false" => "Authenticate HTTP requests that read.";
                authenticate_http_executors: bool = "false" => "Authenticate executors.";
                #[alias = "executor_secret_key"]
                jwt_secret_key: String => "The key of executor tokens.";
            }
            [Refused: MODULES] {
                secret_resolver: String => "A secret resolver module.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                authenticatee: String = "crammd5" => "The v0 authenticatee.";
                authentication_backoff_factor: Duration = "1secs" => "Backoff of authentication.";
                authentication_timeout_min: Duration = "5secs" => "Least time for an authentication.";
                authentication_timeout_max: Duration = "1mins" => "Most time for an authentication.";
                authorizer: String = "local" => "The authorizer.";
            }
        }
        "Extension" {
            modules: Option<Json> =>
                "The parameters of built-in modules: Mesos' fixed estimator, load controller and logrotate container logger.";
            [Refused: MODULES] {
                modules_dir: PathBuf => "A directory of module files.";
                hooks: String => "Hook modules.";
            }
            [NoEffect: NOT_IMPLEMENTED] {
                memory_profiling: bool = "false" => "Enable memory profiling.";
            }
        }
    }
}
