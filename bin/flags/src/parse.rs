//! Reads arguments and environment into a struct of typed values. The command line has precedence over the environment.
//! As in Mesos, unknown flags on the command line are errors, and unknown variables are ignored.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::definition::{Definition, Flag, Kind, Program, Support};
use crate::error::{Error, Origin, shown};
use crate::suggest::suggestion;
use crate::value::Field;

/// The action that a program was started for.
#[derive(Debug)]
pub enum Invocation<P> {
    /// `--help` was given.
    Help,
    /// `--version` was given.
    Version,
    /// The program has to run with these flags.
    Run(Parsed<P>),
}

/// The flags that a program was started with.
#[derive(Debug, Clone)]
pub struct Parsed<P> {
    /// The typed values of the flags that have an effect.
    pub flags: P,
    /// The sentences to print about flags without effect and deprecated names.
    pub warnings: Vec<String>,
    /// The flags that have a value, with the value as text, by name. `/flags` shows them.
    pub listing: BTreeMap<String, String>,
}

/// The given values as text, which [`FlagGroup::read`](crate::FlagGroup::read) reads.
#[derive(Debug)]
pub struct Values {
    definition: Definition,
    given: BTreeMap<&'static str, Given>,
}

#[derive(Debug)]
struct Given {
    text: String,
    origin: Origin,
}

