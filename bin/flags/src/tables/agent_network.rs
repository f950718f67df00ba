//! The agent's flags for network isolation. In Mesos most of them exist only in builds with
//! the port-mapping isolator, so they are recognised and have no effect.

use super::common::{NOT_IMPLEMENTED, flag, unset};
use crate::definition::{Flag, Kind};

const PORT_MAPPING: &str = "there is no port-mapping isolator";

pub(super) const NETWORK_ISOLATION: &[Flag] = &[
    unset("ephemeral_ports_per_container", Kind::Text, "Ephemeral ports per container.").no_effect(PORT_MAPPING),
    unset("eth0_name", Kind::Text, "Eth0 name.").no_effect(PORT_MAPPING),
    unset("lo_name", Kind::Text, "Lo name.").no_effect(PORT_MAPPING),
    unset("egress_rate_limit_per_container", Kind::Text, "Egress rate limit per container.").no_effect(PORT_MAPPING),
    unset("egress_rate_per_cpu", Kind::Text, "Egress rate per CPU.").no_effect(PORT_MAPPING),
    unset("minimum_egress_rate_limit", Kind::Text, "Minimum egress rate limit.").no_effect(PORT_MAPPING),
    unset("maximum_egress_rate_limit", Kind::Text, "Maximum egress rate limit.").no_effect(PORT_MAPPING),
    unset("egress_ceil_limit", Kind::Text, "Egress ceil limit.").no_effect(PORT_MAPPING),
    unset("egress_burst", Kind::Text, "Egress burst.").no_effect(PORT_MAPPING),
    unset("egress_unique_flow_per_container", Kind::Bool, "Egress unique flow per container.").no_effect(PORT_MAPPING),
    unset("egress_flow_classifier_parent", Kind::Text, "Egress flow classifier parent.").no_effect(PORT_MAPPING),
    unset("ingress_rate_limit_per_container", Kind::Text, "Ingress rate limit per container.").no_effect(PORT_MAPPING),
    unset("ingress_rate_per_cpu", Kind::Text, "Ingress rate per CPU.").no_effect(PORT_MAPPING),
    unset("minimum_ingress_rate_limit", Kind::Text, "Minimum ingress rate limit.").no_effect(PORT_MAPPING),
    unset("maximum_ingress_rate_limit", Kind::Text, "Maximum ingress rate limit.").no_effect(PORT_MAPPING),
    unset("ingress_ceil_limit", Kind::Text, "Ingress ceil limit.").no_effect(PORT_MAPPING),
    unset("ingress_burst", Kind::Text, "Ingress burst.").no_effect(PORT_MAPPING),
    unset("ingress_isolate_existing_containers", Kind::Bool, "Ingress isolate existing containers.")
        .no_effect(PORT_MAPPING),
    unset("network_link_speed", Kind::Text, "Network link speed.").no_effect(PORT_MAPPING),
    unset("network_enable_socket_statistics_summary", Kind::Bool, "Network enable socket statistics summary.")
        .no_effect(PORT_MAPPING),
    unset("network_enable_socket_statistics_details", Kind::Bool, "Network enable socket statistics details.")
        .no_effect(PORT_MAPPING),
    unset("network_enable_snmp_statistics", Kind::Bool, "Network enable SNMP statistics.").no_effect(PORT_MAPPING),
    unset("network_enable_rate_statistics", Kind::Bool, "Network enable rate statistics.").no_effect(PORT_MAPPING),
    unset("network_rate_statistics_window", Kind::Duration, "Network rate statistics window.").no_effect(PORT_MAPPING),
    unset("network_rate_statistics_interval", Kind::Duration, "Network rate statistics interval.")
        .no_effect(PORT_MAPPING),
    unset("container_ports_watch_interval", Kind::Duration, "Container ports watch interval.")
        .no_effect(NOT_IMPLEMENTED),
    unset("check_agent_port_range_only", Kind::Bool, "Check agent port range only.").no_effect(NOT_IMPLEMENTED),
    unset("enforce_container_ports", Kind::Bool, "Enforce container ports.").no_effect(NOT_IMPLEMENTED),
    unset("container_ports_isolated_range", Kind::Text, "Container ports isolated range.").no_effect(NOT_IMPLEMENTED),
    unset("network_cni_plugins_dir", Kind::Text, "Network CNI plugins dir.").no_effect(NOT_IMPLEMENTED),
    unset("network_cni_config_dir", Kind::Text, "Network CNI config dir.").no_effect(NOT_IMPLEMENTED),
    flag("network_cni_root_dir_persist", Kind::Bool, "false", "Network CNI root dir persist.")
        .no_effect(NOT_IMPLEMENTED),
    flag("network_cni_metrics", Kind::Bool, "true", "Network CNI metrics.").no_effect(NOT_IMPLEMENTED),
];
