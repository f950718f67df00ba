//! The list of all isolators, and the names of `--isolation`.

use std::collections::BTreeSet;

use super::cgroups_blkio::CgroupsBlkio;
use super::cgroups_cpu::CgroupsCpu;
use super::cgroups_cpuset::CgroupsCpuset;
use super::cgroups_devices::CgroupsDevices;
use super::cgroups_mem::CgroupsMem;
use super::cgroups_net_cls::CgroupsNetCls;
use super::cgroups_only::CgroupsOnly;
use super::cgroups_perf_event::CgroupsPerfEvent;
use super::cgroups_pids::CgroupsPids;
use super::disk_du::DiskDu;
use super::disk_xfs::DiskXfs;
use super::docker_runtime::DockerRuntime;
use super::filesystem_linux::FilesystemLinux;
use super::gpu_nvidia::GpuNvidia;
use super::linux_capabilities::LinuxCapabilities;
use super::linux_devices::LinuxDevices;
use super::linux_nnp::LinuxNnp;
use super::linux_seccomp::LinuxSeccomp;
use super::namespaces_ipc::NamespacesIpc;
use super::namespaces_pid::NamespacesPid;
use super::network_cni::NetworkCni;
use super::network_ports::NetworkPorts;
use super::posix_rlimits::PosixRlimits;
use super::posix_usage::PosixUsage;
use super::volume_host_path::VolumeHostPath;
use super::volume_sandbox_path::VolumeSandboxPath;
use super::volume_secret::VolumeSecret;
use super::{Isolator, Isolators};
use crate::cgroups::Controller;
use crate::{Config, Error};

