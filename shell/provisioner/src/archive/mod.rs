//! Archives of images: those of `docker save`, and OCI image layouts, each as a tar file or a directory. Archives are
//! as little trusted as registries: everything that has a digest is checked, and every size has a bound.

mod docker;
mod files;
mod image;
mod oci;
mod tar_index;

pub(crate) use files::ArchiveFiles;
pub(crate) use image::{ArchiveImage, images, select};
pub(crate) use tar_index::TarIndex;
