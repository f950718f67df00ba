//! The Prometheus text form of metrics.
//!
//! Names become `mesos_<name>` with base units (seconds, bytes, ratios), counters end in
//! `_total`, and what Mesos writes into names (frameworks, roles, states, quantiles)
//! becomes labels, so that one family holds what belongs together.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const MEGABYTE: f64 = 1_048_576.0;

/// One sample's family and labels.
#[derive(Debug, PartialEq)]
struct Sample {
    family: String,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// Exposition format 0.0.4 of metrics as [`super::master`] and [`super::agent`] return them.
pub fn text(metrics: &[(String, f64)]) -> String {
    let mut families: BTreeMap<String, (Kind, &str, Vec<Sample>)> = BTreeMap::new();
    for (name, value) in metrics {
        let (kind, sample) = sample(name, *value);
        families.entry(sample.family.clone()).or_insert_with(|| (kind, name, Vec::new())).2.push(sample);
    }
    let mut out = String::with_capacity(metrics.len() * 128);
    for (family, (kind, name, samples)) in &families {
        let kind = if *kind == Kind::Counter { "counter" } else { "gauge" };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {family} Mesos metric {}.", without_labels(name));
        let _ = writeln!(out, "# TYPE {family} {kind}");
        for sample in samples {
            let _ = writeln!(out, "{family}{} {}", labels(&sample.labels), sample.value);
        }
    }
    out
}

fn labels(labels: &[(&str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", labels.join(","))
}

fn sample(name: &str, value: f64) -> (Kind, Sample) {
    let (stem, labels) = split(name);
    let kind = if is_counter(name) { Kind::Counter } else { Kind::Gauge };
    let (stem, value) = in_base_units(&stem, value);
    let mut family = format!("mesos_{}", stem.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    if kind == Kind::Counter && !family.ends_with("_total") {
        family.push_str("_total");
    }
    (kind, Sample { family, labels, value })
}

/// The name with its variable parts as labels.
fn split(name: &str) -> (String, Vec<(&'static str, String)>) {
    let parts: Vec<&str> = name.split('/').collect();
    let label = |name, value: &str| (name, value.to_owned());
    match parts.as_slice() {
        ["master", "frameworks", framework, id, rest @ ..] => {
            let (stem, more) = split(&rest.join("/"));
            let labels = vec![label("framework", framework), label("framework_id", id)];
            (format!("master/framework/{stem}"), [labels, more].concat())
        }
        ["master", state, source, reason] if state.starts_with("task_") && source.starts_with("source_") => {
            let labels = vec![label("state", state), label("source", source), label("reason", reason)];
            ("master/task_ends".to_owned(), labels)
        }
        ["tasks", kind @ ("active" | "terminal"), state] => (format!("tasks/{kind}"), vec![label("state", state)]),
        [kind @ ("calls" | "events" | "operations"), of_type] => {
            (format!("{kind}/by_type"), vec![label("type", of_type)])
        }
        // A role may hold slashes.
        [before @ .., "suppressed" | "active" | "dominant"] if before.contains(&"roles") => {
            let at = before.iter().position(|part| *part == "roles").unwrap_or_default();
            let (stem, role) = before.split_at(at);
            let role: Vec<&str> = role.iter().skip(1).copied().filter(|part| *part != "shares").collect();
            let last = parts.last().copied().unwrap_or_default();
            ([stem, &["roles", last]].concat().join("/"), vec![label("role", &role.join("/"))])
        }
        [stem @ .., quantile] if stem.last().is_some_and(|last| last.ends_with("_ms")) => match quantile_of(quantile) {
            Some(value) => {
                (format!("{}_quantiles_ms", stem.join("/").trim_end_matches("_ms")), vec![label("quantile", &value)])
            }
            None if *quantile == "count" => (format!("{}_count", stem.join("/").trim_end_matches("_ms")), Vec::new()),
            None => (format!("{}_{quantile}_ms", stem.join("/").trim_end_matches("_ms")), Vec::new()),
        },
        _ => (name.to_owned(), Vec::new()),
    }
}

/// `p999` as `0.999`.
fn quantile_of(name: &str) -> Option<String> {
    let digits = name.strip_prefix('p')?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| format!("0.{}", digits.trim_end_matches('0')))
}

/// For the help text, which one family has once.
fn without_labels(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        ["master", "frameworks", _, _, rest @ ..] => format!("master/frameworks/<name>/<id>/{}", rest.join("/")),
        _ => name.to_owned(),
    }
}

/// Mesos' seconds, milliseconds, megabytes and (mis-named) percents.
fn in_base_units(stem: &str, value: f64) -> (String, f64) {
    let is_size = |of: &str| stem.contains(of) && (stem.ends_with("_total") || stem.ends_with("_used"));
    if let Some(stem) = stem.strip_suffix("_secs") {
        (format!("{stem}_seconds"), value)
    } else if let Some(stem) = stem.strip_suffix("_ms") {
        (format!("{stem}_seconds"), value / 1000.0)
    } else if let Some(stem) = stem.strip_suffix("_percent") {
        (format!("{stem}_ratio"), value)
    } else if is_size("/mem_") || is_size("/disk_") {
        (format!("{stem}_bytes"), value * MEGABYTE)
    } else if let [before @ .., resource @ ("mem" | "disk"), "total" | "offered_or_allocated"] =
        stem.split('/').collect::<Vec<_>>().as_slice()
        && before.contains(&"resources")
    {
        let last = stem.rsplit('/').next().unwrap_or_default();
        (format!("{}/{resource}/{last}_bytes", before.join("/")), value * MEGABYTE)
    } else {
        (stem.to_owned(), value)
    }
}

/// What only grows. The rest may go down.
fn is_counter(name: &str) -> bool {
    const ENDED: [&str; 8] = ["finished", "failed", "killed", "error", "lost", "dropped", "gone", "gone_by_operator"];
    const GROWING: [&str; 14] = [
        "master/messages_",
        "master/valid_",
        "master/invalid_",
        "master/slave_registrations",
        "master/slave_reregistrations",
        "master/slave_removals",
        "master/slave_shutdowns_",
        "master/slave_unreachable_",
        "master/recovery_slave_removals",
        "master/dropped_messages",
        "master/http_cache_hits",
        "slave/valid_",
        "slave/invalid_",
        "allocator/mesos/allocation_runs",
    ];
    const GROWING_ON_AGENTS: [&str; 9] = [
        "slave/container_launch_errors",
        "slave/executors_terminated",
        "slave/executors_preempted",
        "slave/recovery_errors",
        "gc/path_removals_failed",
        "gc/path_removals_succeeded",
        "containerizer/fetcher/task_fetches_failed",
        "containerizer/fetcher/task_fetches_succeeded",
        "containerizer/mesos/container_destroy_errors",
    ];
    let of_tasks = name.strip_prefix("master/tasks_").or_else(|| name.strip_prefix("slave/tasks_"));
    let parts: Vec<&str> = name.split('/').collect();
    let of_framework = match parts.as_slice() {
        ["master", "frameworks", _, _, "calls" | "events" | "offers" | "operations", ..] => true,
        ["master", "frameworks", _, _, "tasks", "terminal", _] => true,
        _ => false,
    };
    let of_cause = matches!(parts.as_slice(), ["master", state, source, _]
        if state.starts_with("task_") && source.starts_with("source_"));
    of_tasks.is_some_and(|state| ENDED.contains(&state))
        || of_framework
        || of_cause
        || name.ends_with("_ms/count")
        || GROWING.iter().any(|prefix| name.starts_with(prefix))
        || GROWING_ON_AGENTS.contains(&name)
}
