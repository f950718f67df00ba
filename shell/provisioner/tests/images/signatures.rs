//! Signatures of images, made by openssl in the form of cosign.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisioner::{ImportOptions, PublicKey};
use testkit::registry::{Answer, digest_of, layer};
use testkit::skip::{current_test, skipped};

use crate::common::{Scenario, scenario};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";

/// A key pair in files.
struct Signer {
    directory: tempfile::TempDir,
    kind: &'static str,
}

fn openssl(arguments: &[&str], directory: &Path) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output.stdout
}

impl Signer {
    /// Makes a key pair; `None`, with a message, without openssl.
    fn new(kind: &'static str) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry/registry.sh");
        let installed = Command::new(script).arg("install").output().unwrap();
        if !installed.status.success() {
            skipped(&current_test(), &String::from_utf8_lossy(&installed.stderr));
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let algorithm: &[&str] = match kind {
            "ecdsa" => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            _ => &["-algorithm", kind],
        };
        openssl(&[&["genpkey", "-out", "key.pem"], algorithm].concat(), directory.path());
        openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub"], directory.path());
        Some(Signer { directory, kind })
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("key.pub")
    }

    fn key(&self) -> PublicKey {
        PublicKey::read(&self.file()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        std::fs::write(self.directory.path().join("message"), message).unwrap();
        let arguments: &[&str] = match self.kind {
            "ecdsa" => &["dgst", "-sha256", "-sign", "key.pem", "message"],
            _ => &["pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "message"],
        };
        openssl(arguments, self.directory.path())
    }
}

fn payload(digest: &str) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"any"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

/// Makes the manifest of one signature, and serves its payload.
fn signature(s: &Scenario, payload: &str, signature: &[u8]) -> String {
    let blob = s.registry.add_blob(payload.as_bytes());
    let config = s.registry.add_blob(b"{}");
    let signature = STANDARD.encode(signature);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"digest":"{config}"}},"layers":[{{"mediaType":"{PAYLOAD}","digest":"{blob}","size":{},"annotations":{{"dev.cosignproject.cosign/signature":"{signature}"}}}}]}}"#,
        payload.len()
    )
}

