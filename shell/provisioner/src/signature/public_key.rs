//! Public keys of signers: ECDSA on P-256 with SHA-256, and Ed25519.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};

use crate::Digest;

/// A public key that signatures of images are checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    kind: Kind,
    /// The point or the compressed point, as `ring` takes it.
    bytes: Vec<u8>,
    fingerprint: Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    EcdsaP256,
    Ed25519,
}

/// The reason for which a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidKey {
    #[error("cannot read the key '{name}': {source}")]
    Read {
        name: String,
        #[source]
        source: std::io::Error,
    },
    #[error("'{0}' has no public key: expected a PEM file that begins with -----BEGIN PUBLIC KEY-----")]
    Pem(String),
    #[error(
        "the key in '{0}' is of another kind than ECDSA P-256 and Ed25519: make one with 'cosign generate-key-pair'"
    )]
    Kind(String),
}

/// The maximum size of a file with a key, in bytes.
const MAX_FILE: usize = 64 << 10;
const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// The beginning of a SubjectPublicKeyInfo with an uncompressed point of P-256 (RFC 5480), up to the point.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P256_POINT: usize = 65;
/// The same of Ed25519 (RFC 8410).
const ED25519_INFO: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const ED25519_POINT: usize = 32;

impl PublicKey {
    /// Reads a PEM file.
    ///
    /// # Errors
    /// The file cannot be read, or has no key of a kind that is supported.
    pub fn read(path: &Path) -> Result<Self, InvalidKey> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => PublicKey::parse(&text, &name),
            Err(source) => Err(InvalidKey::Read { name, source }),
        }
    }

    /// Reads the text of a PEM file. Errors and people know the key by `name`.
    ///
    /// # Errors
    /// The text has no key of a kind that is supported.
    pub fn parse(text: &str, name: &str) -> Result<Self, InvalidKey> {
        let pem = || InvalidKey::Pem(name.to_owned());
        if text.len() > MAX_FILE {
            return Err(pem());
        }
        let (_, rest) = text.split_once(BEGIN).ok_or_else(pem)?;
        let (body, _) = rest.split_once(END).ok_or_else(pem)?;
        let body: String = body.split_whitespace().collect();
        let info = STANDARD.decode(body).map_err(|_| pem())?;
        let point = |prefix: &[u8], length: usize| info.strip_prefix(prefix).filter(|point| point.len() == length);
        let (kind, bytes) = match (point(P256, P256_POINT), point(ED25519_INFO, ED25519_POINT)) {
            (Some(point), _) => (Kind::EcdsaP256, point.to_vec()),
            (None, Some(point)) => (Kind::Ed25519, point.to_vec()),
            (None, None) => return Err(InvalidKey::Kind(name.to_owned())),
        };
        Ok(PublicKey { name: name.to_owned(), kind, bytes, fingerprint: Digest::of(&info) })
    }

    /// Returns the name of the key for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the digest of the key, which identifies it.
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Returns whether this key has made the signature of a message.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.kind {
            Kind::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Kind::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {:?})", self.name, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_no_keys() {
        let pem = |bytes: &[u8]| format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(bytes));
        let mut key = P256.to_vec();
        key.extend([4; P256_POINT]);
        assert_eq!(PublicKey::parse(&pem(&key), "k").unwrap().kind, Kind::EcdsaP256);
        let check = |text: &str, expect: &str| {
            let error = PublicKey::parse(text, "k.pub").unwrap_err().to_string();
            assert!(error.contains(expect) && error.contains("k.pub"), "{error}");
        };
        check("", "no public key");
        check(&format!("{BEGIN}\n!!{END}"), "no public key");
        check(&pem(&key[..90]), "another kind");
        check(&pem(b""), "another kind");
        check(&" ".repeat(MAX_FILE + 1), "no public key");
        assert!(PublicKey::read(Path::new("/no/such.pub")).unwrap_err().to_string().contains("/no/such.pub"));
    }
}
