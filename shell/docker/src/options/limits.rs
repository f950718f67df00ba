//! Processors and memory: requests and limits of Mesos in Docker's terms.

use messages::v1;
use serde_json::{Map, Value};

/// The values of Mesos' `src/slave/containerizer/mesos/isolators/cgroups/constants.hpp`.
const SHARES_PER_CPU: f64 = 1024.0;
const MIN_SHARES: u64 = 2;
const PERIOD_MICROS: f64 = 100_000.0;
const MIN_QUOTA_MICROS: u64 = 1000;
const MEBIBYTE: f64 = 1024.0 * 1024.0;
const MIN_MEMORY: u64 = 32 << 20;

/// Returns the fields of a container's limits, as `docker run` and `docker update` take them: `CpuShares`, `CpuQuota`,
/// `Memory` and `MemoryReservation`. `resources` are what the container was allocated, and `limits` the upper bounds of
/// `cpus` and `mem` where they differ; infinity means none. With `cfs` the processors are limited without a bound, too.
/// With `limit_swap` memory and swap together are.
pub fn resource_limits(
    resources: &[v1::Resource],
    limits: &[v1::Resource],
    cfs: bool,
    limit_swap: bool,
) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: u64| {
        fields.insert(name.to_owned(), value.into());
    };
    let (cpus, cpu_limit) = (scalar(resources, "cpus"), scalar(limits, "cpus"));
    if let Some(cpus) = cpus {
        set("CpuShares", ((SHARES_PER_CPU * cpus) as u64).max(MIN_SHARES));
    }
    if let Some(cpus) = cpu_limit.or(cpus.filter(|_| cfs)).filter(|cpus| cpus.is_finite()) {
        set("CpuQuota", ((PERIOD_MICROS * cpus) as u64).max(MIN_QUOTA_MICROS));
    }
    let (memory, memory_limit) = (scalar(resources, "mem"), scalar(limits, "mem"));
    let hard = memory_limit.or(memory).filter(|memory| memory.is_finite()).map(bytes);
    if let Some(hard) = hard {
        set("Memory", hard);
        if limit_swap {
            set("MemorySwap", hard);
        }
    }
    if let (Some(_), Some(memory)) = (memory_limit, memory) {
        set("MemoryReservation", bytes(memory));
    }
    fields
}

/// Returns how much earlier than others the processes of a container are killed if the machine has no memory left
/// (`calculateOOMScoreAdj` of Mesos): a container that may use more than it was allocated. `None` for all others.
pub fn oom_score_adj(resources: &[v1::Resource], limits: &[v1::Resource], total_memory: u64) -> Option<i64> {
    let (request, limit) = (scalar(resources, "mem")?, scalar(limits, "mem")?);
    if request >= limit || total_memory == 0 {
        return None;
    }
    let share = (request * MEBIBYTE / total_memory as f64).clamp(0.0, 1.0);
    Some((1000.0 - 1000.0 * share) as i64)
}

fn bytes(mebibytes: f64) -> u64 {
    ((mebibytes * MEBIBYTE) as u64).max(MIN_MEMORY)
}

fn scalar(resources: &[v1::Resource], name: &str) -> Option<f64> {
    let of_name = resources.iter().filter(|resource| resource.name == name);
    of_name.filter_map(|resource| resource.scalar.as_ref()).map(|scalar| scalar.value).reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resources(values: &[(&str, f64)]) -> Vec<v1::Resource> {
        let one = |(name, value): &(&str, f64)| v1::Resource {
            name: (*name).to_owned(),
            r#type: v1::value::Type::Scalar as i32,
            scalar: Some(v1::value::Scalar { value: *value }),
            ..Default::default()
        };
        values.iter().map(one).collect()
    }

    #[test]
    fn limits_are_those_of_mesos() {
        let check = |given: &[(&str, f64)], limits: &[(&str, f64)], cfs: bool, expect: Value| {
            let found = resource_limits(&resources(given), &resources(limits), cfs, false);
            assert_eq!(Value::from(found), expect);
        };
        let mb = |count: u64| count << 20;
        check(&[("cpus", 1.5), ("mem", 64.0)], &[], false, json!({ "CpuShares": 1536, "Memory": mb(64) }));
        check(&[("cpus", 1.0), ("cpus", 0.1)], &[], true, json!({ "CpuShares": 1126, "CpuQuota": 110_000 }));
        check(&[("cpus", 0.001), ("mem", 1.0)], &[], false, json!({ "CpuShares": 2, "Memory": mb(32) }));
        check(
            &[("cpus", 1.0), ("mem", 64.0)],
            &[("cpus", 2.0), ("mem", 128.0)],
            false,
            json!({ "CpuShares": 1024, "CpuQuota": 200_000, "Memory": mb(128), "MemoryReservation": mb(64) }),
        );
        let unlimited = [("cpus", f64::INFINITY), ("mem", f64::INFINITY)];
        check(
            &[("cpus", 1.0), ("mem", 64.0)],
            &unlimited,
            true,
            json!({ "CpuShares": 1024, "MemoryReservation": mb(64) }),
        );
        let with_swap = resource_limits(&resources(&[("mem", 64.0)]), &[], false, true);
        assert_eq!(Value::from(with_swap), json!({ "Memory": mb(64), "MemorySwap": mb(64) }));
    }

    #[test]
    fn who_uses_more_than_allocated_goes_first() {
        let adj = |limit: &[(&str, f64)]| oom_score_adj(&resources(&[("mem", 256.0)]), &resources(limit), 1 << 30);
        assert_eq!(adj(&[]), None);
        assert_eq!(adj(&[("mem", 256.0)]), None);
        assert_eq!(adj(&[("mem", 512.0)]), Some(750));
        assert_eq!(adj(&[("mem", f64::INFINITY)]), Some(750));
    }
}
