//! Unpacks one layer of an image from untrusted bytes into one directory, in the form that overlayfs stacks.

mod header_limit;
mod layer_path;
mod layer_root;
mod stream;
mod unpack;
mod whiteout;
mod zstd_frames;

pub(crate) use header_limit::{AllowedReader, HeaderAllowance};
pub(crate) use layer_root::{is_opaque, remove_entry};
pub(crate) use stream::unpack_stream;
pub(crate) use unpack::UnpackLimits;
pub(crate) use zstd_frames::ZstdFrames;
