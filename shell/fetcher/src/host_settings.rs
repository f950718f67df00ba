//! Headers and credentials for the hosts that files are downloaded from.
//!
//! The file is a JSON object. Its keys are hosts, with a port if it is not 443. The headers of a host are sent by HTTPS
//! only, unless its key begins with `http://`; and only to this host, also if a redirect comes from or leads to another one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::header::{self, HeaderName, HeaderValue};
use ureq::http::uri::Uri;

/// The maximum size of the file in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The headers that the fetcher or HTTP itself sets.
const RESERVED: [HeaderName; 8] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::ACCEPT_ENCODING,
    header::RANGE,
    header::IF_RANGE,
    header::EXPECT,
];

/// The headers of each host.
#[derive(Clone, Default)]
pub struct HostSettings(BTreeMap<Origin, Vec<(HeaderName, HeaderValue)>>);

impl fmt::Debug for HostSettings {
    /// Shows the hosts, and nothing that is secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

/// The reason for which the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum HostSettingsError {
    #[error("cannot read '{}': {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("'{}' has more than {MAX_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("expected a JSON object of hosts, each with username and password, token, or headers: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("'{0}' is not a host: expected e.g. files.example.com, files.example.com:8443 or http://files.example.com")]
    Host(String),
    #[error("host '{host}': {problem}")]
    Setting { host: String, problem: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    username: Option<String>,
    password: Option<String>,
    token: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl HostSettings {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns [`HostSettingsError`] if the file cannot be read or is not of the form that the module describes.
    pub fn read(path: &Path) -> Result<Self, HostSettingsError> {
        let failed = |source| HostSettingsError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(HostSettingsError::TooLarge(path.to_owned()));
        }
        HostSettings::parse(&std::fs::read_to_string(path).map_err(failed)?)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Returns [`HostSettingsError`] for any other form.
    pub fn parse(text: &str) -> Result<Self, HostSettingsError> {
        let settings: BTreeMap<String, Setting> = serde_json::from_str(text)?;
        let mut hosts = BTreeMap::new();
        for (name, setting) in settings {
            let origin = origin_of_key(&name).ok_or_else(|| HostSettingsError::Host(name.clone()))?;
            let headers = headers(setting).map_err(|problem| HostSettingsError::Setting { host: name, problem })?;
            hosts.insert(origin, headers);
        }
        Ok(HostSettings(hosts))
    }

    /// Returns the headers for a request.
    pub(crate) fn headers(&self, uri: &Uri) -> &[(HeaderName, HeaderValue)] {
        origin(uri).and_then(|origin| self.0.get(&origin)).map(Vec::as_slice).unwrap_or_default()
    }
}

fn origin(uri: &Uri) -> Option<Origin> {
    let secure = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let host = uri.host()?.to_ascii_lowercase();
    Some(Origin { secure, host, port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }) })
}

fn origin_of_key(key: &str) -> Option<Origin> {
    let uri: Uri = if key.contains("://") { key.parse().ok()? } else { format!("https://{key}").parse().ok()? };
    let is_host = matches!(uri.path(), "" | "/") && uri.query().is_none() && !key.contains('@') && !key.is_empty();
    if is_host { origin(&uri) } else { None }
}

fn headers(setting: Setting) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut headers = Vec::new();
    for (name, value) in setting.headers {
        let known: HeaderName = name.parse().map_err(|_| format!("'{name}' is not the name of a header"))?;
        if RESERVED.contains(&known) {
            return Err(format!("the header '{name}' is set by the fetcher: leave it out"));
        }
        headers.push((known, secret(&value).ok_or_else(|| format!("the header '{name}' has an invalid value"))?));
    }
    let authorization = match (setting.username, setting.password, setting.token) {
        (None, None, None) => None,
        (Some(user), password, None) if !user.contains(':') => {
            Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.unwrap_or_default()))))
        }
        (Some(_), _, None) => return Err("a username has no ':'".to_owned()),
        (None, None, Some(token)) => Some(format!("Bearer {token}")),
        (None, Some(_), _) => return Err("a password needs a username".to_owned()),
        (Some(_), _, Some(_)) => return Err("give either a username or a token".to_owned()),
    };
    if let Some(authorization) = authorization {
        if headers.iter().any(|(name, _)| *name == header::AUTHORIZATION) {
            return Err("give either credentials or the header Authorization".to_owned());
        }
        let value = secret(&authorization).ok_or("the token has characters that a header cannot have")?;
        headers.push((header::AUTHORIZATION, value));
    }
    Ok(headers)
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_gets_its_own_headers_and_no_other() {
        let settings = HostSettings::parse(
            r#"{"Files.example.com": {"username": "u", "password": "p"},
                "files.example.com:8443": {"token": "t"},
                "http://plain.example.com": {"headers": {"X-Key": "k"}}}"#,
        )
        .unwrap();
        let check = |uri: &str, expected: Option<&str>| {
            let found = settings.headers(&uri.parse().unwrap());
            assert_eq!(found.first().map(|(_, value)| value.to_str().unwrap()), expected, "{uri}");
        };
        check("https://files.example.com/a", Some("Basic dTpw"));
        check("https://FILES.example.com:443/a", Some("Basic dTpw"));
        check("http://files.example.com/a", None);
        check("https://files.example.com:8443/a", Some("Bearer t"));
        check("https://files.example.com:8444/a", None);
        check("https://other.files.example.com/a", None);
        check("http://plain.example.com/a", Some("k"));
        check("https://plain.example.com/a", None);
        assert!(!format!("{settings:?}").contains("dTpw"));
    }

    #[test]
    fn invalid_input_is_named() {
        for (text, expected) in [
            ("[]", "expected a JSON object of hosts"),
            (r#"{"h": {"passphrase": "p"}}"#, "passphrase"),
            (r#"{"h/path": {}}"#, "'h/path' is not a host"),
            (r#"{"u@h": {}}"#, "'u@h' is not a host"),
            (r#"{"": {}}"#, "'' is not a host"),
            (r#"{"ftp://h": {}}"#, "'ftp://h' is not a host"),
            (r#"{"h": {"password": "p"}}"#, "a password needs a username"),
            (r#"{"h": {"username": "u", "token": "t"}}"#, "either a username or a token"),
            (r#"{"h": {"username": "u:v"}}"#, "a username has no ':'"),
            (r#"{"h": {"token": "t", "headers": {"authorization": "x"}}}"#, "either credentials or the header"),
            (r#"{"h": {"headers": {"Range": "x"}}}"#, "'Range' is set by the fetcher"),
            (r#"{"h": {"headers": {"a b": "x"}}}"#, "'a b' is not the name of a header"),
            (r#"{"h": {"headers": {"a": "x\ny"}}}"#, "'a' has an invalid value"),
        ] {
            let error = HostSettings::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
