//! The invariants of ARCHITECTURE.md that can be checked by reading the sources.

#![allow(clippy::expect_used)]

#[path = "architecture/adding.rs"]
mod adding;
#[path = "architecture/hostile_input.rs"]
mod hostile_input;
#[path = "architecture/layers.rs"]
mod layers;
#[path = "architecture/manifests.rs"]
mod manifests;
#[path = "architecture/skipped.rs"]
mod skipped;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The layers whose crates do no I/O, spawn no thread, read no clock and own no randomness (invariant 1).
const PURE_LAYERS: &[&str] = &["protocol", "core"];

/// The folders of the workspace that hold crates, one layer each.
const LAYERS: &[&str] = &["protocol", "core", "shell", "state", "lib", "bin", "proof"];

/// The layers that consist of one crate, which is the folder itself.
const CRATES: &[&str] = &["edge"];

/// The texts that such a crate must not contain, and why.
const IMPURE: &[(&str, &str)] = &[
    ("std::fs", "does I/O"),
    ("std::net::Tcp", "does I/O"),
    ("std::net::Udp", "does I/O"),
    ("std::process::", "starts processes"),
    ("std::thread", "spawns threads"),
    ("std::sync::mpsc", "passes work between threads"),
    ("Instant::now", "reads a clock"),
    ("SystemTime", "reads a clock"),
    ("std::env::var", "reads the environment"),
    ("tokio", "is an async runtime"),
    ("HashMap::new", "iterates in an order of its own (invariant 2)"),
    ("RandomState", "is randomness of its own"),
    ("async fn", "is async"),
    ("async move", "is async"),
];

/// The maximum length of a file; a longer one has several subjects.
const MAX_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// Returns the folders of the crates of these layers, relative to the workspace.
fn crates_of(layers: &[&str]) -> BTreeSet<String> {
    let folders = layers.iter().flat_map(|layer| {
        let entries = std::fs::read_dir(root().join(layer)).expect(layer);
        entries.map(move |e| format!("{layer}/{}", e.expect("entry").file_name().to_string_lossy()))
    });
    folders.collect()
}

fn crates() -> BTreeSet<String> {
    crates_of(LAYERS).into_iter().chain(CRATES.iter().map(|name| (*name).to_owned())).collect()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect(name)
}

/// Returns the sources of one crate, without tests, with their texts.
fn sources(name: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(name).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !is_test(&path) {
                let text = std::fs::read_to_string(&path).expect("source");
                found.push((path, text));
            }
        }
    }
    found
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name.ends_with("tests") || path.components().any(|c| c.as_os_str() == "tests")
}

/// Returns the numbered lines of code without comments and unit tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(index, line)| (index + 1, line))
}

