//! Measures the usage of containers and of the disk.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ::agent::{ContainerUsage, LoadAverage, MachineUsage};
use messages::v1;
use messages::v1::agent::Response;
use messages::v1::agent::call::GetContainers as GetContainersCall;
use messages::v1::agent::response::get_containers;
use model::ContainerId;

use super::containers::Containers;
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
        let measured = views::agent::Usage { statistics: Some(statistics(&usage, now)), status: None };
        Some((id.clone(), measured))
    });
    measured.collect()
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
        ..Default::default()
    }
}
