//! Hostile images and registries: each test fails for a runtime that believes what it is sent.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use provisioner::Credentials;
use testkit::registry::{Answer, Layer, Registry, layer};
use testkit::wait::until;

use crate::common::{Scenario, scenario};

const MANIFEST: &str = "/v2/app/manifests/t";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Checks that an image of one layer is refused with this text, and leaves nothing.
fn check_refused(s: &Scenario, layer: Layer, expect: &str) {
    s.registry.add_image("t", std::slice::from_ref(&layer));
    let error = s.pull("t").map(|image| format!("{image:?}")).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(source.contains(expect) || error.to_string().contains(expect), "{error}: {source}");
    check_nothing_left(s);
}

fn check_nothing_left(s: &Scenario) {
    assert_eq!((s.store.list().unwrap(), s.leftovers()), (vec![], vec![]));
    assert_eq!(std::fs::read_dir(s.directory.path().join("store/layers")).unwrap().count(), 0);
}

fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 256];
    let length = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
    Some(value[..length].to_vec())
}

#[test]
fn whiteouts_do_not_reach_through_links() {
    let s = scenario();
    let outside = s.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("victim"), "x").unwrap();
    for (number, target) in [outside.to_str().unwrap(), "../../../outside"].into_iter().enumerate() {
        let members = layer().symlink("l", target).file("l/.wh.victim", "").file("l/.wh..wh..opq", "");
        let tag = format!("t{number}");
        s.registry.add_image(&tag, &[members.gzip()]);
        // The link leads to a directory of the image.
        s.pull(&tag).unwrap();
        assert_eq!(std::fs::read_to_string(outside.join("victim")).unwrap(), "x");
        for name in ["trusted.overlay.opaque", "user.overlay.opaque"] {
            assert_eq!(attribute(&outside, name), None, "{name}");
        }
    }
}

/// With the attributes of overlayfs, a layer would show files of other directories under its own names, or metadata of
/// one file with the contents of another.
#[test]
fn attributes_of_overlayfs_and_security_modules_are_not_taken_from_an_image() {
    let s = scenario();
    let foreign = ["trusted.overlay.redirect", "trusted.overlay.metacopy", "user.overlay.opaque", "security.selinux"];
    let members = foreign.iter().chain(&["user.kept"]).enumerate().fold(layer(), |members, (number, name)| {
        let record = format!("SCHILY.xattr.{name}");
        let members = members.pax(&[(&record, b"/etc")]).file(&format!("file{number}"), "");
        members.pax(&[(&record, b"/etc")]).directory(&format!("directory{number}"))
    });
    s.registry.add_image("t", &[members.gzip()]);
    let image = s.pull("t").unwrap();
    let root = s.store.layer_directory(image.layers[0]);
    for (number, name) in foreign.iter().enumerate() {
        assert_eq!(attribute(&root.join(format!("file{number}")), name), None, "{name}");
        assert_eq!(attribute(&root.join(format!("directory{number}")), name), None, "{name}");
    }
    let kept = attribute(&root.join("file4"), "user.kept");
    assert!(kept.is_none_or(|value| value == b"/etc"), "file systems need not have attributes");
}

#[test]
fn a_sparse_file_costs_its_whole_size() {
    let mut s = scenario();
    s.options.limits.unpacked_bytes = 1 << 20;
    let mut header = tar::Header::new_gnu();
    header.set_path("hole").unwrap();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(0);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.realsize.copy_from_slice(b"77777777777\0");
    gnu.sparse[0].offset.copy_from_slice(b"77777777777\0");
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    header.set_cksum();
    check_refused(&s, layer().member(&header, b"").gzip(), "more than 1048576 bytes");
}

#[test]
fn decompression_has_a_limit_in_bytes_and_in_memory() {
    let mut s = scenario();
    s.options.limits.unpacked_bytes = 1 << 20;
    let zeros = "0".repeat(8 << 20);
    check_refused(&s, layer().file("a", &zeros).gzip(), "more than 1048576 bytes");
    check_refused(&s, layer().file("a", &zeros).zstd(), "more than 1048576 bytes");
    // A frame header of zstd that asks for a window of 2 TiB (RFC 8878, section 3.1.1.1.2).
    let packed = [&0xFD2F_B528_u32.to_le_bytes()[..], &[0, 0xF8], &[1, 0, 0]].concat();
    check_refused(&s, Layer { archive: Vec::new(), packed }, "cannot read it");
}

#[test]
fn headers_have_a_limit() {
    let s = scenario();
    let long = "x".repeat(2 << 20);
    let name = |kind: u8| {
        let mut header = tar::Header::new_gnu();
        header.set_path("././@LongLink").unwrap();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(long.len() as u64);
        header.set_cksum();
        layer().member(&header, long.as_bytes()).file("a", "")
    };
    check_refused(&s, name(b'L').gzip(), "headers of more than");
    check_refused(&s, name(b'K').gzip(), "headers of more than");
    check_refused(&s, layer().pax(&[("SCHILY.xattr.user.a", long.as_bytes())]).file("a", "").gzip(), "headers of more");
}

#[test]
fn links_in_a_circle_end() {
    let s = scenario();
    check_refused(&s, layer().symlink("a", "b").symlink("b", "a").file("a/x", "").gzip(), "cannot write");
}

