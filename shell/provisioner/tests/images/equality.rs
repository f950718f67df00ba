//! The tree of an image is that which umoci unpacks, with both backends, and whatever form skopeo gives the image.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use provisioner::{Backend, Digest, ImageReference, ImportOptions, Provisioner, Rootfs};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tar::EntryType;
use testkit::registry::layer;
use testkit::skip::{current_test, skipped};

use crate::common::{Scenario, scenario};

/// What distinguishes two files.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    kind: String,
    owner: (u32, u32),
    mode: u32,
    /// The digest of the contents, the target of a link, or the numbers of a device.
    content: String,
    modified: (i64, i64),
    attributes: BTreeMap<String, Vec<u8>>,
    /// The first of its names, in the order of names.
    same_as: String,
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut list = [0; 4096];
    let length = rustix::fs::llistxattr(path, &mut list).unwrap();
    let names = list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let names = names.map(|name| String::from_utf8(name.to_vec()).unwrap());
    let names = names.filter(|name| !name.contains(".overlay.") && !name.contains("umoci"));
    let value = |name: String| {
        let mut value = [0; 4096];
        let length = rustix::fs::lgetxattr(path, &name, &mut value).unwrap();
        (name, value[..length].to_vec())
    };
    names.map(value).collect()
}

/// Returns the tree below a directory.
fn tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found: BTreeMap<PathBuf, Entry> = BTreeMap::new();
    let mut first_names: BTreeMap<u64, String> = BTreeMap::new();
    let mut pending = vec![PathBuf::new()];
    let mut paths = Vec::new();
    while let Some(path) = pending.pop() {
        if std::fs::symlink_metadata(root.join(&path)).unwrap().is_dir() {
            let entries = std::fs::read_dir(root.join(&path)).unwrap();
            pending.extend(entries.map(|entry| path.join(entry.unwrap().file_name())));
        }
        paths.push(path);
    }
    paths.sort();
    for path in paths {
        let full = root.join(&path);
        let data = std::fs::symlink_metadata(&full).unwrap();
        let kind = data.file_type();
        let content = match () {
            () if kind.is_file() => Digest::of(&std::fs::read(&full).unwrap()).to_string(),
            () if kind.is_symlink() => std::fs::read_link(&full).unwrap().display().to_string(),
            () if kind.is_char_device() || kind.is_block_device() => data.rdev().to_string(),
            () => String::new(),
        };
        let shown = path.display().to_string();
        let same_as = match kind.is_dir() {
            true => shown,
            false => first_names.entry(data.ino()).or_insert(shown).clone(),
        };
        // The root has no time of its own in most layers.
        let modified = if path.as_os_str().is_empty() { (0, 0) } else { (data.mtime(), data.mtime_nsec()) };
        let entry = Entry {
            kind: format!("{kind:?}"),
            owner: (data.uid(), data.gid()),
            mode: data.permissions().mode() & 0o7777,
            content,
            modified,
            attributes: attributes(&full),
            same_as,
        };
        found.insert(path, entry);
    }
    found
}

fn check(of: &str, ours: &Path, theirs: &BTreeMap<PathBuf, Entry>) {
    let ours = tree(ours);
    for (path, entry) in theirs {
        assert_eq!(ours.get(path), Some(entry), "{of}: {}", path.display());
    }
    let more: Vec<&PathBuf> = ours.keys().filter(|path| !theirs.contains_key(*path)).collect();
    assert!(more.is_empty(), "{of}: {more:?}");
}

fn set_attribute(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
}

