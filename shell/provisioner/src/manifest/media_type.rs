//! The media types of manifests and layers.

use crate::Error;

/// The media types that a manifest request accepts, the best first.
pub(crate) const ACCEPTED_MANIFESTS: [&str; 6] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
];

/// The kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// Several images, one for each platform.
    Index,
    /// One image: schema 2 of Docker, or OCI.
    Image,
    /// One image: schema 1 of Docker.
    Schema1,
}

impl MediaType {
    /// Reads a `Content-Type` or `mediaType`. Parameters after a semicolon are ignored.
    ///
    /// # Errors
    /// The text is no type of a manifest.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        match ACCEPTED_MANIFESTS.iter().position(|known| known.eq_ignore_ascii_case(essence)) {
            Some(0 | 1) => Ok(MediaType::Index),
            Some(2 | 3) => Ok(MediaType::Image),
            Some(_) => Ok(MediaType::Schema1),
            None => Err(Error::MediaType(text.chars().take(200).collect())),
        }
    }
}

/// The compression of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Returns the compression of a layer from its first bytes. Media types are not used, because registries are known
    /// to state wrong ones.
    pub fn detect(beginning: &[u8]) -> Self {
        match beginning {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_distinguished_by_their_type() {
        let check = |text: &str, expect: Option<MediaType>| assert_eq!(MediaType::parse(text).ok(), expect, "{text}");
        check("application/vnd.oci.image.index.v1+json", Some(MediaType::Index));
        check("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8", Some(MediaType::Image));
        check("application/vnd.docker.distribution.manifest.v1+prettyjws", Some(MediaType::Schema1));
        check("text/html", None);
        check("", None);
    }
}
