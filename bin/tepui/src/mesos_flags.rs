//! Reading the Mesos flags of a program, and answering `--help`, `--version` and mistakes.

use std::ffi::OsString;
use std::process::ExitCode;

use flags::{Invocation, Parsed, Program};

use crate::commands::{fail, printed};
use crate::output;

/// The flags of a program from its arguments and the environment.
///
/// # Errors
///
/// Returns the exit code with which the program ends at once: it was asked for its help or version, or there is a mistake.
pub fn parse_or_exit<P: Program>(arguments: Vec<OsString>) -> Result<Parsed<P>, ExitCode> {
    match flags::parse(arguments, std::env::vars_os()) {
        Ok(Invocation::Run(parsed)) => Ok(parsed),
        Ok(Invocation::Help) => {
            output::print(flags::help(&P::DEFINITION));
            Err(printed())
        }
        Ok(Invocation::Version) => {
            output::line(format!("tepui {}", env!("CARGO_PKG_VERSION")));
            Err(printed())
        }
        Err(error) => Err(fail(&error)),
    }
}
