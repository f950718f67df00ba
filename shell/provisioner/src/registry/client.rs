//! Sends requests to registries: chooses the host and the credentials, repeats requests, and follows redirects.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::Agent;
use ureq::config::{AutoHeaderValue, Config};
use ureq::http::{Response, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::challenge::Challenge;
use super::credentials::{Credentials, Login};
use super::endpoint::Endpoint;
use super::error::is_transient_status;
use super::token::{TokenAnswer, TokenKey, Tokens};
use super::{RegistryError, RegistryOptions};
use crate::manifest::{ACCEPTED_MANIFESTS, MAX_DOCUMENT};
use crate::{Digest, ImageReference};

type Body = ureq::Body;

/// A client of all registries, with the options of one pull.
pub(crate) struct RegistryClient {
    agent: Agent,
    /// The agents of registries with certificates of their own.
    agents: BTreeMap<String, Agent>,
    options: RegistryOptions,
    credentials: Credentials,
    tokens: Tokens,
    cancelled: Arc<AtomicBool>,
}

/// A manifest, and the registry that has it.
pub(crate) struct ManifestAnswer {
    pub endpoint: Endpoint,
    pub media_type: Option<String>,
    pub bytes: Vec<u8>,
}

/// The longest pause that a registry can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: u32 = 5;
/// The maximum size of the answers of token servers and of error documents, in bytes.
const MAX_SMALL_ANSWER: u64 = 1 << 20;
const MAX_DETAIL: usize = 300;

impl RegistryClient {
    /// Makes a client. It stops with [`RegistryError::Cancelled`] soon after `cancelled` is set.
    ///
    /// # Errors
    /// The certificates of the options cannot be read.
    pub fn new(
        options: RegistryOptions,
        credentials: Credentials,
        cancelled: Arc<AtomicBool>,
    ) -> Result<Self, RegistryError> {
        let agent = agent(&options, options.certificate_authorities.as_deref())?;
        let agents = options
            .authorities
            .iter()
            .map(|(registry, path)| Ok((registry.clone(), self::agent(&options, Some(path.as_path()))?)));
        Ok(RegistryClient {
            agent,
            agents: agents.collect::<Result<_, RegistryError>>()?,
            options,
            credentials,
            tokens: Tokens::default(),
            cancelled,
        })
    }

    /// Fetches the manifest of a reference from its registry or a mirror of it.
    ///
    /// # Errors
    /// No registry has it; the error is that of the image's own registry.
    pub fn manifest(&self, reference: &ImageReference) -> Result<ManifestAnswer, RegistryError> {
        let mut endpoints = self.options.endpoints(reference)?;
        let Some(own) = endpoints.pop() else { return Err(RegistryError::Url(String::new())) };
        for mirror in endpoints {
            match self.manifest_at(&mirror, reference, &reference.manifest()) {
                Err(error) if !matches!(error, RegistryError::Cancelled) => {
                    tracing::info!("the mirror {mirror} does not have {reference}: {error}");
                }
                answer => return answer,
            }
        }
        self.manifest_at(&own, reference, &reference.manifest())
    }

    /// Fetches a manifest by tag or digest from one registry.
    ///
    /// # Errors
    /// The registry does not give it.
    pub fn manifest_at(
        &self,
        endpoint: &Endpoint,
        reference: &ImageReference,
        name: &str,
    ) -> Result<ManifestAnswer, RegistryError> {
        let repository = endpoint.repository(reference);
        let url = format!("{endpoint}/v2/{repository}/manifests/{name}");
        let accept = ACCEPTED_MANIFESTS.join(", ");
        let response = self.get(endpoint, &repository, &url, &[("accept", &accept)])?;
        let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        // Servers of plain files send `application/json` or no type. The document itself states its type then.
        let media_type = media_type.filter(|value| !value.starts_with("application/json")).map(str::to_owned);
        match response.status().as_u16() {
            200 => {}
            404 => {
                let what = format!("{repository}:{name}");
                return Err(RegistryError::NotFound { what, registry: endpoint.to_string() });
            }
            _ => return Err(status_error(&url, response)),
        }
        let bytes = read_small(&url, response, MAX_DOCUMENT)?;
        Ok(ManifestAnswer { endpoint: endpoint.clone(), media_type, bytes })
    }

    /// Requests a blob from byte `from` on. Returns the stream and the number of its first byte, which is 0 if the
    /// registry does not support ranges.
    ///
    /// # Errors
    /// The registry does not give it.
    pub fn blob(
        &self,
        endpoint: &Endpoint,
        reference: &ImageReference,
        digest: Digest,
        from: u64,
    ) -> Result<(impl Read + use<>, u64), RegistryError> {
        let repository = endpoint.repository(reference);
        let url = format!("{endpoint}/v2/{repository}/blobs/{digest}");
        let range = format!("bytes={from}-");
        let headers: &[(&str, &str)] = if from > 0 { &[("range", &range)] } else { &[] };
        let response = self.get(endpoint, &repository, &url, headers)?;
        let start = match response.status().as_u16() {
            200 => 0,
            206 => content_range_start(&response)
                .filter(|start| *start <= from)
                .ok_or(RegistryError::Incomplete { url, what: "the range that was asked for" })?,
            404 => {
                return Err(RegistryError::NotFound { what: digest.to_string(), registry: endpoint.to_string() });
            }
            _ => return Err(status_error(&url, response)),
        };
        Ok((response.into_body().into_reader(), start))
    }

    /// Fetches a small blob as a whole.
    ///
    /// # Errors
    /// The registry does not give it, or it is larger than a document may be.
    pub fn small_blob(
        &self,
        endpoint: &Endpoint,
        reference: &ImageReference,
        digest: Digest,
    ) -> Result<Vec<u8>, RegistryError> {
        let (stream, _) = self.blob(endpoint, reference, digest, 0)?;
        read_limited(&digest.to_string(), stream, MAX_DOCUMENT)
    }

    /// Fetches the list of the manifests that refer to another one, filtered by their kind if the registry can do so. It is
    /// `None` if the registry has no such list (OCI distribution specification, "Listing Referrers").
    ///
    /// # Errors
    /// The registry does not give it.
    pub fn referrers(
        &self,
        endpoint: &Endpoint,
        reference: &ImageReference,
        digest: Digest,
        artifact_type: &str,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let repository = endpoint.repository(reference);
        let kind = percent_encoded(artifact_type);
        let url = format!("{endpoint}/v2/{repository}/referrers/{digest}?artifactType={kind}");
        let response = self.get(endpoint, &repository, &url, &[])?;
        match response.status().as_u16() {
            200 => read_small(&url, response, MAX_DOCUMENT).map(Some),
            404 | 405 => Ok(None),
            _ => Err(status_error(&url, response)),
        }
    }

    fn agent_of(&self, url: &str) -> &Agent {
        origin(url).and_then(|(_, authority)| self.agents.get(&authority)).unwrap_or(&self.agent)
    }

    /// Returns how often a failed request is repeated.
    pub fn retries(&self) -> u32 {
        self.options.retries
    }

    /// Returns an error if the pull has been cancelled.
    ///
    /// # Errors
    /// Returns [`RegistryError::Cancelled`] if the pull has been cancelled.
    pub fn check_cancelled(&self) -> Result<(), RegistryError> {
        if self.cancelled.load(Ordering::Relaxed) { Err(RegistryError::Cancelled) } else { Ok(()) }
    }

    /// Waits before a request is repeated for the `attempt`th time. The pause grows with each attempt, and is as long
    /// as the registry asks for.
    ///
    /// # Errors
    /// Returns [`RegistryError::Cancelled`] if the pull is cancelled meanwhile.
    pub fn pause(&self, attempt: u32, asked: Option<Duration>) -> Result<(), RegistryError> {
        let pause = asked.unwrap_or(FIRST_PAUSE * 2u32.saturating_pow(attempt)).min(MAX_PAUSE);
        let slice = Duration::from_millis(100);
        let mut left = pause;
        while !left.is_zero() {
            self.check_cancelled()?;
            let step = left.min(slice);
            std::thread::sleep(step);
            left -= step;
        }
        Ok(())
    }

    /// Sends a GET with authentication and redirects, and repeats it while it fails for a transient reason. The caller
    /// handles any other status.
    fn get(
        &self,
        endpoint: &Endpoint,
        repository: &str,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, RegistryError> {
        let mut attempt = 0;
        loop {
            self.check_cancelled()?;
            let outcome = self.authenticated(endpoint, repository, url, headers);
            let last = attempt >= self.options.retries;
            match outcome {
                Ok(response) if !last && is_transient_status(response.status().as_u16()) => {
                    self.pause(attempt, retry_after(&response))?;
                }
                Err(error) if !last && error.is_transient() => self.pause(attempt, None)?,
                outcome => return outcome,
            }
            attempt += 1;
        }
    }

    fn authenticated(
        &self,
        endpoint: &Endpoint,
        repository: &str,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, RegistryError> {
        let key: TokenKey = (endpoint.to_string(), repository.to_owned());
        let first = self.tokens.get(&key);
        let response = self.follow(url, first.as_deref(), headers)?;
        if response.status().as_u16() != 401 {
            return Ok(response);
        }
        self.tokens.forget(&key);
        let unauthorized = || RegistryError::Unauthorized { url: url.to_owned() };
        let values =
            response.headers().get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenge = Challenge::parse(values).ok_or_else(unauthorized)?;
        let login = self.credentials.of(endpoint.authority(), &self.cancelled)?;
        let authorization = match (challenge, login) {
            (_, Some(Login::RegistryToken(token))) => format!("Bearer {token}"),
            (Challenge::Basic, Some(Login::Password { user, password })) => basic(&user, &password),
            (Challenge::Basic, _) => return Err(unauthorized()),
            (Challenge::Bearer { realm, service, scope }, login) => {
                let scope = scope.unwrap_or_else(|| format!("repository:{repository}:pull"));
                let request = TokenRequest { realm: &realm, service: service.as_deref(), scope: &scope, login };
                let (token, lifetime) = self.token(endpoint, request)?;
                let authorization = format!("Bearer {token}");
                self.tokens.insert(key.clone(), authorization.clone(), lifetime);
                authorization
            }
        };
        let response = self.follow(url, Some(&authorization), headers)?;
        if response.status().as_u16() == 401 {
            self.tokens.forget(&key);
            return Err(unauthorized());
        }
        Ok(response)
    }

    fn token(&self, endpoint: &Endpoint, request: TokenRequest<'_>) -> Result<(String, Duration), RegistryError> {
        let realm = request.realm;
        let encrypted = realm.starts_with("https://");
        if !encrypted && (endpoint.is_encrypted() || !realm.starts_with("http://")) {
            // Credentials for an encrypted registry are not sent over an unencrypted connection.
            let reason = "to a token server that is not encrypted, unlike itself";
            return Err(RegistryError::Redirect { url: endpoint.to_string(), reason });
        }
        let transport = |source| RegistryError::Transport { url: realm.to_owned(), source: Box::new(source) };
        let separator = if realm.contains('?') { '&' } else { '?' };
        let service =
            request.service.map(|service| format!("service={}&", percent_encoded(service))).unwrap_or_default();
        let url = format!("{realm}{separator}{service}scope={}", percent_encoded(request.scope));
        let response = match request.login {
            Some(Login::IdentityToken(token)) => {
                let form = [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", &token),
                    ("service", request.service.unwrap_or_default()),
                    ("scope", request.scope),
                    ("client_id", "tepui"),
                ];
                self.agent_of(realm).post(realm).send_form(form).map_err(transport)?
            }
            Some(Login::Password { user, password }) => self
                .agent_of(&url)
                .get(&url)
                .header("authorization", basic(&user, &password))
                .call()
                .map_err(transport)?,
            Some(Login::RegistryToken(_)) | None => self.agent_of(&url).get(&url).call().map_err(transport)?,
        };
        match response.status().as_u16() {
            200 => {}
            401 | 403 => return Err(RegistryError::Unauthorized { url: realm.to_owned() }),
            _ => return Err(status_error(realm, response)),
        }
        let bytes = read_small(realm, response, MAX_SMALL_ANSWER)?;
        let answer = serde_json::from_slice::<TokenAnswer>(&bytes).ok().and_then(TokenAnswer::token);
        answer.ok_or(RegistryError::Incomplete { url: realm.to_owned(), what: "a token" })
    }

    /// Follows redirects. Credentials are sent only to the host that they are meant for (CVE-2020-15157), and an
    /// encrypted request is not redirected to an unencrypted URL.
    fn follow(
        &self,
        url: &str,
        authorization: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, RegistryError> {
        let mut at = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.agent_of(&at).get(&at);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(authorization) = authorization.filter(|_| origin(&at) == origin(url)) {
                request = request.header("authorization", authorization);
            }
            let transport = |source| RegistryError::Transport { url: without_query(&at), source: Box::new(source) };
            let response = request.call().map_err(transport)?;
            if response.status().as_u16() == 401 && origin(&at) != origin(url) {
                // Only the registry itself may ask for its credentials (CVE-2020-15157).
                return Err(status_error(&at, response));
            }
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let redirect = |reason| RegistryError::Redirect { url: without_query(&at), reason };
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let next = location.and_then(|location| resolve(&at, location)).ok_or_else(|| redirect("to nowhere"))?;
            if at.starts_with("https://") && !next.starts_with("https://") {
                return Err(redirect("to an address that is not encrypted"));
            }
            at = next;
        }
        Err(RegistryError::Redirect { url: without_query(url), reason: "in a circle" })
    }
}

struct TokenRequest<'a> {
    realm: &'a str,
    service: Option<&'a str>,
    scope: &'a str,
    login: Option<Login>,
}

/// Makes the part of the client that has connections, which believes certificates of these authorities.
fn agent(options: &RegistryOptions, authorities: Option<&Path>) -> Result<Agent, RegistryError> {
    let mut config = Config::builder()
        .user_agent(AutoHeaderValue::Provided(concat!("tepui/", env!("CARGO_PKG_VERSION")).to_owned().into()))
        // A layer must arrive unchanged: some servers or clients would decompress it on the way.
        .accept_encoding(AutoHeaderValue::Provided(String::from("identity").into()))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(options.stall_timeout))
        .timeout_per_read(Some(options.stall_timeout));
    if let Some(path) = authorities {
        config = config.tls_config(TlsConfig::builder().root_certs(certificates(path)?).build());
    }
    Ok(config.build().new_agent())
}

fn certificates(path: &Path) -> Result<RootCerts, RegistryError> {
    let failed = |problem: String| RegistryError::Certificates { path: path.display().to_string(), problem };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        if let ureq::tls::PemItem::Certificate(certificate) = item.map_err(|error| failed(error.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(failed("there is none in it".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn content_range_start(response: &Response<Body>) -> Option<u64> {
    let value = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}

fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((uri.scheme_str()?.to_owned(), uri.authority()?.to_string()))
}

/// Resolves a `Location` (RFC 3986, section 5), absolute or by path.
fn resolve(at: &str, location: &str) -> Option<String> {
    if location.starts_with("http://") || location.starts_with("https://") {
        return Some(location.to_owned());
    }
    let (scheme, authority) = origin(at)?;
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    location.starts_with('/').then(|| format!("{scheme}://{authority}{location}"))
}

/// Returns a URL without its query, because the queries of redirects contain signatures.
fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b'/' => {
                encoded.push(byte as char)
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn status_error(url: &str, response: Response<Body>) -> RegistryError {
    let status = response.status().as_u16();
    let bytes = read_small(url, response, MAX_SMALL_ANSWER).unwrap_or_default();
    RegistryError::Status { url: without_query(url), status, detail: detail(&bytes) }
}

/// Returns the message of a registry's error document, or an empty text for other answers, which are pages for
/// browsers.
fn detail(bytes: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(default)]
        message: String,
    }
    let errors = serde_json::from_slice::<Errors>(bytes).map(|document| document.errors).unwrap_or_default();
    let messages: Vec<String> = errors.into_iter().map(|entry| entry.message).filter(|text| !text.is_empty()).collect();
    if messages.is_empty() {
        return String::new();
    }
    let text: String = messages.join("; ").chars().filter(|c| !c.is_control()).take(MAX_DETAIL).collect();
    format!(": {text}")
}

fn read_small(url: &str, response: Response<Body>, limit: u64) -> Result<Vec<u8>, RegistryError> {
    read_limited(url, response.into_body().into_reader(), limit)
}

fn read_limited(url: &str, stream: impl Read, limit: u64) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    let broken = |source| RegistryError::Broken { url: without_query(url), source };
    stream.take(limit + 1).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() as u64 > limit {
        return Err(RegistryError::TooLarge { url: without_query(url), limit });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_absolute_or_a_path() {
        let check = |location: &str, expect: Option<&str>| {
            assert_eq!(resolve("https://r.x:1/v2/a?b", location).as_deref(), expect, "{location}");
        };
        check("https://c.x/y?z", Some("https://c.x/y?z"));
        check("//c.x/y", Some("https://c.x/y"));
        check("/y", Some("https://r.x:1/y"));
        check("y", None);
        check("file:///etc/passwd", None);
    }

    #[test]
    fn an_error_has_the_message_of_the_registry() {
        let check = |text: &str, expect: &str| assert_eq!(detail(text.as_bytes()), expect);
        check(r#"{"errors":[{"code":"X","message":"no\u001b[1m"},{"message":"why"}]}"#, ": no[1m; why");
        check("<html>", "");
    }
}
