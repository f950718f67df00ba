//! Looks for a signature of an image at its registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::PublicKey;
use super::payload::{ARTIFACT_TYPE, referrers, signatures, signed_image};
use crate::registry::{ManifestAnswer, RegistryClient, RegistryError};
use crate::{Digest, Error, ImageReference};

/// An image whose signature is looked for.
pub(crate) struct Signed<'a> {
    pub reference: &'a ImageReference,
    /// The registry that has given the manifest.
    pub answer: &'a ManifestAnswer,
    /// The digests of which one must be signed: that of the index, and that of the image in it.
    pub digests: &'a [Digest],
}

/// Returns the key that has signed the image.
///
/// # Errors
/// None of the keys has, or the registry does not give the signatures.
pub(crate) fn verify<'a>(
    client: &RegistryClient,
    signed: &Signed<'_>,
    keys: &'a [PublicKey],
) -> Result<&'a PublicKey, Error> {
    let mut found = 0;
    for digest in signed.digests {
        for name in manifests(client, signed, *digest)? {
            let Some(manifest) = optional(client.manifest_at(&signed.answer.endpoint, signed.reference, &name))? else {
                continue;
            };
            for entry in signatures(&manifest.bytes)? {
                found += 1;
                let payload = client.small_blob(&signed.answer.endpoint, signed.reference, entry.payload)?;
                let is_payload = Digest::of(&payload) == entry.payload;
                let Ok(signature) = STANDARD.decode(entry.signature.trim()) else { continue };
                // A payload is read only when its signature is right.
                let signer = keys.iter().find(|key| is_payload && key.has_signed(&payload, &signature));
                if let Some(key) = signer.filter(|_| signed_image(&payload) == Some(*digest)) {
                    return Ok(key);
                }
            }
        }
    }
    let names: Vec<&str> = keys.iter().map(PublicKey::name).collect();
    Err(Error::Signature { image: signed.reference.to_string(), keys: names.join("', '"), found })
}

/// Returns the names of the manifests that may have signatures of a digest: the tag of cosign, the referrers that the
/// registry lists, and the tag that takes their place at registries without a list.
fn manifests(client: &RegistryClient, signed: &Signed<'_>, digest: Digest) -> Result<Vec<String>, Error> {
    let mut names = vec![format!("sha256-{}.sig", digest.hex())];
    let endpoint = &signed.answer.endpoint;
    let listed = match client.referrers(endpoint, signed.reference, digest, ARTIFACT_TYPE) {
        Ok(Some(index)) => Some(index),
        Ok(None) => optional(client.manifest_at(endpoint, signed.reference, &format!("sha256-{}", digest.hex())))?
            .map(|answer| answer.bytes),
        Err(error) => return Err(error.into()),
    };
    if let Some(index) = listed {
        names.extend(referrers(&index)?.iter().map(ToString::to_string));
    }
    Ok(names)
}

fn optional(answer: Result<ManifestAnswer, RegistryError>) -> Result<Option<ManifestAnswer>, Error> {
    match answer {
        Err(RegistryError::NotFound { .. }) => Ok(None),
        answer => Ok(Some(answer?)),
    }
}
