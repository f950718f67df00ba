//! The definition of a flag: name, type, default, bounds, support and help.

use crate::bounds::Bounds;
use crate::error::Error;
use crate::parse::Values;

/// The notation of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A switch: `--x`, `--no-x`, `--x=true`, `--x=0`.
    Bool,
    /// Any text.
    Text,
    /// A file or directory.
    Path,
    /// A file that is read whenever it changes. A `file://` in front of the path has no effect.
    WatchedFile,
    /// An IPv4 address.
    Address,
    /// Texts, separated by commas.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A time: `15secs`, `2weeks`.
    Duration,
    /// A size: `2GB`, `512MB`.
    Bytes,
    /// A whole number that is not negative.
    Integer,
    /// A decimal number.
    Float,
    /// A percentage: `50%`.
    Percent,
    /// A rate: `1/10mins`.
    Rate,
    /// A JSON document, inline or in a file, as `file:///path` or `/path`.
    Json,
}

impl Kind {
    /// Returns the placeholder of a value in help; `None` for switches, and for choices, whose words are shown.
    pub const fn value_name(self) -> Option<&'static str> {
        match self {
            Kind::Bool | Kind::Choice(_) => None,
            Kind::Text => Some("TEXT"),
            Kind::Path | Kind::WatchedFile => Some("PATH"),
            Kind::Address => Some("ADDRESS"),
            Kind::List => Some("NAME,..."),
            Kind::Duration => Some("DURATION"),
            Kind::Bytes => Some("SIZE"),
            Kind::Integer | Kind::Float => Some("NUMBER"),
            Kind::Percent => Some("PERCENT"),
            Kind::Rate => Some("NUMBER/DURATION"),
            Kind::Json => Some("JSON"),
        }
    }
}

/// Whether a flag has an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// The flag has the effect that `help` describes.
    Supported,
    /// The flag is accepted so that start scripts keep working. Setting it prints a warning with this reason.
    NoEffect(&'static str),
    /// Ignoring the flag would be dangerous (security, availability). Setting it to a value other than its default is
    /// an error with this reason.
    Refused(&'static str),
}

/// One flag of one program.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// The name, without dashes.
    pub name: &'static str,
    /// Deprecated names that still work.
    pub aliases: &'static [&'static str],
    /// The notation of the value.
    pub kind: Kind,
    /// The default in the notation of the command line; `None` if there is none.
    pub default: Option<&'static str>,
    /// Whether the flag has to be given.
    pub required: bool,
    /// The accepted values.
    pub bounds: Bounds,
    /// Whether the flag has an effect.
    pub support: Support,
    /// The description for people, of at least one sentence.
    pub help: &'static str,
    /// Checks a value by type and `bounds`, and returns what is expected.
    pub check: fn(&str, &Bounds) -> Result<(), String>,
}

/// The flags that `--help` shows under one heading.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// The flags in the order of the table.
    pub flags: &'static [Flag],
}

/// The flags of one program.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The command that starts the program.
    pub program: &'static str,
    /// One sentence about the program.
    pub about: &'static str,
    /// The sections of each table.
    pub sections: &'static [&'static [Section]],
}

impl Definition {
    /// Returns all flags in the order of the table.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.sections().flat_map(|section| section.flags)
    }

    /// Returns all sections in the order of the table.
    pub fn sections(&self) -> impl Iterator<Item = &'static Section> + use<> {
        self.sections.iter().flat_map(|group| group.iter())
    }

    /// Returns the flag with this name or deprecated name.
    pub fn find(&self, name: &str) -> Option<&'static Flag> {
        self.flags().find(|flag| flag.name == name || flag.aliases.contains(&name))
    }
}

/// A struct with a field for every supported flag of a table.
pub trait FlagGroup: Sized {
    /// The rows of the table.
    const SECTIONS: &'static [Section];

    /// Reads the given values, and the defaults of the other flags.
    ///
    /// # Errors
    /// Returns [`Error`] for the first value that is not of the field's type or bounds, and for a required flag that is
    /// missing.
    fn read(values: &Values) -> Result<Self, Error>;
}

/// The flags of a whole program.
pub trait Program: FlagGroup {
    /// The program and its flags, for `--help`.
    const DEFINITION: Definition;
}
