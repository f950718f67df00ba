//! Flags as people and start scripts write them.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use flags::{
    AgentFlags, Bounds, DEFINITIONS, Definition, Error, ExecuteFlags, Flag, Invocation, Kind, LocalFlags, MasterFlags,
    Parsed, Program, Support, extremes, help, invalid_values, parse,
};

fn os(text: &str) -> OsString {
    OsString::from(text)
}

fn invoked<P: Program>(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Invocation<P>, Error> {
    parse(arguments.iter().map(|a| os(a)), environment.iter().map(|(name, value)| (os(name), os(value))))
}

fn given<P: Program>(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Parsed<P>, String> {
    match invoked(arguments, environment) {
        Ok(Invocation::Run(parsed)) => Ok(parsed),
        Ok(_) => Err("help or version was asked for".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn master(arguments: &[&str], environment: &[(&str, &str)]) -> Parsed<MasterFlags> {
    given(arguments, environment).expect("valid flags")
}

/// Returns why flags of any program are refused; the flags that it requires are added.
fn error_of(
    definition: &Definition,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
) -> Option<String> {
    fn error<P: Program>(arguments: Vec<OsString>, environment: Vec<(OsString, OsString)>) -> Option<String> {
        parse::<P>(arguments, environment).err().map(|error| error.to_string())
    }
    let mut arguments = arguments;
    let is_given = |name: &str, arguments: &[OsString]| {
        let prefix = format!("--{name}=");
        arguments.iter().any(|argument| argument.as_encoded_bytes().starts_with(prefix.as_bytes()))
    };
    for flag in definition.flags().filter(|flag| flag.required) {
        if !is_given(flag.name, &arguments) {
            arguments.push(os(&format!("--{}=x", flag.name)));
        }
    }
    match definition.program {
        "tepui master" => error::<MasterFlags>(arguments, environment),
        "tepui agent" => error::<AgentFlags>(arguments, environment),
        "tepui local" => error::<LocalFlags>(arguments, environment),
        _ => error::<ExecuteFlags>(arguments, environment),
    }
}

fn error_of_value(definition: &Definition, flag: &Flag, value: &str) -> Option<String> {
    error_of(definition, vec![os(&format!("--{}={value}", flag.name))], Vec::new())
}

fn all_flags() -> impl Iterator<Item = (Definition, &'static Flag)> {
    DEFINITIONS.into_iter().flat_map(|definition| definition.flags().map(move |flag| (definition, flag)))
}

#[test]
fn values_come_from_the_command_line_then_the_environment_then_the_default() {
    let check = |arguments: &[&str], environment: &[(&str, &str)], expect: u16| {
        assert_eq!(master(arguments, environment).flags.port, expect, "{arguments:?} {environment:?}");
    };
    check(&[], &[], 5050);
    check(&[], &[("MESOS_PORT", "1")], 1);
    check(&["--port=2"], &[("MESOS_PORT", "1")], 2);
    check(&["--port", "3"], &[], 3);
    check(&[], &[("MESOS_SOMETHING_ELSE", "x"), ("PORT", "9")], 5050);

    let environment = [("MESOS_AGENT_PING_TIMEOUT", "2secs"), ("MESOS_SLAVE_PING_TIMEOUT", "3secs")];
    for environment in [environment, [environment[1], environment[0]]] {
        assert_eq!(master(&[], &environment).flags.agent_ping_timeout.as_secs(), 2, "the current name wins");
    }
}

#[test]
fn boolean_flags_accept_all_forms_of_mesos() {
    let check = |arguments: &[&str], expect: bool| {
        assert_eq!(master(arguments, &[]).flags.root_submissions, expect, "{arguments:?}");
    };
    check(&[], true);
    check(&["--no-root_submissions"], false);
    check(&["--root_submissions=false"], false);
    check(&["--root_submissions=0"], false);
    check(&["--root-submissions"], true);
}

#[test]
fn invalid_input_is_named() {
    let check = |arguments: &[&str], expect: &str| {
        let error = given::<MasterFlags>(arguments, &[]).expect_err("must be refused");
        assert!(error.contains(expect), "{arguments:?}: {error}");
    };
    check(&["--prot=1"], "did you mean '--port'?");
    check(&["--port=x"], "invalid value 'x' for '--port': expected a whole number, 0 to 65535 (default: 5050)");
    check(&["--port"], "needs a value");
    check(&["--port=1", "--port=2"], "more than once");
    check(&["5050"], "unexpected argument '5050'");
    check(&["--no-root_submissions=1"], "takes no value");
    check(&["--agent_ping_timeout=15"], "expected a number and a unit");
    check(&["--agent_ping_timeout=999ms"], "expected 1secs to 15mins (default: 15secs)");
    check(&["--slave_ping_timeout=16mins"], "expected 1secs to 15mins (default: 15secs)");
    check(&["--max_agent_ping_timeouts=0"], "expected 1 to 4294967295 (default: 5)");
    check(&["--agent_reregister_timeout=1mins"], "expected at least 10mins");
    check(&["--offer_timeout=0secs"], "invalid value '0secs' for '--offer_timeout': expected at least 1ms");
    check(&["--registry=etcd"], "expected embedded, zookeeper, in_memory or replicated_log");
    check(&["--authenticate_frameworks"], "not supported: authentication");
    check(
        &["--cluster=file:///does/not/exist"],
        "cannot read the value of '--cluster' from /does/not/exist: No such file",
    );
    check(&["--cluster=file:///tmp/\u{1b}[2J"], "from /tmp/\\u{1b}[2J");
    let error = given::<MasterFlags>(&[], &[("MESOS_PORT", "")]).expect_err("must be refused");
    assert!(error.contains("invalid value '' for the variable MESOS_PORT"), "{error}");
    let error = given::<AgentFlags>(&["--master=m:5050"], &[]).expect_err("must be refused");
    assert_eq!(error, "--work_dir is missing; see `tepui agent --help`");
    let error = given::<MasterFlags>(&[&format!("--port={}", "9".repeat(100_000))], &[]).expect_err("must be refused");
    assert!(error.len() < 300, "a long value is cut");
}

#[test]
fn flags_without_effect_are_reported() {
    let parsed = master(&["--quorum=2", "--slave_ping_timeout=20secs"], &[]);
    assert_eq!(
        parsed.warnings,
        [
            "--slave_ping_timeout is a deprecated name: use --agent_ping_timeout",
            "--quorum has no effect: the registry is kept by ZooKeeper, which has its own quorum"
        ]
    );
    assert_eq!(parsed.flags.agent_ping_timeout.as_secs(), 20);
}

#[test]
fn a_file_stands_for_its_content() {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    std::fs::write(file.path(), "from a file\n").expect("write");
    let url = format!("file://{}", file.path().display());
    assert_eq!(master(&[&format!("--cluster={url}")], &[]).flags.cluster.as_deref(), Some("from a file"));
    let whitelist = master(&[&format!("--whitelist={url}")], &[]).flags.whitelist.expect("given");
    assert_eq!(whitelist.0, file.path(), "a watched file is not read here");
}

#[test]
fn help_and_version_need_no_other_flag() {
    let check = |arguments: &[&str], help: bool, version: bool| {
        let invocation = invoked::<AgentFlags>(arguments, &[]).ok();
        assert_eq!(matches!(invocation, Some(Invocation::Help)), help, "{arguments:?}");
        assert_eq!(matches!(invocation, Some(Invocation::Version)), version, "{arguments:?}");
    };
    check(&["--help"], true, false);
    check(&["-h", "--port=x"], true, false);
    check(&["--version"], false, true);
    check(&["--help=false", "--master=m", "--work_dir=w"], false, false);
}

/// The numbers of inventory section 10: 71 master flags, 160 agent flags, 29 of mesos-execute, without `version`,
/// `help` and logging.
#[test]
fn every_flag_of_mesos_is_known_once() {
    let count = |definition: Definition, logging: usize| {
        let names: BTreeSet<&str> = definition.flags().map(|f| f.name).collect();
        assert_eq!(names.len(), definition.flags().count(), "{} has a flag twice", definition.program);
        names.len() - logging
    };
    // `--failure_sinks` and `--recovery_policy` are not flags of Mesos.
    assert_eq!(count(MasterFlags::DEFINITION, 6 + 2), 70);
    // Neither are `--fetcher_host_settings` and `--image_registry_settings`.
    assert_eq!(count(AgentFlags::DEFINITION, 6 + 2), 159);
    assert_eq!(count(ExecuteFlags::DEFINITION, 6), 29);
    assert!(LocalFlags::DEFINITION.find("num_slaves").is_some());
}

#[test]
fn defaults_and_extremes_are_valid_values() {
    for (definition, flag) in all_flags() {
        for value in flag.default.into_iter().map(str::to_owned).chain(extremes(flag).into_iter().flatten()) {
            assert_eq!(
                error_of_value(&definition, flag, &value),
                None,
                "{} --{}={value}",
                definition.program,
                flag.name
            );
        }
        let fits = match flag.kind {
            Kind::Duration => matches!(flag.bounds, Bounds::Duration { .. }),
            Kind::Bytes => matches!(flag.bounds, Bounds::Bytes { .. }),
            Kind::Integer => matches!(flag.bounds, Bounds::Integer { .. }),
            Kind::Float => matches!(flag.bounds, Bounds::Float { .. }),
            _ => matches!(flag.bounds, Bounds::Any | Bounds::NotEmpty),
        };
        assert!(fits || flag.support != Support::Supported, "--{} has bounds of another type", flag.name);
    }
}

/// Each value is tried on the command line and in a variable.
#[test]
fn every_flag_refuses_invalid_values() {
    for (definition, flag) in all_flags() {
        for value in invalid_values(flag) {
            let argument = error_of_value(&definition, flag, &value);
            let variable = (os(&format!("MESOS_{}", flag.name.to_ascii_uppercase())), os(&value));
            // A required flag would be given twice, and the command line has precedence.
            let variable =
                if flag.required { argument.clone() } else { error_of(&definition, Vec::new(), vec![variable]) };
            for message in [argument, variable] {
                let message =
                    message.unwrap_or_else(|| panic!("{} accepts --{}={value}", definition.program, flag.name));
                let is_named = message.contains(flag.name) || message.contains(&flag.name.to_ascii_uppercase());
                assert!(is_named && (message.contains("expected") || message.contains("out of range")), "{message}");
            }
        }
        let bytes = |text: &str| OsString::from_vec([text.as_bytes(), b"\xff"].concat());
        let argument = error_of(&definition, vec![bytes(&format!("--{}=", flag.name))], Vec::new());
        let name = os(&format!("MESOS_{}", flag.name.to_ascii_uppercase()));
        let variable = error_of(&definition, Vec::new(), vec![(name, bytes(""))]);
        let variable = if flag.required { argument.clone() } else { variable };
        for message in [argument, variable] {
            assert!(message.is_some_and(|message| message.contains("is not UTF-8")), "{}", flag.name);
        }
    }
}

#[test]
fn variables_of_other_programs_are_ignored() {
    let bytes = || OsString::from_vec(b"\xff".to_vec());
    let environment = vec![(bytes(), os("x")), (os("OTHER"), bytes()), (os("MESOS_OTHER"), bytes())];
    assert_eq!(error_of(&MasterFlags::DEFINITION, Vec::new(), environment), None);
}

#[test]
fn the_listing_shows_flags_with_a_value() {
    let parsed: Parsed<AgentFlags> = given(&["--work_dir=/w", "--master=m"], &[]).expect("valid flags");
    let value = |name: &str| parsed.listing.get(name).map(String::as_str);
    assert_eq!(value("work_dir"), Some("/w"));
    assert_eq!(value("recover"), Some("reconnect"));
    assert_eq!(value("help"), Some("false"));
    assert_eq!(value("attributes"), None);
    let listing = master(&["--publish_per_framework_metrics=0", "--roles=a, b"], &[]).listing;
    assert_eq!(listing.get("publish_per_framework_metrics").map(String::as_str), Some("false"));
    assert_eq!(listing.get("roles").map(String::as_str), Some("a,b"));
}

#[test]
fn help_describes_every_flag() {
    for definition in DEFINITIONS {
        let text = help(&definition);
        for flag in definition.flags() {
            let line = text.lines().find(|line| {
                let name = line.trim_start().trim_start_matches("--").trim_start_matches("[no-]");
                let rest = name.strip_prefix(flag.name);
                line.starts_with("  ") && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['=', ' ']))
            });
            let line = line.unwrap_or_else(|| panic!("{} does not show --{}", definition.program, flag.name));
            assert_eq!(line.starts_with("    --"), flag.support != Support::Supported, "{line}");
        }
    }
    let text = help(&AgentFlags::DEFINITION);
    for part in [
        "  --disk_watch_interval=DURATION  (default: 1mins; at least 100ms)\n",
        "  --work_dir=PATH  (required)\n",
        "  --recover=reconnect|cleanup  (default: reconnect)\n",
        "  Accepted, without effect: executors outlive the agent without it.\n",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
