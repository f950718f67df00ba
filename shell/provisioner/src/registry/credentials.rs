//! Credentials in the format of Docker's `config.json`, which is also that of `--docker_config` and of an image's `config`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicBool;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::RegistryError;
use super::credential_helper::ask;

/// Names and passwords by registry, and the credential helpers that have further ones.
#[derive(Clone, Default)]
pub struct Credentials {
    auths: BTreeMap<String, Login>,
    helpers: BTreeMap<String, String>,
    default_helper: Option<String>,
}

/// The credentials for one registry: a name and a password, or one of the tokens. What is not used is empty.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RegistryLogin {
    /// The name of the user.
    pub username: String,
    /// The password.
    pub password: String,
    /// A token that the token server exchanges for another.
    pub identity_token: String,
    /// A token for the registry itself.
    pub registry_token: String,
}

/// The credentials for one registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Password {
        user: String,
        password: String,
    },
    /// A token that the token server exchanges for another (OAuth 2, RFC 6749, section 6).
    IdentityToken(String),
    /// A token for the registry itself.
    RegistryToken(String),
}

/// Passwords are left out, so that they do not reach a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("registries", &self.auths.keys()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

impl Credentials {
    /// Reads a `config.json`. `place` names the file in errors, for instance by its flag.
    ///
    /// # Errors
    /// The text is no such file, or an `auth` of it is not base64 of `user:password`.
    pub fn parse(text: &str, place: &str) -> Result<Self, RegistryError> {
        let unreadable = |problem: String| RegistryError::Credentials { place: place.to_owned(), problem };
        let file: File = serde_json::from_str(text).map_err(|error| unreadable(error.to_string()))?;
        let mut auths = BTreeMap::new();
        for (registry, entry) in file.auths {
            let key = registry_key(&registry);
            if let Some(login) = login(entry).map_err(|problem| unreadable(format!("'{registry}': {problem}")))? {
                auths.insert(key, login);
            }
        }
        let helpers = file.cred_helpers.into_iter().map(|(registry, helper)| (registry_key(&registry), helper));
        Ok(Credentials { auths, helpers: helpers.collect(), default_helper: file.creds_store })
    }

    /// Returns these credentials with others added. The others take precedence.
    #[must_use]
    pub fn overlaid_by(mut self, other: Credentials) -> Self {
        self.auths.extend(other.auths);
        self.helpers.extend(other.helpers);
        self.default_helper = other.default_helper.or(self.default_helper);
        self
    }

    /// Returns the credentials for a registry (`host` or `host:port`) in the form that a Docker daemon takes them, if there
    /// are any.
    ///
    /// # Errors
    /// A credential helper fails, or does not answer before `cancelled` is set.
    pub fn login(&self, authority: &str, cancelled: &AtomicBool) -> Result<Option<RegistryLogin>, RegistryError> {
        let login = self.of(authority, cancelled)?.map(|login| match login {
            Login::Password { user, password } => {
                RegistryLogin { username: user, password, ..RegistryLogin::default() }
            }
            Login::IdentityToken(token) => RegistryLogin { identity_token: token, ..RegistryLogin::default() },
            Login::RegistryToken(token) => RegistryLogin { registry_token: token, ..RegistryLogin::default() },
        });
        Ok(login)
    }

    /// Returns the credentials for a registry, from a helper if one is named for it.
    pub(super) fn of(&self, authority: &str, cancelled: &AtomicBool) -> Result<Option<Login>, RegistryError> {
        if let Some(login) = self.auths.get(&registry_key(authority)) {
            return Ok(Some(login.clone()));
        }
        match self.helper(authority) {
            Some((helper, server)) => ask(helper, server, cancelled),
            None => Ok(None),
        }
    }

    /// Returns the helper for a registry, and the name that it knows the registry by. `docker login` saves the credentials for
    /// Docker's own registry under the URL that it once had.
    fn helper<'a>(&'a self, authority: &'a str) -> Option<(&'a str, &'a str)> {
        let key = registry_key(authority);
        let helper = self.helpers.get(&key).or(self.default_helper.as_ref())?;
        Some((helper, if key == DOCKER { DOCKER_URL } else { authority }))
    }
}

