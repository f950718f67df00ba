//! Tests that every argument of every command refuses meaningless values while the arguments are read. Arguments that
//! take free text are left out.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, Command, CommandFactory};

use super::cli::Cli;

const NONSENSE: [&str; 11] =
    ["", "0", "-1", "NaN", "inf", "-inf", "1e308", "1e999", "18446744073709551616", "-0.5", "0x10"];

/// The tested values that are valid for an argument nevertheless.
const MEANS: [(&str, &str, &[&str]); 9] = [
    ("partition set", "priority", &["0", "-1"]),
    // The weight of a role is any number above 0, as in Mesos.
    ("partition set", "weight", &["1e308", "18446744073709551616"]),
    ("weight set", "weights", &["cpus=1e308", "cpus=18446744073709551616"]),
    // Zero is valid: the role gets no guarantee, or may use nothing.
    ("quota set", "guarantee", &["cpus:0", "mem:0"]),
    ("quota set", "limit", &["cpus:0", "mem:0"]),
    ("partition set", "min", &["cpus:0", "mem:0"]),
    ("partition set", "max", &["cpus:0", "mem:0"]),
    // The value counts bytes before the end of a file.
    ("logs", "tail", &["0"]),
    // The task is killed at once.
    ("run", "stop_timeout", &["0"]),
];

/// Returns whether an argument takes any text: names, paths and commands.
fn is_text(arg: &Arg) -> bool {
    let kind = arg.get_value_parser().type_id();
    // Labels and variables may have any text.
    if matches!(arg.get_long(), Some("label" | "env")) {
        return true;
    }
    // Names of images may be numbers.
    let texts = [
        TypeId::of::<String>(),
        TypeId::of::<OsString>(),
        TypeId::of::<PathBuf>(),
        TypeId::of::<(String, String)>(),
        TypeId::of::<provisioner::ImageReference>(),
        TypeId::of::<super::image::PullSource>(),
    ];
    texts.iter().any(|text| kind == *text)
}

/// Returns the argument in the form of the command line.
fn written(arg: &Arg, value: &str) -> String {
    match arg.get_long() {
        Some(long) => format!("--{long}={value}"),
        None => value.to_owned(),
    }
}

/// Calls `visit` with the name of every command that has no subcommands, and the command.
fn each_command(command: &Command, name: &str, visit: &mut dyn FnMut(&str, &Command)) {
    visit(name, command);
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        let name = if name.is_empty() { below.get_name().to_owned() } else { format!("{name} {}", below.get_name()) };
        each_command(below, &name, visit);
    }
}

/// Returns whether the refusal is of the value itself and not of a missing argument. Returns `Err` if the refusal does
/// The positional arguments that precede this one need values, too.
fn is_refused(command: &Command, arg: &Arg, value: &str) -> Result<bool, String> {
    // The values of positional arguments that precede this one.
    let before = command.get_positionals().take_while(|other| arg.is_positional() && other.get_id() != arg.get_id());
    let before = before.map(|_| "x".to_owned());
    let arguments = std::iter::once(command.get_name().to_owned()).chain(before).chain([written(arg, value)]);
    let Err(error) = command.clone().try_get_matches_from(arguments) else { return Ok(false) };
    match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let named = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
            let is_named = arg.get_long().is_none_or(|long| named.contains(&format!("--{long}")));
            if is_named { Ok(true) } else { Err(error.to_string()) }
        }
        _ => Ok(false),
    }
}

#[test]
fn invalid_values_are_refused() {
    let mut faults = Vec::new();
    let mut tried = 0;
    each_command(&Cli::command(), "", &mut |name, command| {
        let takes_value =
            |arg: &&Arg| arg.get_action().takes_values() && !is_text(arg) && arg.get_id().as_str() != "master";
        for arg in command.get_arguments().filter(takes_value) {
            tried += 1;
            // Amounts and weights follow a name.
            for prefix in ["", "cpus:", "cpus=", "mem:"] {
                for value in NONSENSE.map(|value| format!("{prefix}{value}")) {
                    // A separate word that begins with `-` would be another argument.
                    if arg.get_long().is_none() && value.starts_with('-') {
                        continue;
                    }
                    let means = MEANS.iter().any(|(command, id, values)| {
                        (*command, *id) == (name, arg.get_id().as_str()) && values.contains(&value.as_str())
                    });
                    match is_refused(command, arg, &value) {
                        Ok(refused) if refused != means => {}
                        Ok(_) if means => faults.push(format!("{name} {} is refused", written(arg, &value))),
                        Ok(_) => faults.push(format!("{name} {} is accepted", written(arg, &value))),
                        Err(error) => faults.push(format!("{name} {}: {error}", written(arg, &value))),
                    }
                }
            }
        }
    });
    assert!(tried >= 15, "{tried}");
    assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
}

/// The value is an argument of its own, as people write it.
#[test]
fn a_negative_number_is_no_argument() {
    let check = |arguments: &[&str], expect: &str| {
        let error = Cli::command().try_get_matches_from(arguments).unwrap_err().to_string();
        assert!(error.contains(expect), "{arguments:?}: {error}");
    };
    check(&["tepui", "run", "--instances", "0", "--", "x"], "--instances");
    check(&["tepui", "run", "--instances", "-1", "--", "x"], "'-1' for '--instances");
    check(&["tepui", "run", "--cpus", "NaN", "--", "x"], "'NaN' for '--cpus");
    check(&["tepui", "run", "--cpus", "-1", "--", "x"], "a task has between 0.01 and");
    check(&["tepui", "run", "--mem", "0", "--", "x"], "a size is above 0 MB");
    check(&["tepui", "logs", "t", "--tail", "-1"], "'-1' for '--tail");
    check(&["tepui", "partition", "set", "p", "--weight", "-1"], "Weights must be positive");
}
