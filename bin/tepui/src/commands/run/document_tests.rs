//! Tests that docs/running.md tells the truth about the flags of `tepui run`: which field of which message each becomes.

use clap::Parser;
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    run: Run,
}

const GUIDE: &str = include_str!("../../../../../docs/running.md");

/// Arguments that use a flag. A flag that is not listed is only checked for its existence (`document_tests` of the
/// commands).
const USES: &[(&str, &[&str])] = &[
    ("--image", &["--image=busybox"]),
    ("--entrypoint", &["--image=busybox", "--entrypoint=/bin/x"]),
    ("--read-only", &["--image=busybox", "--read-only"]),
    ("--tmpfs", &["--image=busybox", "--tmpfs=/run"]),
    ("--user", &["--user=root"]),
    ("-u", &["-u", "root"]),
    ("--env", &["--env=A=b"]),
    ("-e", &["-e", "PATH"]),
    ("--volume", &["--volume=/a:/b"]),
    ("-v", &["-v", "/b"]),
    ("--mount", &["--mount=type=bind,src=/c,dst=/d"]),
    ("--network", &["--network=net"]),
    ("--publish", &["--network=net", "--publish=8080:80"]),
    ("-p", &["--network=net", "-p", "8080:80"]),
    ("--hostname", &["--hostname=h"]),
    ("--gpus", &["--gpus=1"]),
    ("--shm-size", &["--shm-size=64m"]),
    ("--cap-add", &["--cap-add=NET_RAW"]),
    ("--cap-drop", &["--cap-drop=ALL"]),
    ("--health-cmd", &["--health-cmd=true"]),
    ("--health-interval", &["--health-cmd=true", "--health-interval=1m"]),
    ("--health-timeout", &["--health-cmd=true", "--health-timeout=1m"]),
    ("--health-retries", &["--health-cmd=true", "--health-retries=2"]),
    ("--health-start-period", &["--health-cmd=true", "--health-start-period=1m"]),
    ("--stop-timeout", &["--stop-timeout=10"]),
    ("--label", &["--label=a=b"]),
    ("-l", &["-l", "a=b"]),
    ("--uri", &["--uri=http://h/f"]),
];

/// Returns the task as JSON, without fields that are not set.
fn read(arguments: &[&str]) -> Result<Value, String> {
    let arguments = std::iter::once("run").chain(arguments.iter().copied()).chain(["--", "true"]);
    let parsed = Command::try_parse_from(arguments).map_err(|error| error.to_string())?;
    let tasks = tasks(&parsed.run).map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(&wire::json::encode(&tasks[0])).unwrap())
}

/// Returns the code in a cell of a table.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Returns the place in a task of a field such as `LinuxInfo.shm_size`; `None` for other code.
fn pointer(field: &str) -> Option<String> {
    let (message, path) = field.split_once('.')?;
    let start = match message {
        "TaskInfo" => "",
        "CommandInfo" => "/command",
        "ContainerInfo" => "/container",
        "LinuxInfo" => "/container/linux_info",
        _ => return None,
    };
    Some(format!("{start}/{}", path.replace('.', "/")))
}

#[test]
fn each_flag_becomes_the_field_that_the_guide_names() {
    let rows: Vec<(&str, &str)> = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "))
        .filter(|(flags, _)| flags.starts_with("`-"))
        .collect();
    assert!(rows.len() > 12, "the test finds {} rows only", rows.len());
    let plain = read(&[]).unwrap();
    let mut checked = 0;
    for (flags, message) in rows {
        if message.contains("refused") {
            for flag in code(flags) {
                let arguments: Vec<&str> = flag.split(' ').collect();
                assert!(read(&arguments).is_err(), "{flag} is not refused");
                checked += 1;
            }
            continue;
        }
        let resource = message.strip_prefix("the resource ").map(|rest| code(rest)[0]);
        let fields: Vec<String> = code(message).into_iter().filter_map(pointer).collect();
        for flag in code(flags) {
            let Some((_, arguments)) = USES.iter().find(|(name, _)| *name == flag) else { continue };
            let task = read(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
            for field in fields.iter().take(1) {
                let (given, before) = (task.pointer(field), plain.pointer(field));
                assert!(given.is_some() && given != before, "{flag} does not fill {field}: {task}");
                checked += 1;
            }
            if let Some(name) = resource {
                let resources = task["resources"].as_array().unwrap();
                assert!(resources.iter().any(|resource| resource["name"] == name), "{flag}: {task}");
                checked += 1;
            }
        }
    }
    assert!(checked > 25, "the test checks {checked} flags only");
}
