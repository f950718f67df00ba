//! The Prometheus text form of metrics.
//!
//! Names become `mesos_<name>` with base units (seconds, bytes, ratios), counters end in `_total`, and the variable
//! parts of Mesos' names (frameworks, roles, states, quantiles) become labels, so that related samples are in one
//! family.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::{MetricKind as Kind, agent, master};

const MEGABYTE: f64 = 1_048_576.0;

/// The family and the labels of one sample.
#[derive(Debug, PartialEq)]
struct Sample {
    family: String,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

/// Writes metrics, as [`super::master`] and [`super::agent`] return them, in the exposition format 0.0.4.
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
        let _ = writeln!(out, "# HELP {family} Mesos metric {}.", escaped(&without_labels(name)));
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
    let quoted = |value: &str| escaped(value).replace('"', "\\\"");
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
    format!("{{{}}}", labels.join(","))
}

/// Escapes the characters that would end a line. Principals, roles and names of resources come from outside.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn sample(name: &str, value: f64) -> (Kind, Sample) {
    let (stem, labels) = split(name);
    let kind = kind(name);
    let (stem, value) = in_base_units(&stem, value);
    let mut family = format!("mesos_{}", stem.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    if kind == Kind::Counter && !family.ends_with("_total") {
        family.push_str("_total");
    }
    (kind, Sample { family, labels, value })
}

/// Splits a name into the family and its variable parts as labels.
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
        // Principals and roles may contain slashes.
        ["frameworks", principal @ .., count @ ("messages_received" | "messages_processed")] => {
            (format!("frameworks/{count}"), vec![label("principal", &principal.join("/"))])
        }
        ["allocator", "mesos", "quota", "roles", role @ .., "resources", resource, amount] => {
            let stem = format!("allocator/mesos/quota/roles/resources/{resource}/{amount}");
            (stem, vec![label("role", &role.join("/"))])
        }
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

/// Returns `0.999` for `p999`.
fn quantile_of(name: &str) -> Option<String> {
    let digits = name.strip_prefix('p')?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| format!("0.{}", digits.trim_end_matches('0')))
}

/// Returns the name for the help text, which a family has once.
fn without_labels(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        ["master", "frameworks", _, _, rest @ ..] => format!("master/frameworks/<name>/<id>/{}", rest.join("/")),
        ["frameworks", .., count] => format!("frameworks/<principal>/{count}"),
        ["allocator", "mesos", "quota", "roles", .., "resources", resource, amount] => {
            format!("allocator/mesos/quota/roles/<role>/resources/{resource}/{amount}")
        }
        _ => name.to_owned(),
    }
}

/// Converts Mesos' seconds, milliseconds, megabytes and (wrongly named) percents to base units.
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
    } else if let [before @ .., resource @ ("mem" | "disk"), amount] = stem.split('/').collect::<Vec<_>>().as_slice()
        && before.last() == Some(&"resources")
    {
        (format!("{}/{resource}/{amount}_bytes", before.join("/")), value * MEGABYTE)
    } else {
        (stem.to_owned(), value)
    }
}

