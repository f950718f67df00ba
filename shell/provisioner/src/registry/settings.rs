//! The settings of single registries, from a file of the operator.
//!
//! The file is a JSON object. Its keys are registries (`host[:port]`); the key `*` stands for all registries without an entry
//! of their own, as far as signatures are concerned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{RegistryError, RegistryOptions, authority};
use crate::{InvalidKey, PublicKey, SignaturePolicy};

/// The settings of single registries.
#[derive(Debug, Clone, Default)]
pub struct RegistrySettings(BTreeMap<String, Setting>);

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Setting {
    /// The registries that are asked before it.
    mirrors: Vec<String>,
    /// Whether it is spoken to without encryption.
    plain_http: bool,
    /// A file of PEM certificates.
    certificate_authorities: Option<PathBuf>,
    /// Files of public keys, of which one has to have signed its images.
    signed_by: Vec<PathBuf>,
}

/// The reason for which the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum SettingsError {
    #[error("cannot read '{}': {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("'{}' has more than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error(
        "expected a JSON object of registries, each with mirrors, plain_http, certificate_authorities or signed_by: {0}"
    )]
    Syntax(#[from] serde_json::Error),
    #[error("'{name}': {source}")]
    Registry { name: String, source: RegistryError },
    #[error("'{name}': {source}")]
    Key { name: String, source: InvalidKey },
    #[error("'{0}' is for all registries and can only have 'signed_by': name the registry")]
    All(&'static str),
    #[error("'{0}': 'signed_by' has no keys: leave it out, or name the files of public keys")]
    NoKeys(String),
}

/// The maximum size of the file in bytes.
const MAX_FILE: u64 = 1 << 20;
const ALL: &str = "*";

impl RegistrySettings {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or is not of the form that the module describes.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let failed = |source| SettingsError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(SettingsError::TooLarge(path.to_owned()));
        }
        RegistrySettings::parse(&std::fs::read_to_string(path).map_err(failed)?)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// The text is of another form.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let value: BTreeMap<String, serde_json::Value> = serde_json::from_str(text)?;
        let mut settings = BTreeMap::new();
        for (name, value) in value {
            let has_keys = value.get("signed_by").is_some();
            let setting: Setting = serde_json::from_value(value)?;
            if has_keys && setting.signed_by.is_empty() {
                return Err(SettingsError::NoKeys(name));
            }
            if name == ALL
                && (setting.plain_http || setting.certificate_authorities.is_some() || !setting.mirrors.is_empty())
            {
                return Err(SettingsError::All(ALL));
            }
            settings.insert(name, setting);
        }
        Ok(RegistrySettings(settings))
    }

    /// Adds the settings to the options of pulls. The keys are read now.
    ///
    /// # Errors
    /// A registry is not named as registries are, or a key cannot be read.
    pub fn apply(&self, options: &mut RegistryOptions, policy: &mut SignaturePolicy) -> Result<(), SettingsError> {
        for (name, setting) in &self.0 {
            let registry = |source| SettingsError::Registry { name: name.clone(), source };
            let keys = setting.signed_by.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>();
            let keys = keys.map_err(|source| SettingsError::Key { name: name.clone(), source })?;
            if name == ALL {
                policy.require_everywhere(keys);
                continue;
            }
            let authority = authority(name).map_err(registry)?;
            for mirror in &setting.mirrors {
                super::authority(mirror).map_err(registry)?;
            }
            if !keys.is_empty() {
                policy.require(name, keys).map_err(registry)?;
            }
            if !setting.mirrors.is_empty() {
                options.mirrors.insert(authority.clone(), setting.mirrors.clone());
            }
            if let Some(path) = &setting.certificate_authorities {
                options.authorities.insert(authority.clone(), path.clone());
            }
            if setting.plain_http {
                options.insecure.insert(authority);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_change_the_options_of_pulls() {
        let text = r#"{"docker.io":{"mirrors":["m.x:5000"]},"r.x":{"plain_http":true},"s.x":{"certificate_authorities":"/ca"}}"#;
        let (mut options, mut policy) = (RegistryOptions::default(), SignaturePolicy::default());
        RegistrySettings::parse(text).unwrap().apply(&mut options, &mut policy).unwrap();
        assert_eq!(options.mirrors["registry-1.docker.io"], ["m.x:5000"]);
        assert!(options.insecure.contains("r.x"));
        assert_eq!(options.authorities["s.x"], Path::new("/ca"));
        assert_eq!(policy, SignaturePolicy::default());
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, expect: &str| {
            let (mut options, mut policy) = (RegistryOptions::default(), SignaturePolicy::default());
            let outcome = RegistrySettings::parse(text).and_then(|s| s.apply(&mut options, &mut policy));
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("[", "JSON object of registries");
        check(r#"{"r.x":{"unknown":1}}"#, "unknown");
        check(r#"{"nowhere":{}}"#, "'nowhere': 'nowhere' is not the URL of a registry");
        check(r#"{"r.x":{"mirrors":["http://m.x/path"]}}"#, "m.x/path");
        check(r#"{"r.x":{"signed_by":[]}}"#, "has no keys");
        check(r#"{"r.x":{"signed_by":["/no/such.pub"]}}"#, "/no/such.pub");
        check(r#"{"*":{"plain_http":true}}"#, "name the registry");
    }
}
