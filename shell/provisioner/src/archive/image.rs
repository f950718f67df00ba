//! The images of an archive: their names, and the documents of the one that is chosen.

use super::files::ArchiveFiles;
use super::{docker, oci};
use crate::manifest::{Descriptor, IndexEntry};
use crate::{Digest, Error, ImageConfig, ImageReference, Platform};

/// One image of an archive.
#[derive(Debug)]
pub(crate) struct ArchiveImage {
    /// The complete names of the image.
    pub names: Vec<ImageReference>,
    /// The tag alone, which an OCI layout may have in place of a name.
    pub tag: Option<String>,
    pub(super) source: ImageSource,
}

/// The place of an image's documents.
#[derive(Debug)]
pub(super) enum ImageSource {
    /// The entries of `index.json`, one for each platform.
    Oci(Vec<IndexEntry>),
    /// The paths in `manifest.json`.
    Docker { config: String, layers: Vec<String> },
    /// The id of the uppermost layer in `repositories`.
    Legacy { top: String },
}

/// An image with its documents.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The digest of the manifest, or of the configuration where there is no manifest (Docker's image id).
    pub digest: Digest,
    pub config: ImageConfig,
    /// The layers, the lowest first, each with the path of its file.
    pub layers: Vec<(Descriptor, String)>,
}

/// The maximum number of images in an archive.
pub(super) const MAX_IMAGES: usize = 1000;

/// Returns the images of an archive; `None` for files that are no archive of images.
///
/// # Errors
/// A document is broken or too large.
pub(crate) fn images(files: &ArchiveFiles) -> Result<Option<Vec<ArchiveImage>>, Error> {
    // New archives of Docker have both forms; `manifest.json` has the complete names.
    let found = match docker::images(files)? {
        Some(images) => Some(images),
        None => match oci::images(files)? {
            Some(images) => Some(images),
            None => docker::legacy_images(files)?,
        },
    };
    match found {
        Some(images) if images.len() > MAX_IMAGES => {
            Err(Error::TooMany { what: "images in the archive", limit: MAX_IMAGES as u64 })
        }
        found => Ok(found),
    }
}

/// Chooses the image that a reference means. An archive with a single image that has no name is taken as it is.
///
/// # Errors
/// There is no such image; the error names those that there are.
pub(crate) fn select<'a>(images: &'a [ArchiveImage], wanted: &ImageReference) -> Result<&'a ArchiveImage, Error> {
    let by_name = images.iter().find(|image| image.names.iter().any(|name| name.names_same(wanted)));
    let by_tag = || {
        images
            .iter()
            .find(|image| image.names.is_empty() && image.tag.as_deref().is_some_and(|tag| tag == wanted.tag()))
    };
    let only = || match images {
        [image] if image.names.is_empty() && image.tag.is_none() => Some(image),
        _ => None,
    };
    by_name
        .or_else(by_tag)
        .or_else(only)
        .ok_or_else(|| Error::NotInArchive { wanted: wanted.to_string(), found: listed(images) })
}

fn listed(images: &[ArchiveImage]) -> String {
    let names = images.iter().flat_map(|image| {
        image.names.iter().map(ToString::to_string).chain(image.tag.iter().map(|tag| format!("tag {tag}")))
    });
    let names: Vec<String> = names.take(20).collect();
    if names.is_empty() { "images without names".to_owned() } else { names.join(", ") }
}

impl ArchiveImage {
    /// Reads the documents of the image for a platform.
    ///
    /// # Errors
    /// A document is missing, broken, or not what its digest says.
    pub fn resolve(&self, files: &ArchiveFiles, platform: &Platform) -> Result<Resolved, Error> {
        match &self.source {
            ImageSource::Oci(entries) => oci::resolve(files, entries, platform),
            ImageSource::Docker { config, layers } => docker::resolve(files, config, layers),
            ImageSource::Legacy { top } => docker::resolve_legacy(files, top),
        }
    }
}
