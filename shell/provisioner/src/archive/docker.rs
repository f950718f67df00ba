//! The format of `docker save`: `manifest.json` since Docker 1.10, `repositories` before (Docker image specification v1,
//! "Combined Image JSON + Filesystem Changeset Format").

use std::collections::BTreeMap;

use serde::Deserialize;

use super::files::ArchiveFiles;
use super::image::{ArchiveImage, ImageSource, MAX_IMAGES, Resolved};
use crate::digest::HashingReader;
use crate::manifest::{Descriptor, MAX_LAYERS};
use crate::{Digest, Error, ImageConfig};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The part of a layer's `json` that names the layer below.
#[derive(Deserialize)]
struct LegacyLayer {
    #[serde(default)]
    parent: Option<String>,
}

/// Returns the images of `manifest.json`; `None` if there is none.
pub(super) fn images(files: &ArchiveFiles) -> Result<Option<Vec<ArchiveImage>>, Error> {
    let Some(bytes) = files.document("manifest.json")? else { return Ok(None) };
    let entries: Vec<ManifestEntry> =
        serde_json::from_slice(&bytes).map_err(|error| Error::manifest("manifest.json", error))?;
    let image = |entry: ManifestEntry| ArchiveImage {
        names: entry.repo_tags.unwrap_or_default().iter().filter_map(|name| name.parse().ok()).collect(),
        tag: None,
        source: ImageSource::Docker { config: entry.config, layers: entry.layers },
    };
    Ok(Some(entries.into_iter().map(image).collect()))
}

/// Returns the images of `repositories`; `None` if there is none.
pub(super) fn legacy_images(files: &ArchiveFiles) -> Result<Option<Vec<ArchiveImage>>, Error> {
    let Some(bytes) = files.document("repositories")? else { return Ok(None) };
    let repositories: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_slice(&bytes).map_err(|error| Error::manifest("repositories", error))?;
    let named = repositories
        .into_iter()
        .flat_map(|(repository, tags)| tags.into_iter().map(move |(tag, top)| (format!("{repository}:{tag}"), top)));
    let image = |(name, top): (String, String)| ArchiveImage {
        names: name.parse().ok().into_iter().collect(),
        tag: None,
        source: ImageSource::Legacy { top },
    };
    Ok(Some(named.take(MAX_IMAGES + 1).map(image).collect()))
}

/// Reads the documents of an image of `manifest.json`. A file whose name is a digest has to have it.
pub(super) fn resolve(files: &ArchiveFiles, config: &str, layers: &[String]) -> Result<Resolved, Error> {
    if layers.len() > MAX_LAYERS {
        return Err(Error::TooMany { what: "layers", limit: MAX_LAYERS as u64 });
    }
    let bytes = files.required_document(config)?;
    let digest = Digest::of(&bytes);
    if let Some(expected) = digest_in(config).filter(|expected| *expected != digest) {
        let what = "the configuration of the image".to_owned();
        return Err(Error::DigestMismatch { what, expected, found: digest });
    }
    let config = ImageConfig::parse(&bytes)?;
    if config.diff_ids.len() != layers.len() {
        return Err(Error::manifest("the configuration of the image", "it has not as many layers as manifest.json"));
    }
    let layers =
        layers.iter().map(|path| Ok((descriptor(files, path)?, path.clone()))).collect::<Result<_, Error>>()?;
    Ok(Resolved { digest, config, layers })
}

/// Reads the documents of an image of `repositories`: a chain of layers, each of which names the one below.
pub(super) fn resolve_legacy(files: &ArchiveFiles, top: &str) -> Result<Resolved, Error> {
    let newest = files.required_document(&format!("{}/json", checked_id(top)?))?;
    let mut layers = Vec::new();
    let mut at = Some(top.to_owned());
    while let Some(id) = at {
        if layers.len() >= MAX_LAYERS {
            return Err(Error::TooMany { what: "layers", limit: MAX_LAYERS as u64 });
        }
        let id = checked_id(&id)?;
        let bytes = files.required_document(&format!("{id}/json"))?;
        let layer: LegacyLayer =
            serde_json::from_slice(&bytes).map_err(|error| Error::manifest(format!("{id}/json"), error))?;
        let path = format!("{id}/layer.tar");
        layers.push((descriptor(files, &path)?, path));
        at = layer.parent.filter(|parent| !parent.is_empty());
    }
    layers.reverse();
    Ok(Resolved { digest: Digest::of(&newest), config: ImageConfig::parse(&newest)?, layers })
}

/// Returns the id of a layer, which is part of a path.
fn checked_id(id: &str) -> Result<&str, Error> {
    let is_id = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if is_id { Ok(id) } else { Err(Error::manifest("repositories", "the id of a layer is not letters and digits")) }
}

/// Returns the digest and size of a layer. Archives of old versions name layers by other ids, so that the digest has
/// to be computed.
fn descriptor(files: &ArchiveFiles, path: &str) -> Result<Descriptor, Error> {
    let file = files.required(path)?;
    let size = file.size();
    let digest = match digest_in(path).filter(|_| path.contains("sha256")) {
        Some(digest) => digest,
        None => {
            let (_, digest, _) = HashingReader::new(file).finish().map_err(|error| Error::manifest(path, error))?;
            digest
        }
    };
    Ok(Descriptor { digest, size: Some(size) })
}

/// Returns the digest that the name of a file states: `<hex>`, or `<hex>.json`.
fn digest_in(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next()?;
    Digest::from_hex(name.strip_suffix(".json").unwrap_or(name)).ok()
}