fn tag_of(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

/// Signs an image as `cosign sign` does.
fn sign(s: &Scenario, signer: &Signer, digest: &str) {
    let payload = payload(digest);
    let manifest = signature(s, &payload, &signer.sign(payload.as_bytes()));
    s.registry.add_manifest(&tag_of(digest), MANIFEST, &manifest);
}

/// Serves an image and returns the digest of its manifest.
fn image(s: &Scenario, tag: &str) -> String {
    s.registry.add_image(tag, &[layer().file("a", tag).gzip()]);
    let image = s.pull(tag).unwrap();
    s.store.remove(&s.reference(tag)).unwrap();
    image.digest.to_string()
}

#[test]
fn an_image_of_a_registry_with_keys_is_signed_by_one_of_them() {
    for kind in ["ecdsa", "ed25519"] {
        let (Some(signer), Some(other)) = (Signer::new(kind), Signer::new("ecdsa")) else { return };
        let mut s = scenario();
        let digest = image(&s, "t");
        s.options.signatures.require(&s.registry.authority, [other.key(), signer.key()]).unwrap();
        let (file, other_file) = (signer.file().display().to_string(), other.file().display().to_string());
        s.registry.asked();
        let text = s.refused("t");
        let image = format!("{}/app:t", s.registry.authority);
        for part in [image.as_str(), &file, &other_file, "0 signatures", "cosign sign"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let asked = s.registry.paths();
        assert!(!asked.iter().any(|path| path.contains("/blobs/")), "nothing is fetched before: {asked:?}");

        sign(&s, &signer, &digest);
        let pulled = s.pull("t").unwrap();
        assert_eq!(pulled.signed_by, Some(signer.key().fingerprint()));
        assert_eq!(s.pull("t").unwrap(), pulled);
        // The keys are others now, and the image is not used although it is in the store.
        s.options.signatures = Default::default();
        s.options.signatures.require(&s.registry.authority, [other.key()]).unwrap();
        assert!(s.refused("t").contains("1 signatures"));
        sign(&s, &other, &digest);
        assert_eq!(s.pull("t").unwrap().signed_by, Some(other.key().fingerprint()));
        // Other registries need no signature.
        s.options.signatures = Default::default();
        s.options.signatures.require("registry.example.com", [signer.key()]).unwrap();
        s.pull("t").unwrap();
    }
}

#[test]
fn what_signs_something_else_is_no_signature() {
    let Some(signer) = Signer::new("ecdsa") else { return };
    let mut s = scenario();
    let (digest, other) = (image(&s, "t"), digest_of(b"other"));
    s.options.signatures.require_everywhere([signer.key()]);
    let good = payload(&digest);
    let signed = signer.sign(good.as_bytes());
    let foreign = payload(&other);
    let kind = good.replace("cosign container image signature", "atomic container signature");
    let mut changed = signed.clone();
    *changed.last_mut().unwrap() ^= 1;
    let cases = [
        ("another image", signature(&s, &foreign, &signer.sign(foreign.as_bytes()))),
        ("another kind", signature(&s, &kind, &signer.sign(kind.as_bytes()))),
        ("a payload with another signature", signature(&s, &good, &signer.sign(foreign.as_bytes()))),
        ("a changed signature", signature(&s, &good, &changed)),
        ("no signature", signature(&s, &good, b"")),
        ("no base64", signature(&s, &good, &signed).replace("signature\":\"", "signature\":\"%%")),
        ("no payload", signature(&s, &good, &signed).replace(PAYLOAD, "text/plain")),
    ];
    for (name, manifest) in cases {
        s.registry.add_manifest(&tag_of(&digest), MANIFEST, &manifest);
        let text = s.refused("t");
        assert!(text.contains("is not signed by the key"), "{name}: {text}");
    }
    // The registry gives another payload than the manifest names.
    let manifest = signature(&s, &good, &signed);
    s.registry.add_manifest(&tag_of(&digest), MANIFEST, &manifest);
    let blob = format!("/v2/app/blobs/{}", digest_of(good.as_bytes()));
    s.registry.answer(&blob, vec![Answer::ok(foreign)]);
    assert!(s.refused("t").contains("is not signed by the key"));
    s.registry.answer(&blob, vec![Answer::ok(good)]);
    s.pull("t").unwrap();
    s.store.remove(&s.reference("t")).unwrap();
    // Documents that are broken or endless.
    for broken in ["{", r#"{"layers":[{"digest":"x"}]}"#] {
        s.registry.add_manifest(&tag_of(&digest), MANIFEST, broken);
        assert!(s.refused("t").contains("the manifest of signatures is invalid"));
    }
    assert_eq!(s.store.list().unwrap(), []);
}

#[test]
fn signatures_are_found_among_the_referrers() {
    let Some(signer) = Signer::new("ecdsa") else { return };
    let mut s = scenario();
    let digest = image(&s, "t");
    s.options.signatures.require(&s.registry.authority, [signer.key()]).unwrap();
    let payload = payload(&digest);
    let manifest = signature(&s, &payload, &signer.sign(payload.as_bytes()));
    let manifest = s.registry.add_manifest("unused", MANIFEST, &manifest);
    let entry = |kind: &str, digest: &str| format!(r#"{{"artifactType":"{kind}","digest":"{digest}","size":1}}"#);
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{},{}]}}"#,
        entry("text/spdx", &digest_of(b"")),
        entry(ARTIFACT, &manifest)
    );
    // By the list of the registry, and by the tag that takes its place.
    let list = format!("/v2/app/referrers/{digest}");
    s.registry.answer(&list, vec![Answer::ok(index.clone()).header("content-type", INDEX)]);
    s.pull("t").unwrap();
    s.store.remove(&s.reference("t")).unwrap();
    s.registry.answer(&list, vec![Answer::status(404)]);
    s.refused("t");
    s.registry.add_manifest(&digest.replace(':', "-"), INDEX, &index);
    s.pull("t").unwrap();
}

#[test]
fn a_signature_of_an_index_is_one_of_its_images() {
    let Some(signer) = Signer::new("ecdsa") else { return };
    let mut s = scenario();
    let digest = image(&s, "t");
    let text = format!(r#"{{"manifests":[{{"digest":"{digest}"}}]}}"#);
    let index = s.registry.add_manifest("multi", INDEX, &text);
    s.options.signatures.require(&s.registry.authority, [signer.key()]).unwrap();
    s.refused("multi");
    sign(&s, &signer, &index);
    s.pull("multi").unwrap();
    assert!(s.refused("t").contains("is not signed"), "the index is signed, not the image by its own tag");
    sign(&s, &signer, &digest);
    s.pull("t").unwrap();
}

#[test]
fn an_archive_does_not_pass_for_a_signed_image() {
    let Some(signer) = Signer::new("ecdsa") else { return };
    let mut s = scenario();
    s.options.signatures.require(&s.registry.authority, [signer.key()]).unwrap();
    s.options.archives = Some(s.directory.path().join("archives"));
    assert!(s.refused("t").contains("archives have no signatures"));
    // An image that was imported under the name of the registry's image is not taken for it.
    s.options.archives = None;
    let packed = layer().file("a", "evil").plain();
    let config = format!(r#"{{"rootfs":{{"diff_ids":["{}"]}}}}"#, digest_of(&packed.archive));
    let manifest =
        format!(r#"[{{"Config":"c.json","RepoTags":["{}/app:t"],"Layers":["l.tar"]}}]"#, s.registry.authority);
    let archive = layer().file("manifest.json", &manifest).file("c.json", &config);
    let archive = archive.raw("l.tar", tar::EntryType::Regular, &packed.packed, "", 0o644).plain().archive;
    let path = s.directory.path().join("a.tar");
    std::fs::write(&path, archive).unwrap();
    s.store.import(&path, &ImportOptions::default(), &s.options, &|_| {}).unwrap();
    assert!(s.store.find(&s.reference("t")).unwrap().is_some());
    assert!(s.refused("t").contains("there is no 'app:t'"));
}
