//! Tests that every flag whose value has a grammar refuses other values before anything is started.

use std::ffi::OsString;

use flags::{AgentFlags, ExecuteFlags, Flag, Invocation, Kind, MasterFlags, Parsed, Program, Support};

/// Flags that accept any text: names, commands and paths. `--master` is resolved, and `--isolation` is compared with
/// the machine, when the agent starts.
const FREE: [&str; 18] = [
    "ip_discovery_command",
    "hostname",
    "cluster",
    "master",
    "isolation",
    "fair_sharing_excluded_resource_names",
    "command",
    "name",
    "principal",
    "role",
    "frameworks_home",
    "env",
    "docker_image",
    "appc_image",
    "networks",
    "package",
    "hadoop",
    "hdfs",
];

/// Values that are valid for a flag: an attribute or a directory may have any name, and as in Mesos unknown fields of
/// messages are ignored.
const ACCEPTED: [(&str, &[&str]); 7] = [
    ("attributes", &["a//b:=", "-1:-1"]),
    ("default_role", &["\u{1}[{=;"]),
    ("cgroups_root", &["\u{1}[{=;", "a//b:=", "-1:-1"]),
    ("rlimits", &["{\"nonsense\":0}", "{\"capabilities\":-1}"]),
    ("effective_capabilities", &["{\"nonsense\":0}"]),
    ("bounding_capabilities", &["{\"nonsense\":0}"]),
    // The file also has settings of other programs, which are ignored.
    ("docker_config", &["{\"nonsense\":0}", "{\"capabilities\":-1}"]),
];

fn parsed<P: Program>(argument: &str, others: &[&str]) -> Result<Parsed<P>, String> {
    let arguments = others.iter().chain([&argument]).map(OsString::from);
    match flags::parse(arguments, []) {
        Ok(Invocation::Run(parsed)) => Ok(parsed),
        Ok(_) => Err("help".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn samples(flag: &Flag) -> &'static [&'static str] {
    match flag.kind {
        Kind::Text => &["\u{1}[{=;", "a//b:=", "..", "-1:-1"],
        Kind::List => &["a//b:=", "..", "-1:-1"],
        Kind::Json => &["[1]", "[[]]", "{\"nonsense\":0}", "{\"capabilities\":-1}"],
        _ => &[],
    }
}

fn check<P: Program>(others: &[&str], start: impl Fn(&Parsed<P>) -> Result<(), String>) {
    let mut faults = Vec::new();
    let flags = P::DEFINITION.flags();
    for flag in flags.filter(|flag| flag.support == Support::Supported && !FREE.contains(&flag.name)) {
        for value in samples(flag) {
            let argument = format!("--{}={value}", flag.name);
            match parsed(&argument, others).and_then(|parsed| start(&parsed)) {
                Ok(()) if ACCEPTED.iter().any(|(name, values)| *name == flag.name && values.contains(value)) => {}
                Ok(()) => faults.push(format!("{argument} is accepted")),
                Err(said) if !said.contains(flag.name) && !said.contains("weight") => {
                    faults.push(format!("{argument} is not named: {said}"));
                }
                Err(_) => {}
            }
        }
    }
    assert!(faults.is_empty(), "{}: {faults:#?}", P::DEFINITION.program);
}

#[test]
fn a_master_refuses_malformed_values() {
    check::<MasterFlags>(&["--ip=127.0.0.1"], |parsed| {
        super::master::options(parsed).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn an_agent_refuses_malformed_values() {
    check::<AgentFlags>(&["--ip=127.0.0.1", "--master=127.0.0.1:5050", "--work_dir=/tmp"], |parsed| {
        super::agent::options(parsed).map(drop).map_err(|error| error.to_string())
    });
}

#[test]
fn execute_refuses_malformed_values() {
    check::<ExecuteFlags>(&["--master=127.0.0.1:5050", "--name=n", "--command=true"], |parsed| {
        crate::commands::work_and_framework(&parsed.flags).map(drop).map_err(|error| error.to_string())
    });
}
