//! Archives: the ones people make, and the ones attackers make.

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
fn what_is_no_archive_by_name_is_left_alone_and_executables_are_not_unpacked() {
    let test = TestSandbox::new();
    let report = fetch_archive(&test, "x.txt", friendly()).unwrap();
    assert!(!report.fetched[0].extracted);
    let uri = test.file("x.tar", friendly());
    let report = test.fetch(vec![Item { executable: true, ..archive(uri) }]).unwrap();
    assert!(!report.fetched[0].extracted);
    assert!(!test.sandbox().join("d").exists());
}

#[test]
fn archives_unpack_into_the_sandbox_itself_wherever_they_lie() {
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
        ("absolute", Tar::default().file("/tmp/fetcher-escape", "x")),
        ("directory", Tar::default().directory("../d")),
        ("absolute link", Tar::default().symlink("l", "/etc")),
        ("parent link", Tar::default().symlink("l", "..")),
        ("deep link", Tar::default().directory("d").symlink("d/l", "../../outside")),
        ("hard link to the parent", Tar::default().hardlink("h", "../outside")),
        ("absolute hard link", Tar::default().hardlink("h", "/etc/passwd")),
        // Each link alone looks harmless.
        ("chain", Tar::default().symlink("x", ".").symlink("y", "x/..").file("y/outside", "x")),
        ("empty link", Tar::default().symlink("l", "")),
    ];
    for (name, tar) in cases {
        let test = TestSandbox::new();
        let reason = reason(fetch_archive(&test, "x.tar", tar.bytes()));
        assert!(matches!(reason, Reason::MemberOutside(_)), "{name}: {reason:?}");
        test.assert_contained();
    }
    for (name, mode, content) in
        [("../outside", 0o100_644, "x"), ("/tmp/fetcher-escape", 0o100_644, "x"), ("l", 0o120_777, "../outside")]
    {
        let test = TestSandbox::new();
        let reason = reason(fetch_archive(&test, "x.zip", zip(&[(name, mode, content)])));
        assert!(matches!(reason, Reason::MemberOutside(_)), "{name}: {reason:?}");
        test.assert_contained();
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    // MESOS-9610: a link first, a file through it after.
    let test = TestSandbox::new();
    let tar = Tar::default().directory("d").symlink("l", "d").file("l/a", "x").bytes();
    assert!(matches!(reason(fetch_archive(&test, "x.tar", tar)), Reason::Write { .. }));
    assert!(!test.sandbox().join("d/a").exists());
    // A file in the place of a link replaces it.
    let test = TestSandbox::new();
    let tar = Tar::default().file("a", "old").symlink("l", "a").file("l", "new").bytes();
    fetch_archive(&test, "x.tar", tar).unwrap();
    assert_eq!((test.read("a"), test.read("l")), ("old".to_owned(), "new".to_owned()));
}

#[test]
fn a_hard_link_cannot_move_a_link_to_where_it_leads_out() {
    let test = TestSandbox::new();
    let tar = Tar::default().directory("d").symlink("d/l", "../x").hardlink("h", "d/l").bytes();
    assert!(matches!(reason(fetch_archive(&test, "x.tar", tar)), Reason::Write { .. }));
    test.assert_contained();
}

#[test]
fn a_hard_link_to_an_earlier_file_is_no_way_to_write_into_it() {
    let test = TestSandbox::new();
    let tar = Tar::default().file("a", "first").hardlink("b", "a").file("b", "second").bytes();
    fetch_archive(&test, "x.tar", tar).unwrap();
    assert_eq!((test.read("a"), test.read("b")), ("first".to_owned(), "second".to_owned()));
}

#[test]
fn devices_and_pipes_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let test = TestSandbox::new();
        let tar = Tar::default().member(kind, "x", "", b"").bytes();
        assert!(matches!(reason(fetch_archive(&test, "x.tar", tar)), Reason::MemberKind(_)), "{kind:?}");
    }
    let test = TestSandbox::new();
    let mut bytes = zip(&[("x", 0o100_644, "")]);
    // The kind in the central directory's external attributes: a pipe.
    let at = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[at + 41] = 0x11;
    assert!(matches!(reason(fetch_archive(&test, "x.zip", bytes)), Reason::MemberKind(_)));
}

#[test]
fn bombs_stop_at_their_limit() {
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
    // Ordinary long names work.
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
    let member = (0..4u8, path.clone(), path).prop_map(|(kind, name, target)| Member { kind, name, target });
    proptest::collection::vec(member, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]

    /// Whatever members an archive has, in whatever order: nothing outside changes and no link leads out. Members
    /// are fetched one archive each, so that a refused one does not end the attack.
    #[test]
    fn no_sequence_of_members_gets_out(members in members()) {
        let test = TestSandbox::new();
        for Member { kind, name, target } in members {
            let tar = match kind {
                0 => Tar::default().file(&name, "x"),
                1 => Tar::default().directory(&name),
                2 => Tar::default().symlink(&name, &target),
                _ => Tar::default().hardlink(&name, &target),
            };
            let uri = test.file("x.tar", tar.bytes());
            let _ = test.fetch(vec![archive(uri)]);
            test.assert_contained();
        }
        let beside: Vec<_> = std::fs::read_dir(test.beside("")).unwrap().map(|e| e.unwrap().file_name()).collect();
        prop_assert_eq!(beside.len(), 3, "{:?}", beside);
    }
}
