//! Tests of pulls from registries, including misbehaving ones.

use std::collections::BTreeSet;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use testkit::registry::{Answer, Layer, LayerBuilder, Registry, digest_of, layer};

use crate::common::scenario;
use provisioner::{Credentials, Digest, LayerId, PullEvent, Store};

#[test]
fn an_image_is_pulled_once() {
    let s = scenario();
    let layers = [layer().file("a", "1").plain(), layer().file("b", "2").gzip(), layer().file("c", "3").zstd()];
    s.registry.add_image("t", &layers);
    let image = s.pull("t").unwrap();
    assert_eq!(image.config.cmd, ["sh"]);
    assert_eq!(image.layers, layers.each_ref().map(|layer| LayerId(Digest::of(&layer.archive))));
    let read = |number: usize, name: &str| {
        std::fs::read_to_string(s.store.layer_directory(image.layers[number]).join(name)).unwrap()
    };
    assert_eq!([read(0, "a"), read(1, "b"), read(2, "c")], ["1", "2", "3"]);
    assert_eq!(s.leftovers(), [""; 0]);
    // The requests are for one manifest, one configuration and three layers.
    assert_eq!(s.registry.paths().len(), 5);
    assert_eq!(s.pull("t").unwrap(), image);
    assert_eq!(s.registry.paths(), [""; 0]);
    assert_eq!(Store::open(&s.directory.path().join("store")).unwrap().list().unwrap(), [image]);
}

#[test]
fn layers_are_shared_between_images() {
    let s = scenario();
    let base = layer().file("base", "x").gzip();
    s.registry.add_image("one", &[base.clone(), layer().file("a", "1").gzip()]);
    s.registry.add_image("two", &[base, layer().file("b", "2").gzip()]);
    let one = s.pull("one").unwrap();
    s.registry.asked();
    let events = std::sync::Mutex::new(Vec::new());
    let two = s.store.pull(&s.reference("two"), &s.options, &|event| events.lock().unwrap().push(event)).unwrap();
    assert_eq!(one.layers[0], two.layers[0]);
    let first = events.into_inner().unwrap().remove(0);
    assert!(matches!(first, PullEvent::Layers { total: 2, known: 1, bytes } if bytes > 0), "{first:?}");
    assert_eq!(s.registry.paths().len(), 3);
}

#[test]
fn a_changed_tag_is_noticed_if_requested() {
    let mut s = scenario();
    s.registry.add_image("t", &[layer().file("a", "old").gzip()]);
    let old = s.pull("t").unwrap();
    s.registry.add_image("t", &[layer().file("a", "new").gzip()]);
    assert_eq!(s.pull("t").unwrap(), old);
    s.options.refresh = true;
    assert_ne!(s.pull("t").unwrap().layers, old.layers);
}

