//! The address of a registry: scheme, host and port.

use std::fmt;

use super::RegistryError;
use crate::ImageReference;
use crate::reference::is_authority;

/// The root of a registry, for instance `https://registry.example.com:5000`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    scheme: &'static str,
    authority: String,
}

/// The names that stand for Docker's registry, whose API is at another host.
const DOCKER_HUB: [&str; 2] = ["docker.io", "index.docker.io"];
const DOCKER_HUB_API: &str = "registry-1.docker.io";

impl Endpoint {
    /// Reads `[http[s]://]host[:port]`, followed by nothing but a slash.
    ///
    /// # Errors
    /// The text is something else.
    pub fn parse(text: &str) -> Result<Self, RegistryError> {
        let invalid = || RegistryError::Url(text.chars().take(200).collect());
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Some("https"), rest),
            Some(("http", rest)) => (Some("http"), rest),
            Some(_) => return Err(invalid()),
            None => (None, text),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if !is_authority(authority) || (scheme.is_none() && !authority.contains(['.', ':']) && authority != "localhost")
        {
            return Err(invalid());
        }
        let authority = if DOCKER_HUB.contains(&authority) { DOCKER_HUB_API } else { authority };
        let scheme = scheme.unwrap_or_else(|| default_scheme(authority));
        Ok(Endpoint { scheme, authority: authority.to_owned() })
    }

    /// Returns `host` or `host:port`: the key of its credentials.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub fn is_encrypted(&self) -> bool {
        self.scheme == "https"
    }

    /// Returns the same endpoint without encryption.
    pub fn unencrypted(mut self) -> Self {
        self.scheme = "http";
        self
    }

    /// Returns whether repositories of one word are below `library/`, which is so at Docker's registry.
    fn is_docker_hub(&self) -> bool {
        self.authority == DOCKER_HUB_API
    }

    /// Returns the name that this registry has for the repository.
    pub fn repository(&self, reference: &ImageReference) -> String {
        let name = reference.repository();
        if self.is_docker_hub() && !name.contains('/') { format!("library/{name}") } else { name.to_owned() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Returns the scheme of a registry without one, as in Mesos (`uri::docker::construct`): plain HTTP on port 80 and on
/// this machine.
fn default_scheme(authority: &str) -> &'static str {
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]") && !port.is_empty();
    if port == "80" || (is_local && port != "443") { "http" } else { "https" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_follows_the_port_as_in_mesos() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Endpoint::parse(text).map(|e| e.to_string()).unwrap_or_default(), expect, "{text}");
        };
        check("r.example.com", "https://r.example.com");
        check("r.example.com:80", "http://r.example.com:80");
        check("r.example.com:5000", "https://r.example.com:5000");
        check("localhost:5000", "http://localhost:5000");
        check("localhost:443", "https://localhost:443");
        check("127.0.0.1:5000", "http://127.0.0.1:5000");
        check("https://registry-1.docker.io", "https://registry-1.docker.io");
        check("docker.io", "https://registry-1.docker.io");
        check("http://host/", "http://host");
        for wrong in ["", "ftp://r.x", "r.x/path", "https://", "user@r.x", "r.x:0", "https://r.x/a"] {
            check(wrong, "");
        }
    }
}
