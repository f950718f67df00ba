//! From arguments and environment to checked values. The command line wins over the
//! environment; unknown command-line flags are errors, unknown variables are not
//! (both as in Mesos).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use model::parse_duration;

use crate::definition::{Definition, Flag, Kind, Support};
use crate::error::Error;
use crate::value::{parse_bool, parse_bytes};

/// The values of one program's flags; every value has been checked against its kind.
#[derive(Debug, Clone)]
pub struct Parsed {
    definition: &'static Definition,
    values: BTreeMap<&'static str, String>,
    /// Sentences to print: flags without effect that were set, deprecated names.
    pub warnings: Vec<String>,
    /// `--help` was given.
    pub help: bool,
    /// `--version` was given.
    pub version: bool,
}

/// Reads `arguments` (without the program's name) and the `MESOS_*` part of `environment`.
pub fn parse(
    definition: &'static Definition,
    arguments: impl IntoIterator<Item = String>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Parsed, Error> {
    let mut parsed = Parsed { definition, values: BTreeMap::new(), warnings: Vec::new(), help: false, version: false };
    let mut given = BTreeMap::new();
    parsed.read_environment(environment, &mut given);
    parsed.read_arguments(arguments, &mut given)?;
    for (name, text) in given {
        let Some(flag) = definition.find(name) else { continue };
        parsed.set(flag, text)?;
    }
    Ok(parsed)
}

impl Parsed {
    fn read_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
        given: &mut BTreeMap<&'static str, String>,
    ) {
        for (variable, value) in environment {
            let Some(name) = variable.strip_prefix("MESOS_") else { continue };
            if let Some(flag) = self.definition.find(&name.to_ascii_lowercase()) {
                given.insert(flag.name, value);
            }
        }
    }

    fn read_arguments(
        &mut self,
        arguments: impl IntoIterator<Item = String>,
        given: &mut BTreeMap<&'static str, String>,
    ) -> Result<(), Error> {
        let mut seen = Vec::new();
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let Some(body) = argument.strip_prefix("--") else {
                if argument == "-h" {
                    self.help = true;
                    continue;
                }
                return Err(Error::Unexpected(argument));
            };
            let (name, value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            match (name, value.as_deref()) {
                ("help", None | Some("true")) => {
                    self.help = true;
                    continue;
                }
                ("version", None | Some("true")) => {
                    self.version = true;
                    continue;
                }
                _ => {}
            }
            // Both spellings occur in the wild: --work_dir (Mesos) and --work-dir.
            let name = name.replace('-', "_");
            let (flag, negated) = self.resolve(&name).ok_or_else(|| self.unknown(&argument, &name))?;
            if seen.contains(&flag.name) {
                return Err(Error::Duplicate(flag.name));
            }
            seen.push(flag.name);
            if flag.name != name && !negated {
                self.warnings.push(format!("--{name} is a deprecated name: use --{}", flag.name));
            }
            let value = match (negated, value) {
                (true, None) => "false".to_owned(),
                (true, Some(value)) => {
                    return Err(Error::Invalid {
                        name: flag.name,
                        value,
                        reason: format!("--no-{} takes no value", flag.name),
                    });
                }
                (false, Some(value)) => value,
                (false, None) if flag.kind == Kind::Bool => "true".to_owned(),
                (false, None) => match arguments.next_if(|next| !next.starts_with("--")) {
                    Some(value) => value,
                    None => return Err(Error::MissingValue(flag.name)),
                },
            };
            given.insert(flag.name, value);
        }
        Ok(())
    }

    fn resolve(&self, name: &str) -> Option<(&'static Flag, bool)> {
        if let Some(flag) = self.definition.find(name) {
            return Some((flag, false));
        }
        let positive = name.strip_prefix("no_")?;
        self.definition.find(positive).filter(|f| f.kind == Kind::Bool).map(|f| (f, true))
    }

    fn unknown(&self, given: &str, name: &str) -> Error {
        let suggestion = self
            .definition
            .flags()
            .map(|f| (distance(f.name, name), f.name))
            .min()
            .filter(|(d, _)| *d <= 3)
            .map(|(_, n)| n);
        Error::Unknown { program: self.definition.program, given: given.to_owned(), suggestion }
    }

    fn set(&mut self, flag: &'static Flag, text: String) -> Result<(), Error> {
        let text = from_file(flag, text)?;
        check(flag, &text)?;
        let changed = flag.default != Some(text.as_str());
        match flag.support {
            Support::Refused(reason) if changed => return Err(Error::Refused { name: flag.name, reason }),
            Support::NoEffect(reason) if changed => {
                self.warnings.push(format!("--{} has no effect: {reason}", flag.name));
            }
            _ => {}
        }
        self.values.insert(flag.name, text);
        Ok(())
    }

    /// The value as text: as given, or the default.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(value) => Some(value),
            None => self.definition.find(name).and_then(|f| f.default),
        }
    }

    /// Whether it was given (not merely defaulted).
    pub fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub fn bool(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| parse_bool(v) == Ok(true))
    }

    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.get(name).and_then(|v| parse_duration(v).ok())
    }

    pub fn bytes(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(|v| parse_bytes(v).ok())
    }

    pub fn integer(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(|v| v.parse().ok())
    }

    pub fn float(&self, name: &str) -> Option<f64> {
        self.get(name).and_then(|v| v.parse().ok())
    }

    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// What `/flags` shows: every flag that has a value, by name.
    pub fn listing(&self) -> Vec<(String, String)> {
        let mut all: BTreeMap<&str, &str> =
            self.definition.flags().filter_map(|f| f.default.map(|d| (f.name, d))).collect();
        all.extend(self.values.iter().map(|(name, value)| (*name, value.as_str())));
        all.insert("help", "false");
        all.insert("version", "false");
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// `file:///path` stands for the file's content, without the final newline.
fn from_file(flag: &'static Flag, text: String) -> Result<String, Error> {
    // `--whitelist` is watched, so it stays a path.
    let path = match text.strip_prefix("file://") {
        Some(path) if flag.name != "whitelist" => path.to_owned(),
        None if flag.kind == Kind::Json && text.starts_with('/') => text.clone(),
        _ => return Ok(text),
    };
    match std::fs::read_to_string(&path) {
        Ok(content) => Ok(content.trim_end_matches('\n').to_owned()),
        Err(source) => Err(Error::File { name: flag.name, path, source }),
    }
}

fn check(flag: &'static Flag, text: &str) -> Result<(), Error> {
    let result = match flag.kind {
        Kind::Bool => parse_bool(text).map(drop),
        Kind::Duration => parse_duration(text).map(drop).map_err(|error| error.to_string()),
        Kind::Bytes => parse_bytes(text).map(drop),
        Kind::Integer => text.parse::<u64>().map(drop).map_err(|_| "expected a whole number".to_owned()),
        Kind::Float => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            _ => Err("expected a number".to_owned()),
        },
        Kind::Text | Kind::Json => Ok(()),
    };
    result.map_err(|reason| Error::Invalid { name: flag.name, value: text.to_owned(), reason })
}

/// Levenshtein distance, for suggestions.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
