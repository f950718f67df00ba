//! How an image is pulled. The daemon answers with a stream of JSON objects, of which one may be an error: the status of
//! the answer says nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A name of an image that Docker does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' names no image")]
pub struct InvalidImage(pub String);

/// Returns the name with the tag `latest` if it has neither a tag nor a digest, so that not all images of a repository
/// are pulled.
pub fn qualified(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains(':') || image.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

/// The credentials for one registry, as the value of `X-Registry-Auth`.
#[derive(Clone, Default, Serialize)]
pub struct RegistryAuth {
    /// The user; empty with a token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// The password; empty with a token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// A token that is exchanged for another.
    #[serde(rename = "identitytoken", skip_serializing_if = "String::is_empty")]
    pub identity_token: String,
    /// A token for the registry itself.
    #[serde(rename = "registrytoken", skip_serializing_if = "String::is_empty")]
    pub registry_token: String,
    /// The registry.
    #[serde(rename = "serveraddress")]
    pub server_address: String,
}

/// Passwords are left out, so that they do not reach a log.
impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryAuth").field("server_address", &self.server_address).finish_non_exhaustive()
    }
}

impl RegistryAuth {
    /// Returns the value of the header.
    pub fn header(&self) -> String {
        URL_SAFE.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The stream of a pull.
#[derive(Debug, Default)]
pub struct Pull {
    line: Vec<u8>,
}

/// The maximum length of an object in bytes.
const MAX_LINE: usize = 1 << 20;

#[derive(Deserialize)]
struct Message {
    error: Option<String>,
    #[serde(rename = "errorDetail")]
    detail: Option<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    message: Option<String>,
}

impl Pull {
    /// Takes bytes in.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the daemon reports an error, and [`Error::Invalid`] for an object without end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.object()?;
            } else if self.line.len() > MAX_LINE {
                return Err(Error::Invalid("an object of the progress without end".to_owned()));
            }
        }
        Ok(())
    }

    /// Handles the end of the stream.
    ///
    /// # Errors
    /// Returns the errors of [`Pull::push`].
    pub fn finish(mut self) -> Result<(), Error> {
        self.object()
    }

    fn object(&mut self) -> Result<(), Error> {
        let line = std::mem::take(&mut self.line);
        // What is no object reports no error; the image is looked for afterwards.
        let Ok(message) = serde_json::from_slice::<Message>(&line) else { return Ok(()) };
        let detail = message.detail.and_then(|detail| detail.message);
        match message.error.or(detail) {
            None => Ok(()),
            Some(text) => {
                let message = model::visible(&text).chars().take(1000).collect();
                Err(Error::Refused { status: 500, message })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_a_tag() {
        for (name, expect) in [
            ("busybox", "busybox:latest"),
            ("busybox:1", "busybox:1"),
            ("host:5000/a/b", "host:5000/a/b:latest"),
            ("host:5000/a:t", "host:5000/a:t"),
            ("a@sha256:00", "a@sha256:00"),
        ] {
            assert_eq!(qualified(name), expect);
        }
    }

    #[test]
    fn an_error_in_the_stream_is_one() {
        let text = b"{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"no\"},\"error\":\"not found\"}\r\n";
        for step in 1..=text.len() {
            let mut pull = Pull::default();
            let result = text.chunks(step).try_for_each(|part| pull.push(part));
            assert!(matches!(result, Err(Error::Refused { message, .. }) if message == "not found"));
        }
        let mut pull = Pull::default();
        pull.push(b"{\"status\":\"Done\"}").unwrap();
        pull.finish().unwrap();
        let mut endless = Pull::default();
        assert!((0..2000).try_for_each(|_| endless.push(&[b'x'; 1000])).is_err());
    }

    #[test]
    fn credentials_are_a_header() {
        let auth = RegistryAuth {
            username: "u".into(),
            password: "hunter2".into(),
            server_address: "h:5000".into(),
            ..RegistryAuth::default()
        };
        let text = URL_SAFE.decode(auth.header()).unwrap();
        assert_eq!(text, br#"{"username":"u","password":"hunter2","serveraddress":"h:5000"}"#);
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
