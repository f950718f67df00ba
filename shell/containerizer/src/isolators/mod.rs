//! The isolators, which separate and limit containers, one per file, named as in `--isolation`.
//!
//! | module | owns |
//! | --- | --- |
//! | `isolator` | the trait, and the properties of a container that isolators use |
//! | `list` | the list of all isolators: names, requirements, constructors |
//! | `set` | the isolators in use, called in order |
//! | `cgroups_blkio`, `cgroups_cpu`, `cgroups_cpuset`, `cgroups_devices`, `cgroups_mem`, `cgroups_net_cls`, `cgroups_pids` | one controller each |
//! | `cgroups_perf_event` | counts of performance events |
//! | `cgroups_only` | controllers of which containers only have a cgroup |
//! | `disk_du`, `disk_xfs` | the disk space of sandboxes and volumes |
//! | `docker_runtime` | images of containers |
//! | `filesystem_linux` | mount namespaces, and the volumes in them |
//! | `gpu_nvidia` | GPUs |
//! | `linux_capabilities`, `linux_nnp`, `linux_seccomp` | the privileges of programs |
//! | `linux_devices` | the operator's devices in images |
//! | `namespaces_ipc`, `namespaces_pid` | IPC and pid namespaces |
//! | `network_cni` | networks by plugins |
//! | `network_ports` | ports in the network of the agent |
//! | `posix_rlimits` | resource limits (setrlimit(2)) |
//! | `volume_host_path`, `volume_sandbox_path`, `volume_secret` | volumes |
//! | `posix_usage` | the usage of processes, summed up where no controller measures it |

mod cgroups_blkio;
mod cgroups_cpu;
mod cgroups_cpuset;
mod cgroups_devices;
mod cgroups_mem;
mod cgroups_net_cls;
mod cgroups_only;
mod cgroups_perf_event;
mod cgroups_pids;
mod disk_du;
mod disk_xfs;
mod docker_runtime;
mod filesystem_linux;
mod gpu_nvidia;
mod isolator;
mod linux_capabilities;
mod linux_devices;
mod linux_nnp;
mod linux_seccomp;
mod list;
mod namespaces_ipc;
mod namespaces_pid;
mod network_cni;
mod network_ports;
mod posix_rlimits;
mod posix_usage;
mod set;
mod volume_host_path;
mod volume_sandbox_path;
mod volume_secret;

pub(crate) use cgroups_perf_event::CgroupsPerfEvent;
pub(crate) use disk_xfs::DiskXfs;
pub(crate) use isolator::{Cause, ContainerContext, Isolator};
pub(crate) use list::Requested;
pub(crate) use set::Isolators;
