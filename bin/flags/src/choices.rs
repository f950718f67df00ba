//! The flags whose value is one of a few words.

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
            /// Returns the word on the command line.
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
    /// The value of `--logging_level`: the least severe level that is logged.
    LoggingLevel {
        /// The details of what happens. Mesos has no such level.
        Debug = "DEBUG",
        /// Information about what happens.
        Info = "INFO",
        /// Events that an operator may have to check.
        Warning = "WARNING",
        /// Failures.
        Error = "ERROR",
    }
    /// The value of `--containerizer` of `mesos-execute`: the containerizer of the task.
    ExecutorContainerizer {
        /// The containerizer of the agent itself.
        Mesos = "mesos",
        /// That of Docker.
        Docker = "docker",
    }
    /// The value of `--registry`: the backend of a master's registry.
    RegistryName {
        /// A file in `--work_dir`.
        Embedded = "embedded",
        /// Nodes below the path of `--zk`.
        ZooKeeper = "zookeeper",
        /// Memory.
        InMemory = "in_memory",
        /// The name of Mesos, which means embedded or zookeeper.
        ReplicatedLog = "replicated_log",
    }
    /// The value of `--role_sorter` and `--framework_sorter`.
    SorterName {
        /// Dominant resource fairness.
        Drf = "drf",
        /// A random order.
        Random = "random",
    }
    /// The value of `--launcher`.
    LauncherName {
        /// Cgroups and namespaces.
        Linux = "linux",
        /// Sessions and process trees.
        Posix = "posix",
    }
    /// The value of `--image_provisioner_backend`.
    BackendName {
        /// The kernel stacks the layers.
        Overlay = "overlay",
        /// Every container gets a copy.
        Copy = "copy",
    }
    /// The value of `--recover`.
    RecoverName {
        /// The agent reconnects to its executors.
        Reconnect = "reconnect",
        /// The agent destroys its containers, forgets its id, and exits.
        Cleanup = "cleanup",
    }
    /// The value of `--reconfiguration_policy`.
    ReconfigurationName {
        /// The description of the agent must not change.
        Equal = "equal",
        /// Resources and attributes may be added.
        Additive = "additive",
        /// Any change is allowed.
        Any = "any",
    }
}

/// The value of `--containerizers`: who launches containers, in the order in which they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containerizers(pub Vec<ExecutorContainerizer>);

impl Value for Containerizers {
    const KIND: Kind = Kind::List;
    const BOUNDS: Bounds = Bounds::NotEmpty;

    fn parse(text: &str) -> Result<Self, String> {
        let expected = || "expected mesos, docker, or both, separated by a comma".to_owned();
        let mut names = Vec::new();
        for word in text.split(',').map(str::trim) {
            let name = ExecutorContainerizer::parse(word).map_err(|_| expected())?;
            if names.contains(&name) {
                return Err(expected());
            }
            names.push(name);
        }
        Ok(Containerizers(names))
    }

    fn size(&self) -> Size {
        Size::Length(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerizers_have_an_order() {
        use ExecutorContainerizer::{Docker, Mesos};
        assert_eq!(Containerizers::parse("docker, mesos"), Ok(Containerizers(vec![Docker, Mesos])));
        assert_eq!(Containerizers::parse("mesos"), Ok(Containerizers(vec![Mesos])));
        for text in ["", "podman", "mesos,", "mesos,mesos"] {
            assert!(Containerizers::parse(text).is_err(), "{text}");
        }
    }
}
