//! The thread that owns all containers: it has them started, waits for all of them at once (epoll over pidfds and
//! memory notifications), and destroys them.

mod container;
mod poller;
mod starter;
mod thread;

pub(crate) use poller::{Poller, Waker};
pub(crate) use starter::StartRequest;
pub(crate) use thread::{Command, ContainerHandle, QUEUE, SharedContainers, Worker};
pub use thread::{DescribedContainer, Recovered};