/// Returns whether a metric only grows; all others may fall. The tables of the cores say it of each metric with a fixed
/// name; of those with a composed name, the number of events is a counter.
fn kind(name: &str) -> Kind {
    let tables = [master::Metrics::DEFINITIONS, agent::Metrics::DEFINITIONS];
    let defined = tables.into_iter().flatten().find(|definition| definition.name == name);
    let parts: Vec<&str> = name.split('/').collect();
    let of_framework = matches!(
        parts.as_slice(),
        ["master", "frameworks", _, _, "calls" | "events" | "offers" | "operations", ..]
            | ["master", "frameworks", _, _, "tasks", "terminal", _]
    );
    let of_cause = matches!(parts.as_slice(), ["master", state, source, _]
        if state.starts_with("task_") && source.starts_with("source_"));
    match defined {
        Some(definition) => definition.kind,
        None if of_framework || of_cause || name.ends_with("_ms/count") => Kind::Counter,
        None => Kind::Gauge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mesos_names_become_families_with_units_and_labels() {
        let check = |name: &str, value: f64, expect: &str| {
            let text = text(&[(name.to_owned(), value)]);
            let sample = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
            assert_eq!(sample, expect);
        };
        check("master/tasks_running", 3.0, "mesos_master_tasks_running 3");
        check("master/tasks_finished", 3.0, "mesos_master_tasks_finished_total 3");
        check("master/uptime_secs", 1.5, "mesos_master_uptime_seconds 1.5");
        check("master/cpus_total", 8.0, "mesos_master_cpus_total 8");
        check("master/cpus_percent", 0.5, "mesos_master_cpus_ratio 0.5");
        check("master/mem_used", 2.0, "mesos_master_mem_used_bytes 2097152");
        check("slave/disk_revocable_total", 1.0, "mesos_slave_disk_revocable_total_bytes 1048576");
        check("allocator/mesos/resources/mem/total", 1.0, "mesos_allocator_mesos_resources_mem_total_bytes 1048576");
        check("registrar/state_store_ms", 250.0, "mesos_registrar_state_store_seconds 0.25");
        check(
            "registrar/state_store_ms/p999",
            250.0,
            r#"mesos_registrar_state_store_quantiles_seconds{quantile="0.999"} 0.25"#,
        );
        check("registrar/state_store_ms/max", 250.0, "mesos_registrar_state_store_max_seconds 0.25");
        check("registrar/state_store_ms/count", 2.0, "mesos_registrar_state_store_count_total 2");
        check(
            "master/frameworks/my%20fw/id-1/tasks/terminal/task_lost",
            1.0,
            r#"mesos_master_framework_tasks_terminal_total{framework="my%20fw",framework_id="id-1",state="task_lost"} 1"#,
        );
        check(
            "master/frameworks/fw/id-1/roles/a/b/suppressed",
            1.0,
            r#"mesos_master_framework_roles_suppressed{framework="fw",framework_id="id-1",role="a/b"} 1"#,
        );
        check(
            "master/frameworks/fw/id-1/calls/accept",
            1.0,
            r#"mesos_master_framework_calls_by_type_total{framework="fw",framework_id="id-1",type="accept"} 1"#,
        );
        check(
            "master/task_failed/source_slave/reason_container_limitation_memory",
            1.0,
            r#"mesos_master_task_ends_total{state="task_failed",source="source_slave",reason="reason_container_limitation_memory"} 1"#,
        );
        check(
            "allocator/mesos/roles/a/b/shares/dominant",
            0.25,
            r#"mesos_allocator_mesos_roles_dominant{role="a/b"} 0.25"#,
        );
        check(
            "allocator/mesos/quota/roles/a/b/resources/mem/consumed",
            1.0,
            r#"mesos_allocator_mesos_quota_roles_resources_mem_consumed_bytes{role="a/b"} 1048576"#,
        );
        check("frameworks/a/b/messages_received", 2.0, r#"mesos_frameworks_messages_received{principal="a/b"} 2"#);
    }

    #[test]
    fn what_only_grows_is_a_counter() {
        let check = |name: &str, expect: &str| {
            let text = text(&[(name.to_owned(), 1.0)]);
            let kind =
                text.lines().find(|line| line.starts_with("# TYPE")).and_then(|line| line.split(' ').next_back());
            assert_eq!(kind, Some(expect), "{name}");
        };
        let counters = [
            "master/failures/detected",
            "master/failures/agents_not_held",
            "master/failures/notifications_sent",
            "master/partition_preemptions",
            "master/tasks_lost",
            "master/task_lost/source_slave/reason_slave_removed",
            "master/frameworks/a/b/offers/sent",
            "slave/executors_preempted",
            "registrar/state_store_ms/count",
        ];
        let gauges = [
            "master/failures/open",
            "master/failures/agents_held",
            "master/operations/pending",
            "master/tasks_unreachable",
            "slave/executors_running",
            "registrar/state_store_ms/max",
        ];
        counters.iter().for_each(|name| check(name, "counter"));
        gauges.iter().for_each(|name| check(name, "gauge"));
    }

    #[test]
    fn help_and_type_are_printed_once_per_family() {
        let metric = |id: &str| (format!("master/frameworks/fw/{id}/subscribed"), 1.0);
        assert_eq!(
            text(&[metric("a"), metric("b\"")]),
            "# HELP mesos_master_framework_subscribed Mesos metric master/frameworks/<name>/<id>/subscribed.\n\
             # TYPE mesos_master_framework_subscribed gauge\n\
             mesos_master_framework_subscribed{framework=\"fw\",framework_id=\"a\"} 1\n\
             mesos_master_framework_subscribed{framework=\"fw\",framework_id=\"b\\\"\"} 1\n"
        );
    }

    #[test]
    fn labels_and_help_are_escaped() {
        let metrics = ["frameworks/a\nb/messages_received", "allocator/mesos/resources/a\nb/total"];
        for metric in metrics {
            let text = text(&[(metric.to_owned(), 1.0)]);
            assert_eq!(text.lines().count(), 3, "{text}");
        }
    }
}
