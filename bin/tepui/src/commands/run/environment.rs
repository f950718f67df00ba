//! `--env` and `--env-file`: the environment of a task, as docker reads it.

use std::path::Path;

use crate::commands::cli::CommandError;

/// A variable: `NAME=VALUE`, or `NAME`, whose value is that in the environment of this command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    name: String,
    value: Option<String>,
}

/// Reads one `--env`.
///
/// # Errors
///
/// The name is empty or has a zero byte.
pub fn variable(text: &str) -> Result<Variable, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    if name.is_empty() || text.contains('\0') {
        return Err("expected NAME=VALUE, or NAME for a variable of this environment".to_owned());
    }
    Ok(Variable { name: name.to_owned(), value })
}

/// Returns the variables of files and flags, of which later ones replace earlier ones. A variable without a value that
/// `known` does not have is left out, as docker does.
///
/// # Errors
///
/// A file cannot be read, or a line of it is no variable.
pub fn variables(
    files: &[impl AsRef<Path>],
    flags: &[Variable],
    known: impl Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, CommandError> {
    let mut all = Vec::new();
    for path in files.iter().map(AsRef::as_ref) {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CommandError::Io { doing: format!("read --env-file {}", path.display()), source })?;
        let read = lines(&text);
        all.extend(read.map_err(|error| CommandError::message(format!("--env-file {}: {error}", path.display())))?);
    }
    all.extend(flags.iter().cloned());
    let mut found: Vec<(String, String)> = Vec::new();
    for Variable { name, value } in all {
        let Some(value) = value.or_else(|| known(&name)) else { continue };
        found.retain(|(other, _)| *other != name);
        found.push((name, value));
    }
    Ok(found)
}

/// Reads the lines of a file; empty ones and those that begin with `#` are left out.
fn lines(text: &str) -> Result<Vec<Variable>, String> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim_start()));
    let given = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = given.map(|(number, line)| match variable(line) {
        Ok(read) if read.name.contains(char::is_whitespace) => Err(format!("line {number}: a name has no spaces")),
        Ok(read) => Ok(read),
        Err(error) => Err(format!("line {number}: {error}")),
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_docker_reads_them() {
        let known = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let check = |file: &str, flags: &[&str], expect: &[(&str, &str)]| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("env");
            std::fs::write(&path, file).unwrap();
            let flags: Vec<Variable> = flags.iter().map(|flag| variable(flag).unwrap()).collect();
            let found = variables(&[path], &flags, known).unwrap();
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, expect);
        };
        check("", &["A=1", "B=", "C=a=b"], &[("A", "1"), ("B", ""), ("C", "a=b")]);
        check("", &["HOME", "NOWHERE"], &[("HOME", "/home/me")]);
        check("# comment\n\nA=1\n  B=x y\nHOME\n", &["A=2"], &[("B", "x y"), ("HOME", "/home/me"), ("A", "2")]);
    }

    #[test]
    fn invalid_input_is_named() {
        for wrong in ["", "=1", "A\0=1"] {
            assert!(variable(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(lines("A=1\n=2").unwrap_err().split(':').next(), Some("line 2"));
        assert!(lines("export A=1").unwrap_err().contains("a name has no spaces"));
        let error = variables(&["/nowhere/env"], &[], |_| None).unwrap_err();
        assert!(model::with_sources(&error).contains("--env-file /nowhere/env"));
    }
}
