//! Tests of the files of containers: layers that are in use, and the backends.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use provisioner::{Backend, Error, Image, ImageReference, Provisioner, PruneReport, Rootfs, Store};
use tar::EntryType;
use testkit::registry::{LayerBuilder, layer};
use testkit::skip::{current_test, skipped};

use crate::common::{Scenario, scenario};

fn provisioner(s: &Scenario, work_dir: &str) -> Provisioner {
    Provisioner::open(s.store.clone(), &s.directory.path().join(work_dir), Backend::Overlay).unwrap()
}

/// Gives a container an image of the scenario's registry.
fn provide(s: &Scenario, provisioner: &Provisioner, container: &str, tag: &str) -> Result<Vec<PathBuf>, Error> {
    let find = |reference: &ImageReference| s.store.pull(reference, &s.options, &|_| {});
    let provided = provisioner.provide(container, &[s.reference(tag)], &find)?;
    Ok(provided
        .into_iter()
        .flat_map(|provided| match provided.rootfs {
            Rootfs::Overlay(overlay) => overlay.layers,
            Rootfs::Directory(path) => vec![path],
        })
        .collect())
}

/// Reopens the store as another process does.
fn reopened(s: &Scenario) -> Store {
    Store::open(&s.directory.path().join("store")).unwrap()
}

#[test]
fn layers_of_running_containers_stay() {
    let s = scenario();
    s.registry.add_image("one", &[layer().file("a", "1").gzip()]);
    s.registry.add_image("two", &[layer().file("b", "2").gzip()]);
    s.pull("two").unwrap();
    // Two agents share the store.
    let agents = [provisioner(&s, "agent-1"), provisioner(&s, "agent-2")];
    let layers = provide(&s, &agents[0], "c1", "one").unwrap();
    provide(&s, &agents[1], "c2", "one").unwrap();
    // Pruning keeps the image of a container; removing it by name keeps its layers.
    let pruned = reopened(&s).prune(&BTreeSet::new()).unwrap();
    assert_eq!(pruned, PruneReport { images: vec![s.reference("two").to_string()], layers: 1, in_use: 0 });
    let removed = reopened(&s).remove(&s.reference("one")).unwrap();
    assert_eq!((removed.layers, removed.in_use), (0, 1));
    assert!(layers[0].is_dir());
    // The cleaning at the start of an agent keeps them, too.
    let again = provisioner(&s, "agent-1");
    assert!(layers[0].is_dir());
    again.recover(&BTreeSet::from(["c1".to_owned()])).unwrap();
    again.destroy("c1").unwrap();
    assert_eq!(s.store.prune(&BTreeSet::new()).unwrap().in_use, 1, "the other agent's container runs");
    agents[1].destroy("c2").unwrap();
    assert_eq!(s.store.prune(&BTreeSet::new()).unwrap(), PruneReport { layers: 1, ..PruneReport::default() });
    assert!(!layers[0].exists());
}

