//! The settings for images.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use messages::v1;
use provisioner::{Backend, Credentials, ImageReference, RegistryOptions, SignaturePolicy};
use serde::Deserialize;

/// The settings for images.
#[derive(Debug, Clone)]
pub struct ImageOptions {
    /// `--docker_store_dir`.
    pub store: PathBuf,
    /// `--docker_registry`, and the other options of requests to registries.
    pub registry: RegistryOptions,
    /// Which images must be signed, and by whom (`--image_registry_settings`).
    pub signatures: SignaturePolicy,
    /// The directory of archives that takes the place of registries, if `--docker_registry` is a path.
    pub archives: Option<PathBuf>,
    /// `--docker_config`.
    pub credentials: Credentials,
    /// `--sandbox_directory`: the path of the sandbox in a container with an image.
    pub sandbox_directory: PathBuf,
    /// `--image_provisioner_backend`.
    pub backend: Backend,
    /// `--docker_ignore_runtime`: whether program, environment and working directory of images are ignored.
    pub ignore_runtime: bool,
    /// Whether images that ask for the files of NVIDIA's driver get them: whether `gpu/nvidia` is in use.
    pub has_nvidia_driver: bool,
    /// `--image_gc_config`; `None` for no garbage collection.
    pub gc: Option<ImageGcConfig>,
}

impl Default for ImageOptions {
    fn default() -> Self {
        ImageOptions {
            store: PathBuf::from("/tmp/mesos/store/docker"),
            registry: RegistryOptions::default(),
            signatures: SignaturePolicy::default(),
            archives: None,
            credentials: Credentials::default(),
            sandbox_directory: PathBuf::from("/mnt/mesos/sandbox"),
            backend: Backend::default(),
            ignore_runtime: false,
            has_nvidia_driver: false,
            gc: None,
        }
    }
}

/// The conditions under which unused images are removed (`ImageGcConfig` of Mesos' `slave/flags.proto`).
#[derive(Debug, Clone, PartialEq)]
pub struct ImageGcConfig {
    /// The part of the store's file system that is to stay free, between 0 and 1.
    pub headroom: f64,
    /// The interval at which the use of the file system is measured.
    pub interval: Duration,
    /// The images that stay.
    pub excluded: BTreeSet<ImageReference>,
}

/// The reason for which a configuration of the garbage collection is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidGcConfig {
    #[error(
        "{0}; expected e.g. {{\"image_disk_headroom\":0.1,\"image_disk_watch_interval\":{{\"nanoseconds\":3600000000000}},\"excluded_images\":[]}}"
    )]
    Json(String),
    #[error("image_disk_headroom must be between 0 and 1, for instance 0.1 for a tenth of the file system")]
    Headroom,
    #[error("image_disk_watch_interval must be at least one second, in nanoseconds")]
    Interval,
    #[error("excluded_images: {0}")]
    Image(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    image_disk_headroom: f64,
    image_disk_watch_interval: Nanoseconds,
    #[serde(default)]
    excluded_images: Vec<ExcludedImage>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nanoseconds {
    nanoseconds: i64,
}

/// The part of `Image` that names an image.
#[derive(Deserialize)]
struct ExcludedImage {
    docker: Option<ExcludedDocker>,
}

#[derive(Deserialize)]
struct ExcludedDocker {
    name: String,
}

impl ImageGcConfig {
    /// Reads the value of `--image_gc_config`.
    ///
    /// # Errors
    /// A field is missing, unknown or out of its range.
    pub fn parse(text: &str) -> Result<Self, InvalidGcConfig> {
        let document: Document =
            serde_json::from_str(text).map_err(|error| InvalidGcConfig::Json(error.to_string()))?;
        let headroom = document.image_disk_headroom;
        if !(headroom > 0.0 && headroom < 1.0) {
            return Err(InvalidGcConfig::Headroom);
        }
        let interval = u64::try_from(document.image_disk_watch_interval.nanoseconds).map(Duration::from_nanos);
        let interval = interval.ok().filter(|interval| *interval >= Duration::from_secs(1));
        let names = document.excluded_images.iter().map(|image| image.docker.as_ref().map(|docker| &*docker.name));
        Ok(ImageGcConfig {
            headroom,
            interval: interval.ok_or(InvalidGcConfig::Interval)?,
            excluded: names.map(reference).collect::<Result<_, _>>().map_err(InvalidGcConfig::Image)?,
        })
    }

    /// Returns whether so little of the file system is free that images have to go.
    pub fn is_exceeded(&self, used: f64) -> bool {
        used + self.headroom > 1.0
    }
}

/// Returns the references of images that must stay.
///
/// # Errors
/// One of them has no name, or is not of type DOCKER.
pub(super) fn references(images: &[v1::Image]) -> Result<BTreeSet<ImageReference>, String> {
    images.iter().map(|image| reference(image.docker.as_deref().map(|docker| &*docker.name))).collect()
}

fn reference(name: Option<&str>) -> Result<ImageReference, String> {
    let name = name.ok_or("an image without 'docker.name'; only images of type DOCKER are in the store")?;
    name.parse().map_err(|error: provisioner::InvalidReference| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_must_be_complete_and_valid() {
        let check = |text: &str, expect: Result<(f64, u64, usize), &str>| {
            let found = ImageGcConfig::parse(text)
                .map(|config| (config.headroom, config.interval.as_secs(), config.excluded.len()))
                .map_err(|error| error.to_string());
            match expect {
                Ok(expect) => assert_eq!(found, Ok(expect), "{text}"),
                Err(part) => assert!(found.as_ref().is_err_and(|text| text.contains(part)), "{text}: {found:?}"),
            }
        };
        let with = |headroom: &str, nanoseconds: &str, images: &str| {
            format!(
                r#"{{"image_disk_headroom":{headroom},"image_disk_watch_interval":{{"nanoseconds":{nanoseconds}}},
                "excluded_images":{images}}}"#
            )
        };
        let image = r#"[{"type":"DOCKER","docker":{"name":"busybox"}}]"#;
        check(&with("0.1", "3600000000000", image), Ok((0.1, 3600, 1)));
        check(r#"{"image_disk_headroom":0.5,"image_disk_watch_interval":{"nanoseconds":1000000000}}"#, Ok((0.5, 1, 0)));
        check(&with("0.1", "0", "[]"), Err("at least one second"));
        check(&with("0.1", "-1", "[]"), Err("at least one second"));
        check(&with("1.5", "3600000000000", "[]"), Err("between 0 and 1"));
        check(&with("0", "3600000000000", "[]"), Err("between 0 and 1"));
        check(&with("0.1", "3600000000000", r#"[{"type":"APPC"}]"#), Err("without 'docker.name'"));
        check(&with("0.1", "3600000000000", r#"[{"docker":{"name":"A"}}]"#), Err("names no image"));
        check("{}", Err("image_disk_headroom"));
        check(r#"{"image_disk_headroom":0.1}"#, Err("image_disk_watch_interval"));
        check("[]", Err("expected e.g."));
        check(r#"{"image_disk_headroom":0.1,"x":1}"#, Err("unknown field"));
    }

    #[test]
    fn images_are_removed_when_the_headroom_is_used() {
        let config = ImageGcConfig { headroom: 0.1, interval: Duration::from_secs(1), excluded: BTreeSet::new() };
        assert!(!config.is_exceeded(0.89));
        assert!(config.is_exceeded(0.91));
    }
}
