//! Layers of random members and random bytes: unpacked or refused, and nothing is written outside of the store.

use proptest::prelude::*;
use tar::EntryType;
use testkit::registry::{Layer, layer};

use crate::common::scenario;

/// The parts of names and targets. `OUT` stands for a directory outside of the store.
const PARTS: [&str; 9] = ["a", "b", "..", ".", ".wh.a", ".wh..wh..opq", ".wh...", "OUT", "/"];

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(PARTS.to_vec()), 1..4).prop_map(|parts| parts.join("/"))
}

fn members() -> impl Strategy<Value = Vec<(u8, String, String)>> {
    proptest::collection::vec((0..7u8, name(), name()), 1..8)
}

fn packed(members: &[(u8, String, String)], outside: &str) -> Layer {
    let text = |text: &String| text.replace("OUT", outside).chars().take(100).collect::<String>();
    let kinds = [
        EntryType::Regular,
        EntryType::Directory,
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Fifo,
        EntryType::Block,
    ];
    members
        .iter()
        .fold(layer(), |tar, (kind, name, target)| {
            let kind = kinds[usize::from(*kind)];
            let content: &[u8] = if kind == EntryType::Regular { b"content" } else { b"" };
            tar.raw(&text(name), kind, content, &text(target), 0o644)
        })
        .gzip()
}

/// Returns the names below a directory, without following links.
fn names(directory: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_layer_gets_out_of_its_directory(members in members()) {
        let s = scenario();
        let outside = s.directory.path().join("o");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("a"), "kept").unwrap();
        s.registry.add_image("t", &[packed(&members, outside.to_str().unwrap())]);
        let _ = s.pull("t");
        prop_assert_eq!(names(&outside), ["a"]);
        prop_assert_eq!(std::fs::read_to_string(outside.join("a")).unwrap(), "kept");
        prop_assert_eq!(names(s.directory.path()), ["o", "store"]);
        let store = s.directory.path().join("store");
        prop_assert_eq!(names(&store), ["blobs", "boot", "images", "implied", "in-use", "ingest", "layers", "lock", "staging"]);
        prop_assert_eq!(names(&store.join("staging")), [""; 0]);
        s.store.prune(&Default::default()).unwrap();
        prop_assert_eq!(names(&store.join("layers")), [""; 0]);
    }

    #[test]
    fn any_bytes_are_a_layer_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2000), kind in 0..3u8) {
        let s = scenario();
        let prefix: &[u8] = match kind {
            0 => b"",
            1 => &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
            _ => &[0x28, 0xb5, 0x2f, 0xfd],
        };
        let packed = [prefix, &bytes].concat();
        s.registry.add_image("t", &[Layer { archive: packed.clone(), packed }]);
        let _ = s.pull("t");
        prop_assert_eq!(names(&s.directory.path().join("store/staging")), [""; 0]);
    }
}
