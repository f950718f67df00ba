//! `tepui last-will`: started by a master among others, to outlive it.

use std::process::ExitCode;

use server::master::execute_last_will;

use crate::commands::{Failure, fail};

pub fn last_will(_: Vec<String>) -> ExitCode {
    match execute_last_will(std::io::stdin().lock()) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(node)) => {
            crate::output::say(format_args!("tepui: the master has died: removed its node {node}"));
            ExitCode::SUCCESS
        }
        Err(error) => fail(&Failure::said(with_source(&error))),
    }
}

fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
