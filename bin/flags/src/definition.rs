//! What a flag is: name, type, default, bounds, support and help.

use crate::bounds::Bounds;
use crate::error::Error;
use crate::parse::Values;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--x`, `--no-x`, `--x=true`, `--x=0`.
    Bool,
    /// Any text.
    Text,
    /// A file or directory.
    Path,
    /// A file that is read whenever it changes; `file://` before it means nothing.
    WatchedFile,
    /// An IPv4 address.
    Address,
    /// Texts separated by commas.
    List,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `15secs`, `2weeks`.
    Duration,
    /// `2GB`, `512MB`.
    Bytes,
    /// A whole number that is not negative.
    Integer,
    /// A decimal number.
    Float,
    /// `50%`.
    Percent,
    /// `1/10mins`.
    Rate,
    /// A JSON document, inline or as `file:///path` or `/path`.
    Json,
}

impl Kind {
    /// What stands for a value in help. Switches have none, and of a choice the words are shown.
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

/// Whether setting the flag changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It has the effect that `help` describes.
    Supported,
    /// Accepted so that start scripts keep working; setting it prints a warning with this reason.
    NoEffect(&'static str),
    /// Ignoring it would be dangerous (security, availability): setting it to anything but its default is an error with
    /// this reason.
    Refused(&'static str),
}

/// One flag of one program.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// As on the command line, without dashes.
    pub name: &'static str,
    /// Deprecated names that still work.
    pub aliases: &'static [&'static str],
    /// How its value is written.
    pub kind: Kind,
    /// As it would be given.
    pub default: Option<&'static str>,
    /// Whether the program cannot do without it.
    pub required: bool,
    /// The values that make sense.
    pub bounds: Bounds,
    /// Whether it has an effect.
    pub support: Support,
    /// A sentence or more for people.
    pub help: &'static str,
    /// Says what is wrong with a value, by type and `bounds`.
    pub check: fn(&str, &Bounds) -> Result<(), String>,
}

/// Flags that `--help` shows together.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// In the order of the table.
    pub flags: &'static [Flag],
}

/// The flags of one program.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// As it is started.
    pub program: &'static str,
    /// A sentence about it.
    pub about: &'static str,
    /// All of them, group by group.
    pub sections: &'static [&'static [Section]],
}

impl Definition {
    /// All flags, in the order of the table.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.sections().flat_map(|section| section.flags)
    }

    /// All sections, in the order of the table.
    pub fn sections(&self) -> impl Iterator<Item = &'static Section> + use<> {
        self.sections.iter().flat_map(|group| group.iter())
    }

    /// The flag of that name or deprecated name.
    pub fn find(&self, name: &str) -> Option<&'static Flag> {
        self.flags().find(|flag| flag.name == name || flag.aliases.contains(&name))
    }
}

/// A struct with a field for every supported flag of a table.
pub trait FlagGroup: Sized {
    /// Its table.
    const SECTIONS: &'static [Section];

    /// The values that were given, and the defaults of the others.
    ///
    /// # Errors
    ///
    /// Fails for the first value that is not of the field's type or bounds, and for a required flag that is missing.
    fn read(values: &Values) -> Result<Self, Error>;
}

/// The flags of a whole program.
pub trait Program: FlagGroup {
    /// The program and its flags, for `--help`.
    const DEFINITION: Definition;
}
