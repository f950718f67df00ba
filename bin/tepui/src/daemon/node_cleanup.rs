//! `tepui last-will`: started by a master among others, to outlive it.

use std::process::ExitCode;

use master_server::run_node_cleanup;

use crate::commands::{CommandError, fail};

pub fn node_cleanup(_: Vec<String>) -> ExitCode {
    match run_node_cleanup(std::io::stdin().lock()) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(node)) => {
            crate::output::write_stderr(format_args!("tepui: the master has died: removed its node {node}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&CommandError::message(with_source(&error))),
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
