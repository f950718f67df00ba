//! The root file system of a container with an image: overlay, kernel file systems, devices, sandbox (Mesos'
//! `isolators/filesystem/linux.cpp` and `linux/fs.cpp`).

mod devices;
mod enter;
mod mount_point;
mod overlay;
mod protected;
mod staged_volumes;

pub use enter::{RootError, enter};
