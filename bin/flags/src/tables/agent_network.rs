//! The agent's flags for network isolation. Most of them exist in Mesos only in builds with the port-mapping isolator;
//! they are recognised and have no effect.

use std::path::PathBuf;
use std::time::Duration;

use super::reasons::{NOT_IMPLEMENTED, PORT_MAPPING};
use crate::macros::flags;

flags! {
    /// A struct without fields, since none of these flags has an effect.
    NetworkIsolationFlags {
        "Network isolation" {
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
            [NoEffect: NOT_IMPLEMENTED] {
                container_ports_watch_interval: Duration => "The interval at which ports of containers are checked.";
                check_agent_port_range_only: bool => "Check only the ports that the agent offers.";
                enforce_container_ports: bool => "Kill containers that listen on ports they were not given.";
                container_ports_isolated_range: String => "The ports that are checked.";
                network_cni_plugins_dir: PathBuf => "The directories of CNI plug-ins.";
                network_cni_config_dir: PathBuf => "The directory of CNI configurations.";
                network_cni_root_dir_persist: bool = "false" => "Keep the state of CNI over a reboot.";
                network_cni_metrics: bool = "true" => "Metrics of CNI.";
            }
        }
    }
}