#[test]
fn records_of_containers_end_with_them() {
    let s = scenario();
    s.registry.add_image("one", &[layer().file("a", "1").gzip()]);
    let agent = provisioner(&s, "agent-1");
    let layers = provide(&s, &agent, "c1", "one").unwrap();
    s.store.remove(&s.reference("one")).unwrap();
    // The directory of the container is removed without its record, as if the agent had been killed in between.
    std::fs::remove_dir_all(agent.directory("c1")).unwrap();
    assert_eq!(s.store.layers_in_use().unwrap(), BTreeSet::new());
    // A record that cannot be read keeps everything in place.
    let records = s.directory.path().join("store/in-use");
    std::fs::write(records.join("x.json"), "{").unwrap();
    assert!(s.store.prune(&BTreeSet::new()).is_err());
    assert!(layers[0].is_dir());
    // A record of an earlier boot is of no container that runs.
    let layer = s.store.layer_directory(s.pull("one").unwrap().layers[0]);
    let digest = format!("sha256:{}", layer.file_name().unwrap().to_str().unwrap());
    let record = format!(r#"{{"container":"/","boot":"earlier","layers":["{digest}"]}}"#);
    std::fs::write(records.join("x.json"), record).unwrap();
    assert_eq!(s.store.layers_in_use().unwrap(), BTreeSet::new());
    // The store has lost the records: they come back with the containers.
    provide(&s, &agent, "c2", "one").unwrap();
    for record in std::fs::read_dir(&records).unwrap() {
        std::fs::remove_file(record.unwrap().path()).unwrap();
    }
    provisioner(&s, "agent-1");
    assert_eq!(s.store.layers_in_use().unwrap().len(), 1);
}

#[test]
fn an_image_that_is_removed_meanwhile_is_pulled_again() {
    let s = scenario();
    s.registry.add_image("one", &[layer().file("a", "1").gzip()]);
    let agent = provisioner(&s, "agent-1");
    let found = std::cell::Cell::new(0);
    let find = |reference: &ImageReference| -> Result<Image, Error> {
        let image = s.store.pull(reference, &s.options, &|_| {})?;
        found.set(found.get() + 1);
        if found.get() == 1 {
            s.store.prune(&BTreeSet::new())?;
        }
        Ok(image)
    };
    agent.provide("c1", &[s.reference("one")], &find).unwrap();
    assert_eq!(found.get(), 2);
    assert_eq!(s.store.prune(&BTreeSet::new()).unwrap(), PruneReport::default());
}

fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            let shown = path.strip_prefix(root).unwrap().display().to_string();
            if kind.is_dir() {
                found.push(format!("{shown}/"));
                open.push(path);
            } else if kind.is_symlink() {
                found.push(format!("{shown} -> {}", std::fs::read_link(&path).unwrap().display()));
            } else if kind.is_file() {
                found.push(format!("{shown}: {}", std::fs::read_to_string(&path).unwrap()));
            } else {
                found.push(shown);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_copy_has_what_an_overlay_shows() {
    if !rustix::process::geteuid().is_root() {
        return skipped(&current_test(), "only root can make the whiteouts of layers");
    }
    let s = scenario();
    let check = |tag: &str, layers: Vec<LayerBuilder>, expect: &[&str]| {
        let layers: Vec<_> = layers.into_iter().map(LayerBuilder::gzip).collect();
        s.registry.add_image(tag, &layers);
        let work_dir = s.directory.path().join(format!("copy-{tag}"));
        let copies = Provisioner::open(s.store.clone(), &work_dir, Backend::Copy).unwrap();
        let root = provide(&s, &copies, "c", tag).unwrap().remove(0);
        assert_eq!(tree(&root), expect, "{tag}");
        let probe = root.clone();
        copies.destroy("c").unwrap();
        assert!(!probe.exists());
    };
    check(
        "plain",
        vec![layer().file("d/a", "1"), layer().file("d/b", "2").symlink("l", "d/a")],
        &["d/", "d/a: 1", "d/b: 2", "l -> d/a"],
    );
    check(
        "replaced",
        vec![layer().file("a", "1").file("b/x", "2"), layer().file("a/y", "3").file("b", "4")],
        &["a/", "a/y: 3", "b: 4"],
    );
    check("whiteout", vec![layer().file("d/a", "1").file("d/b", "2"), layer().file("d/.wh.a", "")], &["d/", "d/b: 2"]);
    check(
        "opaque",
        vec![layer().file("d/a", "1"), layer().file("d/.wh..wh..opq", "").file("d/b", "2")],
        &["d/", "d/b: 2"],
    );
    check("tree", vec![layer().file("d/e/a", "1"), layer().file(".wh.d", "").file("x", "2")], &["x: 2"]);
    // A link of a lower layer is not followed: the upper layer's directory takes its place.
    let outside = s.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    check(
        "link",
        vec![layer().symlink("d", outside.to_str().unwrap()), layer().directory("d").file("d/a", "1")],
        &["d/", "d/a: 1"],
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn a_copy_keeps_modes_and_hard_links() {
    let s = scenario();
    let packed = layer().raw("p", EntryType::Regular, b"x", "", 0o4755).hardlink("q", "p").directory("d").gzip();
    s.registry.add_image("t", &[packed]);
    let copies = Provisioner::open(s.store.clone(), &s.directory.path().join("agent"), Backend::Copy).unwrap();
    let root = provide(&s, &copies, "c", "t").unwrap().remove(0);
    let stat = |name: &str| std::fs::symlink_metadata(root.join(name)).unwrap();
    assert_eq!(stat("p").permissions().mode() & 0o7777, 0o4755);
    assert_eq!((stat("p").ino(), stat("p").nlink()), (stat("q").ino(), 2));
    assert_eq!(stat("d").mtime(), 1_000_000);
    let layer = s.store.layer_directory(s.pull("t").unwrap().layers[0]);
    assert_ne!(stat("p").ino(), std::fs::metadata(layer.join("p")).unwrap().ino(), "a copy is another file");
}

/// A store is made only where nothing else is, and to read one changes nothing.
#[test]
fn other_directories_are_no_stores() {
    let directory = tempfile::tempdir().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    let at = |name: &str, permissions: u32, contents: &[&str]| {
        let path = directory.path().join(name);
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(permissions)).unwrap();
        for name in contents {
            std::fs::create_dir(path.join(name)).unwrap();
        }
        path
    };
    let said = |refused: Result<Store, Error>| refused.unwrap_err().to_string();
    let missing = directory.path().join("above/missing");
    assert!(said(Store::open_existing(&missing)).contains("it does not exist"));
    assert!(!directory.path().join("above").exists());

    let other = at("other", 0o1777, &["home"]);
    assert!(said(Store::open_existing(&other)).contains("it has no images"));
    assert!(said(Store::open(&other)).contains("it has other contents"));
    assert_eq!((mode(&other), std::fs::read_dir(&other).unwrap().count()), (0o1777, 1));

    // A new file system has a directory of its own.
    for (path, permissions) in
        [(at("empty", 0o755, &[]), 0o755), (at("disk", 0o750, &["lost+found"]), 0o750), (missing, 0o700)]
    {
        Store::open(&path).unwrap();
        assert_eq!((mode(&path), mode(&path.join("layers"))), (permissions, 0o700), "{}", path.display());
        assert_eq!(Store::open_existing(&path).unwrap().list().unwrap(), []);
    }
}