/// One isolator of the list.
struct Entry {
    /// The name in `--isolation`.
    name: &'static str,
    needs: Needs,
    make: fn(&Config) -> Box<dyn Isolator>,
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
const LIST: [Entry; 28] = [
    Entry {
        name: "cgroups/cpu",
        needs: Needs::Controller(Controller::Cpu),
        make: |config| Box::new(CgroupsCpu { cfs: config.cgroups_enable_cfs }),
    },
    Entry {
        name: "cgroups/mem",
        needs: Needs::Controller(Controller::Memory),
        make: |config| Box::new(CgroupsMem::new(config.cgroups_limit_swap)),
    },
    Entry { name: "cgroups/pids", needs: Needs::Controller(Controller::Pids), make: |_| Box::new(CgroupsPids) },
    Entry { name: "cgroups/blkio", needs: Needs::Controller(Controller::Blkio), make: |_| Box::new(CgroupsBlkio) },
    Entry { name: "cgroups/cpuset", needs: Needs::Controller(Controller::Cpuset), make: |_| Box::new(CgroupsCpuset) },
    // This isolator comes before the one of devices, which allows those of the GPUs, too.
    Entry {
        name: "gpu/nvidia",
        needs: Needs::Controller(Controller::Devices),
        make: |config| Box::new(GpuNvidia::new(config)),
    },
    Entry {
        name: "cgroups/devices",
        needs: Needs::Controller(Controller::Devices),
        make: |config| Box::new(CgroupsDevices { allowed: config.allowed_devices.clone() }),
    },
    Entry {
        name: "cgroups/hugetlb",
        needs: Needs::Controller(Controller::Hugetlb),
        make: |_| Box::new(CgroupsOnly("cgroups/hugetlb")),
    },
    Entry {
        name: "cgroups/net_cls",
        needs: Needs::Controller(Controller::NetCls),
        make: |config| Box::new(CgroupsNetCls::new(config.net_cls_handles)),
    },
    Entry {
        name: "cgroups/net_prio",
        needs: Needs::Controller(Controller::NetPrio),
        make: |_| Box::new(CgroupsOnly("cgroups/net_prio")),
    },
    Entry {
        name: "cgroups/perf_event",
        needs: Needs::Controller(Controller::PerfEvent),
        make: |config| Box::new(CgroupsPerfEvent::new(config)),
    },
    Entry { name: "filesystem/linux", needs: Needs::Root, make: |_| Box::new(FilesystemLinux) },
    Entry {
        name: "namespaces/pid",
        needs: Needs::Root,
        make: |config| Box::new(NamespacesPid { disallow_sharing: config.disallow_sharing_agent_pid_namespace }),
    },
    Entry {
        name: "linux/capabilities",
        needs: Needs::Root,
        make: |config| Box::new(LinuxCapabilities { flags: config.capabilities }),
    },
    Entry { name: "linux/nnp", needs: Needs::Nothing, make: |_| Box::new(LinuxNnp) },
    // This isolator comes after the one of capabilities, on which rules of profiles depend.
    Entry { name: "linux/seccomp", needs: Needs::Root, make: |config| Box::new(LinuxSeccomp::new(config)) },
    Entry {
        name: "linux/devices",
        needs: Needs::Root,
        make: |config| Box::new(LinuxDevices { allowed: config.allowed_devices.clone() }),
    },
    Entry {
        name: "namespaces/ipc",
        needs: Needs::Root,
        make: |config| {
            Box::new(NamespacesIpc {
                default_shm: config.default_container_shm_size,
                disallow_sharing: config.disallow_sharing_agent_ipc_namespace,
            })
        },
    },
    Entry {
        name: "volume/host_path",
        needs: Needs::Root,
        make: |config| Box::new(VolumeHostPath { made: config.host_path_volume_force_creation.clone() }),
    },
    Entry { name: "volume/secret", needs: Needs::Root, make: |_| Box::new(VolumeSecret) },
    Entry { name: "disk/du", needs: Needs::Nothing, make: |config| Box::new(DiskDu::new(config)) },
    Entry { name: "disk/xfs", needs: Needs::Nothing, make: |config| Box::new(DiskXfs::new(config)) },
    Entry { name: "volume/sandbox_path", needs: Needs::Root, make: |_| Box::new(VolumeSandboxPath) },
    Entry { name: "posix/rlimits", needs: Needs::Nothing, make: |_| Box::new(PosixRlimits) },
    Entry { name: "docker/runtime", needs: Needs::RootOrUserNamespace, make: |_| Box::new(DockerRuntime) },
    Entry { name: "network/ports", needs: Needs::Root, make: |config| Box::new(NetworkPorts::new(config)) },
    // This isolator comes after all that may refuse a container: plugins take long.
    Entry { name: "network/cni", needs: Needs::Root, make: |config| Box::new(NetworkCni::new(config)) },
    // This isolator is always in use, and last: it measures the usage that the others do not measure.
    Entry { name: "posix/cpu", needs: Needs::Nothing, make: |_| Box::new(PosixUsage) },
];

/// The name of all controllers that the machine has.
const ALL_CGROUPS: &str = "cgroups/all";

/// Names that stand for other names, or include them.
const ALIASES: [(&str, &[&str]); 14] = [
    ("cgroups", &["cgroups/cpu", "cgroups/mem"]),
    (
        ALL_CGROUPS,
        &[
            "cgroups/blkio",
            "cgroups/cpu",
            "cgroups/cpuset",
            "cgroups/devices",
            "cgroups/hugetlb",
            "cgroups/mem",
            "cgroups/net_cls",
            "cgroups/net_prio",
            "cgroups/perf_event",
            "cgroups/pids",
        ],
    ),
    // The name of the controller in the v2 hierarchy.
    ("cgroups/io", &["cgroups/blkio"]),
    // As in Mesos, these volumes come with the mount namespace that they need.
    ("filesystem/linux", &["filesystem/linux", "volume/host_path", "volume/sandbox_path"]),
    ("volume/host_path", &["filesystem/linux", "volume/host_path", "volume/sandbox_path"]),
    ("volume/sandbox_path", &["filesystem/linux", "volume/host_path", "volume/sandbox_path"]),
    ("volume/secret", &["filesystem/linux", "volume/host_path", "volume/sandbox_path", "volume/secret"]),
    ("posix/disk", &["disk/du"]),
    // A separate `/proc` is a mount, which needs a mount namespace.
    ("namespaces/pid", &["namespaces/pid", "filesystem/linux", "volume/host_path", "volume/sandbox_path"]),
    // A `/dev/shm` is a mount.
    ("namespaces/ipc", &["namespaces/ipc", "filesystem/linux", "volume/host_path", "volume/sandbox_path"]),
    // The root of an image is mounted in the mount namespace of the container.
    ("docker/runtime", &["docker/runtime", "filesystem/linux", "volume/host_path", "volume/sandbox_path"]),
    // Images as volumes are mounted by the same launcher.
    ("volume/image", &["docker/runtime", "filesystem/linux", "volume/host_path", "volume/sandbox_path"]),
    ("posix/mem", &["posix/cpu"]),
    ("process", &["posix/cpu"]),
];

/// Names that have no effect on containers without images, which are the only ones so far.
const WITHOUT_EFFECT: [&str; 2] = ["filesystem/posix", "environment_secret"];

/// Names of Mesos without an isolator here, and what an operator uses instead. The agent starts and reports them, as it
/// does for missing rights. Containers that ask for one of them are refused.
const NOT_IMPLEMENTED: [(&str, &str); 8] = [
    ("appc/runtime", "use docker/runtime, which runs Docker and OCI images"),
    ("docker/volume", "mount the volume on the agent, and use volume/host_path"),
    ("filesystem/shared", "use volume/host_path and volume/sandbox_path"),
    ("filesystem/windows", "this agent runs on Linux: use filesystem/linux"),
    ("network/port_mapping", "containers use the network of the agent, on the ports that they are allocated"),
    ("volume/csi", "mount the volume on the agent, and use volume/host_path"),
    ("windows/cpu", "this agent runs on Linux: use cgroups/cpu"),
    ("windows/mem", "this agent runs on Linux: use cgroups/mem"),
];

/// The isolators that the operator requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Requested {
    names: BTreeSet<&'static str>,
    /// Names that Mesos has and this program does not implement.
    pub unsupported: Vec<String>,
    /// Names that the operator has written, and not only `cgroups/all`.
    explicit: BTreeSet<&'static str>,
}

