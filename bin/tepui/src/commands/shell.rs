//! Shell completions and man pages, which are generated from the definition of the command line.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;
use flags::{AgentFlags, Definition, Flag, Kind, LocalFlags, MasterFlags, Program, Support};

use super::cli::{Cli, CommandError};
use crate::output;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  eval \"$(tepui completions bash)\"           for this shell; in ~/.bashrc for all
  tepui completions zsh > ~/.zfunc/_tepui
  tepui completions fish > ~/.config/fish/completions/tepui.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tepui man ~/.local/share/man/man1           then: man tepui-run")]
pub struct ManPages {
    /// The directory of the pages; it is created if it does not exist
    directory: PathBuf,
}

/// Prints the script with which a shell completes the command line.
pub fn completions(args: &Completions) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut whole(), "tepui", &mut script);
    output::exact(&script);
}

/// Writes a page for each command: `tepui.1`, `tepui-run.1`, `tepui-quota-set.1`.
///
/// # Errors
///
/// Fails if the directory cannot be written.
pub fn man(args: &ManPages) -> Result<(), CommandError> {
    let io = |path: &Path| {
        let doing = format!("write {}", path.display());
        move |source| CommandError::Io { doing, source }
    };
    std::fs::create_dir_all(&args.directory).map_err(io(&args.directory))?;
    let mut command = whole().disable_help_subcommand(true);
    command.build();
    let pages = pages(&command, "tepui");
    for (name, page) in &pages {
        let path = args.directory.join(format!("{name}.1"));
        std::fs::write(&path, page).map_err(io(&path))?;
    }
    output::line(format!("{} pages are written to {}: man tepui", pages.len(), args.directory.display()));
    Ok(())
}

/// Returns names and texts of the page of a command and of the commands below it.
fn pages(command: &Command, name: &str) -> Vec<(String, Vec<u8>)> {
    let mut page = Vec::new();
    // Writing to a vector does not fail.
    let _ = Man::new(command.clone()).render(&mut page);
    let mut pages = vec![(name.to_owned(), page)];
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages.extend(self::pages(below, &format!("{name}-{}", below.get_name())));
    }
    pages
}

/// Returns the command line including the programs that take Mesos flags.
fn whole() -> Command {
    let programs =
        [("master", MasterFlags::DEFINITION), ("agent", AgentFlags::DEFINITION), ("local", LocalFlags::DEFINITION)];
    programs
        .into_iter()
        .fold(Cli::command(), |command, (name, definition)| command.subcommand(program(name, definition)))
}

fn program(name: &'static str, definition: Definition) -> Command {
    let command = Command::new(name).about(definition.about).disable_version_flag(true);
    definition.flags().fold(command, |command, flag| command.arg(argument(flag)))
}

fn argument(flag: &'static Flag) -> Arg {
    let help = match flag.support {
        Support::Supported if flag.bounds.is_narrow() => format!("{} [Accepted: {}.]", flag.help, flag.bounds),
        Support::Supported => flag.help.to_owned(),
        Support::NoEffect(reason) => format!("{} [Accepted, no effect: {reason}.]", flag.help),
        Support::Refused(reason) => format!("{} [Not supported: {reason}.]", flag.help),
    };
    let argument = Arg::new(flag.name).long(flag.name).help(help).required(flag.required);
    let argument = match flag.kind {
        Kind::Bool => return argument.action(ArgAction::SetTrue),
        Kind::Choice(words) => argument.value_parser(PossibleValuesParser::new(words)),
        Kind::Path | Kind::WatchedFile => argument.value_hint(ValueHint::AnyPath),
        _ => argument,
    };
    let argument = match flag.kind.value_name() {
        Some(name) => argument.value_name(name),
        None => argument,
    };
    let argument = argument.require_equals(true);
    match flag.default {
        Some(default) => argument.default_value(default),
        None => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_valid() {
        whole().debug_assert();
    }

    #[test]
    fn every_command_has_a_page_and_is_completed() {
        let mut command = whole().disable_help_subcommand(true);
        command.build();
        let pages = pages(&command, "tepui");
        for name in ["tepui", "tepui-run", "tepui-wait", "tepui-quota-set", "tepui-agent", "tepui-master"] {
            let page = pages.iter().find(|(page, _)| page == name);
            let text = String::from_utf8(page.unwrap_or_else(|| panic!("no page {name}")).1.clone()).unwrap();
            assert!(text.contains(".SH NAME"), "{name}: {text}");
        }
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut whole(), "tepui", &mut script);
        let script = String::from_utf8(script).unwrap();
        for word in ["--detach", "--work_dir", "--container_logger", "additive", "completions", "reactivate"] {
            assert!(script.contains(word), "{word}");
        }
    }
}
