//! `tepui node-cleanup`: a helper process that a master in an election starts and that outlives it.

use std::ffi::OsString;
use std::process::ExitCode;

use master_server::run_node_cleanup;
use model::with_sources;

use crate::commands::{CommandError, fail};

pub fn node_cleanup(_: Vec<OsString>) -> ExitCode {
    match run_node_cleanup(std::io::stdin().lock()) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(node)) => {
            crate::output::write_stderr(format_args!("tepui: the master has ended: removed its node {node}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&CommandError::message(with_sources(&error))),
    }
}
