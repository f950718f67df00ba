//! The configuration of an image: the program that its author wants to run, and its environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Error};

/// The part of an image's configuration that containers need (OCI image specification, "Image Configuration").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// The variables as `NAME=value`, in the order of the configuration.
    pub env: Vec<String>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Further arguments, or the program if there is no entry point.
    pub cmd: Vec<String>,
    /// The working directory of the program; empty for `/`.
    pub working_dir: String,
    /// The user of the program as `user`, `uid`, `user:group`, …; empty for root.
    pub user: String,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// The signal that asks the program to end, by name or number.
    pub stop_signal: Option<String>,
    /// The paths that the author wants to have outside of the root file system.
    pub volumes: Vec<String>,
    /// The digests of the unpacked layers, the lowest first; empty for images of schema 1.
    pub diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    rootfs: Option<RootFs>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    env: Option<Vec<String>>,
    entrypoint: Option<StringOrList>,
    cmd: Option<StringOrList>,
    working_dir: Option<String>,
    user: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    stop_signal: Option<String>,
    volumes: Option<BTreeMap<String, serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<Digest>,
}

/// A text or a list of texts. Old versions of Docker wrote a single text.
#[derive(Deserialize)]
#[serde(untagged)]
enum StringOrList {
    List(Vec<String>),
    String(String),
}

impl StringOrList {
    fn into_list(self) -> Vec<String> {
        match self {
            StringOrList::List(list) => list,
            StringOrList::String(word) => vec![word],
        }
    }
}

impl ImageConfig {
    /// Reads the configuration of an image in the form that registries have.
    ///
    /// # Errors
    /// The document is no configuration.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| Error::manifest("the configuration of the image", error))?;
        let config = document.config.unwrap_or_default();
        let list = |list: Option<StringOrList>| list.map(StringOrList::into_list).unwrap_or_default();
        Ok(ImageConfig {
            env: config.env.unwrap_or_default(),
            entrypoint: list(config.entrypoint),
            cmd: list(config.cmd),
            working_dir: config.working_dir.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            labels: config.labels.unwrap_or_default(),
            stop_signal: config.stop_signal,
            volumes: config.volumes.unwrap_or_default().into_keys().collect(),
            diff_ids: document.rootfs.map(|rootfs| rootfs.diff_ids).unwrap_or_default(),
        })
    }

    /// Checks that a manifest with this number of layers fits.
    pub(crate) fn check_layers(&self, layers: usize) -> Result<(), Error> {
        if !self.diff_ids.is_empty() && self.diff_ids.len() != layers {
            return Err(Error::manifest("the configuration of the image", "it has not as many layers as the manifest"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_members_are_empty() {
        let check = |text: &str, expect: ImageConfig| assert_eq!(ImageConfig::parse(text.as_bytes()).unwrap(), expect);
        check("{}", ImageConfig::default());
        check(r#"{"config":null}"#, ImageConfig::default());
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        check(
            r#"{"config":{"Env":["A=b"],"Entrypoint":"run","Cmd":["x","y"],"User":"1:2","WorkingDir":"/w","Volumes":{"/v":{}},
            "Labels":null,"StopSignal":"SIGINT"}}"#,
            ImageConfig {
                env: words(&["A=b"]),
                entrypoint: words(&["run"]),
                cmd: words(&["x", "y"]),
                user: "1:2".into(),
                working_dir: "/w".into(),
                volumes: words(&["/v"]),
                stop_signal: Some("SIGINT".into()),
                ..ImageConfig::default()
            },
        );
        assert!(ImageConfig::parse(b"[").is_err());
        assert!(ImageConfig::parse(br#"{"rootfs":{"diff_ids":["sha256:../.."]}}"#).is_err());
    }
}
