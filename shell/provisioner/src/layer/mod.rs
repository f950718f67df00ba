//! Unpacks one layer of an image from untrusted bytes into one directory, in the form that overlayfs stacks.

mod layer_path;
mod layer_root;
mod pax_records;
mod stream;
mod unpack;
mod whiteout;
mod zstd_frames;

pub(crate) use layer_root::is_opaque;
pub(crate) use stream::unpack_stream;
pub(crate) use unpack::UnpackLimits;
pub(crate) use zstd_frames::ZstdFrames;
