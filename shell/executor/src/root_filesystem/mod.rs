//! The root file system of a container with an image: overlay, kernel file systems, devices, sandbox,
//! volumes (Mesos'
//! `isolators/filesystem/linux.cpp` and `linux/fs.cpp`).

mod devices;
mod enter;
mod mount_point;
mod protected;
mod source;
mod staged_volumes;
mod user_namespace;
mod volumes;

pub use enter::{RootError, enter};
pub use user_namespace::probe;
