//! Checks docs/dev/ADDING.md, which names the files that each kind of addition touches, by looking for its examples in
//! these files.

use super::{check, code, crates, read, root, sources};

const DOCUMENT: &str = "docs/dev/ADDING.md";

/// One kind of addition.
struct Section<'a> {
    title: &'a str,
    /// The name of an addition that exists.
    example: &'a str,
    /// The steps, without their numbers.
    steps: Vec<String>,
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let section = |text| {
        let (title, body): (&str, &str) = str::split_once(text, '\n')?;
        let example = body.split_once("Example: `")?.1.split('`').next()?;
        let mut steps: Vec<String> = Vec::new();
        let mut within = false;
        for line in body.lines() {
            if let Some((_, step)) = line.split_once(". ").filter(|(number, _)| number.parse::<u32>().is_ok()) {
                steps.push(step.to_owned());
                within = true;
            } else if let (true, Some(step)) = (within && line.starts_with("   "), steps.last_mut()) {
                step.push_str(line);
            } else {
                within = false;
            }
        }
        Some(Section { title, example, steps })
    };
    text.split("\n## ").skip(1).filter_map(section).collect()
}

/// Returns the files of a step that must contain the example: those before the colon, without the alternatives in
/// brackets.
fn touched(step: &str) -> Vec<&str> {
    let before = step.split(": ").next().unwrap_or_default();
    let outside = before.split('(').enumerate().filter_map(|(index, part)| match index {
        0 => Some(part),
        _ => part.split_once(')').map(|(_, after)| after),
    });
    outside.flat_map(files).collect()
}

/// Returns the sources that a text names by their whole path.
fn files(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.ends_with(".rs") && (name.contains("/src/") || name.contains("/tests/")))
}

fn contains_word(text: &str, word: &str) -> bool {
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| !in_word(text[..at].chars().next_back()) && !in_word(text[at + word.len()..].chars().next()))
}

#[test]
fn every_kind_of_addition_has_its_list() {
    let text = read(DOCUMENT);
    let titles: Vec<&str> = sections(&text).iter().map(|section| section.title).collect();
    assert_eq!(titles, ["A flag", "An endpoint", "An isolator", "An offer operation", "A store", "A metric"]);
}

#[test]
fn the_example_is_in_every_file_of_its_list() {
    let (text, mut violations) = (read(DOCUMENT), Vec::new());
    for Section { title, example, steps } in sections(&text) {
        let touched: Vec<&str> = steps.iter().flat_map(|step| touched(step)).collect();
        assert!(touched.len() >= 3, "{title}: a list of {touched:?}");
        let without = touched.iter().filter(|file| !contains_word(&read(file), example));
        violations.extend(without.map(|file| format!("{DOCUMENT}, {title}: {file} does not contain `{example}`")));
    }
    check(violations);
}

#[test]
fn every_source_with_the_example_is_in_its_list() {
    let (text, mut violations) = (read(DOCUMENT), Vec::new());
    for Section { title, example, steps } in sections(&text) {
        let listed: Vec<&str> = steps.iter().flat_map(|step| files(step)).collect();
        for (path, source) in crates().iter().flat_map(|name| sources(name)) {
            let path = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            let names_it = code(&source).any(|(_, line)| contains_word(line, example));
            if names_it && !listed.contains(&path.as_str()) {
                violations.push(format!("{DOCUMENT}, {title}: {path} contains `{example}` and is not listed"));
            }
        }
    }
    check(violations);
}

#[test]
fn alternatives_and_explanations_are_ignored() {
    let step = "`a/src/b.rs` (or `a/src/c.rs`), `a/src/d.rs`: as in `a/src/e.rs`.";
    assert_eq!(touched(step), ["a/src/b.rs", "a/src/d.rs"]);
}