/// A capability of a file, in version 2 of the kernel's format: CAP_NET_RAW, permitted and effective.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Makes the files of the lowest layer.
fn lower(root: &Path) {
    let at = |name: &str| root.join(name);
    for directory in ["a/b/c", "gone/inner", "replaced", "empty", "opaque", "sticky"] {
        std::fs::create_dir_all(at(directory)).unwrap();
    }
    for (name, content) in [
        ("a/file", "1"),
        ("a/b/c/deep", "2"),
        ("gone/inner/x", "3"),
        ("replaced/x", "4"),
        ("opaque/old", "5"),
        ("set", "6"),
    ] {
        std::fs::write(at(name), content).unwrap();
    }
    std::fs::write(at("large"), "0123456789abcdef".repeat(50_000)).unwrap();
    std::fs::hard_link(at("a/file"), at("a/second")).unwrap();
    std::fs::hard_link(at("a/file"), at("third")).unwrap();
    symlink("../a/file", at("a/relative")).unwrap();
    symlink("/etc/absolute", at("absolute")).unwrap();
    std::fs::set_permissions(at("set"), PermissionsExt::from_mode(0o4755)).unwrap();
    std::fs::set_permissions(at("sticky"), PermissionsExt::from_mode(0o1777)).unwrap();
    chown(at("a/b"), Some(1000), Some(1001)).unwrap();
    chown(at("a/b/c/deep"), Some(3_000_000), Some(3_000_001)).unwrap();
    set_attribute(&at("a/b/c/deep"), "user.name", b"value");
    set_attribute(&at("a"), "user.directory", b"");
    set_attribute(&at("large"), "security.capability", &CAPABILITY);
    for (name, kind, device) in [
        ("null", FileType::CharacterDevice, rustix::fs::makedev(1, 3)),
        ("disk", FileType::BlockDevice, rustix::fs::makedev(7, 200)),
        ("pipe", FileType::Fifo, 0),
    ] {
        rustix::fs::mknodat(CWD, at(name), kind, Mode::from_raw_mode(0o640), device).unwrap();
    }
    let time = Timespec { tv_sec: 1_234_567_890, tv_nsec: 123_456_789 };
    let times = Timestamps { last_access: time, last_modification: time };
    for name in ["a/b/c/deep", "absolute", "a"] {
        rustix::fs::utimensat(CWD, at(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Changes the files as the next layer does.
fn upper(root: &Path) {
    let at = |name: &str| root.join(name);
    std::fs::remove_dir_all(at("gone")).unwrap();
    std::fs::remove_file(at("a/second")).unwrap();
    std::fs::remove_dir_all(at("replaced")).unwrap();
    std::fs::write(at("replaced"), "a file now").unwrap();
    std::fs::remove_file(at("absolute")).unwrap();
    std::fs::create_dir(at("absolute")).unwrap();
    std::fs::write(at("absolute/x"), "a directory now").unwrap();
    std::fs::write(at("a/b/c/deep"), "changed").unwrap();
    std::fs::hard_link(at("a/b/c/deep"), at("a/b/new")).unwrap();
    // umoci puts a directory into a layer only if its own properties have changed: not `sticky`.
    std::fs::set_permissions(at("empty"), PermissionsExt::from_mode(0o700)).unwrap();
    std::fs::write(at("sticky/new"), "7").unwrap();
}

/// An overlay that is unmounted when the test ends.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// Gives a container the image, and returns its root. An overlay is mounted.
fn root(s: &Scenario, backend: Backend, image: &str) -> (PathBuf, Option<Mounted>) {
    let work = s.directory.path().join(backend.name());
    let provisioner = Provisioner::open(s.store.clone(), &work, backend).unwrap();
    let reference: ImageReference = image.parse().unwrap();
    let find = |reference: &ImageReference| Ok(s.store.find(reference).unwrap().unwrap());
    match provisioner.provide("c", &[reference], &find).unwrap().remove(0).rootfs {
        Rootfs::Directory(path) => (path, None),
        Rootfs::Overlay(overlay) => {
            let lower: Vec<String> = overlay.layers.iter().rev().map(|path| path.display().to_string()).collect();
            let (upper, work) = (overlay.upper.display(), overlay.work.display());
            let options = format!("lowerdir={},upperdir={upper},workdir={work}", lower.join(":"));
            let options = std::ffi::CString::new(options).unwrap();
            mount("overlay", &overlay.target, "overlay", MountFlags::empty(), Some(options.as_c_str())).unwrap();
            (overlay.target.clone(), Some(Mounted(overlay.target)))
        }
    }
}

#[test]
fn the_tree_of_an_image_is_that_of_other_programs() {
    if !rustix::process::geteuid().is_root() {
        return skipped(&current_test(), "only root can make devices and mount overlays");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/packages/install.sh");
    let installed = Command::new(script).args(["umoci", "skopeo"]).output().unwrap();
    if !installed.status.success() {
        return skipped(&current_test(), &String::from_utf8_lossy(&installed.stderr));
    }
    let s = scenario();
    let at = |name: &str| s.directory.path().join(name).display().to_string();
    let (layout, bundle) = (at("layout"), at("bundle"));
    let image = format!("{layout}:t");
    run("umoci", &["init", "--layout", &layout]);
    run("umoci", &["new", "--image", &image]);
    run("umoci", &["unpack", "--image", &image, &bundle]);
    let rootfs = Path::new(&bundle).join("rootfs");
    for change in [lower, upper] {
        change(&rootfs);
        run("umoci", &["repack", "--refresh-bundle", "--image", &image, &bundle]);
    }
    // An opaque directory, which umoci reads and does not write.
    let opaque = layer().directory("opaque").file("opaque/.wh..wh..opq", "").file("opaque/new", "6");
    std::fs::write(at("opaque.tar"), opaque.plain().archive).unwrap();
    run("umoci", &["raw", "add-layer", "--image", &image, &at("opaque.tar")]);
    run("umoci", &["unpack", "--image", &image, &at("theirs")]);
    let theirs = tree(&s.directory.path().join("theirs/rootfs"));
    assert!(theirs.len() > 20 && theirs[Path::new("a/b/new")].same_as == "a/b/c/deep", "{theirs:?}");

    let archive = at("docker.tar");
    run("skopeo", &["copy", "-q", &format!("oci:{image}"), &format!("docker-archive:{archive}:app:t")]);
    let archives = [("layout:t", layout), ("docker:t", archive)];
    for (name, path) in &archives {
        let import = ImportOptions { image: None, name: Some(name.parse().unwrap()) };
        s.store.import(Path::new(path), &import, &s.options, &|_| {}).unwrap();
    }
    let layers = |name: &str| s.store.find(&name.parse().unwrap()).unwrap().unwrap().layers;
    assert_eq!(layers("layout:t"), layers("docker:t"), "the compression of layers does not matter");
    for backend in [Backend::Copy, Backend::Overlay] {
        let (root, _mounted) = root(&s, backend, "layout:t");
        check(backend.name(), &root, &theirs);
    }
}

#[test]
fn a_hard_link_to_another_layer_is_named() {
    let s = scenario();
    let upper = layer().raw("second", EntryType::Link, b"", "first", 0o644);
    s.registry.add_image("t", &[layer().file("first", "1").gzip(), upper.gzip()]);
    let error = s.pull("t").unwrap_err();
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.contains("'second' is a hard link to 'first', which this layer does not have"), "{text}");
}
