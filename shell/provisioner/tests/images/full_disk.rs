//! Tests of a store whose file system is full.

use provisioner::Store;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use testkit::registry::layer;
use testkit::skip::{current_test, skipped};

use crate::common::scenario;

/// A small file system that is unmounted when the test ends.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let disk = SmallDisk(tempfile::tempdir().unwrap());
        mount("tmpfs", disk.0.path(), "tmpfs", MountFlags::empty(), Some(c"size=2m")).ok().map(|()| disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn a_pull_onto_a_full_disk_fails_cleanly() {
    let Some(disk) = SmallDisk::mount() else {
        return skipped(&current_test(), "only root can mount a small file system");
    };
    let mut s = scenario();
    s.store = Store::open(disk.0.path()).unwrap();
    s.registry.add_image("small", &[layer().file("a", "1").gzip()]);
    let small = s.pull("small").unwrap();
    s.registry.add_image("large", &[layer().file("b", "2").gzip(), layer().file("c", &"x".repeat(4 << 20)).gzip()]);
    let text = s.refused("large");
    assert!(text.contains("no space left in the image store") && text.contains("tepui image prune"), "{text}");
    // What was there still is, what failed has left no layer without a name, and there is room again.
    assert_eq!(s.store.list().unwrap(), std::slice::from_ref(&small));
    assert_eq!(s.store.find(&s.reference("small")).unwrap(), Some(small.clone()));
    assert_eq!(std::fs::read_dir(disk.0.path().join("staging")).unwrap().count(), 0);
    let reopened = Store::open(disk.0.path()).unwrap();
    assert_eq!(reopened.list().unwrap(), [small]);
    s.registry.add_image("next", &[layer().file("d", &"y".repeat(1 << 20)).gzip()]);
    s.pull("next").unwrap();
}
