//! `--resources`, completed from the machine.

use std::path::Path;

use agent_server::detect_resources;

use crate::commands::CommandError;

/// The ports that are offered if `--resources` names none.
const PORTS: &str = "ports:[31000-32000]";

/// Returns `--resources`, with the resources that it does not name detected from the machine.
pub fn complete(
    given: Option<&str>,
    default_role: &str,
    work_dir: &Path,
) -> Result<resources::Resources, CommandError> {
    let parse = |text: &str| {
        resources::Resources::parse(text, default_role).map_err(|e| {
            CommandError::message(format!("--resources: {e}; expected e.g. cpus:4;mem:8192;ports:[31000-32000]"))
        })
    };
    let mut resources = parse(given.unwrap_or_default())?;
    let machine = detect_resources(work_dir);
    let named: Vec<String> = resources.to_proto().into_iter().map(|r| r.name).collect();
    let detected = [
        ("cpus", format!("cpus:{}", machine.cpus)),
        ("mem", format!("mem:{}", machine.mem_mb)),
        ("disk", format!("disk:{}", machine.disk_mb)),
        ("ports", PORTS.to_owned()),
    ];
    for (name, text) in detected {
        if !named.iter().any(|n| n == name) {
            resources += &parse(&text)?;
        }
    }
    Ok(resources)
}

/// Returns a number of GPUs as a resource; empty for none.
pub fn gpus(count: usize, default_role: &str) -> resources::Resources {
    let text = if count > 0 { format!("gpus:{count}") } else { String::new() };
    resources::Resources::parse(&text, default_role).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_resources_are_not_detected_over() {
        let complete = complete(Some("cpus:0.5;mem:64"), "*", Path::new("/")).expect("valid");
        let text: Vec<String> = complete.to_proto().into_iter().map(|r| r.name).collect();
        assert_eq!(complete.cpus(), 0.5);
        for name in ["disk", "mem", "ports"] {
            assert!(text.iter().any(|n| n == name), "{name} missing in {text:?}");
        }
    }
}
