//! OCI image layouts (OCI image specification, "Image Layout").

use std::collections::BTreeMap;

use super::files::ArchiveFiles;
use super::image::{ArchiveImage, ImageSource, Resolved};
use crate::manifest::{ConfigSource, Descriptor, IndexEntry, Manifest, choose};
use crate::{Digest, Error, ImageConfig, Platform};

/// The annotation with the name or the tag of an image.
const REFERENCE: &str = "org.opencontainers.image.ref.name";
/// The annotation with the complete name, which containerd and Docker write.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Returns the images of `index.json`; `None` if there is none. Entries of one name are one image for several platforms.
pub(super) fn images(files: &ArchiveFiles) -> Result<Option<Vec<ArchiveImage>>, Error> {
    let Some(bytes) = files.document("index.json")? else { return Ok(None) };
    let Manifest::Index(entries) = Manifest::parse(None, &bytes)? else {
        return Err(Error::manifest("index.json", "it is no index"));
    };
    let mut by_name: BTreeMap<Option<String>, Vec<IndexEntry>> = BTreeMap::new();
    for entry in entries {
        let name = [CONTAINERD_NAME, REFERENCE].into_iter().find_map(|name| entry.annotations.get(name));
        by_name.entry(name.cloned()).or_default().push(entry);
    }
    let image = |(name, entries): (Option<String>, Vec<IndexEntry>)| {
        // A text without separators is a tag: `skopeo copy … oci:DIR:TAG`.
        let is_tag = name.as_ref().is_some_and(|name| !name.contains(['/', ':']));
        let names = name.iter().filter(|_| !is_tag).filter_map(|name| name.parse().ok()).collect();
        ArchiveImage { names, tag: name.filter(|_| is_tag), source: ImageSource::Oci(entries) }
    };
    Ok(Some(by_name.into_iter().map(image).collect()))
}

/// Reads the documents of the image for a platform.
pub(super) fn resolve(files: &ArchiveFiles, entries: &[IndexEntry], platform: &Platform) -> Result<Resolved, Error> {
    // An index with a single entry often states no platform, or leads to the index with the platforms.
    let entry = match entries {
        [only] => only,
        _ => choose(entries, platform)?,
    };
    let mut digest = entry.descriptor.digest;
    let mut manifest = Manifest::parse(None, &blob(files, digest, "the manifest")?)?;
    if let Manifest::Index(inner) = &manifest {
        digest = choose(inner, platform)?.descriptor.digest;
        manifest = Manifest::parse(None, &blob(files, digest, "the manifest in the index")?)?;
    }
    let Manifest::Image(image) = manifest else {
        return Err(Error::manifest("the index", "it leads to another index"));
    };
    let config = match image.config {
        ConfigSource::Inline(config) => *config,
        ConfigSource::Blob(Descriptor { digest, .. }) => {
            ImageConfig::parse(&blob(files, digest, "the configuration of the image")?)?
        }
    };
    config.check_layers(image.layers.len())?;
    let layers = image.layers.into_iter().map(|layer| {
        let path = path_of(layer.digest);
        (layer, path)
    });
    Ok(Resolved { digest, config, layers: layers.collect() })
}

fn blob(files: &ArchiveFiles, digest: Digest, what: &str) -> Result<Vec<u8>, Error> {
    let bytes = files.required_document(&path_of(digest))?;
    let found = Digest::of(&bytes);
    if found != digest {
        return Err(Error::DigestMismatch { what: what.to_owned(), expected: digest, found });
    }
    Ok(bytes)
}

fn path_of(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