impl Requested {
    /// Parses the names of `--isolation`.
    ///
    /// # Errors
    /// Returns [`Error::UnknownIsolation`] for a name that is neither known to Mesos nor to this list.
    pub(crate) fn parse(names: &[String]) -> Result<Self, Error> {
        let mut requested = Requested { names: BTreeSet::from(["posix/cpu"]), ..Requested::default() };
        check_names(names)?;
        for name in names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()) {
            let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, names)| *names);
            let entry = LIST.iter().find(|entry| entry.name == name).map(|entry| entry.name);
            match (alias, entry) {
                (Some(names), _) => {
                    requested.names.extend(names);
                    requested.explicit.extend(names.iter().filter(|_| name != ALL_CGROUPS));
                }
                (None, Some(name)) => {
                    requested.names.insert(name);
                    requested.explicit.insert(name);
                }
                (None, None) if WITHOUT_EFFECT.contains(&name) => {}
                (None, None) => match NOT_IMPLEMENTED.iter().find(|(known, _)| *known == name) {
                    Some((_, instead)) => requested.unsupported.push(format!("'{name}' is not implemented: {instead}")),
                    None => return Err(Error::UnknownIsolation(name.to_owned())),
                },
            }
        }
        if requested.has("gpu/nvidia") {
            requested.check_gpus()?;
        }
        Ok(requested)
    }

    /// Checks that the isolators are there without which any container could use all GPUs, with Mesos' words.
    fn check_gpus(&self) -> Result<(), Error> {
        for (name, missing) in [
            (
                "cgroups/devices",
                "The 'cgroups/devices' isolator must be enabled in order to use the 'gpu/nvidia' isolator",
            ),
            (
                "filesystem/linux",
                "The 'filesystem/linux' isolator must be enabled in order to use the 'gpu/nvidia' isolator",
            ),
        ] {
            if !self.has(name) {
                return Err(Error::Isolation(missing));
            }
        }
        Ok(())
    }

    /// Returns the controllers that the requested isolators need.
    pub(crate) fn controllers(&self) -> impl Iterator<Item = Controller> {
        self.entries().filter_map(|entry| match entry.needs {
            Needs::Controller(controller) => Some(controller),
            Needs::Nothing | Needs::Root | Needs::RootOrUserNamespace => None,
        })
    }

    /// Returns whether a controller is wanted only if the machine has it, since the operator wants all that there are.
    pub(crate) fn is_optional(&self, controller: Controller) -> bool {
        !self.entries().any(|entry| entry.needs == Needs::Controller(controller) && self.explicit.contains(entry.name))
    }

    /// Returns whether an isolator is requested.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Returns whether a requested isolator needs root for a reason other than controllers.
    pub(crate) fn needs_root(&self) -> bool {
        self.entries().any(|entry| entry.needs == Needs::Root)
    }

    /// Makes the isolators that this machine supports. Those whose controller is missing stay in the list and have no
    /// effect.
    pub(crate) fn make(&self, config: &Config, is_root: bool) -> Isolators {
        let possible = self.entries().filter(|entry| match entry.needs {
            Needs::Root => is_root,
            Needs::RootOrUserNamespace => is_root || config.rootless_images,
            Needs::Nothing | Needs::Controller(_) => true,
        });
        Isolators::new(possible.map(|entry| (entry.make)(config)).collect(), config.cgroups_enable_cfs)
    }

    fn entries(&self) -> impl Iterator<Item = &'static Entry> {
        LIST.iter().filter(|entry| self.names.contains(entry.name))
    }
}

