//! Checks docs/dev/HOSTILE_INPUT.md, which names a test for each class of hostile input, by looking for these tests.

use super::{check, read, root};

const DOCUMENT: &str = "docs/dev/HOSTILE_INPUT.md";

/// Returns what is wrong with the last cell of a row: files in quotes, each followed by functions in quotes.
fn mistakes(row: &str) -> Vec<String> {
    let Some(cell) = row.trim_end_matches('|').rsplit('|').next() else { return Vec::new() };
    let mut mistakes = Vec::new();
    let (mut text, mut functions) = (None, 0);
    for name in cell.split('`').skip(1).step_by(2) {
        if name.contains('/') {
            text = root().join(name).is_file().then(|| read(name));
            if text.is_none() {
                mistakes.push(format!("{DOCUMENT} names {name}, which does not exist"));
            }
        } else {
            functions += 1;
            let is_test = text.as_ref().is_none_or(|text| text.contains(&format!("fn {name}(")));
            if !is_test {
                mistakes.push(format!("{DOCUMENT} names the test {name}, which is not in its file"));
            }
        }
    }
    if functions == 0 {
        mistakes.push(format!("{DOCUMENT} names no test in: {row}"));
    }
    mistakes
}

#[test]
fn every_class_of_hostile_input_has_a_test() {
    let text = read(DOCUMENT);
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| class") && !line.starts_with("| ---"));
    let rows: Vec<&str> = rows.collect();
    assert!(rows.len() > 40, "the rows are not found");
    check(rows.into_iter().flat_map(mistakes).collect());
}
