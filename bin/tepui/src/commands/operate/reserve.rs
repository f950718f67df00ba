//! `tepui reserve` and `tepui unreserve` manage reservations.

use messages::v1;
use messages::v1::resource::ReservationInfo;
use messages::v1::resource::reservation_info::Type;
use resources::Resources;
use tepui_client::operator_calls;

use super::agent_resources::{AgentResources, reserved_to};
use super::amounts::resources;
use super::operator_call::OperatorCall;
use crate::commands::cli::CommandError;
use crate::commands::find;
use crate::commands::state::{State, short};

/// Reserve resources of one agent for a role
///
/// They are offered to no other role until `tepui unreserve`. They have to be free; offers that contain them are
/// rescinded. To guarantee an amount anywhere in the cluster, use `tepui quota` or `tepui partition`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tepui reserve S3 cpus:2,mem:4GB --role web
  tepui reserve node7.example disk:100GB --role db     then: tepui volume create
  tepui reserve S3 'cpus:1,ports:[31000-31009]' --role web --label team=search
  tepui reserve S3 cpus:1 --role web/blue --from web   pass on a reservation of web
  tepui agents --json                                  shows all reservations")]
pub struct Reserve {
    #[command(flatten)]
    what: What,
    /// The resources, e.g. cpus:2,mem:4GB (mem and disk without a unit are in MB)
    #[arg(value_parser = resources)]
    resources: Resources,
    /// The role to reserve them for
    #[arg(long)]
    role: String,
    /// Take them from the reservations of this role, which is above --role: web for web/blue
    #[arg(long, value_name = "ROLE")]
    from: Option<String>,
    /// A label of the reservation, which frameworks see
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<v1::Label>,
    /// The principal that reserves, if the master authenticates its callers
    #[arg(long)]
    principal: Option<String>,
    #[command(flatten)]
    operator_call: OperatorCall,
}

/// Remove a reservation that was made with `tepui reserve`
///
/// A volume on the resources has to be destroyed first (`tepui volume destroy`). Reservations that agents make with
/// --resources stay.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  tepui unreserve S3 cpus:1 --role web    one of the reserved cpus
  tepui unreserve S3 --role web           everything that is reserved to web there")]
pub struct Unreserve {
    #[command(flatten)]
    what: What,
    // This is no doc comment, in which the brackets would be a link.
    #[arg(value_parser = resources, help = "The resources, e.g. cpus:2,mem:4GB [default: all]")]
    resources: Option<Resources>,
    /// The role that they are reserved to
    #[arg(long)]
    role: String,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct What {
    /// The agent: its id, the end or beginning of its id, or its host name
    agent: String,
}

fn label(text: &str) -> Result<v1::Label, String> {
    let (key, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok(v1::Label { key: key.to_owned(), value: Some(value.to_owned()) })
}

pub async fn reserve(args: Reserve) -> Result<(), CommandError> {
    let state = State::get(&args.operator_call.target.master).await?;
    let id = find::agent_id(&state, &args.what.agent)?;
    let source = match &args.from {
        Some(role) => {
            let taken = AgentResources::of(find::agent(&state, &args.what.agent)?)?
                .take(&args.resources, |one| reserved_to(one, role));
            taken.map_err(|missing| too_little(&id, &missing, role))?.to_proto()
        }
        None => Vec::new(),
    };
    let labels = (!args.labels.is_empty()).then_some(v1::Labels { labels: args.labels });
    let reservation = ReservationInfo {
        r#type: Some(Type::Dynamic.into()),
        role: Some(args.role.clone()),
        principal: args.principal,
        labels: labels.map(Into::into),
    };
    let mut reserved = if args.from.is_some() { source.clone() } else { args.resources.to_proto() };
    reserved.iter_mut().for_each(|resource| resource.reservations.push(reservation.clone()));
    let said = format!("{} on agent {} reserved to {}", args.resources, short(&id.value), args.role);
    args.operator_call.send(&operator_calls::reserve(id, source, reserved), said).await
}

pub async fn unreserve(args: Unreserve) -> Result<(), CommandError> {
    let state = State::get(&args.operator_call.target.master).await?;
    let agent = find::agent(&state, &args.what.agent)?;
    let id = find::agent_id(&state, &args.what.agent)?;
    let agent_resources = AgentResources::of(agent)?;
    let of_role = |one: &resources::Resource| reserved_to(one, &args.role);
    let taken = match &args.resources {
        Some(wanted) => {
            agent_resources.take(wanted, of_role).map_err(|missing| too_little(&id, &missing, &args.role))?
        }
        None => agent_resources.all(of_role),
    };
    if taken.is_empty() {
        return Err(CommandError::message(format!(
            "nothing on agent {} is reserved to {} that can be given back: `tepui role show {}` shows what is reserved, \
             `tepui volume list` what volumes hold",
            short(&id.value),
            args.role,
            args.role
        )));
    }
    let plain = args.resources.unwrap_or_else(|| taken.to_unreserved());
    let said = format!("{plain} on agent {} not reserved to {} any more", short(&id.value), args.role);
    args.operator_call.send(&operator_calls::unreserve(id, taken.to_proto()), said).await
}

fn too_little(id: &v1::AgentId, missing: &resources::Resource, role: &str) -> CommandError {
    CommandError::message(format!(
        "agent {} has no {missing} reserved to {role} (volumes aside): `tepui agents --json` shows what it has",
        short(&id.value)
    ))
}