fn check(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn pure_crates_only_compute() {
    let mut violations = Vec::new();
    for name in crates_of(PURE_LAYERS) {
        for (path, text) in sources(&name) {
            for (number, line) in code(&text) {
                for (word, why) in IMPURE.iter().filter(|(word, _)| line.contains(word)) {
                    violations.push(format!("{}:{number}: `{word}` {why}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    check(violations);
}

/// The debug format of a message is no text for people, and may contain data that is not meant for them.
#[test]
fn errors_print_no_debug_text() {
    let mut violations = Vec::new();
    for name in crates() {
        for (path, text) in sources(&name) {
            for (number, line) in code(&text).filter(|(_, line)| line.contains(":#?}")) {
                violations.push(format!("{}:{number}: prints debug text: {}", path.display(), line.trim()));
            }
        }
    }
    check(violations);
}

#[test]
fn maps_contain_no_logic() {
    let mut violations = Vec::new();
    for name in crates() {
        for (path, text) in sources(&name) {
            if !path.file_name().is_some_and(|f| f == "lib.rs" || f == "mod.rs") {
                continue;
            }
            for (number, line) in code(&text).filter(|(_, line)| line.contains("fn ") || line.starts_with("impl")) {
                violations.push(format!("{}:{number}: logic in a map: {}", path.display(), line.trim()));
            }
        }
    }
    check(violations);
}

#[test]
fn files_are_short_and_begin_with_their_subject() {
    let mut violations = Vec::new();
    for name in crates() {
        for (path, text) in sources(&name) {
            let lines = text.lines().count();
            if lines > MAX_LINES {
                violations.push(format!("{}: {lines} lines, more than {MAX_LINES}", path.display()));
            }
            if !text.starts_with("//!") {
                violations.push(format!("{}: does not begin with what it owns (`//!`)", path.display()));
            }
        }
    }
    check(violations);
}

/// Returns the crates in the order of the table in ARCHITECTURE.md.
fn map() -> Vec<String> {
    let text = read("ARCHITECTURE.md");
    let map = text.split("## Map").nth(1).and_then(|t| t.split("\n## ").next()).expect("a map");
    let name = |line: &str| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned());
    map.lines().filter_map(name).collect()
}

#[test]
fn the_map_names_every_crate_and_no_other() {
    assert_eq!(map().into_iter().collect::<BTreeSet<String>>(), crates());
}

/// Returns every file and folder of the workspace, relative to it, without build products and hidden folders.
fn paths() -> Vec<String> {
    let (root, mut found) = (root(), Vec::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name == "target" || name.starts_with('.') {
                continue;
            }
            let relative = path.strip_prefix(&root).expect("below").display().to_string();
            if path.is_dir() {
                found.push(format!("{relative}/"));
                folders.push(path);
            } else {
                found.push(relative);
            }
        }
    }
    found
}

#[test]
fn the_documents_for_developers_name_files_that_exist() {
    let paths = paths();
    let mut violations = Vec::new();
    let documents =
        ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/dev/ADDING.md", "docs/dev/GLOSSARY.md", "docs/dev/STYLE.md"];
    for document in documents {
        let text = read(document);
        let quoted = text.split('`').skip(1).step_by(2);
        let named = quoted.filter(|name| name.contains('/') && (name.ends_with(".rs") || name.ends_with('/')));
        let unknown = named
            .filter(|name| !name.contains(['<', '*', ' ', ':']) && !paths.iter().any(|path| path.ends_with(*name)));
        violations.extend(unknown.map(|name| format!("{document}: `{name}` does not exist")));
    }
    check(violations);
}

/// Returns the folder of each crate by its name.
fn folders_by_crate() -> BTreeMap<String, String> {
    let name = |folder: &String| {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        let name = manifest.split_once("name = \"").and_then(|(_, rest)| rest.split_once('"'));
        name.expect("the name of a crate").0.to_owned()
    };
    crates().into_iter().map(|folder| (name(&folder), folder)).collect()
}

/// Returns what follows each occurrence of an option in a command line.
fn values<'a>(command: &'a str, option: &'a str) -> impl Iterator<Item = &'a str> {
    let words = command.split_whitespace().zip(command.split_whitespace().skip(1));
    words.filter(move |(word, _)| *word == option).map(|(_, value)| value)
}

/// A promise whose check does not exist is not checked.
#[test]
fn the_specification_names_tests_that_exist() {
    let (text, folders, mut violations) = (read("SPECIFICATION.md"), folders_by_crate(), Vec::new());
    for command in text.split('`').skip(1).step_by(2) {
        let crates: Vec<&str> = values(command, "-p").collect();
        let unknown = crates.iter().filter(|name| !folders.contains_key(**name));
        violations.extend(unknown.map(|name| format!("SPECIFICATION.md: there is no crate {name} (`{command}`)")));
        for (option, folder) in [("--test", "tests"), ("--bench", "benches")] {
            for name in values(command, option) {
                let mut places = crates.iter().filter_map(|krate| folders.get(*krate));
                let exists = |place: &String| {
                    [format!("{name}.rs"), format!("{name}/main.rs")]
                        .iter()
                        .any(|file| root().join(place).join(folder).join(file).exists())
                };
                if !places.any(exists) {
                    violations
                        .push(format!("SPECIFICATION.md: `{command}` names {folder}/{name}, which does not exist"));
                }
            }
        }
    }
    check(violations);
}

/// Test helpers fail by panicking, so no program that is shipped may contain them.
#[test]
fn only_tests_depend_on_the_testkit() {
    let mut violations = Vec::new();
    for name in crates() {
        let manifest = read(&format!("{name}/Cargo.toml"));
        let mut section = "";
        for line in manifest.lines() {
            section = line.strip_prefix('[').map_or(section, |header| header.trim_end_matches(']'));
            let names_it = line.starts_with("testkit") || section.ends_with(".testkit");
            if names_it && !section.starts_with("dev-dependencies") {
                violations.push(format!("{name}/Cargo.toml: testkit in [{section}]"));
            }
        }
    }
    check(violations);
}

#[test]
fn views_depend_on_no_core() {
    let manifest = read("core/views/Cargo.toml");
    for core in ["master", "agent", "allocator", "failures"] {
        assert!(!manifest.contains(&format!("{core}.workspace")), "views depend on {core}");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let architecture = read("ARCHITECTURE.md");
    let manifest = read("Cargo.toml");
    let section = manifest.split("[workspace.dependencies]").nth(1).and_then(|t| t.split("\n[").next());
    let entries = section.expect("dependencies").lines().filter_map(|line| line.split_once(" = "));
    let foreign = entries.filter(|(_, value)| !value.contains("path =")).map(|(name, _)| name);
    let unexplained = foreign.filter(|name| !architecture.contains(&format!("`{name}`")));
    check(unexplained.map(|name| format!("Cargo.toml: {name} is not explained in ARCHITECTURE.md")).collect());
}
