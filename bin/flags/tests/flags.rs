//! Flags as people and start scripts give them.

use std::collections::BTreeSet;

use flags::{AGENT, Definition, EXECUTE, LOCAL, MASTER, Parsed, parse};

fn given(definition: &'static Definition, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Parsed, String> {
    parse(
        definition,
        arguments.iter().map(|a| (*a).to_owned()),
        environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
    )
    .map_err(|e| e.to_string())
}

#[test]
fn values_come_from_the_command_line_then_the_environment_then_the_default() {
    let check = |arguments: &[&str], environment: &[(&str, &str)], expect: &str| {
        let parsed = given(&MASTER, arguments, environment).expect("valid flags");
        assert_eq!(parsed.get("port"), Some(expect), "{arguments:?} {environment:?}");
    };
    check(&[], &[], "5050");
    check(&[], &[("MESOS_PORT", "1")], "1");
    check(&["--port=2"], &[("MESOS_PORT", "1")], "2");
    check(&["--port", "3"], &[], "3");
    check(&[], &[("MESOS_SOMETHING_ELSE", "x"), ("PORT", "9")], "5050");
}

#[test]
fn switches_have_all_the_forms_of_mesos() {
    let check = |arguments: &[&str], expect: bool| {
        let parsed = given(&MASTER, arguments, &[]).expect("valid flags");
        assert_eq!(parsed.bool("root_submissions"), expect, "{arguments:?}");
    };
    check(&[], true);
    check(&["--no-root_submissions"], false);
    check(&["--root_submissions=false"], false);
    check(&["--root_submissions=0"], false);
    check(&["--root-submissions"], true);
}

#[test]
fn mistakes_are_named() {
    let check = |arguments: &[&str], expect: &str| {
        let error = given(&MASTER, arguments, &[]).expect_err("must be refused");
        assert!(error.contains(expect), "{arguments:?}: {error}");
    };
    check(&["--prot=1"], "did you mean '--port'?");
    check(&["--port=x"], "invalid value 'x' for '--port': expected a whole number");
    check(&["--port"], "needs a value");
    check(&["--port=1", "--port=2"], "more than once");
    check(&["5050"], "unexpected argument '5050'");
    check(&["--no-root_submissions=1"], "takes no value");
    check(&["--agent_ping_timeout=15"], "expected a number and a unit");
    check(&["--authenticate_frameworks"], "not supported: authentication");
    check(&["--cluster=file:///does/not/exist"], "cannot read the value of '--cluster'");
}

#[test]
fn what_has_no_effect_says_so() {
    let parsed = given(&MASTER, &["--quorum=2", "--slave_ping_timeout=20secs"], &[]).expect("valid flags");
    assert_eq!(
        parsed.warnings,
        [
            "--slave_ping_timeout is a deprecated name: use --agent_ping_timeout",
            "--quorum has no effect: the registry is kept by ZooKeeper, which has its own quorum"
        ]
    );
    assert_eq!(parsed.duration("agent_ping_timeout").map(|d| d.as_secs()), Some(20));
}

#[test]
fn a_file_stands_for_its_content() {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    std::fs::write(file.path(), "from a file\n").expect("write");
    let url = format!("--cluster=file://{}", file.path().display());
    let parsed = given(&MASTER, &[&url], &[]).expect("valid flags");
    assert_eq!(parsed.get("cluster"), Some("from a file"));
}

/// Inventory section 10: 71 master flags, 160 agent flags, 29 of mesos-execute, without `version`, `help` and logging.
#[test]
fn every_flag_of_mesos_is_known_once() {
    let count = |definition: &Definition, logging: usize| {
        let names: BTreeSet<&str> = definition.flags().map(|f| f.name).collect();
        assert_eq!(names.len(), definition.flags().count(), "{} has a flag twice", definition.program);
        names.len() - logging
    };
    // Of ours: --failure_sinks and --recovery_policy.
    assert_eq!(count(&MASTER, 6 + 2), 70);
    assert_eq!(count(&AGENT, 6), 159);
    assert_eq!(count(&EXECUTE, 6), 29);
    assert!(LOCAL.find("num_slaves").is_some());
}

#[test]
fn defaults_are_valid_values() {
    for definition in [&MASTER, &AGENT, &EXECUTE, &LOCAL] {
        for flag in definition.flags() {
            if let Some(default) = flag.default {
                let argument = format!("--{}={default}", flag.name);
                let parsed = given(definition, &[&argument], &[]).expect("a default is valid");
                assert!(parsed.warnings.is_empty(), "{argument}: {:?}", parsed.warnings);
            }
        }
    }
}

#[test]
fn the_listing_shows_what_has_a_value() {
    let parsed = given(&AGENT, &["--work_dir=/w"], &[]).expect("valid flags");
    let listing = parsed.listing();
    assert!(listing.contains(&("work_dir".to_owned(), "/w".to_owned())));
    assert!(listing.contains(&("recover".to_owned(), "reconnect".to_owned())));
    assert!(!listing.iter().any(|(name, _)| name == "attributes"));
}
