//! `tepui quota` manages quota.

use messages::v1::quota::QuotaConfig;
use serde_json::Value;
use tepui_client::{get_json, operator_calls};

use super::amounts::{Amounts, amounts};
use super::operator_call::OperatorCall;
use crate::commands::cli::{CommandError, Target};
use crate::output;
use crate::table::render;

/// Guarantee amounts to roles, and limit what they use
///
/// A guarantee is kept free for the role while its frameworks do not use it. A limit is the most that the role and the
/// roles below it get. Both apply to all frameworks of the role together. To lend a guarantee while it is not used, use
/// `tepui partition` instead; a role has either quota or a partition.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Quota {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tepui quota set batch --limit cpus:16,mem:64GB      batch gets at most this
  tepui quota set web --guarantee cpus:8,mem:32GB     8 cpus and 32 GB are kept for web
  tepui quota set web --limit none                    remove the limit and keep the guarantee
  tepui quota list                                    what is set and how much is consumed
  tepui quota remove batch                            remove guarantee and limit";

#[derive(clap::Subcommand)]
enum Command {
    /// List quotas and how much of them is consumed
    List(List),
    /// Set a role's guarantee, its limit, or both
    #[command(after_help = EXAMPLES)]
    Set(Set),
    /// Remove the guarantee and the limit of a role
    Remove(Remove),
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
    /// The role, e.g. web or eng/web
    role: String,
    /// The guarantee, e.g. cpus:8,mem:32GB; `none` for nothing. If left out, it stays as it is
    #[arg(long, value_parser = amounts, required_unless_present = "limit")]
    guarantee: Option<Amounts>,
    /// The limit; resources that are not named are unlimited; `none` for no limit. If left out, it stays as it is
    #[arg(long, value_parser = amounts)]
    limit: Option<Amounts>,
    /// Set it even if the cluster has less than is guaranteed, or the role uses more than its limit
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct Remove {
    /// The role
    role: String,
    #[command(flatten)]
    operator_call: OperatorCall,
}

pub async fn quota(args: Quota) -> Result<(), CommandError> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Set(args) => set(args).await,
        Command::Remove(args) => remove(args).await,
    }
}

async fn list(args: List) -> Result<(), CommandError> {
    let status = tepui_client::MasterOperator::new(args.target.master.leader.clone()).quotas().await?;
    if args.json {
        output::json(String::from_utf8_lossy(&wire::json::encode(&status)));
        return Ok(());
    }
    let configs: Vec<&QuotaConfig> = status.configs.iter().filter(|config| is_set(config)).collect();
    if configs.is_empty() {
        output::line("No quota is set. Set one with: tepui quota set ROLE --guarantee cpus:8,mem:32GB");
        return Ok(());
    }
    let roles = get_json(&args.target.master, "/roles").await?;
    let consumed = |role: &str| {
        let found = roles["roles"].as_array().into_iter().flatten().find(|one| one["name"] == role);
        Amounts::from_json(found.map_or(&Value::Null, |one| &one["quota"]["consumed"]))
    };
    let row = |config: &&QuotaConfig| {
        vec![
            config.role.clone(),
            Amounts::of(&config.guarantees).to_string(),
            Amounts::of(&config.limits).to_string(),
            consumed(&config.role).to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = configs.iter().map(row).collect();
    output::print(render(&["ROLE", "GUARANTEE", "LIMIT", "CONSUMED"], &rows));
    Ok(())
}

async fn set(args: Set) -> Result<(), CommandError> {
    let before = of_role(&args.operator_call, &args.role).await?.unwrap_or_default();
    let guarantees = args.guarantee.unwrap_or_else(|| Amounts::of(&before.guarantees));
    let limits = args.limit.unwrap_or_else(|| Amounts::of(&before.limits));
    let said = match (guarantees.0.is_empty(), limits.0.is_empty()) {
        (true, true) => format!("role {} has no quota now", args.role),
        (true, false) => format!("role {} gets at most {limits}; nothing is guaranteed to it", args.role),
        (false, true) => format!("role {} is guaranteed {guarantees}, without a limit", args.role),
        (false, false) => format!("role {} is guaranteed {guarantees} and gets at most {limits}", args.role),
    };
    let config = QuotaConfig { role: args.role, guarantees: guarantees.scalars(), limits: limits.scalars() };
    args.operator_call.send(&operator_calls::update_quota(vec![config], args.force), said).await
}

/// Removes quota by UPDATE_QUOTA without amounts, because REMOVE_QUOTA ends a Mesos master if there is no quota.
async fn remove(args: Remove) -> Result<(), CommandError> {
    if of_role(&args.operator_call, &args.role).await?.is_none() {
        return Err(CommandError::message(format!(
            "role '{}' has no quota: `tepui quota list` shows those that have",
            args.role
        )));
    }
    let said = format!("role {} has no quota now: it shares what others leave", args.role);
    let config = QuotaConfig { role: args.role, ..QuotaConfig::default() };
    args.operator_call.send(&operator_calls::update_quota(vec![config], false), said).await
}

async fn of_role(operator_call: &OperatorCall, role: &str) -> Result<Option<QuotaConfig>, CommandError> {
    let status = operator_call.operator().quotas().await?;
    Ok(status.configs.into_iter().find(|config| config.role == role && is_set(config)))
}

/// Returns whether a quota is set. Mesos masters show a removed quota without amounts.
fn is_set(config: &QuotaConfig) -> bool {
    !(config.guarantees.is_empty() && config.limits.is_empty())
}