/// The host of Docker's own registry in files of credentials.
const DOCKER: &str = "index.docker.io";
/// Its name for credential helpers.
const DOCKER_URL: &str = "https://index.docker.io/v1/";

/// Returns the host of an entry. Entries are URLs, hosts, or the name that Docker once gave its own registry.
fn registry_key(text: &str) -> String {
    let bare = text.strip_prefix("https://").or(text.strip_prefix("http://")).unwrap_or(text);
    match bare.split('/').next().unwrap_or_default() {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER.to_owned(),
        host => host.to_owned(),
    }
}

fn login(entry: Entry) -> Result<Option<Login>, &'static str> {
    if let Some(token) = entry.registrytoken.filter(|token| !token.is_empty()) {
        return Ok(Some(Login::RegistryToken(token)));
    }
    if let Some(token) = entry.identitytoken.filter(|token| !token.is_empty()) {
        return Ok(Some(Login::IdentityToken(token)));
    }
    if let Some(auth) = entry.auth.filter(|auth| !auth.is_empty()) {
        let malformed = "its 'auth' is not base64 of 'user:password'";
        let text =
            STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(malformed)?;
        let (user, password) = text.split_once(':').ok_or(malformed)?;
        let password = password.trim_end_matches('\0');
        return Ok(Some(Login::Password { user: user.to_owned(), password: password.to_owned() }));
    }
    Ok(entry.username.zip(entry.password).map(|(user, password)| Login::Password { user, password }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, password: &str) -> Option<Login> {
        Some(Login::Password { user: user.into(), password: password.into() })
    }

    #[test]
    fn a_login_is_found_by_host_or_url() {
        let text = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"},"r.x:5000":{"username":"a","password":"b"},
            "t.x":{"identitytoken":"i"},"e.x":{}}}"#;
        let credentials = Credentials::parse(text, "--docker_config").unwrap();
        let check = |authority: &str, expect: Option<Login>| {
            assert!(credentials.of(authority, &AtomicBool::default()).unwrap() == expect, "{authority}")
        };
        check("registry-1.docker.io", password("u", "p"));
        check("r.x:5000", password("a", "b"));
        check("r.x", None);
        check("e.x", None);
        check("t.x", Some(Login::IdentityToken("i".into())));
    }

    #[test]
    fn a_helper_is_asked_for_the_name_that_docker_saves() {
        let text = r#"{"credsStore":"all","credHelpers":{"docker.io":"hub","r.x:5000":"own"}}"#;
        let credentials = Credentials::parse(text, "t").unwrap();
        for (authority, helper) in [
            ("registry-1.docker.io", ("hub", "https://index.docker.io/v1/")),
            ("index.docker.io", ("hub", "https://index.docker.io/v1/")),
            ("r.x:5000", ("own", "r.x:5000")),
            ("r.x", ("all", "r.x")),
        ] {
            assert_eq!(credentials.helper(authority), Some(helper), "{authority}");
        }
    }

    #[test]
    fn an_image_overrides_the_agent() {
        let of = |word: &str| {
            let text = format!(r#"{{"auths":{{"r.x":{{"username":"{word}","password":"p"}}}}}}"#);
            Credentials::parse(&text, "t").unwrap()
        };
        assert!(of("a").overlaid_by(of("b")).of("r.x", &AtomicBool::default()).unwrap() == password("b", "p"));
    }

    #[test]
    fn errors_of_credentials_do_not_show_secrets() {
        let error = Credentials::parse(r#"{"auths":{"r.x":{"auth":"c2VjcmV0"}}}"#, "--docker_config").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("--docker_config") && text.contains("r.x") && !text.contains("secret"), "{text}");
        let helper = Credentials::parse(r#"{"credsStore":"../x"}"#, "t").unwrap().of("r.x", &AtomicBool::default());
        assert!(helper.is_err());
        assert!(!format!("{:?}", Credentials::parse(r#"{"auths":{"r.x":{"auth":"dTpw"}}}"#, "t")).contains("dTpw"));
    }
}
