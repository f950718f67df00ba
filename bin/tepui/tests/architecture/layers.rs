//! Holds the manifests of all crates against the layers of ARCHITECTURE.md: a crate depends on crates of its own layer and
//! of those above it in the table.

use std::collections::BTreeSet;

use super::{check, crates, folders_by_crate, map, read};

/// The crate that tests of every layer may use.
const TESTKIT: &str = "proof/testkit";

/// Returns the layer of the folder of a crate: the folder above it, or the crate itself.
fn layer(folder: &str) -> &str {
    folder.split('/').next().unwrap_or(folder)
}

/// Returns the layers in the order of the table.
fn layers() -> Vec<String> {
    let mut layers: Vec<String> = map().iter().map(|folder| layer(folder).to_owned()).collect();
    layers.dedup();
    layers
}

/// Returns the names of the dependencies in a manifest, each with the kind of its table (`dependencies`,
/// `dev-dependencies`, `build-dependencies`), whatever platform it is for.
fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut section: Vec<&str> = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').split('.').collect();
            // `[dependencies.name]` is the table of one dependency.
            if let [.., kind, name] = section.as_slice()
                && kind.ends_with("dependencies")
            {
                found.push(((*kind).to_owned(), (*name).to_owned()));
            }
        } else if let Some(kind) = section.last().filter(|kind| kind.ends_with("dependencies"))
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
            && !name.starts_with('#')
        {
            found.push(((*kind).to_owned(), name.to_owned()));
        }
    }
    found
}

#[test]
fn a_layer_stands_in_one_place_of_the_table() {
    let layers = layers();
    let different: BTreeSet<&String> = layers.iter().collect();
    assert_eq!(different.len(), layers.len(), "{layers:?}");
}

#[test]
fn crates_depend_on_their_own_layer_and_those_above() {
    let (layers, folders) = (layers(), folders_by_crate());
    let position = |folder: &str| layers.iter().position(|name| name == layer(folder));
    let mut violations = Vec::new();
    for name in crates() {
        for (kind, dependency) in dependencies(&read(&format!("{name}/Cargo.toml"))) {
            // A dependency that is no crate of the workspace has no layer.
            let Some(folder) = folders.get(&dependency) else { continue };
            let is_for_tests = kind == "dev-dependencies" && folder == TESTKIT;
            if position(folder) > position(&name) && !is_for_tests {
                violations.push(format!("{name}/Cargo.toml: {folder} in {kind} is of a layer below {}", layer(&name)));
            }
        }
    }
    check(violations);
}

#[test]
fn dependencies_are_found_in_every_form() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\n# a comment\nids.workspace = true\nmodel = { path = \"m\" }\n\
                    [dev-dependencies.testkit]\nworkspace = true\n[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n\
                    [lints]\nworkspace = true\n";
    let expect =
        [("dependencies", "ids"), ("dependencies", "model"), ("dev-dependencies", "testkit"), ("dependencies", "libc")];
    assert_eq!(dependencies(manifest), expect.map(|(kind, name)| (kind.to_owned(), name.to_owned())));
}
