//! Tests that the command lines of README.md, of the guides and of `tepui examples` are accepted, and that every flag
//! that docs/running.md names exists. Commands are not carried out here: `tests/documents.rs` does so for the first steps,
//! and `tests/operating.rs` for the guides of operators.

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, Parser};
use flags::{AgentFlags, DEFINITIONS, ExecuteFlags, LocalFlags, MasterFlags};

use super::cli::Cli;
use super::examples::EXAMPLES;

/// Returns the names and the texts of the documents.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guides = std::fs::read_dir(root.join("docs")).unwrap().flatten().map(|entry| entry.path());
    let guides = guides.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let paths = guides.chain([root.join("README.md")]);
    paths.map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect()
}

/// Returns the lines of a document's blocks of commands.
fn block_lines(document: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    document.lines().filter(move |line| {
        if line.trim_start().starts_with("```") {
            inside = matches!(line.trim_start(), "```sh" | "```console");
            return false;
        }
        inside
    })
}

/// Puts lines together that end in a backslash, as a shell does.
fn joined(document: &str) -> String {
    document.replace("\\\n", " ")
}

/// Returns the code within the sentences and tables of a document.
fn code_spans(document: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    let lines = document.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Splits the first command of a shell line into words. In `tepui examples`, two blanks separate it from its description.
fn words(line: &str, is_table: bool) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some(end), _) if char == end => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(char),
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ')' | '|' | ';' | '&' | '<' | '>') => break,
            (None, ' ') => {
                words.extend(word.take());
                if is_table && chars.peek() == Some(&' ') {
                    break;
                }
            }
            (None, _) => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

/// Returns the commands of `tepui` in a shell line, without the word `tepui`.
fn commands(line: &str, is_table: bool) -> Vec<Vec<String>> {
    let begins = line.match_indices("tepui").filter(|(at, name)| {
        let (before, after) = (&line[..*at], &line[at + name.len()..]);
        let is_command = before.trim().is_empty() || before.ends_with("$ ") || before.ends_with("$(");
        is_command && (after.is_empty() || after.starts_with(' '))
    });
    begins.map(|(at, _)| words(&line[at..], is_table).split_off(1)).collect()
}

/// Checks a command with the definitions that parse it. A name in capital letters or an ellipsis stands for any text.
fn check(arguments: &[String]) -> Result<(), String> {
    let mesos = |result: Result<(), flags::Error>| result.map_err(|error| error.to_string());
    let given = || arguments.iter().skip(1).map(OsString::from).collect::<Vec<_>>();
    let environment = std::iter::empty::<(OsString, OsString)>;
    match arguments.first().map(String::as_str) {
        Some("master" | "mesos-master") => mesos(flags::parse::<MasterFlags>(given(), environment()).map(drop)),
        Some("agent" | "mesos-agent") => mesos(flags::parse::<AgentFlags>(given(), environment()).map(drop)),
        Some("local" | "mesos-local") => mesos(flags::parse::<LocalFlags>(given(), environment()).map(drop)),
        Some("mesos-execute") => mesos(flags::parse::<ExecuteFlags>(given(), environment()).map(drop)),
        _ => match Cli::try_parse_from(std::iter::once("tepui").chain(arguments.iter().map(String::as_str))) {
            Err(error) if !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
                Err(error.to_string())
            }
            _ => Ok(()),
        },
    }
}

#[test]
fn every_command_line_of_the_documents_is_accepted() {
    let mut documents: Vec<(String, String, bool)> =
        documents().into_iter().map(|(name, text)| (name, text, false)).collect();
    documents.push(("tepui examples".to_owned(), format!("```sh\n{EXAMPLES}\n```"), true));
    let mut faults = Vec::new();
    for (name, text, is_table) in &documents {
        let found: Vec<Vec<String>> = block_lines(&joined(text)).flat_map(|line| commands(line, *is_table)).collect();
        let few = !["running.md", "networks.md"].iter().any(|short| name.ends_with(short)) && found.len() < 5;
        faults.extend(few.then(|| format!("{name}: the test finds {} commands only", found.len())));
        for command in found {
            faults.extend(check(&command).err().map(|error| format!("{name}: tepui {}\n{error}", command.join(" "))));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns the command that the words name, and the words after it.
fn named<'a>(command: &'a Command, words: &'a [&'a str]) -> Option<(&'a Command, &'a [&'a str])> {
    match words.split_first() {
        Some((first, rest)) => match command.find_subcommand(first) {
            Some(below) => named(below, rest),
            // Its arguments begin here; a command that only groups others has none.
            None if command.has_subcommands() && !first.starts_with('-') => None,
            None => Some((command, words)),
        },
        None => Some((command, words)),
    }
}

/// In sentences, commands are shortened; what is there must exist.
#[test]
fn every_command_in_a_sentence_exists() {
    let cli = Cli::command();
    let programs = ["master", "agent", "local"];
    let mut faults = Vec::new();
    for (name, text) in documents() {
        for span in code_spans(&text).filter(|span| span.starts_with("tepui ")) {
            let words: Vec<&str> = span.split_whitespace().skip(1).collect();
            let Some(first) = words.first() else { continue };
            if programs.contains(first) || first.starts_with("mesos-") || first.chars().all(char::is_uppercase) {
                continue;
            }
            let Some((command, rest)) = named(&cli, &words) else {
                faults.push(format!("{name}: no such command: {span}"));
                continue;
            };
            let before_command = rest.split(|word| *word == "--").next().unwrap_or_default();
            for flag in before_command.iter().filter_map(|word| word.strip_prefix("--")) {
                let flag = flag.split('=').next().unwrap_or_default();
                if flag != "help" && !command.get_arguments().any(|arg| has_long(arg, flag)) {
                    faults.push(format!("{name}: no such flag: {span}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn has_long(arg: &clap::Arg, name: &str) -> bool {
    arg.get_long_and_visible_aliases().into_iter().flatten().any(|long| long == name)
        || arg.get_all_aliases().into_iter().flatten().any(|alias| alias == name)
}

/// docs/running.md describes the flags of `tepui run`, `mesos-execute` and the fetcher of agents.
#[test]
fn every_flag_of_the_guide_to_running_exists() {
    let (_, guide) = documents().into_iter().find(|(name, _)| name.ends_with("running.md")).unwrap();
    let cli = Cli::command();
    let run = cli.find_subcommand("run").unwrap();
    let mut count = 0;
    let mut faults = Vec::new();
    for span in code_spans(&guide).filter(|span| span.starts_with('-')) {
        let word = span.split([' ', '=']).next().unwrap_or_default();
        let exists = match word.strip_prefix("--") {
            Some(long) => {
                run.get_arguments().any(|arg| has_long(arg, long))
                    || DEFINITIONS.iter().any(|definition| definition.find(long).is_some())
            }
            None => {
                let short = word.chars().nth(1);
                run.get_arguments()
                    .any(|arg| arg.get_short_and_visible_aliases().into_iter().flatten().any(|s| Some(s) == short))
            }
        };
        count += 1;
        faults.extend((!exists).then_some(span));
    }
    assert!(faults.is_empty(), "no such flags: {faults:?}");
    assert!(count > 40, "the test finds {count} flags only");
}
