//! Archives as people make them, and as attackers make them.

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use fetcher::{Item, Limits, Plan, Reason};
use proptest::prelude::*;
use support::*;
use tar::EntryType;

fn fetch_archive(test: &TestSandbox, name: &str, bytes: Vec<u8>) -> Result<fetcher::Report, fetcher::Error> {
    let uri = test.file(name, bytes);
    test.fetch(vec![archive(uri)])
}

fn friendly() -> Vec<u8> {
    Tar::default()
        .directory("./")
        .directory("d")
        .file("d/a", "hello")
        .symlink("d/l", "../d/a")
        .hardlink("h", "d/a")
        .bytes()
}

#[test]
fn archives_are_unpacked_by_their_extension() {
    let tar = friendly();
    for (name, bytes) in [
        ("x.tar", tar.clone()),
        ("x.tgz", gzip(&tar)),
        ("x.tar.gz", gzip(&tar)),
        ("x.tbz2", bzip2(&tar)),
        ("x.tar.bz2", bzip2(&tar)),
        ("x.txz", xz(&tar)),
        ("x.tar.xz", xz(&tar)),
        ("x.zip", zip(&[("d/a", 0o100_644, "hello"), ("d/l", 0o120_777, "a"), ("h", 0o100_644, "hello")])),
    ] {
        let test = TestSandbox::new();
        let report = fetch_archive(&test, name, bytes).unwrap();
        assert!(report.fetched[0].extracted, "{name}");
        for file in ["d/a", "d/l", "h"] {
            assert_eq!(test.read(file), "hello", "{name}: {file}");
        }
        // The archive itself stays, as in Mesos.
        assert!(test.sandbox().join(name).exists());
        test.assert_contained();
    }
}

#[test]
fn single_files_lose_their_extension() {
    for (name, bytes) in [("x.txt.gz", gzip(b"hello")), ("x.txt.bz2", bzip2(b"hello")), ("x.txt.xz", xz(b"hello"))] {
        let test = TestSandbox::new();
        fetch_archive(&test, name, bytes).unwrap();
        assert_eq!(test.read("x.txt"), "hello", "{name}");
    }
}

#[test]
fn other_files_and_executables_are_not_unpacked() {
    let test = TestSandbox::new();
    let report = fetch_archive(&test, "x.txt", friendly()).unwrap();
    assert!(!report.fetched[0].extracted);
    let uri = test.file("x.tar", friendly());
    let report = test.fetch(vec![Item { executable: true, ..archive(uri) }]).unwrap();
    assert!(!report.fetched[0].extracted);
    assert!(!test.sandbox().join("d").exists());
}

#[test]
fn archives_are_unpacked_into_the_sandbox_from_any_location() {
    let test = TestSandbox::new();
    let uri = test.file("x", friendly());
    test.fetch(vec![Item { output_file: Some("deep/x.tar".into()), ..archive(uri) }]).unwrap();
    assert_eq!(test.read("d/a"), "hello");
}