/// The directories are nested through links, which their names do not show. An error of the last member has the layer
/// removed.
#[test]
fn directories_can_be_removed_however_deep_they_are() {
    let s = scenario();
    let long = "d/".repeat(1000);
    let members = (0..10).fold(layer(), |members, number: u32| {
        let target = number.checked_sub(1).map_or(long.clone(), |above| format!("l{above}/{long}"));
        let members = members.pax(&[("path", target.as_bytes())]).directory("d");
        members.pax(&[("linkpath", target.as_bytes())]).symlink(&format!("l{number}"), "d")
    });
    check_refused(&s, members.file("..", "").gzip(), "outside of the root");
}

#[test]
fn a_size_that_is_not_true_is_refused() {
    let s = scenario();
    let packed = layer().file("a", &"1".repeat(5000)).plain();
    let config = s.registry.add_blob(b"{}");
    let digest = s.registry.add_blob(&packed.packed);
    for size in [0, packed.packed.len() - 1, packed.packed.len() + 1] {
        let text = format!(r#"{{"config":{{"digest":"{config}"}},"layers":[{{"digest":"{digest}","size":{size}}}]}}"#);
        s.registry.add_manifest("t", OCI_MANIFEST, &text);
        let text = s.refused("t");
        assert!(text.contains("expected"), "{size}: {text}");
        // The beginning of a layer is kept, because a registry may continue it.
        std::fs::remove_dir_all(s.directory.path().join("store/ingest")).unwrap();
        std::fs::create_dir(s.directory.path().join("store/ingest")).unwrap();
        check_nothing_left(&s);
    }
}

#[test]
fn answers_without_end_are_given_up() {
    let s = scenario();
    s.registry.answer(MANIFEST, vec![Answer::ok(" ".repeat(1 << 16)).endless()]);
    assert!(s.refused("t").contains("more than 4194304 bytes"));
    // The configuration.
    s.registry.add_image("t", &[layer().file("a", "1").gzip()]);
    s.pull("t").unwrap();
    let config = s.registry.paths().into_iter().find(|path| path.contains("blobs")).unwrap();
    s.registry.answer(&config, vec![Answer::ok(" ".repeat(1 << 16)).endless()]);
    s.store.remove(&s.reference("t")).unwrap();
    assert!(s.refused("t").contains("more than 4194304 bytes"));
    // The text of an error, and the answer of a token server.
    s.registry.answer(MANIFEST, vec![Answer { status: 403, ..Answer::ok(" ".repeat(1 << 16)).endless() }]);
    assert!(s.refused("t").contains("answers 403"));
    s.registry.require("Bearer x", &format!(r#"Bearer realm="http://{}/token""#, s.registry.authority));
    s.registry.answer("/token", vec![Answer::ok(" ".repeat(1 << 16)).endless()]);
    assert!(s.refused("t").contains("more than 1048576 bytes"));
}

/// A registry that never sends anything would keep a task waiting for ever.
#[test]
fn a_registry_that_stands_still_is_asked_again() {
    let mut s = scenario();
    s.options.registry.stall_timeout = Duration::from_millis(300);
    let packed = layer().file("a", &"0123456789abcdef".repeat(20_000)).plain();
    let digest = &s.registry.add_image("t", std::slice::from_ref(&packed))[0];
    let path = format!("/v2/app/blobs/{digest}");
    let whole = Answer::ok(packed.packed);
    s.registry.answer(&path, vec![whole.clone().stalls_after(100_000), whole]);
    s.pull("t").unwrap();
    let ranges: Vec<_> = s.registry.asked().into_iter().filter(|a| a.path == path).map(|a| a.range).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-".to_owned())]);
}

/// A pause that the registry asks for has a limit, and a task that is killed meanwhile does not wait for its end.
#[test]
fn a_long_retry_after_does_not_hold_a_pull_that_is_called_off() {
    let s = scenario();
    s.registry.answer(MANIFEST, vec![Answer::status(429).header("retry-after", "999999999")]);
    let begun = Instant::now();
    let error = std::thread::scope(|scope| {
        let pull = scope.spawn(|| s.refused("t"));
        until("the registry is asked", || (!s.registry.asked().is_empty()).then_some(()));
        s.options.cancelled.store(true, Ordering::Relaxed);
        pull.join().unwrap()
    });
    assert_eq!(error, "cancelled");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// The other host asks for credentials as if it were the registry (CVE-2020-15157).
#[test]
fn a_host_that_a_redirect_leads_to_cannot_ask_for_credentials() {
    let mut s = scenario();
    let thief = Registry::start();
    let digest = &s.registry.add_image("t", &[layer().file("a", "1").gzip()])[0];
    let location = format!("http://{}/v2/stolen", thief.authority);
    s.registry.answer(&format!("/v2/app/blobs/{digest}"), vec![Answer::status(307).header("location", &location)]);
    s.registry.require("Basic dTpw", "Basic realm=x");
    let auths = format!(r#"{{"auths":{{"{}":{{"username":"u","password":"p"}}}}}}"#, s.registry.authority);
    s.options.credentials = Credentials::parse(&auths, "test").unwrap();
    for challenge in ["Basic realm=x".to_owned(), format!(r#"Bearer realm="http://{}/token""#, thief.authority)] {
        thief.require("nothing", &challenge);
        let text = s.refused("t");
        assert!(text.contains("/v2/stolen answers 401"), "{text}");
        let asked = thief.asked();
        assert_eq!(asked.iter().map(|asked| asked.path.as_str()).collect::<Vec<_>>(), ["/v2/stolen"]);
        assert!(asked.iter().all(|asked| asked.authorization.is_none()));
    }
}
