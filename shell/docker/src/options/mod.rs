//! A container of Mesos as Docker creates it (`Docker::RunOptions::create` of Mesos).
//!
//! | module | owns |
//! | --- | --- |
//! | `create` | [`create`], the whole |
//! | `document` | the body of the request, to which the others add |
//! | `error` | [`InvalidOptions`], with the texts of Mesos |
//! | `limits` | processors and memory |
//! | `linux` | capabilities, resource limits, namespaces |
//! | `networks` | the network, ports, addresses and name servers |
//! | `parameters` | `DockerInfo.parameters`, which are options of `docker run` |
//! | `mount_parameter` | `--mount` of them |
//! | `units` | the sizes and times of those options |
//! | `volumes` | the volumes and the sandbox |

mod create;
mod document;
mod error;
mod limits;
mod linux;
mod mount_parameter;
mod networks;
mod parameters;
mod units;
mod volumes;

pub use create::{ContainerRequest, CreatedOptions, PersistentVolume, create};
pub use error::InvalidOptions;
pub use limits::resource_limits;
