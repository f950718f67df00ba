//! Constructors that keep the tables readable, and the flags every program has.

use crate::definition::{Flag, Kind, Support};

pub(super) const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag { name, aliases: &[], kind, default: Some(default), support: Support::Supported, help }
}

pub(super) const fn unset(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag { name, aliases: &[], kind, default: None, support: Support::Supported, help }
}

impl Flag {
    pub(super) const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(super) const fn no_effect(mut self, reason: &'static str) -> Self {
        self.support = Support::NoEffect(reason);
        self
    }

    pub(super) const fn refused(mut self, reason: &'static str) -> Self {
        self.support = Support::Refused(reason);
        self
    }
}

pub(super) const MODULES: &str = "C++ modules cannot be loaded into this program";
pub(super) const NOT_IMPLEMENTED: &str = "not built yet";
pub(super) const SECURITY: &str =
    "authentication and authorization are not built yet; do not expose the ports to untrusted networks";

pub(super) const LOGGING: &[Flag] = &[
    flag("quiet", Kind::Bool, "false", "Log nothing to stderr."),
    flag("logging_level", Kind::Text, "INFO", "The least severe level to log: INFO, WARNING or ERROR (or DEBUG)."),
    unset("log_dir", Kind::Text, "Also write the log into a file in this directory, e.g. mesos-master.INFO."),
    flag("logbufsecs", Kind::Integer, "0", "Seconds to buffer log lines before writing them.")
        .no_effect("lines are written at once"),
    flag("initialize_driver_logging", Kind::Bool, "true", "Whether drivers set up their own logging.")
        .no_effect("there is no driver in this program"),
    unset(
        "external_log_file",
        Kind::Text,
        "The file that stderr is redirected to, shown by /files instead of the one in --log_dir.",
    ),
];