/// Checks the rules of Mesos for lists of names (`MesosContainerizer::create`).
fn check_names(names: &[String]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    if !names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).all(|name| seen.insert(name)) {
        return Err(Error::Isolation("Duplicate entries found in --isolation flag"));
    }
    if seen.iter().filter(|name| name.starts_with("filesystem/") && **name != "filesystem/shared").count() > 1 {
        return Err(Error::Isolation("Using multiple filesystem isolators simultaneously is disallowed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_mesos() {
        let check = |names: &[&str], expect: &[&str]| {
            let given: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let made = Requested::parse(&given).unwrap().make(&Config::default(), true);
            assert_eq!(made.names(), expect, "{names:?}");
        };
        check(&["cgroups"], &["cgroups/cpu", "cgroups/mem", "posix/cpu"]);
        check(&["cgroups/cpu", " cgroups/mem", ""], &["cgroups/cpu", "cgroups/mem", "posix/cpu"]);
        check(&["posix/cpu", "posix/mem", "process", "filesystem/posix"], &["posix/cpu"]);
        check(&["posix/rlimits"], &["posix/rlimits", "posix/cpu"]);
        let with_volumes =
            ["filesystem/linux", "namespaces/pid", "volume/host_path", "volume/sandbox_path", "posix/cpu"];
        check(&["namespaces/pid"], &with_volumes);
        let with_images =
            ["filesystem/linux", "volume/host_path", "volume/sandbox_path", "docker/runtime", "posix/cpu"];
        check(&["volume/image"], &with_images);
        check(&["posix/disk"], &["disk/du", "posix/cpu"]);
        check(&["disk/xfs"], &["disk/xfs", "posix/cpu"]);
        check(&["appc/runtime"], &["posix/cpu"]);
        let unsupported = Requested::parse(&["appc/runtime".into()]).unwrap().unsupported;
        assert!(unsupported[0].starts_with("'appc/runtime' is not implemented: use docker/runtime"), "{unsupported:?}");
    }

    #[test]
    fn without_root_there_are_no_namespaces() {
        let requested = Requested::parse(&["namespaces/pid".into(), "posix/rlimits".into()]).unwrap();
        assert!(requested.needs_root());
        assert_eq!(requested.make(&Config::default(), false).names(), ["posix/rlimits", "posix/cpu"]);
        let images = Requested::parse(&["docker/runtime".into()]).unwrap();
        for (rootless_images, expect) in [(false, &["posix/cpu"][..]), (true, &["docker/runtime", "posix/cpu"])] {
            let config = Config { rootless_images, ..Config::default() };
            assert_eq!(images.make(&config, false).names(), expect);
        }
    }

    #[test]
    fn an_isolator_has_the_name_it_is_listed_under() {
        for entry in &LIST {
            assert_eq!((entry.make)(&Config::default()).name(), entry.name);
        }
    }

    #[test]
    fn a_wrong_name_is_an_error() {
        let wrong = Requested::parse(&["cgroups/cpus".into()]);
        assert!(matches!(wrong, Err(Error::UnknownIsolation(name)) if name == "cgroups/cpus"));
        let refused = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Requested::parse(&names).unwrap_err().to_string()
        };
        assert_eq!(refused(&["cgroups/cpu", " cgroups/cpu"]), "Duplicate entries found in --isolation flag");
        let several = "Using multiple filesystem isolators simultaneously is disallowed";
        assert_eq!(refused(&["filesystem/posix", "filesystem/linux"]), several);
    }

    /// Every name of Mesos is carried out, or says what to use instead.
    #[test]
    fn no_name_of_mesos_is_unknown() {
        let names = "filesystem/windows filesystem/posix filesystem/linux filesystem/shared posix/cpu posix/mem \
                     posix/rlimits posix/disk windows/cpu windows/mem cgroups/all cgroups/blkio cgroups/cpu \
                     cgroups/cpuset cgroups/devices cgroups/hugetlb cgroups/mem cgroups/net_cls cgroups/net_prio \
                     cgroups/perf_event cgroups/pids appc/runtime docker/runtime linux/devices linux/capabilities \
                     linux/nnp namespaces/ipc namespaces/pid volume/sandbox_path docker/volume volume/host_path \
                     volume/image volume/secret volume/csi disk/du disk/xfs linux/seccomp gpu/nvidia network/cni \
                     network/port_mapping network/ports environment_secret process cgroups";
        for name in names.split_whitespace() {
            let alone = Requested::parse(&[name.to_owned()]);
            assert!(!matches!(alone, Err(Error::UnknownIsolation(_))), "{name}");
        }
        let gpus = |names: &[&str]| Requested::parse(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let missing = gpus(&["gpu/nvidia", "filesystem/linux"]).unwrap_err().to_string();
        assert_eq!(missing, "The 'cgroups/devices' isolator must be enabled in order to use the 'gpu/nvidia' isolator");
        assert!(gpus(&["cgroups/devices", "gpu/nvidia"]).is_err());
        assert!(gpus(&["cgroups/all", "gpu/nvidia", "namespaces/pid"]).is_ok());
    }
}
