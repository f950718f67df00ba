//! The list of all isolators, and the names of `--isolation`.

use std::collections::BTreeSet;

use super::cgroups_cpu::CgroupsCpu;
use super::cgroups_mem::CgroupsMem;
use super::cgroups_pids::CgroupsPids;
use super::docker_runtime::DockerRuntime;
use super::filesystem_linux::FilesystemLinux;
use super::namespaces_pid::NamespacesPid;
use super::posix_rlimits::PosixRlimits;
use super::posix_usage::PosixUsage;
use super::{Isolator, Isolators};
use crate::cgroups::Controller;
use crate::{Config, Error};

/// The flags of the operator that change how isolators work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct IsolatorOptions {
    /// `--cgroups_enable_cfs`.
    pub cfs: bool,
    /// `--cgroups_limit_swap`.
    pub swap: bool,
    /// Whether containers can have images without root.
    pub rootless_images: bool,
}

impl From<&Config> for IsolatorOptions {
    fn from(config: &Config) -> Self {
        IsolatorOptions {
            cfs: config.cgroups_enable_cfs,
            swap: config.cgroups_limit_swap,
            rootless_images: config.rootless_images,
        }
    }
}

/// One isolator of the list.
struct Entry {
    /// The name in `--isolation`.
    name: &'static str,
    needs: Needs,
    make: fn(IsolatorOptions) -> Box<dyn Isolator>,
}

/// The requirement of an isolator.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// The linux launcher with this controller.
    Controller(Controller),
    /// The permission to create namespaces.
    Root,
    /// The permission to create namespaces, which user namespaces give to others than root.
    RootOrUserNamespace,
}

/// All isolators, in the order in which they are called.
const LIST: [Entry; 8] = [
    Entry {
        name: "cgroups/cpu",
        needs: Needs::Controller(Controller::Cpu),
        make: |options| Box::new(CgroupsCpu { cfs: options.cfs }),
    },
    Entry {
        name: "cgroups/mem",
        needs: Needs::Controller(Controller::Memory),
        make: |options| Box::new(CgroupsMem { swap: options.swap }),
    },
    Entry { name: "cgroups/pids", needs: Needs::Controller(Controller::Pids), make: |_| Box::new(CgroupsPids) },
    Entry { name: "filesystem/linux", needs: Needs::Root, make: |_| Box::new(FilesystemLinux) },
    Entry { name: "namespaces/pid", needs: Needs::Root, make: |_| Box::new(NamespacesPid) },
    Entry { name: "posix/rlimits", needs: Needs::Nothing, make: |_| Box::new(PosixRlimits) },
    Entry { name: "docker/runtime", needs: Needs::RootOrUserNamespace, make: |_| Box::new(DockerRuntime) },
    // This isolator is always in use, and last: it measures the usage that the others do not measure.
    Entry { name: "posix/cpu", needs: Needs::Nothing, make: |_| Box::new(PosixUsage) },
];

/// Names that stand for other names, or include them.
const ALIASES: [(&str, &[&str]); 7] = [
    ("cgroups", &["cgroups/cpu", "cgroups/mem"]),
    ("cgroups/all", &["cgroups/cpu", "cgroups/mem", "cgroups/pids"]),
    // A separate `/proc` is a mount, which needs a mount namespace.
    ("namespaces/pid", &["namespaces/pid", "filesystem/linux"]),
    // The root of an image is mounted in the mount namespace of the container.
    ("docker/runtime", &["docker/runtime", "filesystem/linux"]),
    // Images as volumes are mounted by the same launcher.
    ("volume/image", &["docker/runtime", "filesystem/linux"]),
    ("posix/mem", &["posix/cpu"]),
    ("process", &["posix/cpu"]),
];

/// Names that have no effect on containers without images, which are the only ones so far.
const WITHOUT_EFFECT: [&str; 2] = ["filesystem/posix", "environment_secret"];

/// Names of Mesos without an isolator here. The agent starts and reports them, as it does for missing rights.
/// Containers that ask for one of them are refused.
const NOT_IMPLEMENTED: [&str; 27] = [
    "appc/runtime",
    "cgroups/blkio",
    "cgroups/cpuset",
    "cgroups/devices",
    "cgroups/hugetlb",
    "cgroups/net_cls",
    "cgroups/net_prio",
    "cgroups/perf_event",
    "disk/du",
    "disk/xfs",
    "docker/volume",
    "filesystem/shared",
    "gpu/nvidia",
    "linux/capabilities",
    "linux/devices",
    "linux/nnp",
    "linux/seccomp",
    "namespaces/ipc",
    "network/cni",
    "network/port_mapping",
    "network/ports",
    "posix/disk",
    "volume/csi",
    "volume/host_path",
    "volume/sandbox_path",
    "volume/secret",
    "windows/cpu",
];

