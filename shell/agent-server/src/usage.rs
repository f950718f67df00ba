//! Measures the usage of containers and of the disk.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ::agent::{ContainerUsage, LoadAverage, MachineUsage};
use containerizer::{DeviceUsage, OperationCounts, VolumeUsage};
use messages::v1;
use messages::v1::agent::Response;
use messages::v1::agent::call::GetContainers as GetContainersCall;
use messages::v1::agent::response::get_containers;
use model::ContainerId;

use super::containers::Containers;
use super::perf_statistics::perf_statistics;
use edge::endpoints::info::System;

/// Returns the used fraction of a file system, from 0 to 1, as `df` computes it: relative to what users may use.
///
/// # Errors
/// Returns the error of `statvfs(3)`.
pub fn disk(path: &Path) -> io::Result<f64> {
    let stat = rustix::fs::statvfs(path)?;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree) as f64;
    let available = stat.f_bavail as f64;
    Ok(if used + available > 0.0 { used / (used + available) } else { 0.0 })
}

/// Returns the usage of the machine and its containers for the core's decisions about oversubscription.
pub fn machine(containers: &Containers) -> MachineUsage {
    let measured = containers.live().into_iter().filter_map(|id| {
        let usage = containers.usage(&id)?;
        let cpu_seconds = usage.cpus_user_secs? + usage.cpus_system_secs.unwrap_or_default();
        let memory_bytes = usage.mem_rss_bytes.or(usage.mem_total_bytes)?;
        Some((id, ContainerUsage { cpu_seconds, memory_bytes }))
    });
    MachineUsage { containers: measured.collect(), ..system() }
}

/// Returns the usage of the machine without its containers.
pub fn system() -> MachineUsage {
    let system = System::read();
    MachineUsage {
        processors: Some(system.cpus as u32),
        cpu_waiting: system.cpu_waiting,
        containers: BTreeMap::new(),
        load: system.load.map(|[_, five_minutes, fifteen_minutes]| LoadAverage { five_minutes, fifteen_minutes }),
        memory_available: system.memory_available.zip(system.memory_total).map(|(available, total)| available / total),
    }
}

/// Returns the usage of the containers that have not ended.
pub fn measure(containers: &Containers, wanted: &[ContainerId]) -> BTreeMap<ContainerId, views::agent::Usage> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let measured = wanted.iter().filter_map(|id| {
        let usage = containers.usage(id)?;
        let measured = views::agent::Usage {
            statistics: Some(statistics(&usage, now)),
            status: status(&usage, containers.networks(id)),
        };
        Some((id.clone(), measured))
    });
    measured.collect()
}

/// Returns the status of a container as far as the kernel has it.
fn status(usage: &containerizer::Usage, network_infos: Vec<v1::NetworkInfo>) -> Option<v1::ContainerStatus> {
    let net_cls = |classid| v1::CgroupInfo { net_cls: Some(v1::cgroup_info::NetCls { classid: Some(classid) }) };
    let cgroup_info = usage.net_cls_classid.map(net_cls).map(Box::new);
    let is_known = cgroup_info.is_some() || !network_infos.is_empty();
    is_known.then(|| v1::ContainerStatus { cgroup_info, network_infos, ..Default::default() })
}

fn blkio(devices: &[DeviceUsage]) -> Option<v1::cgroup_info::blkio::Statistics> {
    use v1::cgroup_info::blkio::{self, Operation};
    let values = |counts: &OperationCounts| {
        let pairs =
            [(Operation::Read, counts.read), (Operation::Write, counts.write), (Operation::Discard, counts.discard)];
        let total = (Operation::Total, counts.read.saturating_add(counts.write).saturating_add(counts.discard));
        let value = |(op, value)| blkio::Value { op: Some(op as i32), value: Some(value) };
        pairs.into_iter().chain([total]).map(value).collect()
    };
    let one = |device: &DeviceUsage| blkio::throttling::Statistics {
        device: Some(v1::device::Number { major_number: device.major, minor_number: device.minor }),
        io_serviced: values(&device.operations),
        io_service_bytes: values(&device.bytes),
    };
    let throttling: Vec<_> = devices.iter().map(one).collect();
    (!throttling.is_empty()).then(|| blkio::Statistics { throttling, ..Default::default() })
}

