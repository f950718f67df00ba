//! kill -9 at any moment of a pull, of the preparation of a container, and of its removal.
//!
//! strace kills the process before its first, second, … system call of each kind that changes files, until the work ends
//! by itself. Between two of these calls nothing changes on the disk, so that these are all moments that differ. Without
//! `CRASH_ALL` (`make chaos` sets it), only the calls 1, 4, 16, … are chosen.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use provisioner::{Backend, Image, ImageReference, Provisioner, PullOptions, Store};
use testkit::registry::{Layer, layer};
use testkit::skip::{current_test, skipped};

use crate::common::{Scenario, scenario};

/// The system calls before which the process is killed.
const CALLS: [&str; 12] = [
    "mkdir,mkdirat",
    "rename,renameat,renameat2",
    "unlink,unlinkat,rmdir",
    "symlinkat",
    "mknodat",
    "linkat",
    "write",
    "fchown,fchownat",
    "fsync",
    "syncfs",
    "flock",
    "fsetxattr",
];
/// More calls of one kind than any of the works here has.
const MAX_CALLS: u32 = 200;
const WORK: &str = "TEPUI_CRASH_WORK";
const DIRECTORY: &str = "TEPUI_CRASH_DIRECTORY";
const IMAGE: &str = "TEPUI_CRASH_IMAGE";

/// The work of the process that is killed.
#[test]
#[ignore = "the other tests of this module start it"]
fn child() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let directory = PathBuf::from(variable(DIRECTORY));
    let reference: ImageReference = variable(IMAGE).parse().unwrap();
    let store = Store::open(&directory.join("store")).unwrap();
    let options = PullOptions { parallel: 1, ..PullOptions::default() };
    let pull = |reference: &ImageReference| store.pull(reference, &options, &|_| {});
    match variable(WORK).as_str() {
        "pull" => drop(pull(&reference).unwrap()),
        "container" => {
            let provisioner = Provisioner::open(store.clone(), &directory.join("work"), Backend::Copy).unwrap();
            provisioner.provide("c", &[reference], &pull).unwrap();
            provisioner.destroy("c").unwrap();
            store.prune(&BTreeSet::new()).unwrap();
        }
        other => panic!("{other}"),
    }
}

/// Starts the process and kills it before a call. Returns whether it was killed, and did not end before.
fn killed(work: &str, directory: &Path, image: &str, calls: &str, number: u32) -> bool {
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:signal=SIGKILL:when={number}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--ignored", "--test-threads=1"])
        .env(WORK, work)
        .env(DIRECTORY, directory)
        .env(IMAGE, image)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let was_killed = output.status.signal() == Some(9) || output.status.code() == Some(128 + 9);
    assert!(was_killed || output.status.success(), "{work}, {calls} {number}: {output:?}");
    was_killed
}

fn layers() -> [Layer; 2] {
    let lower = layer().directory("d").file("d/a", "1").symlink("link", "d").hardlink("second", "d/a");
    let upper = layer().file("d/.wh.a", "").file("b", &"2".repeat(100_000)).directory("o").file("o/.wh..wh..opq", "");
    [lower.gzip(), upper.zstd()]
}

/// Calls `check` with a directory in which the work was interrupted, for each moment.
fn at_each_moment(work: &str, check: impl Fn(&Scenario, &str)) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/packages/install.sh");
    let installed = Command::new(script).arg("strace").output().unwrap();
    if !installed.status.success() {
        return skipped(&current_test(), &String::from_utf8_lossy(&installed.stderr));
    }
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output().unwrap();
    if !traced.status.success() {
        return skipped(&current_test(), "processes cannot be traced here");
    }
    let (mut moments, all) = (0, std::env::var_os("CRASH_ALL").is_some());
    for calls in CALLS {
        for number in
            (1..MAX_CALLS).filter(|number| all || number.is_power_of_two() && number.trailing_zeros() % 2 == 0)
        {
            let s = scenario();
            s.registry.add_image("old", &[layer().file("old", "kept").gzip()]);
            s.registry.add_image("new", &layers());
            s.pull("old").unwrap();
            let was_killed = killed(work, s.directory.path(), &s.registry.image("new"), calls, number);
            check(&s, &format!("{work}, {calls} {number}"));
            if !was_killed {
                break;
            }
            moments += 1;
        }
    }
    println!("{work}: {moments} moments");
    assert!(moments > 8, "{moments}");
}

/// Checks that every image of the store is complete.
fn check_store(store: &Store, at: &str) {
    for image in store.list().unwrap() {
        assert!(store.find(&image.reference.parse().unwrap()).unwrap().is_some(), "{at}: {}", image.reference);
        match image.reference.ends_with(":old") {
            true => assert_eq!(read(store, &image, 0, "old"), "kept", "{at}"),
            false => check_new(store, &image, at),
        }
    }
}

fn check_new(store: &Store, image: &Image, at: &str) {
    assert_eq!((read(store, image, 0, "d/a"), read(store, image, 1, "b").len()), ("1".to_owned(), 100_000), "{at}");
    let upper = store.layer_directory(image.layers[1]);
    assert!(std::fs::symlink_metadata(upper.join("d/a")).is_ok(), "{at}: the whiteout");
}

fn read(store: &Store, image: &Image, layer: usize, name: &str) -> String {
    std::fs::read_to_string(store.layer_directory(image.layers[layer]).join(name)).unwrap()
}

fn count(directory: PathBuf) -> usize {
    std::fs::read_dir(directory).map(|entries| entries.count()).unwrap_or(0)
}

#[test]
fn a_pull_can_be_killed_at_any_moment() {
    at_each_moment("pull", |s, at| {
        // The next process finds complete images only, and what the last one has left is removed.
        let store = Store::open(&s.directory.path().join("store")).unwrap();
        assert!(store.find(&s.reference("old")).unwrap().is_some(), "{at}");
        check_store(&store, at);
        assert_eq!(count(s.directory.path().join("store/staging")), 0, "{at}");
        let image = store.pull(&s.reference("new"), &s.options, &|_| {}).unwrap();
        check_new(&store, &image, at);
        assert_eq!(s.leftovers(), [""; 0], "{at}");
        store.prune(&BTreeSet::new()).unwrap();
        assert_eq!(count(s.directory.path().join("store/layers")) + count(s.directory.path().join("store/blobs")), 0);
    });
}

#[test]
fn the_files_of_a_container_are_made_and_removed_whenever_the_agent_is_killed() {
    at_each_moment("container", |s, at| {
        let store = Store::open(&s.directory.path().join("store")).unwrap();
        check_store(&store, at);
        let work = s.directory.path().join("work");
        let agent = Provisioner::open(store.clone(), &work, Backend::Copy).unwrap();
        // The container does not run, and nothing of it stays.
        agent.recover(&BTreeSet::new()).unwrap();
        assert_eq!(count(work.join("containers")), 0, "{at}");
        assert_eq!(store.layers_in_use().unwrap(), BTreeSet::new(), "{at}");
        store.prune(&BTreeSet::new()).unwrap();
        assert_eq!(count(s.directory.path().join("store/layers")) + count(s.directory.path().join("store/in-use")), 0);
        // Its successor gets all of its files.
        let find = |reference: &ImageReference| store.pull(reference, &s.options, &|_| {});
        agent.provide("c", &[s.reference("new")], &find).unwrap();
        agent.destroy("c").unwrap();
    });
}
