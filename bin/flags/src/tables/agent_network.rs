//! The agent's flags for network isolation: networks by plugins, ports of tasks, and those that exist in Mesos only in builds
//! with the port-mapping isolator, which are recognised and have no effect.

use std::path::PathBuf;
use std::time::Duration;

use super::limits::POSITIVE;
use super::reasons::PORT_MAPPING;
use crate::macros::flags;

flags! {
    /// The flags for the networks and ports of containers.
    NetworkIsolationFlags {
        "Network isolation" {
            network_cni_config_dir: Option<PathBuf> =>
                "The directory of configurations of CNI networks, which tasks can join by name. It is read again when a name is unknown.";
            network_cni_plugins_dir: Option<String> =>
                "The directories of CNI plugins, separated by colons, e.g. /usr/lib/cni. With both, the isolator network/cni is in use.";
            network_cni_root_dir_persist: bool = "false" =>
                "Keep the state of CNI networks below --work_dir, so that the next start after a reboot frees addresses.";
            network_cni_metrics: bool = "true" => "Measure the traffic of containers in CNI networks.";
            container_ports_watch_interval: Duration = "30secs", in POSITIVE =>
                "The interval at which network/ports looks for ports that tasks listen on.";
            enforce_container_ports: bool = "false" =>
                "End tasks that listen on ports that are not among their resources, with network/ports. Without it, they are logged.";
            check_agent_port_range_only: bool = "false" => "Look only at the ports that the agent offers, with network/ports.";
            container_ports_isolated_range: Option<String> => "Look only at these ports, with network/ports, e.g. [0-35000].";
            [NoEffect: PORT_MAPPING] {
                ephemeral_ports_per_container: String => "Ephemeral ports of each container.";
                eth0_name: String => "The name of the public network interface.";
                lo_name: String => "The name of the loopback interface.";
                egress_rate_limit_per_container: String => "The most bytes a second out of a container.";
                egress_rate_per_cpu: String => "That rate for each cpu.";
                minimum_egress_rate_limit: String => "The least of those limits.";
                maximum_egress_rate_limit: String => "The greatest of those limits.";
                egress_ceil_limit: String => "How far a container may go beyond its limit.";
                egress_burst: String => "Bytes that may go out at once.";
                egress_unique_flow_per_container: bool => "Use a separate flow for each container.";
                egress_flow_classifier_parent: String => "The parent of those flows.";
                ingress_rate_limit_per_container: String => "The most bytes a second into a container.";
                ingress_rate_per_cpu: String => "That rate for each cpu.";
                minimum_ingress_rate_limit: String => "The least of those limits.";
                maximum_ingress_rate_limit: String => "The greatest of those limits.";
                ingress_ceil_limit: String => "How far a container may go beyond its limit.";
                ingress_burst: String => "Bytes that may come in at once.";
                ingress_isolate_existing_containers: bool => "Limit containers that run already.";
                network_link_speed: String => "The speed of the interface.";
                network_enable_socket_statistics_summary: bool => "Socket statistics of containers.";
                network_enable_socket_statistics_details: bool => "Detailed socket statistics of containers.";
                network_enable_snmp_statistics: bool => "SNMP statistics of containers.";
                network_enable_rate_statistics: bool => "Rates of traffic of containers.";
                network_rate_statistics_window: Duration => "The time window of these rates.";
                network_rate_statistics_interval: Duration => "The interval at which these rates are measured.";
            }
        }
    }
}