/// The isolators that the operator requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Requested {
    names: BTreeSet<&'static str>,
    /// Names that Mesos has and this program does not implement.
    pub unsupported: Vec<String>,
}

impl Requested {
    /// Parses the names of `--isolation`.
    ///
    /// # Errors
    /// Returns [`Error::UnknownIsolation`] for a name that is neither known to Mesos nor to this list.
    pub(crate) fn parse(names: &[String]) -> Result<Self, Error> {
        let mut requested = Requested { names: BTreeSet::from(["posix/cpu"]), ..Requested::default() };
        for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
            let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, names)| *names);
            let entry = LIST.iter().find(|entry| entry.name == name).map(|entry| entry.name);
            match (alias, entry) {
                (Some(names), _) => requested.names.extend(names),
                (None, Some(name)) => drop(requested.names.insert(name)),
                (None, None) if WITHOUT_EFFECT.contains(&name) => {}
                (None, None) if NOT_IMPLEMENTED.contains(&name) => requested.unsupported.push(name.to_owned()),
                (None, None) => return Err(Error::UnknownIsolation(name.to_owned())),
            }
        }
        Ok(requested)
    }

    /// Returns the controllers that the requested isolators need.
    pub(crate) fn controllers(&self) -> impl Iterator<Item = Controller> {
        self.entries().filter_map(|entry| match entry.needs {
            Needs::Controller(controller) => Some(controller),
            Needs::Nothing | Needs::Root | Needs::RootOrUserNamespace => None,
        })
    }

    /// Returns whether a requested isolator needs root for a reason other than controllers.
    pub(crate) fn needs_root(&self) -> bool {
        self.entries().any(|entry| entry.needs == Needs::Root)
    }

    /// Makes the isolators that this machine supports. Those whose controller is missing stay in the list and have no
    /// effect.
    pub(crate) fn make(&self, options: IsolatorOptions, is_root: bool) -> Isolators {
        let possible = self.entries().filter(|entry| match entry.needs {
            Needs::Root => is_root,
            Needs::RootOrUserNamespace => is_root || options.rootless_images,
            Needs::Nothing | Needs::Controller(_) => true,
        });
        Isolators::new(possible.map(|entry| (entry.make)(options)).collect(), options)
    }

    fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        LIST.iter().filter(|entry| self.names.contains(entry.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_mesos() {
        let check = |names: &[&str], expect: &[&str]| {
            let given: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let made = Requested::parse(&given).unwrap().make(IsolatorOptions::default(), true);
            assert_eq!(made.names(), expect, "{names:?}");
        };
        check(&["cgroups"], &["cgroups/cpu", "cgroups/mem", "posix/cpu"]);
        check(&["cgroups/cpu", " cgroups/mem", ""], &["cgroups/cpu", "cgroups/mem", "posix/cpu"]);
        check(&["posix/cpu", "posix/mem", "process", "filesystem/posix"], &["posix/cpu"]);
        check(&["posix/rlimits"], &["posix/rlimits", "posix/cpu"]);
        check(&["namespaces/pid"], &["filesystem/linux", "namespaces/pid", "posix/cpu"]);
        check(&["disk/du"], &["posix/cpu"]);
        check(&["volume/image"], &["filesystem/linux", "docker/runtime", "posix/cpu"]);
        assert_eq!(Requested::parse(&["disk/du".into()]).unwrap().unsupported, ["disk/du"]);
    }

    #[test]
    fn without_root_there_are_no_namespaces() {
        let requested = Requested::parse(&["namespaces/pid".into(), "posix/rlimits".into()]).unwrap();
        assert!(requested.needs_root());
        assert_eq!(requested.make(IsolatorOptions::default(), false).names(), ["posix/rlimits", "posix/cpu"]);
        let images = Requested::parse(&["docker/runtime".into()]).unwrap();
        for (rootless_images, expect) in [(false, &["posix/cpu"][..]), (true, &["docker/runtime", "posix/cpu"])] {
            let options = IsolatorOptions { rootless_images, ..IsolatorOptions::default() };
            assert_eq!(images.make(options, false).names(), expect);
        }
    }

    #[test]
    fn an_isolator_has_the_name_it_is_listed_under() {
        for entry in &LIST {
            assert_eq!((entry.make)(IsolatorOptions::default()).name(), entry.name);
        }
    }

    #[test]
    fn a_wrong_name_is_an_error() {
        let wrong = Requested::parse(&["cgroups/cpus".into()]);
        assert!(matches!(wrong, Err(Error::UnknownIsolation(name)) if name == "cgroups/cpus"));
    }
}
