//! An order to the master, and what is said about it.

use client::MasterOperator;
use messages::v1::master::Call;

use super::advice::advised;
use crate::commands::cli::{CommandError, Target};
use crate::output;

/// Of every command that changes something.
#[derive(clap::Args, Clone)]
pub struct OperatorCall {
    #[command(flatten)]
    pub target: Target,
    /// Print what was sent to the master as JSON instead of a sentence
    #[arg(long)]
    json: bool,
}

impl OperatorCall {
    pub fn operator(&self) -> MasterOperator {
        MasterOperator::new(self.target.master.leader.clone())
    }

    pub async fn send(&self, call: &Call, done: impl Into<String>) -> Result<(), CommandError> {
        self.operator().call(call).await.map_err(advised)?;
        self.say(&String::from_utf8_lossy(&wire::json::encode(call)), done);
        Ok(())
    }

    /// What came of it later; not for those who want JSON.
    pub fn note(&self, text: impl Into<String>) {
        if !self.json {
            output::line(text.into());
        }
    }

    pub fn say(&self, call: &str, done: impl Into<String>) {
        if self.json { output::json(call) } else { output::line(done.into()) }
    }
}
