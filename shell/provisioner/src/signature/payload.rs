//! The documents of a signature: the manifest that lists payloads, and the payload itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Digest, Error};

/// The annotation that has the signature of a payload, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The media type of a payload.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The type that a payload about an image states.
const PAYLOAD_TYPE: &str = "cosign container image signature";
/// The maximum number of signatures of one image that are looked at.
pub(super) const MAX_SIGNATURES: usize = 32;

/// A manifest with signatures.
#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    #[serde(default)]
    media_type: String,
    digest: Digest,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// A payload at the registry, and its signature in base64.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SignedPayload {
    pub payload: Digest,
    pub signature: String,
}

/// Returns the signatures of a manifest. Layers of other kinds are skipped.
pub(super) fn signatures(manifest: &[u8]) -> Result<Vec<SignedPayload>, Error> {
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|error| Error::manifest("the manifest of signatures", error))?;
    let signed = |mut layer: Layer| {
        let signature = layer.annotations.remove(SIGNATURE).filter(|_| layer.media_type == SIMPLE_SIGNING)?;
        Some(SignedPayload { payload: layer.digest, signature })
    };
    Ok(manifest.layers.into_iter().filter_map(signed).take(MAX_SIGNATURES).collect())
}

/// The list of referrers of an image, as far as signatures need it.
#[derive(Deserialize)]
struct Referrers {
    manifests: Vec<Referrer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    digest: Digest,
    #[serde(default)]
    artifact_type: String,
}

/// Returns the manifests of signatures in a list of referrers. Registries need not filter it.
pub(super) fn referrers(index: &[u8]) -> Result<Vec<Digest>, Error> {
    let index: Referrers = serde_json::from_slice(index).map_err(|error| Error::manifest("the referrers", error))?;
    let is_signature = |referrer: &Referrer| referrer.artifact_type == ARTIFACT_TYPE;
    Ok(index.manifests.into_iter().filter(is_signature).map(|referrer| referrer.digest).take(MAX_SIGNATURES).collect())
}

/// The artifact type of signatures among the referrers of an image.
pub(super) const ARTIFACT_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: PayloadImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct PayloadImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

/// Returns the digest of the image that a payload is about; `None` if it is about something else.
pub(super) fn signed_image(payload: &[u8]) -> Option<Digest> {
    let critical = serde_json::from_slice::<Payload>(payload).ok()?.critical;
    (critical.kind == PAYLOAD_TYPE).then_some(critical.image.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn signatures_are_annotations_of_payloads() {
        let digest = Digest::of(b"");
        let layer = |kind: &str, annotation: &str| {
            format!(r#"{{"mediaType":"{kind}","digest":"{digest}","annotations":{{"{annotation}":"c2ln"}}}}"#)
        };
        let text = format!(r#"{{"layers":[{},{}]}}"#, layer(SIMPLE_SIGNING, SIGNATURE), layer("other", SIGNATURE));
        let expect = SignedPayload { payload: digest, signature: "c2ln".into() };
        assert_eq!(signatures(text.as_bytes()).unwrap(), [expect]);
        let many = vec![layer(SIMPLE_SIGNING, SIGNATURE); 1000].join(",");
        assert_eq!(signatures(format!(r#"{{"layers":[{many}]}}"#).as_bytes()).unwrap().len(), MAX_SIGNATURES);
    }

    #[test]
    fn a_payload_names_an_image() {
        let digest = Digest::of(b"");
        let payload = |kind: &str| {
            format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"r/a"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{kind}"}},"optional":null}}"#
            )
        };
        assert_eq!(signed_image(payload(PAYLOAD_TYPE).as_bytes()), Some(digest));
        assert_eq!(signed_image(payload("atomic container signature").as_bytes()), None);
        assert_eq!(signed_image(b"{}"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (signatures(&bytes), referrers(&bytes), signed_image(&bytes));
        }
    }
}
