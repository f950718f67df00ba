//! A call of the operator API, and the report of its result.

use messages::v1::master::Call;
use tepui_client::MasterOperator;

use super::advice::advised;
use crate::commands::cli::{CommandError, Target};
use crate::output;

/// The options of every command that changes something.
#[derive(clap::Args, Clone)]
pub struct OperatorCall {
    #[command(flatten)]
    pub target: Target,
    /// Print the request that was sent to the master as JSON instead of a sentence
    #[arg(long)]
    json: bool,
}

impl OperatorCall {
    pub fn operator(&self) -> MasterOperator {
        MasterOperator::new(self.target.master.leader.clone())
    }

    pub async fn send(&self, call: &Call, done: impl Into<String>) -> Result<(), CommandError> {
        self.operator().call(call).await.map_err(advised)?;
        self.print_result(&String::from_utf8_lossy(&wire::json::encode(call)), done);
        Ok(())
    }

    /// Prints a later result, unless JSON was asked for.
    pub fn note(&self, text: impl Into<String>) {
        if !self.json {
            output::line(text.into());
        }
    }

    pub fn print_result(&self, call: &str, done: impl Into<String>) {
        if self.json { output::json(call) } else { output::line(done.into()) }
    }
}
