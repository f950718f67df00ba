//! Describes in a sentence what an agent does not isolate.

use tepui_client::{Address, get_json};

/// Returns the isolation that is missing if an agent isolates according to `--isolation`; `None` if nothing is missing.
pub fn missing(isolation: &str) -> Option<String> {
    let given: Vec<&str> = isolation.split(',').map(str::trim).collect();
    // `cgroups/all` stands for all controllers of the machine.
    let limits = |name: &str| given.contains(&name) || given.contains(&"cgroups/all");
    let unlimited = match (limits("cgroups/cpu"), limits("cgroups/mem")) {
        (true, true) => None,
        (false, true) => Some("cpu is not limited"),
        (true, false) => Some("memory is not limited"),
        (false, false) => Some("cpu and memory are not limited"),
    };
    let together = (!given.contains(&"namespaces/pid")).then_some("tasks see each other's processes");
    match (unlimited, together) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
        (Some(one), Some(other)) => Some(format!("{one}, and {other}")),
    }
}

/// Asks an agent. Returns `None` also if it does not answer.
pub async fn missing_on(agent: &Address) -> Option<String> {
    let answer = get_json(agent, "/flags").await.ok()?;
    missing(answer["flags"]["isolation"].as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_isolation_is_reported() {
        let check =
            |isolation: &str, expect: Option<&str>| assert_eq!(missing(isolation).as_deref(), expect, "{isolation}");
        check("cgroups/cpu,cgroups/mem,cgroups/pids,namespaces/pid,posix/rlimits", None);
        check("cgroups/all, namespaces/pid", None);
        check("posix/cpu,posix/mem", Some("cpu and memory are not limited, and tasks see each other's processes"));
        check("cgroups/cpu,cgroups/mem", Some("tasks see each other's processes"));
    }
}
