//! Signatures of images: which registries need them, and whether an image has one.
//!
//! The form is that of cosign: a payload ("simple signing" of containers/image) names the digest of the image; its
//! signature is an annotation of the layer that is the payload, in a manifest with the tag `sha256-<digest>.sig` or
//! among the referrers of the image (OCI distribution specification, "Listing Referrers").

mod payload;
mod policy;
mod public_key;
mod verify;

pub use policy::SignaturePolicy;
pub use public_key::{InvalidKey, PublicKey};
pub(crate) use verify::{Signed, verify};
