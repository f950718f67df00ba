//! Checks the parts that the manifests of all crates share: one lint table, one edition, one minimum version of Rust.

use std::collections::BTreeSet;

use super::{check, crates, read};

/// The crates with a table of their own, and the lints of the workspace that it changes.
const OWN_TABLES: &[(&str, &[&str])] = &[
    // Creating processes, signals and fork have no safe interface.
    ("shell/containerizer", &["unsafe_code"]),
    ("shell/executor", &["unsafe_code"]),
    // The fuzz targets are another workspace, which inherits nothing. A fuzz target reports a defect by a panic, and
    // its macro needs `unsafe`.
    ("fuzz", &["unsafe_code", "unwrap_used", "expect_used", "panic"]),
];

/// The fields that every package inherits.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// Returns the lines of a table of a manifest, without comments.
fn table(manifest: &str, name: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('[')).map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn lint(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let workspace = read("Cargo.toml");
    let mut violations = Vec::new();
    for name in crates().iter().map(String::as_str).chain(["fuzz"]) {
        let manifest = read(&format!("{name}/Cargo.toml"));
        let Some((_, changed)) = OWN_TABLES.iter().find(|(owner, _)| *owner == name) else {
            if !table(&manifest, "lints").contains("workspace = true") {
                violations.push(format!("{name}/Cargo.toml: does not inherit the lints of the workspace"));
            }
            continue;
        };
        for tool in ["rust", "clippy"] {
            let own = table(&manifest, &format!("lints.{tool}"));
            let missing = table(&workspace, &format!("workspace.lints.{tool}")).into_iter().filter(|line| {
                let is_set = own.iter().any(|own| lint(own) == lint(line));
                !(own.contains(line) || is_set && changed.contains(&lint(line)))
            });
            violations.extend(missing.map(|line| format!("{name}/Cargo.toml, lints.{tool}: `{line}` is missing")));
        }
    }
    check(violations);
}

/// In a crate without a minimum version of Rust, clippy's `incompatible_msrv` would not find functions that are newer.
#[test]
fn every_crate_inherits_its_package_fields() {
    let mut violations = Vec::new();
    for name in crates() {
        let package = table(&read(&format!("{name}/Cargo.toml")), "package");
        let missing = INHERITED.iter().filter(|field| !package.contains(&format!("{field}.workspace = true")));
        violations.extend(missing.map(|field| format!("{name}/Cargo.toml: {field} is not that of the workspace")));
    }
    check(violations);
}
