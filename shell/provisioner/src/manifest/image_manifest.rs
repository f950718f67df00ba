//! Indexes and manifests: Docker's schema 1 and 2, and OCI's.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{ImageConfig, MAX_INDEX, MAX_LAYERS, MediaType, Platform};
use crate::{Digest, Error};

/// A manifest or index of a registry.
#[derive(Debug)]
pub(crate) enum Manifest {
    /// A list of manifests by platform.
    Index(Vec<IndexEntry>),
    Image(ImageManifest),
}

/// The parts of one image.
#[derive(Debug, Clone)]
pub(crate) struct ImageManifest {
    pub config: ConfigSource,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// The place of an image's configuration.
#[derive(Debug, Clone)]
pub(crate) enum ConfigSource {
    Blob(Descriptor),
    /// The configuration itself, which schema 1 has in the manifest.
    Inline(Box<ImageConfig>),
}

/// The digest and size of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Descriptor {
    pub digest: Digest,
    /// The size in bytes. Schema 1 does not state it.
    #[serde(default)]
    pub size: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct IndexEntry {
    #[serde(flatten)]
    pub descriptor: Descriptor,
    #[serde(default)]
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    manifests: Vec<IndexEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schema2 {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schema1 {
    fs_layers: Vec<Schema1Layer>,
    history: Vec<Schema1History>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schema1Layer {
    blob_sum: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schema1History {
    v1_compatibility: String,
}

/// The part of `v1Compatibility` that says whether a layer has any content.
#[derive(Deserialize)]
struct Schema1Step {
    #[serde(default)]
    throwaway: bool,
}

/// The fields by which a document without a media type is recognised.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads a document. Its type is the one that the sender states or, without one, that of the document itself. A
    /// document that claims two types at once is refused (CVE-2021-41190).
    ///
    /// # Errors
    /// The document is no manifest, or has more layers or entries than an image may have.
    pub fn parse(media_type: Option<&str>, bytes: &[u8]) -> Result<Self, Error> {
        let broken = |error: serde_json::Error| Error::manifest("the manifest", error);
        let shape: Shape = serde_json::from_slice(bytes).map_err(broken)?;
        let named = media_type.or(shape.media_type.as_deref());
        let kind = match named.map(MediaType::parse) {
            Some(kind) => kind?,
            None if shape.manifests.is_some() => MediaType::Index,
            None if shape.fs_layers.is_some() => MediaType::Schema1,
            None => MediaType::Image,
        };
        if shape.media_type.as_deref().is_some_and(|own| MediaType::parse(own).ok() != Some(kind)) {
            return Err(Error::manifest("the manifest", "its mediaType is not that of the answer"));
        }
        match kind {
            MediaType::Index => {
                let index: Index = serde_json::from_slice(bytes).map_err(broken)?;
                check_count(index.manifests.len(), MAX_INDEX, "manifests in an index")?;
                Ok(Manifest::Index(index.manifests))
            }
            MediaType::Image => {
                let image: Schema2 = serde_json::from_slice(bytes).map_err(broken)?;
                check_count(image.layers.len(), MAX_LAYERS, "layers")?;
                Ok(Manifest::Image(ImageManifest { config: ConfigSource::Blob(image.config), layers: image.layers }))
            }
            MediaType::Schema1 => schema1(serde_json::from_slice(bytes).map_err(broken)?).map(Manifest::Image),
        }
    }
}

/// Chooses the first image of an index that runs on a platform. Entries without a platform are taken only if no other
/// entry fits, since an index with one image often names no platform.
///
/// # Errors
/// No entry fits the platform.
pub(crate) fn choose<'a>(entries: &'a [IndexEntry], platform: &Platform) -> Result<&'a IndexEntry, Error> {
    let fits = |entry: &&IndexEntry| entry.platform.as_ref().is_some_and(|image| platform.runs(image));
    let unnamed = |entry: &&IndexEntry| entry.platform.is_none();
    entries.iter().find(fits).or_else(|| entries.iter().find(unnamed)).ok_or_else(|| {
        let names: Vec<String> = entries.iter().filter_map(|e| e.platform.as_ref()).map(ToString::to_string).collect();
        Error::Platform { wanted: platform.to_string(), found: names.join(", ") }
    })
}

/// Reads a manifest of schema 1. Layers and history are newest first; the steps that are thrown away have an empty
/// layer.
fn schema1(image: Schema1) -> Result<ImageManifest, Error> {
    let broken = |problem: &str| Error::manifest("the manifest", problem);
    check_count(image.fs_layers.len(), MAX_LAYERS, "layers")?;
    if image.fs_layers.len() != image.history.len() {
        return Err(broken("it has not as many layers as steps of its history"));
    }
    let newest = image.history.first().ok_or_else(|| broken("it has no history"))?;
    let config = ImageConfig::parse(newest.v1_compatibility.as_bytes())?;
    let mut layers = Vec::new();
    for (layer, step) in image.fs_layers.iter().zip(&image.history).rev() {
        let step: Schema1Step = serde_json::from_str(&step.v1_compatibility)
            .map_err(|error| Error::manifest("the history of the manifest", error))?;
        if !step.throwaway {
            layers.push(Descriptor { digest: layer.blob_sum, size: None });
        }
    }
    Ok(ImageManifest { config: ConfigSource::Inline(Box::new(config)), layers })
}

fn check_count(found: usize, limit: usize, what: &'static str) -> Result<(), Error> {
    if found > limit { Err(Error::TooMany { what, limit: limit as u64 }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn layers(media_type: Option<&str>, text: &str) -> Result<Vec<String>, String> {
        match Manifest::parse(media_type, text.as_bytes()).map_err(|error| error.to_string())? {
            Manifest::Image(image) => Ok(image.layers.iter().map(|layer| layer.digest.to_string()).collect()),
            Manifest::Index(entries) => Ok(entries.iter().map(|e| format!("index {}", e.descriptor.digest)).collect()),
        }
    }

    #[test]
    fn an_image_lists_its_layers_from_the_lowest() {
        let text =
            format!(r#"{{"config":{{"digest":"{A}","size":2}},"layers":[{{"digest":"{A}"}},{{"digest":"{B}"}}]}}"#);
        assert_eq!(layers(None, &text).unwrap(), [A, B]);
        let text = format!(
            r#"{{"fsLayers":[{{"blobSum":"{B}"}},{{"blobSum":"{B}"}},{{"blobSum":"{A}"}}],"history":[
            {{"v1Compatibility":"{{\"config\":{{\"Cmd\":[\"sh\"]}}}}"}},
            {{"v1Compatibility":"{{\"throwaway\":true}}"}},{{"v1Compatibility":"{{}}"}}]}}"#
        );
        assert_eq!(layers(None, &text).unwrap(), [A, B]);
    }

    #[test]
    fn a_document_is_of_one_type_only() {
        let index =
            format!(r#"{{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"digest":"{A}"}}]}}"#);
        assert_eq!(layers(None, &index).unwrap(), [format!("index {A}")]);
        assert!(layers(Some("application/vnd.oci.image.manifest.v1+json"), &index).unwrap_err().contains("mediaType"));
        assert!(layers(Some("text/html"), &index).unwrap_err().contains("text/html"));
    }

    #[test]
    fn invalid_or_unbounded_documents_are_refused() {
        let many = format!(r#"{{"digest":"{A}"}},"#).repeat(200);
        let many = format!(r#"{{"config":{{"digest":"{A}"}},"layers":[{}]}}"#, many.trim_end_matches(','));
        assert_eq!(layers(None, &many).unwrap_err(), "more than 127 layers");
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for text in ["", "{}", "[]", "null", r#"{"layers":[],"config":{"digest":"x"}}"#, &deep] {
            assert!(layers(None, text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn the_image_of_this_platform_is_chosen() {
        let entry = |digest: &str, platform: &str| format!(r#"{{"digest":"{digest}","platform":{platform}}}"#);
        let (arm, amd) = (r#"{"os":"linux","architecture":"arm64"}"#, r#"{"os":"linux","architecture":"amd64"}"#);
        let text = format!(r#"{{"manifests":[{},{}]}}"#, entry(A, arm), entry(B, amd));
        let Ok(Manifest::Index(entries)) = Manifest::parse(None, text.as_bytes()) else { panic!("no index") };
        let platform = |name: &str| Platform { os: "linux".into(), architecture: name.into(), variant: None };
        assert_eq!(choose(&entries, &platform("amd64")).unwrap().descriptor.digest.to_string(), B);
        let error = choose(&entries, &platform("s390x")).unwrap_err().to_string();
        assert_eq!(error, "there is no image for linux/s390x in the index, only for linux/arm64, linux/amd64");
    }
}
