//! Decides which image of an index fits this machine.

use std::fmt;

use serde::Deserialize;

/// An operating system and a processor, in the words of Go (`GOOS`, `GOARCH`) that images use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// The operating system, for instance `linux`.
    pub os: String,
    /// The architecture, for instance `amd64`.
    pub architecture: String,
    /// The variant of the architecture, for instance `v8`.
    #[serde(default)]
    pub variant: Option<String>,
}

impl Platform {
    /// Returns the platform of this machine.
    pub fn of_this_machine() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
    }

    /// Returns whether an image for the other platform runs on this one. The variant is compared only if both name one.
    pub fn runs(&self, image: &Platform) -> bool {
        let same_variant = match (&self.variant, &image.variant) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        self.os == image.os && self.architecture == image.architecture && same_variant
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}
