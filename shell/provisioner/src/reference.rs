//! The names of images: `[registry/]repository[:tag][@digest]`.

use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// The name of an image, as in Docker's `distribution/reference` and Mesos' `docker::spec::parseImageReference`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' names no image: {problem}")]
pub struct InvalidReference {
    text: String,
    problem: &'static str,
}

/// The longest name of registry and repository together (`reference.NameTotalLengthMax` of Docker).
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;
const DEFAULT_TAG: &str = "latest";

impl ImageReference {
    /// Returns `host` or `host:port` of the registry; `None` for the default one.
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// Returns the name of the repository without its registry, for instance `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the digest of the manifest, if the reference has one. It takes precedence over a tag.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the tag, which is `latest` by default.
    pub fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or(DEFAULT_TAG)
    }

    /// Returns whether another reference names the same image: the registry of Docker may be left out, and so may the
    /// tag `latest`.
    pub fn names_same(&self, other: &ImageReference) -> bool {
        let repository = |reference: &ImageReference| {
            let is_docker = reference.registry().is_none_or(|name| name.ends_with("docker.io"));
            let name = match reference.repository.strip_prefix("library/") {
                Some(name) if is_docker => name,
                _ => &reference.repository,
            };
            (reference.registry().filter(|_| !is_docker).map(str::to_owned), name.to_owned())
        };
        let same_digest = match (self.digest, other.digest) {
            (Some(own), Some(other)) => own == other,
            (None, None) => self.tag() == other.tag(),
            _ => self.tag.is_some() && self.tag == other.tag,
        };
        same_digest && repository(self) == repository(other)
    }

    /// Returns the text without a tag that is not part of it.
    pub(crate) fn as_given(&self) -> String {
        let text = self.to_string();
        match self.tag.is_none() && self.digest.is_none() {
            true => text.strip_suffix(&format!(":{DEFAULT_TAG}")).map(str::to_owned).unwrap_or(text),
            false => text,
        }
    }

    /// Returns the name of the manifest in requests: the digest, else the tag.
    pub fn manifest(&self) -> String {
        self.digest.map_or_else(|| self.tag().to_owned(), |digest| digest.to_string())
    }
}

impl FromStr for ImageReference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let invalid = |problem| InvalidReference { text: text.chars().take(MAX_NAME).collect(), problem };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let digest =
                    digest.parse().map_err(|_| invalid("its digest is not 'sha256:' and 64 hexadecimal digits"))?;
                (name, Some(digest))
            }
            None => (text, None),
        };
        // A colon before the last slash belongs to the port of a registry.
        let (name, tag) = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (name, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(first), rest),
            _ => (None, name),
        };
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(invalid("the name of the repository must have 1 to 255 characters"));
        }
        if !registry.is_none_or(is_authority) {
            return Err(invalid("its registry is not a host name with an optional port"));
        }
        if !repository.split('/').all(is_component) {
            return Err(invalid(
                "a repository consists of lower-case letters, digits and separators ('.', '_', '-', '/')",
            ));
        }
        if !tag.is_none_or(is_tag) {
            return Err(invalid("a tag consists of at most 128 letters, digits, '_', '.' and '-'"));
        }
        Ok(ImageReference {
            registry: registry.map(str::to_owned),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

/// Writes the reference with its tag or digest, in the form that the store keeps.
impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if self.tag.is_some() || self.digest.is_none() {
            write!(f, ":{}", self.tag())?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

/// Returns whether a text is `host` or `host:port`.
pub(crate) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                let is_address = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
                return is_address && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
            }
            None => return false,
        },
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Returns whether a text is `[a-z0-9]+` with single separators between: `.`, `_`, `__`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let is_alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut separator = String::new();
    let mut ends_with_separator = true;
    for character in text.chars() {
        if character.is_ascii() && is_alphanumeric(character as u8) {
            let allowed = matches!(separator.as_str(), "" | "." | "_" | "__") || separator.chars().all(|c| c == '-');
            if !allowed {
                return false;
            }
            separator.clear();
            ends_with_separator = false;
        } else {
            if !matches!(character, '.' | '_' | '-') || (ends_with_separator && separator.is_empty()) {
                return false;
            }
            separator.push(character);
            ends_with_separator = true;
        }
    }
    !ends_with_separator
}

fn is_tag(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=MAX_TAG).contains(&text.len()) && text.bytes().all(inner) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_reference_has_up_to_four_parts() {
        let check = |text: &str, registry: Option<&str>, repository: &str, manifest: &str| {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!(reference.registry(), registry, "{text}");
            assert_eq!(reference.repository(), repository, "{text}");
            assert_eq!(reference.manifest(), manifest, "{text}");
        };
        check("busybox", None, "busybox", "latest");
        check("library/busybox:1.36", None, "library/busybox", "1.36");
        check("localhost/a", Some("localhost"), "a", "latest");
        check("localhost:5000/a/b:t", Some("localhost:5000"), "a/b", "t");
        check("r.example.com/a__b/c-d.e", Some("r.example.com"), "a__b/c-d.e", "latest");
        check("[::1]:5000/a", Some("[::1]:5000"), "a", "latest");
        check(&format!("a:t@{DIGEST}"), None, "a", DIGEST);
    }

    #[test]
    fn the_text_of_a_reference_names_its_tag() {
        let check = |text: &str, expect: &str| {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!(reference.to_string(), expect);
            assert_eq!(expect.parse::<ImageReference>().unwrap().to_string(), expect);
        };
        check("busybox", "busybox:latest");
        check("localhost:5000/a:t", "localhost:5000/a:t");
        check(&format!("a@{DIGEST}"), &format!("a@{DIGEST}"));
        check(&format!("a:t@{DIGEST}"), &format!("a:t@{DIGEST}"));
    }

    #[test]
    fn invalid_references_are_refused() {
        let long = "a/".repeat(200);
        for text in [
            "",
            ":",
            "@",
            "a:",
            ":t",
            "A",
            "a b",
            "a//b",
            "/a",
            "a/",
            "a/../b",
            "..",
            "a.-b",
            "a___b",
            "-a",
            "a-",
            "a:.t",
            "a@sha256:00",
            "a@md5:00",
            "r.x:99999/a",
            "r.x:0/a",
            "-r.x/a",
            "a\0",
            "ä",
            "a:t:u",
            &long,
            "http://r.x/a",
        ] {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }
}
