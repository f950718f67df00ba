//! Flags whose value is one of a few words.

use crate::bounds::{Bounds, Size};
use crate::definition::Kind;
use crate::value::Value;

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word that stands for it on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl Value for $name {
            const KIND: Kind = Kind::Choice(&[$($word),+]);
            const BOUNDS: Bounds = Bounds::Any;

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err(expected(&[$($word),+])),
                }
            }

            fn size(&self) -> Size {
                Size::Unordered
            }
        }
    )+};
}

fn expected(words: &[&str]) -> String {
    match words {
        [one] => format!("expected {one}"),
        [before @ .., last] => format!("expected {} or {last}", before.join(", ")),
        [] => String::new(),
    }
}

choices! {
    /// `--logging_level`.
    LoggingLevel {
        /// More than Mesos has: what happens in detail.
        Debug = "DEBUG",
        /// What happens.
        Info = "INFO",
        /// What an operator may have to look at.
        Warning = "WARNING",
        /// What has failed.
        Error = "ERROR",
    }
    /// `--registry`: where a master keeps its registry.
    RegistryName {
        /// A file in `--work_dir`.
        Embedded = "embedded",
        /// Records below `--zk`.
        ZooKeeper = "zookeeper",
        /// Nowhere.
        InMemory = "in_memory",
        /// Mesos' name: embedded or zookeeper.
        ReplicatedLog = "replicated_log",
    }
    /// `--role_sorter` and `--framework_sorter`.
    SorterName {
        /// Dominant resource fairness.
        Drf = "drf",
        /// Another order each time.
        Random = "random",
    }
    /// `--launcher`.
    LauncherName {
        /// cgroups and namespaces.
        Linux = "linux",
        /// Process groups.
        Posix = "posix",
    }
    /// `--recover`.
    RecoverName {
        /// The agent reconnects to its executors.
        Reconnect = "reconnect",
        /// The agent ends them, forgets its id, and exits.
        Cleanup = "cleanup",
    }
    /// `--reconfiguration_policy`.
    ReconfigurationName {
        /// The agent's description must not change.
        Equal = "equal",
        /// Resources and attributes may be added.
        Additive = "additive",
        /// Everything may change.
        Any = "any",
    }
    /// `--containerizers`.
    Containerizers {
        /// The Mesos containerizer.
        Mesos = "mesos",
    }
}
