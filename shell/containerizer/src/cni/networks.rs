//! The operator's directory of configurations, and the search for plugins.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::config::{ConfigError, MAX_CONFIG, NetworkConfig};

/// The maximum number of entries of the directory.
const MAX_ENTRIES: usize = 4096;

/// The networks of the agent. As in Mesos, a configuration is read again for each container, and the directory when a name is
/// not known.
#[derive(Debug)]
pub(crate) struct Networks {
    config_dir: PathBuf,
    /// The directories of plugins, separated by colons.
    plugins_dir: String,
    known: Mutex<BTreeMap<String, PathBuf>>,
}

/// The reason for which a configuration is not used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("cannot read '{path}': {source}")]
    Read { path: String, source: io::Error },
    #[error("'{path}': {source}")]
    Invalid { path: String, source: ConfigError },
}

impl Networks {
    /// Reads the directory. Configurations that cannot be used are logged.
    pub(crate) fn new(config_dir: &Path, plugins_dir: &str) -> Self {
        let networks = Networks {
            config_dir: config_dir.to_owned(),
            plugins_dir: plugins_dir.to_owned(),
            known: Mutex::default(),
        };
        networks.load();
        networks
    }

    /// Returns the directories of plugins, separated by colons (`CNI_PATH`).
    pub(crate) fn plugins_dir(&self) -> &str {
        &self.plugins_dir
    }

    /// Returns the program of a plugin; `None` if there is none.
    pub(crate) fn plugin(&self, name: &str) -> Option<PathBuf> {
        let is_program = |path: &PathBuf| {
            path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let directories = self.plugins_dir.split(':').filter(|directory| !directory.is_empty());
        directories.map(|directory| Path::new(directory).join(name)).find(is_program)
    }

    /// Returns the current configuration of a network.
    ///
    /// # Errors
    /// Returns Mesos' text if no file has the name, with the reason if a file has it that cannot be used.
    pub(crate) fn find(&self, name: &str) -> Result<NetworkConfig, String> {
        let known = self.lock().get(name).cloned();
        if let Some(path) = known
            && let Ok(config) = self.read(&path)
            && config.name == name
        {
            return Ok(config);
        }
        let reasons = self.load();
        let unknown = || {
            let reason = reasons.get(name).map(|reason| format!(": {reason}")).unwrap_or_default();
            let name: String = name.chars().take(200).collect();
            format!("Unknown CNI network '{}'{reason}", model::visible(&name))
        };
        let path = self.lock().get(name).cloned().ok_or_else(unknown)?;
        self.read(&path).ok().filter(|config| config.name == name).ok_or_else(unknown)
    }

    /// Reads the directory again. Returns why files that name a network are not used, by that name.
    fn load(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut reasons = BTreeMap::new();
        for path in self.files() {
            match self.read(&path) {
                Ok(config) => match found.entry(config.name) {
                    Entry::Vacant(entry) => {
                        entry.insert(path);
                    }
                    Entry::Occupied(entry) => {
                        let (name, path) = (entry.key(), path.display());
                        tracing::error!("the CNI network '{name}' has a configuration already: '{path}' is skipped");
                    }
                },
                Err(error) => {
                    tracing::error!("a configuration of a CNI network is skipped: {error}");
                    if let Some(name) = declared_name(&path) {
                        reasons.insert(name, error.to_string());
                    }
                }
            }
        }
        *self.lock() = found;
        reasons
    }

    /// Returns the files of the directory in the order of their names.
    fn files(&self) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(&self.config_dir).map(|entries| {
            let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
            paths.filter(|path| !path.is_dir()).take(MAX_ENTRIES).collect::<Vec<_>>()
        });
        let mut files = listed.unwrap_or_else(|error| {
            let path = self.config_dir.display();
            tracing::error!("cannot list '{path}', the directory of --network_cni_config_dir: {error}");
            Vec::new()
        });
        files.sort();
        files
    }

    fn read(&self, path: &Path) -> Result<NetworkConfig, Unusable> {
        let bytes = read_bounded(path)
            .map_err(|source| Unusable::Read { path: model::visible(&path.to_string_lossy()).to_string(), source })?;
        NetworkConfig::parse(&bytes, &|name| self.plugin(name).is_some())
            .map_err(|source| Unusable::Invalid { path: model::visible(&path.to_string_lossy()).to_string(), source })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, PathBuf>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a regular file of at most [`MAX_CONFIG`] bytes.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > MAX_CONFIG {
        return Err(io::Error::other(format!("it is larger than {MAX_CONFIG} bytes")));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_CONFIG).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the name that a file gives to a network, whatever else is in it.
fn declared_name(path: &Path) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(&read_bounded(path).ok()?).ok()?;
    value.get("name")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_found_when_they_appear_and_not_when_they_are_gone() {
        let directory = tempfile::tempdir().unwrap();
        let (configs, plugins) = (directory.path().join("configs"), directory.path().join("plugins"));
        std::fs::create_dir_all(configs.join("a directory")).unwrap();
        std::fs::create_dir(&plugins).unwrap();
        let program = plugins.join("bridge");
        std::fs::write(&program, "").unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(plugins.join("not-executable"), "").unwrap();
        let write = |file: &str, text: &str| std::fs::write(configs.join(file), text).unwrap();
        let path = format!("/does/not/exist:{}", plugins.display());
        let networks = Networks::new(&configs, &path);
        assert_eq!(networks.find("one").unwrap_err(), "Unknown CNI network 'one'");
        write("1.conf", r#"{"name":"one","type":"bridge","mtu":1400}"#);
        write("2.conf", r#"{"name":"one","type":"bridge","mtu":9000}"#);
        write("3.conf", "no json");
        write("4.conf", r#"{"name":"four","type":"not-executable"}"#);
        write("huge.conf", &" ".repeat(MAX_CONFIG as usize + 1));
        let mtu = |networks: &Networks| format!("{:?}", networks.find("one").unwrap());
        assert!(mtu(&networks).contains("1400"));
        write("1.conf", r#"{"name":"one","type":"bridge","mtu":1500}"#);
        assert!(mtu(&networks).contains("1500"));
        write("1.conf", r#"{"name":"another","type":"bridge"}"#);
        assert!(mtu(&networks).contains("9000"));
        let refused = networks.find("four").unwrap_err();
        assert!(refused.starts_with("Unknown CNI network 'four': ") && refused.contains("not-executable"), "{refused}");
        std::fs::remove_file(configs.join("2.conf")).unwrap();
        assert_eq!(networks.find("one").unwrap_err(), "Unknown CNI network 'one'");
    }
}