/// Reads `arguments` (without the program's name) and the `MESOS_*` variables of `environment`.
///
/// # Errors
/// Returns [`Error`] for the first argument, variable or value that is not accepted.
pub fn parse<P: Program>(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Invocation<P>, Error> {
    let mut reader = Reader {
        values: Values { definition: P::DEFINITION, given: BTreeMap::new() },
        warnings: Vec::new(),
        help: false,
        version: false,
    };
    reader.read_arguments(arguments)?;
    if reader.help {
        return Ok(Invocation::Help);
    }
    if reader.version {
        return Ok(Invocation::Version);
    }
    reader.read_environment(environment)?;
    let Reader { mut values, mut warnings, .. } = reader;
    for flag in values.definition.flags() {
        values.resolve_file(flag)?;
        warnings.extend(values.check_support(flag)?);
    }
    Ok(Invocation::Run(Parsed { flags: P::read(&values)?, warnings, listing: values.listing() }))
}

struct Reader {
    values: Values,
    warnings: Vec<String>,
    help: bool,
    version: bool,
}

impl Reader {
    fn read_arguments(&mut self, arguments: impl IntoIterator<Item = OsString>) -> Result<(), Error> {
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let argument = text(argument)?;
            let Some(body) = argument.strip_prefix("--") else {
                if argument == "-h" {
                    self.help = true;
                    continue;
                }
                return Err(Error::Unexpected(shown(&argument)));
            };
            let (name, value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            match (name, value.as_deref()) {
                ("help", None | Some("true" | "1")) => self.help = true,
                ("version", None | Some("true" | "1")) => self.version = true,
                ("help" | "version", Some("false" | "0")) => {}
                _ => {
                    // Start scripts have both notations: --work_dir (Mesos) and --work-dir.
                    let name = name.replace('-', "_");
                    let (flag, negated) = self.find(&name).ok_or_else(|| self.unknown(&argument, &name))?;
                    let value = match (negated, value) {
                        (true, None) => "false".to_owned(),
                        (true, Some(value)) => return Err(negation_with_value(flag, &value)),
                        (false, Some(value)) => value,
                        (false, None) if flag.kind == Kind::Bool => "true".to_owned(),
                        (false, None) => {
                            let is_value = |next: &OsString| !next.as_encoded_bytes().starts_with(b"--");
                            text(arguments.next_if(is_value).ok_or(Error::MissingValue(flag.name))?)?
                        }
                    };
                    if flag.name != name && !negated {
                        self.warnings.push(format!("--{name} is a deprecated name: use --{}", flag.name));
                    }
                    let given = Given { text: value, origin: Origin::Argument(flag.name) };
                    if self.values.given.insert(flag.name, given).is_some() {
                        return Err(Error::Duplicate(flag.name));
                    }
                }
            }
        }
        Ok(())
    }

    fn read_environment(&mut self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<(), Error> {
        for (variable, value) in environment {
            let Some(variable) = variable.to_str() else { continue };
            let Some(name) = variable.strip_prefix("MESOS_").map(str::to_ascii_lowercase) else { continue };
            let Some(flag) = self.values.definition.find(&name) else { continue };
            match self.values.given.get(flag.name) {
                Some(Given { origin: Origin::Argument(_), .. }) => continue,
                // The current name has precedence over a deprecated one.
                Some(_) if name != flag.name => continue,
                _ => {}
            }
            let text = value.into_string().map_err(|value| not_utf8(&format!("{variable}={}", value.display())))?;
            let given = Given { text, origin: Origin::Variable(variable.to_owned()) };
            self.values.given.insert(flag.name, given);
        }
        Ok(())
    }

    /// Returns the flag of this name, and whether it is negated.
    fn find(&self, name: &str) -> Option<(&'static Flag, bool)> {
        if let Some(flag) = self.values.definition.find(name) {
            return Some((flag, false));
        }
        let positive = name.strip_prefix("no_")?;
        self.values.definition.find(positive).filter(|flag| flag.kind == Kind::Bool).map(|flag| (flag, true))
    }

    fn unknown(&self, given: &str, name: &str) -> Error {
        let definition = &self.values.definition;
        Error::Unknown { program: definition.program, given: shown(given), suggestion: suggestion(definition, name) }
    }
}

fn text(argument: OsString) -> Result<String, Error> {
    argument.into_string().map_err(|argument| not_utf8(&argument.display().to_string()))
}

fn not_utf8(given: &str) -> Error {
    Error::NotUtf8(shown(given))
}

fn negation_with_value(flag: &Flag, value: &str) -> Error {
    Error::Invalid {
        origin: Origin::Argument(flag.name),
        value: shown(value),
        reason: format!("--no-{} takes no value", flag.name),
    }
}

impl Values {
    /// Returns the value of a field: the given value, or the default.
    ///
    /// # Errors
    /// Returns [`Error`] for a value that is not of the field's type or bounds, and for a required value that is
    /// missing.
    pub fn read<F: Field>(
        &self,
        name: &'static str,
        default: Option<&'static str>,
        bounds: &crate::Bounds,
    ) -> Result<F, Error> {
        let invalid = |text: &str, origin: Origin| {
            let value = shown(text);
            move |reason| {
                // A valid example is more helpful than a rule.
                let example =
                    default.filter(|default| !default.is_empty()).map(|default| format!(" (default: {default})"));
                Error::Invalid { origin, value, reason: format!("{reason}{}", example.unwrap_or_default()) }
            }
        };
        match (self.given.get(name), default) {
            (Some(given), _) => F::read(&given.text, bounds).map_err(invalid(&given.text, given.origin.clone())),
            (None, Some(default)) => F::read(default, bounds).map_err(invalid(default, Origin::Argument(name))),
            (None, None) => F::absent().ok_or(Error::Missing { program: self.definition.program, name }),
        }
    }

    /// Replaces `file:///path` by the content of the file without the final newline.
    fn resolve_file(&mut self, flag: &Flag) -> Result<(), Error> {
        let Some(given) = self.given.get_mut(flag.name) else { return Ok(()) };
        // A watched file stays a path.
        let path = match given.text.strip_prefix("file://") {
            Some(_) if flag.kind == Kind::WatchedFile => return Ok(()),
            Some(path) => path,
            None if flag.kind == Kind::Json && given.text.starts_with('/') => given.text.as_str(),
            None => return Ok(()),
        };
        match std::fs::read_to_string(path) {
            Ok(content) => given.text = content.trim_end_matches('\n').to_owned(),
            Err(source) => return Err(Error::File { origin: given.origin.clone(), path: shown(path), source }),
        }
        Ok(())
    }

    /// Returns a warning about a flag without effect; refuses one that must not be ignored.
    fn check_support(&self, flag: &Flag) -> Result<Option<String>, Error> {
        let Some(given) = self.given.get(flag.name) else { return Ok(None) };
        if flag.support == Support::Supported {
            return Ok(None);
        }
        (flag.check)(&given.text, &flag.bounds).map_err(|reason| Error::Invalid {
            origin: given.origin.clone(),
            value: shown(&given.text),
            reason,
        })?;
        let changed = flag.default != Some(given.text.as_str());
        match flag.support {
            Support::Refused(reason) if changed => Err(Error::Refused { name: flag.name, reason }),
            Support::NoEffect(reason) if changed => Ok(Some(format!("--{} has no effect: {reason}", flag.name))),
            _ => Ok(None),
        }
    }

    /// Returns the values in the notation of the defaults, with which readers of `/flags` compare: `--x=0` becomes
    /// false.
    fn listing(&self) -> BTreeMap<String, String> {
        let text = |flag: &Flag| {
            let given = self.given.get(flag.name).map(|given| given.text.as_str());
            let text = given.or(flag.default)?;
            Some(match (flag.kind, text) {
                (Kind::Bool, "1") => "true".to_owned(),
                (Kind::Bool, "0") => "false".to_owned(),
                (Kind::List, list) => list.split(',').map(str::trim).collect::<Vec<_>>().join(","),
                (_, text) => text.to_owned(),
            })
        };
        let flags = self.definition.flags().filter_map(|flag| Some((flag.name, text(flag)?)));
        let asked = [("help", "false".to_owned()), ("version", "false".to_owned())];
        flags.chain(asked).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
