//! Tests with Docker's own registry: plain, with a password, and with TLS of a test authority.

use std::path::{Path, PathBuf};
use std::process::Command;

use provisioner::{Credentials, Digest, Image, PullOptions, Store};
use testkit::registry::{Layer, layer};

/// A registry that ends with the test.
struct RealRegistry {
    directory: tempfile::TempDir,
    authority: String,
    scheme: &'static str,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/registry.sh")
}

/// Starts a registry, or reports the test as skipped if there is none.
fn start(test: &str, kind: &str) -> Option<RealRegistry> {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(script()).arg("start").arg(directory.path()).arg(kind).output().unwrap();
    if output.status.code() == Some(77) {
        testkit::skip::skipped(test, &String::from_utf8_lossy(&output.stderr));
        return None;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let authority = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    Some(RealRegistry { directory, authority, scheme: if kind == "tls" { "https" } else { "http" } })
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = Command::new(script()).arg("stop").arg(self.directory.path()).status();
    }
}

impl RealRegistry {
    fn authority_file(&self) -> Option<PathBuf> {
        Some(self.directory.path().join("ca.pem")).filter(|path| path.exists())
    }

    fn agent(&self) -> ureq::Agent {
        let mut config = ureq::config::Config::builder();
        if let Some(path) = self.authority_file() {
            let pem = std::fs::read(path).unwrap();
            let certificate = ureq::tls::Certificate::from_pem(&pem).unwrap();
            let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::new_with_certs(&[certificate]));
            config = config.tls_config(tls.build());
        }
        config.build().new_agent()
    }

    /// Uploads a blob in one piece.
    fn push(&self, bytes: &[u8]) -> Digest {
        let (agent, digest) = (self.agent(), Digest::of(bytes));
        let url = format!("{}://{}/v2/app/blobs/uploads/", self.scheme, self.authority);
        let begun = agent.post(&url).header("authorization", "Basic dXNlcjpwYXNzd29yZA==").send_empty().unwrap();
        let location = begun.headers().get("location").unwrap().to_str().unwrap();
        let separator = if location.contains('?') { '&' } else { '?' };
        let put = agent.put(format!("{location}{separator}digest={digest}"));
        let put = put.header("authorization", "Basic dXNlcjpwYXNzd29yZA==");
        put.header("content-type", "application/octet-stream").send(bytes).unwrap();
        digest
    }

    fn push_image(&self, layers: &[Layer]) {
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(&layer.archive))).collect();
        let diff_ids = diff_ids.join(",");
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}}}}"#
        );
        let descriptor = |bytes: &[u8], kind: &str| {
            let kind = format!("application/vnd.docker.{kind}");
            format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#, self.push(bytes), bytes.len())
        };
        let descriptors: Vec<String> =
            layers.iter().map(|layer| descriptor(&layer.packed, "image.rootfs.diff.tar.gzip")).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            descriptor(config.as_bytes(), "container.image.v1+json"),
            descriptors.join(",")
        );
        let url = format!("{}://{}/v2/app/manifests/t", self.scheme, self.authority);
        let put = self.agent().put(&url).header("authorization", "Basic dXNlcjpwYXNzd29yZA==");
        put.header("content-type", MANIFEST).send(manifest.as_bytes()).unwrap();
    }
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn pull(registry: &RealRegistry, mut options: PullOptions) -> Result<Image, provisioner::Error> {
    let store = Store::open(&registry.directory.path().join("store"))?;
    options.registry.certificate_authorities = registry.authority_file();
    options.registry.retries = 0;
    let reference = format!("{}/app:t", registry.authority);
    if registry.scheme == "http" {
        options.registry.insecure.insert(registry.authority.clone());
    } else {
        options.registry.default_registry = format!("https://{}", registry.authority);
        return store.pull(&"app:t".parse().unwrap(), &options, &|_| {});
    }
    store.pull(&reference.parse().unwrap(), &options, &|_| {})
}

fn check(test: &str, kind: &str) {
    let Some(registry) = start(test, kind) else { return };
    let layers = [layer().file("a", "1").gzip(), layer().file("b", "2").gzip()];
    registry.push_image(&layers);
    let auths = format!(r#"{{"auths":{{"{}":{{"username":"user","password":"password"}}}}}}"#, registry.authority);
    if kind != "plain" {
        let text = pull(&registry, PullOptions::default()).unwrap_err().to_string();
        assert!(text.contains("asks for credentials"), "{text}");
    }
    let credentials = Credentials::parse(&auths, test).unwrap();
    let image = pull(&registry, PullOptions { credentials, ..PullOptions::default() }).unwrap();
    assert_eq!(image.layers.len(), 2);
}

#[test]
fn images_are_pulled_from_an_open_registry() {
    check("images_are_pulled_from_an_open_registry", "plain");
}

#[test]
fn images_are_pulled_with_a_password() {
    check("images_are_pulled_with_a_password", "basic");
}

#[test]
fn images_are_pulled_with_a_configured_certificate() {
    check("images_are_pulled_with_a_configured_certificate", "tls");
}
