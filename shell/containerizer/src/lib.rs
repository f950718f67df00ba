//! Turns descriptions of containers into isolated processes: launcher, isolators, volumes.
//!
//! | module | owns |
//! | --- | --- |
//! | [`Containerizer`] | the handle that the agent's shell calls |
//! | [`Config`], [`GpuConfig`], [`PerfConfig`], [`XfsConfig`] | the operator's choices |
//! | [`Launch`], [`Limits`], [`Requests`] | the description of one container |
//! | [`Nesting`], [`DescribedContainer`] | the further properties of nested and standalone containers |
//! | [`Init`] | the init process that starts its program, where one is needed |
//! | [`Bind`], [`PersistentVolume`] | a directory of the host inside a container |
//! | [`NetworkConfig`], [`NetworkRequest`], [`JoinedNetwork`] | networks of containers (CNI) |
//! | [`PortsConfig`] | the check of ports that containers listen on |
//! | [`CniResult`], [`Dns`] | the answer of a CNI plugin |
//! | [`Event`], [`Limitation`], [`Usage`] | events and measurements |
//! | [`Target`] | the process whose view of the machine a session has |
//! | [`CapabilitySet`], [`CapabilityRequest`] | capabilities of containers |
//! | [`check_hostname`] | the host names that containers can have |
//! | [`User`], [`resolve_user`] | the user that a container runs as |
//! | [`Nvml`], [`driver_volume`] | the GPUs of the machine, and the files of their driver |
//! | [`SealedProgram`] | helper programs that cannot be written from inside a container |
//! | [`executor_template`] | the process from which command executors are forked |

mod binds;
mod capabilities;
mod cgroups;
mod cni;
mod config;
mod containerizer;
mod devices;
mod disk_size;
mod disk_usage;
mod disk_watcher;
mod elf;
mod error;
mod event;
mod handles;
mod hostname;
mod isolation;
mod isolators;
mod kernel;
mod launch;
mod launch_spec;
mod nvidia;
mod perf;
mod port_watcher;
mod prelink;
mod process_tree;
mod quiet_files;
mod recovery;
mod requests;
mod rotate;
mod rotation;
mod runtime_dir;
mod sealed;
mod seccomp;
mod spawn;
mod target;
mod trusted_file;
mod user;
mod volumes;
mod worker;
mod xfs;

pub use binds::{Bind, PersistentVolume};
pub use capabilities::{CapabilityError, CapabilityRequest, CapabilitySet};
pub use cni::{AddressRequest, CniResult, Dns, InvalidResult, JoinedNetwork, NetworkDns, NetworkRequest, PortMapping};
pub use config::{Config, GpuConfig, Launcher, NetworkConfig, PerfConfig, PortsConfig, XfsConfig};
pub use containerizer::Containerizer;
pub use devices::{AllowedDevice, DeviceKind};
pub use error::Error;
pub use event::{
    DeviceUsage, Event, Limitation, LimitationKind, NetworkUsage, OperationCounts, PacketCounters, PerfUsage, Usage,
    VolumeUsage,
};
pub use handles::{NetClassHandles, parse_handles};
pub use hostname::check_hostname;
pub use launch::{
    Init, Input, Launch, Limits, Nesting, Output, Program, Rlimit, RlimitKind, Rotation, TerminalOptions,
};
pub use nvidia::{Nvml, NvmlError, driver_volume};
pub use requests::{
    InImage, IpcMode, IpcRequest, Propagation, Requests, SeccompRequest, SecretData, Volume, VolumeSource,
};
pub use runtime_dir::adopt;
pub use sealed::SealedProgram;
pub use seccomp::{InvalidSeccompProfile, check_seccomp_profile};
pub use spawn::executor_template;
pub use target::Target;
pub use user::{User, resolve_user};
pub use worker::{DescribedContainer, Recovered};
