//! The errors of images. The texts are complete by themselves: they become the message of a task's failure.

use std::io;
use std::path::PathBuf;

use crate::digest::{Digest, InvalidDigest};
use crate::registry::RegistryError;

/// The reason for which an image cannot be pulled, imported, listed or removed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum Error {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("{what} is invalid: {problem}")]
    Manifest { what: String, problem: String },
    #[error("unsupported manifest MIME type: {0}")]
    MediaType(String),
    #[error("there is no image for {wanted} in the index, only for {found}")]
    Platform { wanted: String, found: String },
    #[error(
        "the digest of {what} is {found}, expected {expected}: the registry or something on the way has changed it"
    )]
    DigestMismatch { what: String, expected: Digest, found: Digest },
    #[error("{what} has {found} bytes, expected {expected}")]
    SizeMismatch { what: String, expected: u64, found: u64 },
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    #[error("layer {layer}: {reason}")]
    Layer {
        layer: Digest,
        #[source]
        reason: LayerError,
    },
    #[error("more than {limit} {what}")]
    TooMany { what: &'static str, limit: u64 },
    #[error("{action} '{path}': {source}")]
    Store {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "'{}' is no store of images ({why}): use the --docker_store_dir of an agent, or an empty or new directory",
        path.display()
    )]
    NoStore { path: PathBuf, why: &'static str },
    #[error(
        "no space left in the image store '{0}': free some with 'tepui image prune', or choose another --docker_store_dir"
    )]
    NoSpace(PathBuf),
    #[error("no space left for the files of a container in '{0}': free some on this file system")]
    NoSpaceFor(PathBuf),
    #[error("the image is removed again and again while it is being pulled: is something pruning the store?")]
    Removed,
    #[error("cannot prune and pull at the same time: an image is being pulled, try again when it is there")]
    Busy,
    #[error("there is no image '{0}' in the store: 'tepui image list' shows what there is")]
    NotFound(String),
    #[error("'{}' is no archive of images: expected one of 'docker save' or an OCI image layout", .0.display())]
    NoArchive(PathBuf),
    #[error("there is no archive of image '{image}' at '{}', which --docker_registry names", path.display())]
    NoArchiveOf { image: String, path: PathBuf },
    #[error("the archive has no image '{wanted}', only {found}")]
    NotInArchive { wanted: String, found: String },
    #[error("the archive '{}' has several images: choose one with --image", .0.display())]
    Ambiguous(PathBuf),
    #[error("the image in the archive '{}' has no name: give it one with --as", .0.display())]
    Unnamed(PathBuf),
    #[error(
        "image '{image}' is not signed by the key '{keys}' ({found} signatures at its registry): sign it with 'cosign sign', or change the keys"
    )]
    Signature { image: String, keys: String, found: usize },
    #[error("image '{0}' must be signed, and archives have no signatures: pull it from its registry")]
    UnsignedArchive(String),
    #[error("cancelled")]
    Cancelled,
}

/// The reason for which a layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum LayerError {
    #[error("cannot read it: {0}")]
    Read(#[source] io::Error),
    #[error("cannot write '{path}': {source}")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("'{0}' would be outside of the root")]
    Outside(String),
    #[error("'{0}' is a link to an empty path")]
    EmptyLink(String),
    #[error("'{link}' is a hard link to '{target}', which this layer does not have: build the image anew")]
    LinkTarget { link: String, target: String },
    #[error("'{0}' is a sparse file in a form that is not supported: make the layer without --sparse")]
    Sparse(String),
    #[error("'{0}' is of a kind that is not known")]
    Kind(String),
    #[error("more than {0} files")]
    TooManyFiles(u64),
    #[error("more than {0} bytes when it is unpacked")]
    TooLarge(u64),
    #[error("headers of more than {0} bytes")]
    Headers(u64),
}

impl Error {
    pub(crate) fn manifest(what: impl Into<String>, problem: impl ToString) -> Self {
        Error::Manifest { what: what.into(), problem: problem.to_string() }
    }

    /// Returns whether the same action may succeed if it is tried again.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Registry(error) if error.is_transient())
    }
}
