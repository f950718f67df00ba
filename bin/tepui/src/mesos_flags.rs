//! Parses the Mesos flags of a program, and answers `--help`, `--version` and errors.

use std::ffi::OsString;
use std::process::ExitCode;

use flags::{Invocation, Parsed, Program};

use crate::commands::{fail, printed};
use crate::output;

/// Returns the flags of a program from its arguments and the environment.
///
/// # Errors
///
/// Returns the exit code with which the program ends at once, after printing its help, its version, or an error.
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
