//! `tepui weight` manages the weights of roles.

use messages::v1::WeightInfo;
use tepui_client::{MasterOperator, operator_calls};

use super::operator_call::OperatorCall;
use crate::commands::cli::{CommandError, Target};
use crate::commands::numbers;
use crate::output;
use crate::table::render;

/// Share the cluster unequally among roles
///
/// Resources that no quota and no reservation assigns are shared fairly. A role with weight 2 gets twice as much as one
/// with weight 1, which is the default. Weights count among roles of one level: eng/web is compared with eng/db, and
/// eng with ops.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Weight {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tepui weight set web=3 batch=0.5    set several at once
  tepui weight set web=1              back to the default
  tepui weight list";

#[derive(clap::Subcommand)]
enum Command {
    /// List the weights that are set
    List(List),
    /// Set the weights of roles
    #[command(after_help = EXAMPLES)]
    Set(Set),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    target: Target,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Set {
    /// A role and its weight, which is above 0
    #[arg(required = true, value_name = "ROLE=WEIGHT", value_parser = pair)]
    weights: Vec<(String, f64)>,
    #[command(flatten)]
    operator_call: OperatorCall,
}

fn pair(text: &str) -> Result<(String, f64), String> {
    let expected = || format!("'{text}' is no weight of a role; write e.g. web=2.5");
    let (role, weight) = text.split_once('=').ok_or_else(expected)?;
    Ok((role.to_owned(), numbers::weight(weight)?))
}

pub async fn weight(args: Weight) -> Result<(), CommandError> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Set(args) => set(args).await,
    }
}

async fn list(args: List) -> Result<(), CommandError> {
    let mut weights = MasterOperator::new(args.target.master.leader).weights().await?;
    weights.sort_by(|a, b| a.role().cmp(b.role()));
    if args.json {
        let answer = messages::v1::master::response::GetWeights { weight_infos: weights };
        output::json(String::from_utf8_lossy(&wire::json::encode(&answer)));
        return Ok(());
    }
    if weights.is_empty() {
        output::line("Every role has weight 1. Set another with: tepui weight set ROLE=2");
        return Ok(());
    }
    let rows: Vec<Vec<String>> =
        weights.iter().map(|info| vec![info.role().to_owned(), info.weight.to_string()]).collect();
    output::print(render(&["ROLE", "WEIGHT"], &rows));
    Ok(())
}

async fn set(args: Set) -> Result<(), CommandError> {
    let each: Vec<String> = args.weights.iter().map(|(role, weight)| format!("{role} has weight {weight}")).collect();
    let infos = args.weights.into_iter().map(|(role, weight)| WeightInfo { role: Some(role), weight });
    args.operator_call.send(&operator_calls::update_weights(infos.collect()), each.join(", ")).await
}