#[test]
fn modes_are_kept_but_never_with_the_set_user_bit() {
    let test = TestSandbox::new();
    fetch_archive(&test, "x.tar", Tar::default().file("a", "x").bytes()).unwrap();
    let metadata = test.sandbox().join("a").metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o755);
    assert_eq!(metadata.mtime(), 1_000_000_000);
    let test = TestSandbox::new();
    fetch_archive(&test, "x.zip", zip(&[("a", 0o104_755, "x")])).unwrap();
    assert_eq!(test.sandbox().join("a").metadata().unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn members_that_would_leave_the_sandbox_are_refused() {
    let cases: Vec<(&str, Tar)> = vec![
        ("parent", Tar::default().file("../outside", "x")),
        ("deep parent", Tar::default().file("a/../../outside", "x")),
        ("directory", Tar::default().directory("../d")),
        ("hard link to the parent", Tar::default().hardlink("h", "../outside")),
    ];
    for (name, tar) in cases {
        let test = TestSandbox::new();
        let reason = reason(fetch_archive(&test, "x.tar", tar.bytes()));
        assert!(matches!(reason, Reason::MemberOutside(_)), "{name}: {reason:?}");
        test.assert_contained();
    }
    let test = TestSandbox::new();
    let reason = reason(fetch_archive(&test, "x.zip", zip(&[("../outside", 0o100_644, "x")])));
    assert!(matches!(reason, Reason::MemberOutside(_)), "{reason:?}");
    test.assert_contained();
}

#[test]
fn absolute_members_lose_their_first_slash_as_with_tar() {
    let tar = Tar::default().file("/d/a", "x").hardlink("h", "/d/a").bytes();
    for (name, bytes) in [("x.tar", tar), ("x.zip", zip(&[("/d/a", 0o100_644, "x"), ("h", 0o100_644, "x")]))] {
        let test = TestSandbox::new();
        let report = fetch_archive(&test, name, bytes).unwrap();
        assert_eq!((test.read("d/a"), test.read("h")), ("x".to_owned(), "x".to_owned()), "{name}");
        assert_eq!(report.fetched[0].warnings, ["removed the leading '/' from names of members"], "{name}");
        assert!(test.stderr().contains("removed the leading '/'"), "{name}: {}", test.stderr());
    }
    let test = TestSandbox::new();
    let reason = reason(fetch_archive(&test, "x.tar", Tar::default().hardlink("h", "/etc/passwd").bytes()));
    assert!(matches!(reason, Reason::Write { .. }), "a link to a member that is not there: {reason:?}");
}

/// MESOS-9038: a virtual environment and a JDK contain links to programs and files of the machine.
#[test]
fn links_out_of_the_sandbox_are_created_but_not_written_through() {
    let test = TestSandbox::new();
    let tar = Tar::default()
        .directory("venv/bin")
        .symlink("venv/bin/python", "/usr/bin/python3")
        .symlink("venv/etc", "../../../shared/etc")
        .hardlink("venv/again", "venv/bin/python")
        .file("venv/run.sh", "true");
    fetch_archive(&test, "x.tgz", gzip(&tar.bytes())).unwrap();
    let link = |name: &str| std::fs::read_link(test.sandbox().join(name)).unwrap();
    assert_eq!(link("venv/bin/python").to_str(), Some("/usr/bin/python3"));
    assert_eq!(link("venv/etc").to_str(), Some("../../../shared/etc"));
    assert_eq!(link("venv/again").to_str(), Some("/usr/bin/python3"));
    assert_eq!(test.read("venv/run.sh"), "true");

    let attacks = |trap: &str| -> Vec<(&str, Tar)> {
        vec![
            ("file", Tar::default().symlink("l", trap).file("l/x", "x")),
            ("parent", Tar::default().symlink("l", "../trap").file("l/x", "x")),
            ("directory", Tar::default().symlink("l", trap).directory("l/x")),
            ("link", Tar::default().symlink("l", trap).symlink("l/x", "y")),
            ("hard link", Tar::default().symlink("l", trap).file("a", "x").hardlink("l/x", "a")),
            ("hard link to", Tar::default().symlink("l", "..").hardlink("h", "l/outside")),
            ("pipe", Tar::default().symlink("l", trap).member(EntryType::Fifo, "l/x", "", b"")),
            ("deep", Tar::default().symlink("l", trap).file("l/x/y/z", "x")),
            // Each link by itself is harmless.
            ("chain", Tar::default().symlink("x", ".").symlink("y", "x/../trap").file("y/x", "x")),
            ("magic", Tar::default().symlink("l", "/proc/self/cwd").file("l/x", "x")),
        ]
    };
    for index in 0..attacks("").len() {
        let test = TestSandbox::new();
        let (name, tar) = attacks(&test.trap()).swap_remove(index);
        let reason = reason(fetch_archive(&test, "x.tar", tar.bytes()));
        assert!(matches!(reason, Reason::Write { .. }), "{name}: {reason:?}");
        test.assert_contained();
    }
    // The link may come with an earlier archive.
    let test = TestSandbox::new();
    fetch_archive(&test, "x.zip", zip(&[("l", 0o120_777, &test.trap())])).unwrap();
    for bytes in [Tar::default().file("l/x", "x").bytes(), Tar::default().file("l", "x").file("l/x", "x").bytes()] {
        assert!(matches!(reason(fetch_archive(&test, "y.tar", bytes)), Reason::Write { .. }));
        test.assert_contained();
    }
}

#[test]
fn links_within_the_sandbox_are_followed_as_by_tar() {
    let test = TestSandbox::new();
    let tar = Tar::default().directory("lib").symlink("lib64", "lib").file("lib64/a", "x").bytes();
    fetch_archive(&test, "x.tar", tar).unwrap();
    assert_eq!(test.read("lib/a"), "x");
    // A file replaces a link in its place (MESOS-9610), and so does a directory.
    let test = TestSandbox::new();
    let tar = Tar::default().file("a", "old").symlink("l", "a").file("l", "new").bytes();
    fetch_archive(&test, "x.tar", tar).unwrap();
    assert_eq!((test.read("a"), test.read("l")), ("old".to_owned(), "new".to_owned()));
    let test = TestSandbox::new();
    let tar = Tar::default().symlink("l", &test.trap()).directory("l").file("l/a", "x").bytes();
    fetch_archive(&test, "x.tar", tar).unwrap();
    assert!(test.sandbox().join("l").symlink_metadata().unwrap().is_dir());
    test.assert_contained();
}

#[test]
fn a_link_to_an_empty_path_is_refused() {
    let test = TestSandbox::new();
    let reason = reason(fetch_archive(&test, "x.tar", Tar::default().symlink("l", "").bytes()));
    assert!(matches!(reason, Reason::EmptyLink(_)), "{reason:?}");
}

/// The test compares with the same archives unpacked by tar.
#[test]
fn archives_are_unpacked_as_by_tar() {
    if std::process::Command::new("tar").arg("--version").output().is_err() {
        testkit::skip::skipped(&testkit::skip::current_test(), "there is no tar to compare with");
        return;
    }
    let raw = |tar: Tar| tar.raw_member(EntryType::Regular, b"caf\xe9/\xff.txt", b"", b"latin");
    for (name, tar) in [
        ("friendly", Tar::default().directory("d").file("d/a", "x").symlink("d/l", "../d/a").hardlink("h", "d/a")),
        ("absolute", Tar::default().file("/d/a", "x").symlink("l", "/etc").hardlink("/h", "/d/a")),
        ("virtualenv", Tar::default().symlink("v/bin/python", "/usr/bin/python3").symlink("v/etc", "../../../e")),
        ("within", Tar::default().directory("lib").symlink("lib64", "lib").file("lib64/a", "x")),
        ("replaced", Tar::default().file("a", "x").symlink("l", "a").file("l", "y")),
        ("no utf-8", raw(Tar::default()).raw_member(EntryType::Symlink, b"l\xfe", b"caf\xe9/\xff.txt", b"")),
        ("pipe", Tar::default().member(EntryType::Fifo, "d/p", "", b"").hardlink("q", "d/p")),
    ] {
        let (test, theirs) = (TestSandbox::new(), tempfile::tempdir().unwrap());
        let bytes = tar.bytes();
        fetch_archive(&test, "x.tar", bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let archive = test.sandbox().join("x.tar");
        let unpacked = std::process::Command::new("tar")
            .args(["--no-same-owner", "--no-same-permissions", "-xf"])
            .arg(&archive)
            .current_dir(theirs.path())
            .output()
            .unwrap();
        assert!(unpacked.status.success(), "{name}: {unpacked:?}");
        std::fs::remove_file(&archive).unwrap();
        let _ = std::fs::remove_file(test.sandbox().join("stderr"));
        // The permissions depend on the umask of the caller.
        let shape = |tree: std::collections::BTreeMap<_, (char, u32, Vec<u8>)>| -> Vec<_> {
            tree.into_iter().map(|(path, (kind, _, content))| (path, kind, content)).collect()
        };
        assert_eq!(shape(tree(&test.sandbox())), shape(tree(theirs.path())), "{name}");
    }
}

#[test]
fn names_that_are_not_utf8_are_kept() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let tar = Tar::default().raw_member(EntryType::Regular, b"d/\xff\xfe", b"", b"x").bytes();
    let mut zipped = zip(&[("d/~~", 0o100_644, "x")]);
    while let Some(at) = zipped.windows(2).position(|pair| pair == b"~~") {
        zipped[at..at + 2].copy_from_slice(b"\xff\xfe");
    }
    for (name, bytes) in [("x.tar", tar), ("x.zip", zipped)] {
        let test = TestSandbox::new();
        fetch_archive(&test, name, bytes).unwrap();
        let path = test.sandbox().join(OsStr::from_bytes(b"d/\xff\xfe"));
        assert_eq!(std::fs::read(path).unwrap(), b"x", "{name}");
    }
}

#[test]
fn a_hard_link_does_not_write_into_an_earlier_file() {
    let test = TestSandbox::new();
    let tar = Tar::default().file("a", "first").hardlink("b", "a").file("b", "second").bytes();
    fetch_archive(&test, "x.tar", tar).unwrap();
    assert_eq!((test.read("a"), test.read("b")), ("first".to_owned(), "second".to_owned()));
}

#[test]
fn devices_are_left_out_with_a_warning_and_pipes_are_made() {
    use std::os::unix::fs::FileTypeExt;
    let test = TestSandbox::new();
    let tar = Tar::default()
        .member(EntryType::Char, "dev/null", "", b"")
        .member(EntryType::Block, "dev/sda", "", b"")
        .member(EntryType::new(b'V'), "label", "", b"")
        .hardlink("again", "dev/sda")
        .member(EntryType::Fifo, "p", "", b"")
        .file("a", "x");
    let report = fetch_archive(&test, "x.tar", tar.bytes()).unwrap();
    assert_eq!(test.read("a"), "x");
    assert!(test.sandbox().join("p").symlink_metadata().unwrap().file_type().is_fifo());
    for name in ["dev/null", "dev/sda", "label", "again"] {
        assert!(!test.sandbox().join(name).exists(), "{name}");
        assert!(test.stderr().contains(&format!("left out member '{name}'")), "{name}: {}", test.stderr());
    }
    assert_eq!(report.fetched[0].warnings.len(), 4);
    assert_eq!(test.stderr().lines().count(), 4);

    // The file type in the external attributes of the central directory is a pipe or a device.
    for (kind, pipe) in [(0x11, true), (0x21, false)] {
        let test = TestSandbox::new();
        let mut bytes = zip(&[("x", 0o100_644, ""), ("a", 0o100_644, "y")]);
        let at = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
        bytes[at + 41] = kind;
        let report = fetch_archive(&test, "x.zip", bytes).unwrap();
        assert_eq!(test.read("a"), "y");
        assert_eq!(test.sandbox().join("x").symlink_metadata().is_ok_and(|data| data.file_type().is_fifo()), pipe);
        assert_eq!(report.fetched[0].warnings.is_empty(), pipe);
    }
}

#[test]
fn warnings_are_not_written_through_a_link() {
    let test = TestSandbox::new();
    let tar = Tar::default().symlink("stderr", "../outside").member(EntryType::Char, "null", "", b"");
    fetch_archive(&test, "x.tar", tar.bytes()).unwrap();
    test.assert_contained();
    let test = TestSandbox::new();
    let tar = Tar::default().member(EntryType::Fifo, "stderr", "", b"").member(EntryType::Char, "null", "", b"");
    fetch_archive(&test, "x.tar", tar.bytes()).unwrap();
}

#[test]
fn decompression_stops_at_the_limit() {
    let zeros = vec![0; 4 << 20];
    let content = String::from_utf8(zeros.clone()).unwrap();
    let bombs = [
        ("x.gz", gzip(&zeros)),
        ("x.bz2", bzip2(&zeros)),
        ("x.xz", xz(&zeros)),
        ("x.tar.gz", gzip(&Tar::default().file("a", &content).bytes())),
        ("x.zip", zip(&[("a", 0o100_644, &content)])),
    ];
    for (name, bytes) in bombs {
        assert!(bytes.len() < 1 << 17, "{name} is no bomb");
        let test = TestSandbox::new();
        let uri = test.file(name, bytes);
        let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
        let plan = Plan { limits, ..test.plan(vec![archive(uri)]) };
        let reason = reason(fetcher::fetch(&plan));
        assert!(matches!(reason, Reason::TooLarge(_)), "{name}: {reason:?}");
        let written: u64 =
            std::fs::read_dir(test.sandbox()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(written <= (1 << 20) + (1 << 17), "{name} wrote {written} bytes");
    }
}

#[test]
fn a_name_of_gigabytes_is_not_kept_in_memory() {
    let long = vec![b'a'; 4 << 20];
    let tar = Tar::default().member(EntryType::GNULongName, "././@LongLink", "", &long).file("a", "x").bytes();
    let test = TestSandbox::new();
    assert!(matches!(reason(fetch_archive(&test, "x.tar.gz", gzip(&tar))), Reason::Archive(_)));
    // Names of ordinary length work.
    let name = "n".repeat(200);
    let tar =
        Tar::default().member(EntryType::GNULongName, "././@LongLink", "", name.as_bytes()).file("a", "x").bytes();
    let test = TestSandbox::new();
    fetch_archive(&test, "x.tar", tar).unwrap();
    assert_eq!(test.read(&name), "x");
}

#[test]
fn archives_have_a_bounded_number_of_members() {
    let limits = Limits { entries: 3, ..Limits::default() };
    let tar = (0..4).fold(Tar::default(), |tar, n| tar.file(&format!("f{n}"), "")).bytes();
    let members: Vec<(String, u32, &str)> = (0..4).map(|n| (format!("f{n}"), 0o100_644, "")).collect();
    let members: Vec<(&str, u32, &str)> = members.iter().map(|(n, m, c)| (n.as_str(), *m, *c)).collect();
    for (name, bytes) in [("x.tar", tar), ("x.zip", zip(&members))] {
        let test = TestSandbox::new();
        let uri = test.file(name, bytes);
        let plan = Plan { limits: limits.clone(), ..test.plan(vec![archive(uri)]) };
        assert!(matches!(reason(fetcher::fetch(&plan)), Reason::TooManyMembers(3)), "{name}");
    }
}

#[test]
fn broken_archives_are_refused() {
    for name in ["x.tar", "x.tgz", "x.tbz2", "x.txz", "x.zip", "x.gz", "x.bz2", "x.xz"] {
        let test = TestSandbox::new();
        let reason = reason(fetch_archive(&test, name, vec![b'?'; 2000]));
        assert!(matches!(reason, Reason::Archive(_)), "{name}: {reason:?}");
    }
    let whole = gzip(&friendly());
    let test = TestSandbox::new();
    let reason = reason(fetch_archive(&test, "x.tgz", whole[..whole.len() / 2].to_vec()));
    assert!(matches!(reason, Reason::Archive(_)), "{reason:?}");
}

#[derive(Debug, Clone)]
struct Member {
    kind: u8,
    name: String,
    target: String,
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let path = proptest::collection::vec(
        prop_oneof![4 => "[a-c]", 2 => Just("..".to_owned()), 1 => Just(".".to_owned())],
        1..4,
    )
    .prop_map(|parts| parts.join("/"));
    let target = prop_oneof![3 => path.clone(), 1 => Just("TRAP".to_owned()), 1 => Just("../trap".to_owned())];
    let member = (0..5u8, path, target).prop_map(|(kind, name, target)| Member { kind, name, target });
    proptest::collection::vec(member, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    /// No sequence of members changes anything outside, wherever links lead. Each member is an archive of its own, so
    /// that a refused one does not end the attack.
    #[test]
    fn no_sequence_of_members_writes_outside(members in members()) {
        let test = TestSandbox::new();
        for Member { kind, name, target } in members {
            let target = target.replace("TRAP", &test.trap());
            let tar = match kind {
                0 => Tar::default().file(&name, "x"),
                1 => Tar::default().directory(&name),
                2 => Tar::default().symlink(&name, &target),
                3 => Tar::default().member(EntryType::Fifo, &name, "", b""),
                _ => Tar::default().hardlink(&name, &target),
            };
            let uri = test.file("x.tar", tar.bytes());
            let _ = test.fetch(vec![archive(uri)]);
            test.assert_contained();
        }
        let beside: Vec<_> = std::fs::read_dir(test.beside("")).unwrap().map(|e| e.unwrap().file_name()).collect();
        prop_assert_eq!(beside.len(), 4, "{:?}", beside);
    }
}
