//! The description of a process and its machine: `/version`, `/flags`, `/system/stats.json`.

use messages::v1;
use serde_json::{Map, Value, json};
use views::master::Build;

/// Renders `/version` as JSON, with the keys in the order of Mesos.
pub fn version(build: &Build) -> Vec<u8> {
    let mut object = Map::new();
    object.insert("build_date".to_owned(), json!(build.date));
    object.insert("build_time".to_owned(), json!(build.time));
    object.insert("build_user".to_owned(), json!(build.user));
    let optional = [("git_branch", &build.git_branch), ("git_sha", &build.git_sha), ("git_tag", &build.git_tag)];
    for (key, value) in optional {
        if let Some(value) = value {
            object.insert(key.to_owned(), json!(value));
        }
    }
    object.insert("version".to_owned(), json!(build.version));
    Value::Object(object).to_string().into_bytes()
}

/// Returns the description of the build as the operator call `GET_VERSION` sends it.
pub fn version_info(build: &Build) -> v1::VersionInfo {
    v1::VersionInfo {
        version: build.version.clone(),
        build_date: Some(build.date.clone()),
        build_time: Some(build.time),
        build_user: Some(build.user.clone()),
        git_sha: build.git_sha.clone(),
        git_branch: build.git_branch.clone(),
        git_tag: build.git_tag.clone(),
    }
}

/// Renders `/flags` as JSON.
pub fn flags(flags: &[(String, String)]) -> Vec<u8> {
    let flags: Map<String, Value> = flags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "flags": flags }).to_string().into_bytes()
}

/// Returns the flags as the operator call `GET_FLAGS` sends them.
pub fn flag_list(flags: &[(String, String)]) -> Vec<v1::Flag> {
    flags.iter().map(|(name, value)| v1::Flag { name: name.clone(), value: Some(value.clone()) }).collect()
}

/// The load, pressure and memory of the machine. Values that `/proc` does not have are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct System {
    /// The number of processors.
    pub cpus: f64,
    /// The load averages of 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// The share of the last five minutes, from 0 to 1, in which some task waited for a processor. `None` on kernels
    /// without pressure stall information (`psi=0`).
    pub cpu_waiting: Option<f64>,
    /// The memory in bytes.
    pub memory_total: Option<f64>,
    /// The free memory in bytes.
    pub memory_free: Option<f64>,
    /// The memory in bytes that is available without swapping.
    pub memory_available: Option<f64>,
}

impl System {
    /// Reads the values of now from `/proc`.
    pub fn read() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let pressure = std::fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        System {
            cpus: std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64),
            load: parse_load(&load),
            cpu_waiting: parse_pressure(&pressure),
            memory_total: parse_memory(&memory, "MemTotal:"),
            memory_free: parse_memory(&memory, "MemFree:"),
            memory_available: parse_memory(&memory, "MemAvailable:"),
        }
    }

    /// Returns the values under the names of the metrics.
    pub fn gauges(&self) -> Vec<(&'static str, f64)> {
        let mut gauges = vec![("system/cpus_total", self.cpus)];
        if let Some([one, five, fifteen]) = self.load {
            gauges.extend([("system/load_1min", one), ("system/load_5min", five), ("system/load_15min", fifteen)]);
        }
        gauges.extend(self.memory_free.map(|bytes| ("system/mem_free_bytes", bytes)));
        gauges.extend(self.memory_total.map(|bytes| ("system/mem_total_bytes", bytes)));
        gauges
    }

    /// Renders `/system/stats.json`.
    pub fn stats(&self) -> Vec<u8> {
        let mut object = Map::new();
        if let Some([one, five, fifteen]) = self.load {
            object.insert("avg_load_15min".to_owned(), json!(fifteen));
            object.insert("avg_load_1min".to_owned(), json!(one));
            object.insert("avg_load_5min".to_owned(), json!(five));
        }
        object.insert("cpus_total".to_owned(), json!(self.cpus as u64));
        if let Some(bytes) = self.memory_free {
            object.insert("mem_free_bytes".to_owned(), json!(bytes as u64));
        }
        if let Some(bytes) = self.memory_total {
            object.insert("mem_total_bytes".to_owned(), json!(bytes as u64));
        }
        Value::Object(object).to_string().into_bytes()
    }
}

fn parse_load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
}

/// Parses `/proc/pressure/cpu` (Documentation/accounting/psi.rst): the percentages of time in which some task waited.
fn parse_pressure(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let percent: f64 = some.split_whitespace().find_map(|field| field.strip_prefix("avg300="))?.parse().ok()?;
    Some(percent / 100.0)
}

fn parse_memory(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_parsed() {
        assert_eq!(parse_load("0.12 0.08 0.06 1/234 567\n"), Some([0.12, 0.08, 0.06]));
        assert_eq!(parse_load("0.12"), None);
        let pressure =
            "some avg10=1.53 avg60=1.87 avg300=12.50 total=188\nfull avg10=0.00 avg60=0.00 avg300=99.00 total=0\n";
        assert_eq!(parse_pressure(pressure), Some(0.125));
        assert_eq!(parse_pressure(""), None);
        assert_eq!(parse_memory("MemTotal:       16 kB\nMemFree: 8 kB\n", "MemFree:"), Some(8192.0));
        assert_eq!(parse_memory("", "MemFree:"), None);
    }
}
