//! The `--help` text of a program.

use std::fmt::Write as _;

use crate::definition::{Definition, Kind, Support};

const WIDTH: usize = 100;

pub fn help(definition: &Definition) -> String {
    let mut out = format!("{}\n\nUsage: {} [--flag=value]...\n", definition.about, definition.program);
    out.push_str(
        "\nA flag may also be given as a variable MESOS_<NAME>; the command line wins. A value file:///path is\n\
         read from that file. Durations: 500ms, 15secs, 2weeks. Sizes: 512MB, 2GB. Switches: --x, --no-x, --x=false.\n",
    );
    for (section, flags) in definition.sections {
        let _ = write!(out, "\n{section}:\n");
        for flag in *flags {
            let value = match flag.kind {
                Kind::Bool => String::new(),
                Kind::Text => "=TEXT".into(),
                Kind::Duration => "=DURATION".into(),
                Kind::Bytes => "=SIZE".into(),
                Kind::Integer | Kind::Float => "=NUMBER".into(),
                Kind::Json => "=JSON".into(),
            };
            let no = if flag.kind == Kind::Bool { "[no-]" } else { "" };
            let _ = write!(out, "  --{no}{}{value}", flag.name);
            if let Some(default) = flag.default {
                let _ = write!(out, "  (default: {default})");
            }
            out.push('\n');
            let mut text = flag.help.to_owned();
            match flag.support {
                Support::Supported => {}
                Support::NoEffect(reason) => text.push_str(&format!(" [Accepted, no effect: {reason}.]")),
                Support::Refused(reason) => text.push_str(&format!(" [Not supported: {reason}.]")),
            }
            wrap(&mut out, &text);
        }
    }
    out
}

fn wrap(out: &mut String, text: &str) {
    const INDENT: &str = "        ";
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > WIDTH - INDENT.len() {
            out.push('\n');
            column = 0;
        }
        out.push_str(if column == 0 { INDENT } else { " " });
        out.push_str(word);
        column += word.len() + usize::from(column > 0);
    }
    out.push('\n');
}
