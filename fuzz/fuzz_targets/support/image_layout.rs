//! An image of any bytes as an OCI layout, and its way into a store.

use std::fs;
use std::path::Path;

use provisioner::{Digest, ImportOptions, PullOptions, Store};

/// Writes an OCI layout with one image, of which these are the documents and the layer.
pub fn layout(root: &Path, index: Option<&[u8]>, manifest: Option<&[u8]>, config: &[u8], layer: &[u8]) {
    let blobs = root.join("blobs/sha256");
    fs::create_dir_all(&blobs).expect("room for a directory");
    let add = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).expect("room for a file");
        format!(r#"{{"digest":"{digest}","size":{}}}"#, bytes.len())
    };
    let made = format!(r#"{{"config":{},"layers":[{}]}}"#, add(config), add(layer));
    let manifest = add(manifest.unwrap_or(made.as_bytes()));
    let made = format!(r#"{{"manifests":[{manifest}]}}"#);
    fs::write(root.join("index.json"), index.unwrap_or(made.as_bytes())).expect("room for a file");
    fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("room for a file");
}

/// Takes the image into a store, within small limits.
pub fn import(directory: &Path, layout: &Path) {
    let store = Store::open(&directory.join("store")).expect("room for a store");
    let mut options = PullOptions::default();
    options.limits.unpacked_bytes = 1 << 20;
    options.limits.files = 100;
    let name = "fuzz/image:t".parse().expect("a name");
    let import = ImportOptions { image: None, name: Some(name) };
    let _ = store.import(layout, &import, &options, &|_| {});
}
