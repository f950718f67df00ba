//! What a flag is: name, kind, default, support and help.

/// How a value is read. Text is checked when flags are parsed, so that a typo is
/// reported at start and not when the value is first used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--x`, `--no-x`, `--x=true`, `--x=0`.
    Bool,
    Text,
    /// `15secs`, `2weeks`.
    Duration,
    /// `2GB`, `512MB`.
    Bytes,
    Integer,
    Float,
    /// A JSON document, inline or as `file:///path` or `/path`.
    Json,
}

/// Whether setting the flag changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    Supported,
    /// Accepted so that start scripts keep working; setting it prints a warning with this reason.
    NoEffect(&'static str),
    /// Ignoring it would be dangerous (security, availability): setting it to anything but its
    /// default is an error with this reason.
    Refused(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    pub name: &'static str,
    /// Deprecated names that still work.
    pub aliases: &'static [&'static str],
    pub kind: Kind,
    pub default: Option<&'static str>,
    pub support: Support,
    pub help: &'static str,
}

/// The flags of one program, in sections for `--help`.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    pub program: &'static str,
    pub about: &'static str,
    pub sections: &'static [(&'static str, &'static [Flag])],
}

impl Definition {
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + '_ {
        self.sections.iter().flat_map(|(_, flags)| flags.iter())
    }

    pub fn find(&self, name: &str) -> Option<&'static Flag> {
        self.flags().find(|f| f.name == name || f.aliases.contains(&name))
    }
}