#[test]
fn the_image_of_this_platform_comes_from_an_index() {
    let mut s = scenario();
    s.registry.add_image("amd", &[layer().file("a", "amd64").gzip()]);
    let manifest = s.pull("amd").unwrap().digest;
    let entry = |architecture: &str, digest: &str| {
        format!(r#"{{"digest":"{digest}","platform":{{"os":"linux","architecture":"{architecture}"}}}}"#)
    };
    let other = digest_of(b"other");
    let index = format!(r#"{{"manifests":[{},{}]}}"#, entry("s390x", &other), entry("amd64", &manifest.to_string()));
    s.registry.add_manifest("multi", "application/vnd.oci.image.index.v1+json", &index);
    s.options.platform = provisioner::Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    assert_eq!(s.pull("multi").unwrap().digest, manifest);
    s.options.platform.architecture = "riscv64".into();
    s.options.refresh = true;
    assert!(s.refused("multi").contains("linux/riscv64"));
    // The index leads to itself or to another index.
    s.options.platform.architecture = "amd64".into();
    let inner = s.registry.add_manifest("inner", "application/vnd.oci.image.index.v1+json", r#"{"manifests":[]}"#);
    let outer = format!(r#"{{"manifests":[{}]}}"#, entry("amd64", &inner));
    s.registry.add_manifest("outer", "application/vnd.oci.image.index.v1+json", &outer);
    assert!(s.refused("outer").contains("another index"));
}

#[test]
fn a_broken_download_is_resumed() {
    let s = scenario();
    let large = "0123456789abcdef".repeat(100_000);
    let packed = layer().file("a", &large).plain();
    let digest = &s.registry.add_image("t", std::slice::from_ref(&packed))[0];
    let path = format!("/v2/app/blobs/{digest}");
    let whole = Answer::ok(packed.packed.clone());
    s.registry.answer(&path, vec![whole.clone().breaks_after(1_000_000), whole]);
    let image = s.pull("t").unwrap();
    assert_eq!(std::fs::read_to_string(s.store.layer_directory(image.layers[0]).join("a")).unwrap(), large);
    let ranges: Vec<_> = s.registry.asked().into_iter().filter(|a| a.path == path).map(|a| a.range).collect();
    assert_eq!(ranges, [None, Some("bytes=1000000-".to_owned())]);
}

#[test]
fn the_next_pull_continues_partial_layers() {
    let mut s = scenario();
    s.options.registry.retries = 0;
    let packed = layer().file("a", &"0123456789abcdef".repeat(100_000)).plain();
    let digest = &s.registry.add_image("t", std::slice::from_ref(&packed))[0];
    let path = format!("/v2/app/blobs/{digest}");
    let whole = Answer::ok(packed.packed.clone());
    s.registry.answer(&path, vec![whole.clone().breaks_after(1_000_000)]);
    assert!(s.refused("t").contains("broke off"));
    // A new store is opened, as after the end of the process.
    s.store = Store::open(&s.directory.path().join("store")).unwrap();
    s.registry.answer(&path, vec![whole.clone()]);
    s.registry.asked();
    s.pull("t").unwrap();
    let ranges: Vec<_> = s.registry.asked().into_iter().filter(|a| a.path == path).map(|a| a.range).collect();
    assert_eq!(ranges, [Some("bytes=1000000-".to_owned())]);
    assert_eq!(s.leftovers(), [""; 0]);
}

#[test]
fn a_wrong_partial_layer_is_fetched_anew() {
    let s = scenario();
    let packed = layer().file("a", "1").plain();
    let digest = &s.registry.add_image("t", std::slice::from_ref(&packed))[0];
    let partial = s.directory.path().join("store/ingest").join(digest.trim_start_matches("sha256:"));
    std::fs::write(partial, vec![7; 100]).unwrap();
    s.pull("t").unwrap();
}

#[test]
fn content_with_a_wrong_digest_is_refused() {
    let s = scenario();
    let good = layer().file("a", "1").plain();
    let digest = &s.registry.add_image("t", std::slice::from_ref(&good))[0];
    let other = layer().file("a", "2").plain().packed;
    s.registry.answer(&format!("/v2/app/blobs/{digest}"), vec![Answer::ok(other)]);
    let text = s.refused("t");
    assert!(text.contains("digest") && text.contains(digest), "{text}");
    // The configuration lists other layers than the manifest.
    let manifest = |config: &str| {
        let config = s.registry.add_blob(config.as_bytes());
        format!(
            r#"{{"config":{{"digest":"{config}"}},"layers":[{{"digest":"{}"}}]}}"#,
            s.registry.add_blob(&good.packed)
        )
    };
    let text = manifest(&format!(r#"{{"rootfs":{{"diff_ids":["{}"]}}}}"#, Digest::of(b"else")));
    s.registry.add_manifest("u", "application/vnd.oci.image.manifest.v1+json", &text);
    assert!(s.refused("u").contains("the archive in layer"));
    let text = manifest(&format!(r#"{{"rootfs":{{"diff_ids":["{0}","{0}"]}}}}"#, Digest::of(&good.archive)));
    s.registry.add_manifest("v", "application/vnd.oci.image.manifest.v1+json", &text);
    assert!(s.refused("v").contains("as many layers"));
    assert_eq!((s.store.list().unwrap(), s.leftovers()), (vec![], vec![]));
}

#[test]
fn requests_to_busy_registries_are_retried() {
    let s = scenario();
    s.registry.add_image("t", &[layer().file("a", "1").gzip()]);
    let manifest = "/v2/app/manifests/t";
    let good = {
        let text = s.registry.clone();
        text.asked();
        s.pull("t").unwrap();
        s.store.remove(&s.reference("t")).unwrap();
        manifest
    };
    let busy = Answer::status(429).header("retry-after", "0");
    let whole = r#"{"config":{"digest":"x"}}"#;
    s.registry.answer(good, vec![busy.clone(), Answer::status(500), Answer::ok(whole)]);
    assert!(s.refused("t").contains("is invalid"), "the third answer is taken");
    s.registry.answer(good, vec![busy]);
    s.registry.asked();
    assert!(s.refused("t").contains("answers 429"));
    assert_eq!(s.registry.paths().len(), 4);
    s.registry.answer(good, vec![Answer::status(403)]);
    assert!(s.refused("t").contains("answers 403"));
    assert!(s.refused("missing").contains("there is no 'app:missing'"));
}

#[test]
fn credentials_reach_only_their_hosts() {
    let mut s = scenario();
    s.registry.add_image("t", &[layer().file("a", "1").gzip()]);
    let challenge = format!(r#"Bearer realm="http://{}/token",service="s""#, s.registry.authority);
    s.registry.require("Bearer secret", &challenge);
    s.registry.answer("/token", vec![Answer::ok(r#"{"token":"secret"}"#)]);
    let auths = format!(r#"{{"auths":{{"{}":{{"username":"u","password":"p"}}}}}}"#, s.registry.authority);
    s.options.credentials = Credentials::parse(&auths, "test").unwrap();
    s.pull("t").unwrap();
    let asked = s.registry.asked();
    let token: Vec<_> = asked.iter().filter(|asked| asked.path.starts_with("/token")).collect();
    assert_eq!(token.len(), 1, "a token is asked for once");
    assert_eq!(token[0].path, "/token?service=s&scope=repository:app:pull");
    assert_eq!(token[0].authorization.as_deref(), Some("Basic dTpw"));
    // The registry requires a password.
    s.options.refresh = true;
    s.registry.require("Basic dTpw", "Basic realm=x");
    s.pull("t").unwrap();
    s.options.credentials = Credentials::default();
    assert!(s.refused("t").contains("--docker_config"));
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_host() {
    let mut s = scenario();
    let elsewhere = Registry::start();
    let packed = layer().file("a", "1").gzip();
    let digest = &s.registry.add_image("t", std::slice::from_ref(&packed))[0];
    let location = format!("http://{}/blob?signature=x", elsewhere.authority);
    s.registry.answer(&format!("/v2/app/blobs/{digest}"), vec![Answer::status(307).header("location", &location)]);
    elsewhere.answer("/blob", vec![Answer::ok(packed.packed)]);
    s.registry.require("Basic dTpw", "Basic realm=x");
    let auths = format!(r#"{{"auths":{{"{}":{{"username":"u","password":"p"}}}}}}"#, s.registry.authority);
    s.options.credentials = Credentials::parse(&auths, "test").unwrap();
    s.pull("t").unwrap();
    assert_eq!(elsewhere.asked()[0].authorization, None);
    let circle = format!("/v2/app/blobs/{digest}");
    s.registry.answer(&circle, vec![Answer::status(302).header("location", &circle)]);
    s.store.remove(&s.reference("t")).unwrap();
    assert!(s.refused("t").contains("in a circle"));
}

#[test]
fn a_mirror_is_asked_first() {
    let mut s = scenario();
    let mirror = Registry::start();
    let packed = layer().file("a", "1").gzip();
    s.registry.add_image("t", std::slice::from_ref(&packed));
    s.registry.add_image("u", std::slice::from_ref(&packed));
    mirror.add_image("t", std::slice::from_ref(&packed));
    s.options.registry.mirrors.insert(s.registry.authority.clone(), vec![mirror.authority.clone()]);
    s.pull("t").unwrap();
    assert_eq!(s.registry.paths(), [""; 0]);
    // The registry gives the parts that the mirror does not have.
    s.pull("u").unwrap();
    assert_eq!(s.registry.paths()[0], "/v2/app/manifests/u");
}

#[test]
fn a_pull_can_be_cancelled() {
    let s = scenario();
    s.registry.add_image("t", &[layer().file("a", "1").gzip()]);
    s.options.cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(s.refused("t"), "cancelled");
}

#[test]
fn layers_without_an_image_are_removed() {
    let s = scenario();
    let base = layer().file("base", "x").gzip();
    s.registry.add_image("one", &[base.clone(), layer().file("a", "1").gzip()]);
    s.registry.add_image("two", &[base, layer().file("b", "2").gzip()]);
    let (one, two) = (s.pull("one").unwrap(), s.pull("two").unwrap());
    let removed = s.store.remove(&s.reference("one")).unwrap();
    assert_eq!((removed.layers, removed.images), (1, vec![one.reference.clone()]));
    assert!(s.store.layer_directory(two.layers[0]).is_dir());
    assert!(s.store.remove(&s.reference("one")).unwrap_err().to_string().contains("there is no"));
    let kept = s.store.prune(&BTreeSet::from([s.reference("two")])).unwrap();
    assert_eq!(kept, provisioner::PruneReport::default());
    assert_eq!(s.store.prune(&BTreeSet::new()).unwrap().layers, 2);
    assert_eq!(s.store.list().unwrap(), []);
}

#[test]
fn a_layer_is_unpacked_in_the_format_of_overlayfs() {
    let s = scenario();
    let device = |builder: LayerBuilder| builder.raw("pipe", tar::EntryType::Fifo, b"", "", 0o600);
    let packed = device(layer())
        .directory("dir")
        .file("dir/set-user-id", "x")
        .raw("program", tar::EntryType::Regular, b"x", "", 0o4755)
        .symlink("absolute", "/etc/passwd")
        .symlink("up", "../../..")
        .hardlink("second", "program")
        .file("dir/.wh.gone", "")
        .directory("opaque")
        .file("opaque/.wh..wh..opq", "")
        .file("absolute/through", "not in the host's /etc")
        .gzip();
    s.registry.add_image("t", std::slice::from_ref(&packed));
    let image = match s.pull("t") {
        Ok(image) => image,
        Err(error) => panic!("{error}"),
    };
    let root = s.store.layer_directory(image.layers[0]);
    let stat = |name: &str| std::fs::symlink_metadata(root.join(name)).unwrap();
    assert_eq!(stat("program").permissions().mode() & 0o7777, 0o4755);
    assert_eq!(stat("program").ino(), stat("second").ino());
    assert_eq!(stat("dir").mtime(), 1_000_000);
    assert!(stat("pipe").file_type().is_fifo());
    let whiteout = stat("dir/gone");
    assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
    assert_eq!(std::fs::read_link(root.join("up")).unwrap().to_str(), Some("../../.."));
}

/// The members lead out of the root, by name or through a link.
#[test]
fn a_hostile_layer_stays_in_its_directory() {
    let s = scenario();
    let outside = s.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let check = |tag: &str, layer: Layer, expect: Option<&str>| {
        s.registry.add_image(tag, std::slice::from_ref(&layer));
        match (s.pull(tag), expect) {
            (Ok(_), None) => {}
            (Err(error), Some(expect)) => {
                let text =
                    [error.to_string(), std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()]
                        .concat();
                assert!(text.contains(expect), "{tag}: {text}");
            }
            (outcome, _) => panic!("{tag}: {outcome:?}"),
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "{tag}");
        assert!(!s.directory.path().join("x").exists() && !s.directory.path().join("store/x").exists(), "{tag}");
    };
    let outside = outside.to_str().unwrap();
    check("dots", layer().file("../../../x", "1").gzip(), Some("outside of the root"));
    check("absolute", layer().file("/x", "1").gzip(), None);
    check("whiteout", layer().file(".wh...", "").gzip(), Some("outside of the root"));
    check("link", layer().symlink("l", outside).file("l/x", "1").gzip(), None);
    check("up", layer().symlink("l", "../../../outside").file("l/x", "1").gzip(), None);
    check("hard", layer().hardlink("h", "../../../../etc/passwd").gzip(), Some("outside of the root"));
    check(
        "hard-link",
        layer().symlink("l", "/etc").hardlink("h", "l/passwd").gzip(),
        Some("which this layer does not have"),
    );
    check("empty-link", layer().symlink("l", "").gzip(), Some("link to an empty path"));
    check("swapped", layer().directory("d").file("d/a", "1").symlink("d", outside).file("d/x", "1").gzip(), None);
}

#[test]
fn a_decompression_bomb_is_refused() {
    let mut s = scenario();
    s.options.limits.unpacked_bytes = 1 << 20;
    s.registry.add_image("t", &[layer().file("a", &"0".repeat(2 << 20)).gzip()]);
    assert!(s.refused("t").contains("layer"));
    s.options.limits.files = 2;
    s.registry.add_image("u", &[layer().file("a", "1").file("b", "1").file("c", "1").gzip()]);
    assert!(s.refused("u").contains("more than 2 files"));
    assert_eq!(s.leftovers(), [""; 0]);
}

#[test]
fn layers_in_progress_are_shown() {
    let s = scenario();
    s.registry.add_image("t", &[layer().file("a", &"x".repeat(3 << 20)).plain()]);
    let seen = std::sync::Mutex::new((0, 0));
    let watch = |event: PullEvent| {
        if matches!(event, PullEvent::Received { .. }) {
            let mut seen = seen.lock().unwrap();
            *seen = s.store.arriving().unwrap().max(*seen);
        }
    };
    s.store.pull(&s.reference("t"), &s.options, &watch).unwrap();
    let (layers, bytes) = *seen.lock().unwrap();
    assert!(layers == 1 && bytes >= 1 << 20, "{layers} {bytes}");
    assert_eq!(s.store.arriving().unwrap(), (0, 0));
}
