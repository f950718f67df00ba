//! Docker's API as the agent and its executors use it, and the containers of Mesos in Docker's terms.
//!
//! | module | owns |
//! | --- | --- |
//! | [`Request`] | the requests of Docker's API that are used; pure |
//! | [`Client`], [`Error`] | one request after the other, on a thread that waits |
//! | [`Exchange`] | one request in flight, for a loop that waits with poll(2) |
//! | [`Socket`] | where the daemon listens |
//! | [`Inspection`] | what Docker knows about a container; pure |
//! | [`LogStream`] | the outputs of a container, which come as one stream; pure |
//! | [`create`], [`ContainerRequest`] | a container of Mesos as Docker creates it; pure |
//! | [`Pull`], [`RegistryAuth`] | how an image is pulled |
//! | [`container_name`], [`ListedContainer`], [`Leftover`] | which containers of the daemon belong to an agent; pure |

mod client;
mod error;
mod exchange;
mod inspection;
mod leftovers;
mod log_stream;
mod options;
mod pull;
mod request;
mod socket;

pub use client::{Answer, Client};
pub use error::Error;
pub use exchange::{Exchange, Progress};
pub use inspection::Inspection;
pub use leftovers::{Known, Leftover, ListedContainer, container_id, container_name, judge, parse_list};
pub use log_stream::{InvalidStream, LogStream, Output};
pub use options::{ContainerRequest, CreatedOptions, InvalidOptions, PersistentVolume, create, resource_limits};
pub use pull::{InvalidImage, Pull, RegistryAuth, qualified};
pub use request::{Method, Request};
pub use socket::{InvalidSocket, Socket};
