//! Renders the `--help` text of a program.

use std::fmt::Write as _;

use crate::definition::{Definition, Flag, Kind, Section, Support};

const WIDTH: usize = 100;

/// Returns the flags of a program in sections: first those that have an effect, each with its type, default and bounds,
/// then the others by the reason for which they have none.
pub fn help(definition: &Definition) -> String {
    let mut out = format!("{}\n\nUsage: {} [--flag=value]...\n", definition.about, definition.program);
    out.push_str(
        "\nA flag can also be set by the variable MESOS_<NAME>; the command line takes precedence. A value\n\
         file:///path is read from that file. Durations: 500ms, 15secs, 2weeks. Sizes: 512MB, 2GB. Switches: --x, --no-x, --x=false.\n",
    );
    for section in definition.sections() {
        let _ = write!(out, "\n{}:\n", section.title);
        for flag in section.flags.iter().filter(|flag| flag.support == Support::Supported) {
            supported(&mut out, flag);
        }
        for support in reasons(section) {
            without_effect(&mut out, section, support);
        }
    }
    out
}

fn supported(out: &mut String, flag: &Flag) {
    let no = if flag.kind == Kind::Bool { "[no-]" } else { "" };
    let _ = write!(out, "  --{no}{}{}", flag.name, placeholder(flag.kind));
    let mut notes = Vec::new();
    match flag.default {
        Some("") => notes.push("default: empty".to_owned()),
        Some(default) => notes.push(format!("default: {default}")),
        None if flag.required => notes.push("required".to_owned()),
        None => {}
    }
    if flag.bounds.is_narrow() {
        notes.push(flag.bounds.to_string());
    }
    if !notes.is_empty() {
        let _ = write!(out, "  ({})", notes.join("; "));
    }
    out.push('\n');
    wrap(out, "        ", flag.help);
}

fn placeholder(kind: Kind) -> String {
    match kind {
        Kind::Choice(words) => format!("={}", words.join("|")),
        _ => kind.value_name().map(|name| format!("={name}")).unwrap_or_default(),
    }
}

/// Returns the reasons for which flags of a section have no effect, each once.
fn reasons(section: &Section) -> Vec<Support> {
    let mut reasons = Vec::new();
    for flag in section.flags {
        if flag.support != Support::Supported && !reasons.contains(&flag.support) {
            reasons.push(flag.support);
        }
    }
    reasons
}

fn without_effect(out: &mut String, section: &Section, support: Support) {
    let heading = match support {
        Support::Supported => return,
        Support::NoEffect(reason) => format!("Accepted, without effect: {reason}."),
        Support::Refused(reason) => format!("Not supported, refused: {reason}."),
    };
    out.push('\n');
    wrap(out, "  ", &heading);
    for flag in section.flags.iter().filter(|flag| flag.support == support) {
        let _ = writeln!(out, "    --{:<40} {}", flag.name, flag.help);
    }
}

fn wrap(out: &mut String, indent: &str, text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH - indent.len() {
            out.push('\n');
            column = 0;
        }
        out.push_str(if column == 0 { indent } else { " " });
        out.push_str(word);
        column += word.len() + usize::from(column > 0);
    }
    out.push('\n');
}