/// Adds the nested and the standalone containers that a GET_CONTAINERS asks for to its response, which has those of
/// executors.
pub fn add_nested(containers: &Containers, call: &GetContainersCall, response: &mut Response) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let own: Vec<get_containers::Container> =
        response.get_containers.as_ref().map(|own| own.containers.clone()).unwrap_or_default();
    let executor = |root: &ContainerId| own.iter().find(|own| own.container_id.value == root.as_str());
    let wanted = containers.nested().into_iter().filter_map(|(id, pid)| {
        let executor = executor(&id.root());
        let is_nested = id.parent().is_some();
        // Containers that are nested in a standalone one belong to it.
        let shown = match executor {
            Some(_) => is_nested && call.show_nested(),
            None => call.show_standalone() && (!is_nested || call.show_nested()),
        };
        let usage = containers.usage(&id).filter(|_| shown)?;
        let status = v1::ContainerStatus {
            container_id: Some(Box::new(v1::ContainerId::from(&id))),
            executor_pid: Some(pid),
            network_infos: containers.networks(&id),
            ..v1::ContainerStatus::default()
        };
        Some(get_containers::Container {
            framework_id: executor.and_then(|executor| executor.framework_id.clone()),
            executor_id: executor.and_then(|executor| executor.executor_id.clone()),
            executor_name: executor.and_then(|executor| executor.executor_name.clone()),
            container_id: v1::ContainerId::from(&id),
            container_status: Some(Box::new(status)),
            resource_statistics: Some(Box::new(statistics(&usage, now))),
        })
    });
    let found: Vec<get_containers::Container> = wanted.collect();
    if !found.is_empty() {
        response.get_containers.get_or_insert_default().containers.extend(found);
    }
}

fn disk_statistics(volume: &VolumeUsage) -> v1::DiskStatistics {
    v1::DiskStatistics {
        persistence: Some(v1::resource::disk_info::Persistence { id: volume.id.clone(), principal: None }),
        used_bytes: volume.used,
        limit_bytes: volume.limit,
        ..v1::DiskStatistics::default()
    }
}

fn statistics(usage: &containerizer::Usage, now: f64) -> v1::ResourceStatistics {
    let small = |count: Option<u64>| count.and_then(|count| u32::try_from(count).ok());
    v1::ResourceStatistics {
        timestamp: now,
        processes: small(usage.processes),
        threads: small(usage.threads),
        cpus_user_time_secs: usage.cpus_user_secs,
        cpus_system_time_secs: usage.cpus_system_secs,
        cpus_soft_limit: usage.cpus_soft_limit,
        cpus_limit: usage.cpus_limit,
        cpus_nr_periods: small(usage.cpus_nr_periods),
        cpus_nr_throttled: small(usage.cpus_nr_throttled),
        cpus_throttled_time_secs: usage.cpus_throttled_secs,
        mem_total_bytes: usage.mem_total_bytes,
        mem_rss_bytes: usage.mem_rss_bytes,
        mem_file_bytes: usage.mem_file_bytes,
        mem_anon_bytes: usage.mem_anon_bytes,
        mem_mapped_file_bytes: usage.mem_mapped_file_bytes,
        mem_swap_bytes: usage.mem_swap_bytes,
        mem_limit_bytes: usage.mem_limit_bytes,
        mem_soft_limit_bytes: usage.mem_soft_limit_bytes,
        disk_used_bytes: usage.disk_used_bytes,
        disk_limit_bytes: usage.disk_limit_bytes,
        blkio_statistics: blkio(&usage.devices).map(Box::new),
        net_rx_packets: usage.network.map(|network| network.received.packets),
        net_rx_bytes: usage.network.map(|network| network.received.bytes),
        net_rx_errors: usage.network.map(|network| network.received.errors),
        net_rx_dropped: usage.network.map(|network| network.received.dropped),
        net_tx_packets: usage.network.map(|network| network.sent.packets),
        net_tx_bytes: usage.network.map(|network| network.sent.bytes),
        net_tx_errors: usage.network.map(|network| network.sent.errors),
        net_tx_dropped: usage.network.map(|network| network.sent.dropped),
        perf: usage.perf.as_ref().map(|perf| Box::new(perf_statistics(perf))),
        disk_statistics: usage.volumes.iter().map(disk_statistics).collect(),
        ..Default::default()
    }
}
