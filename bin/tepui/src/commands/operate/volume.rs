//! `tepui volume` manages persistent volumes.

use messages::v1;
use messages::v1::master::response::get_agents::Agent;
use messages::v1::resource::{DiskInfo, SharedInfo, disk_info::Persistence};
use messages::v1::volume::Mode;
use resources::{Resource, Scalar};
use serde_json::{Value, json};
use tepui_client::operator_calls;

use super::agent_resources::{AgentResources, reserved_to};
use super::amounts::megabytes;
use super::operator_call::OperatorCall;
use crate::commands::cli::{CommandError, Target};
use crate::commands::find;
use crate::commands::state::{State, short};
use crate::output;
use crate::table::render;

/// Manage persistent volumes, which keep data beyond the life of a task
///
/// A persistent volume consists of disk that is reserved to a role on one agent. It is offered to frameworks of that
/// role and appears in the sandboxes of tasks that use it. It keeps what they write until it is destroyed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Volume {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tepui reserve S3 disk:100GB --role db
  tepui volume create S3 --role db --id pg-data --size 50GB
  tepui volume grow pg-data --by 10GB
  tepui volume shrink pg-data --by 5GB
  tepui volume list
  tepui volume destroy pg-data      deletes its contents; the disk stays reserved";

#[derive(clap::Subcommand)]
enum Command {
    /// List volumes with their agents and the tasks that use them
    List(List),
    /// Create a volume on reserved disk
    #[command(after_help = EXAMPLES)]
    Create(Create),
    /// Destroy a volume and delete its contents
    Destroy(Destroy),
    /// Make a volume larger, with disk that is reserved to its role
    Grow(Resize),
    /// Make a volume smaller; the freed disk stays reserved
    Shrink(Resize),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    target: Target,
    /// Print JSON: each volume with its agent and the tasks that use it
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Create {
    /// The agent: its id, the end or beginning of its id, or its host name
    agent: String,
    /// The role of the volume; disk has to be reserved to this role on the agent
    #[arg(long)]
    role: String,
    /// The id of the volume, which is unique in its role on its agent
    #[arg(long)]
    id: String,
    /// The size, e.g. 512 (MB) or 50GB
    #[arg(long, value_parser = megabytes, allow_negative_numbers = true)]
    size: f64,
    /// The path in the sandbox at which tasks find it [default: its id]
    #[arg(long)]
    path: Option<String>,
    /// Let several tasks use it at once
    #[arg(long)]
    shared: bool,
    /// Use the separate disk with this root, instead of the disk of the agent's --work_dir
    #[arg(long, value_name = "ROOT")]
    disk: Option<String>,
    /// The principal that creates it, if the master authenticates its callers
    #[arg(long)]
    principal: Option<String>,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct Destroy {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct Resize {
    #[command(flatten)]
    named: Named,
    /// The amount, e.g. 512 (MB) or 10GB
    #[arg(long, value_parser = megabytes, allow_negative_numbers = true)]
    by: f64,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct Named {
    /// The id of the volume, or the beginning of it
    volume: String,
    /// The agent, if there are several such volumes
    #[arg(long)]
    agent: Option<String>,
    /// The role, if there are several such volumes
    #[arg(long)]
    role: Option<String>,
}

/// A volume and its agent.
struct Found<'a> {
    agent: &'a Agent,
    volume: Resource,
}

pub async fn volume(args: Volume) -> Result<(), CommandError> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Create(args) => create(args).await,
        Command::Destroy(args) => destroy(args).await,
        Command::Grow(args) => grow(args).await,
        Command::Shrink(args) => shrink(args).await,
    }
}

async fn list(args: List) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    let found = all(&state)?;
    if args.json {
        let volumes: Vec<Value> = found.iter().map(|one| as_json(&state, one)).collect();
        output::json(json!({ "volumes": volumes }));
        return Ok(());
    }
    if found.is_empty() {
        output::line("No volumes. `tepui volume --help` shows how to create one.");
        return Ok(());
    }
    let row = |one: &Found<'_>| {
        let users = users(&state, one);
        vec![
            one.id().to_owned(),
            format!("{} ({})", short(one.agent_id()), one.agent.agent_info.hostname),
            one.role().to_owned(),
            one.size().to_string(),
            if one.volume.is_shared() { "yes" } else { "no" }.to_owned(),
            if users.is_empty() { "-".to_owned() } else { users.join(", ") },
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    output::print(render(&["VOLUME", "AGENT", "ROLE", "SIZE (MB)", "SHARED", "USED BY"], &rows));
    Ok(())
}

fn as_json(state: &State, found: &Found<'_>) -> Value {
    let volume: Value = serde_json::from_slice(&wire::json::encode(&found.volume.to_proto())).unwrap_or_default();
    json!({
        "id": found.id(), "agent_id": found.agent_id(), "hostname": found.agent.agent_info.hostname,
        "role": found.role(), "size": found.size().as_f64(), "shared": found.volume.is_shared(),
        "tasks": users(state, found), "resource": volume,
    })
}

/// Returns the live tasks that use the volume.
fn users(state: &State, found: &Found<'_>) -> Vec<String> {
    let is_it = |resource: &v1::Resource| {
        let disk = resource.disk.as_ref().and_then(|disk| disk.persistence.as_ref());
        disk.is_some_and(|persistence| persistence.id == found.id())
            && resource.reservations.last().is_none_or(|last| last.role() == found.role())
    };
    let here = state.tasks.tasks.iter().filter(|task| task.agent_id.value == found.agent_id());
    here.filter(|task| task.resources.iter().any(is_it)).map(|task| task.task_id.value.clone()).collect()
}

async fn create(args: Create) -> Result<(), CommandError> {
    let state = State::get(&args.operator_call.target.master).await?;
    let agent = find::agent(&state, &args.agent)?;
    let id = find::agent_id(&state, &args.agent)?;
    let fits = |one: &Resource| reserved_to(one, &args.role) && root(one) == args.disk.as_deref();
    let Some(piece) = AgentResources::of(agent)?.single_piece(Scalar::from_f64(args.size), fits) else {
        return Err(no_disk(agent, args.size, &args.role, args.disk.as_deref()));
    };
    let mut volume = piece.to_proto();
    let disk: &mut DiskInfo = volume.disk.get_or_insert_default();
    disk.persistence = Some(Persistence { id: args.id.clone(), principal: args.principal });
    disk.volume = Some(Box::new(v1::Volume {
        mode: Mode::Rw.into(),
        container_path: args.path.unwrap_or_else(|| args.id.clone()),
        ..Default::default()
    }));
    volume.shared = args.shared.then_some(SharedInfo {});
    let size = piece.value().as_scalar().unwrap_or(Scalar::ZERO);
    let said = format!("volume {} of {size} MB is created on agent {} for {}", args.id, short(&id.value), args.role);
    args.operator_call.send(&operator_calls::create_volumes(id, vec![volume]), said).await
}

/// Returns the root of a separate disk.
fn root(resource: &Resource) -> Option<&str> {
    let root = &resource.disk()?.source.as_ref()?.root;
    root.path.as_ref().or(root.mount.as_ref())?.as_deref()
}

fn no_disk(agent: &Agent, size: f64, role: &str, disk: Option<&str>) -> CommandError {
    let id = short(agent.agent_info.id.as_ref().map_or("", |id| id.value.as_str()));
    let (place, next) = match disk {
        Some(root) => (format!(" on the disk {root}"), "`tepui agents --json` shows its disks".to_owned()),
        None => (String::new(), format!("reserve it first: tepui reserve {id} disk:{size} --role {role}")),
    };
    CommandError::message(format!("agent {id} has no {size} MB in one piece{place} that is reserved to {role}: {next}"))
}

async fn destroy(args: Destroy) -> Result<(), CommandError> {
    let state = State::get(&args.operator_call.target.master).await?;
    let found = args.named.find(&state)?;
    let said =
        format!("volume {} on agent {} is destroyed, and what was in it deleted", found.id(), short(found.agent_id()));
    let call = operator_calls::destroy_volumes(found.agent(), vec![found.volume.to_proto()]);
    args.operator_call.send(&call, said).await
}

async fn grow(args: Resize) -> Result<(), CommandError> {
    let state = State::get(&args.operator_call.target.master).await?;
    let found = args.named.find(&state)?;
    let own = found.volume.without_persistence();
    let alike = |one: &Resource| one.reservations() == own.reservations() && one.disk() == own.disk();
    let Some(addition) = AgentResources::of(found.agent)?.single_piece(Scalar::from_f64(args.by), alike) else {
        return Err(no_disk(found.agent, args.by, found.role(), root(&own)));
    };
    let size = found.size().as_f64() + args.by;
    let said = format!("volume {} on agent {} has {size} MB now", found.id(), short(found.agent_id()));
    let call = operator_calls::grow_volume(found.agent(), found.volume.to_proto(), addition.to_proto());
    args.operator_call.send(&call, said).await
}

async fn shrink(args: Resize) -> Result<(), CommandError> {
    let state = State::get(&args.operator_call.target.master).await?;
    let found = args.named.find(&state)?;
    let size = found.size().as_f64() - args.by;
    let said = format!("volume {} on agent {} has {size} MB now", found.id(), short(found.agent_id()));
    args.operator_call.send(&operator_calls::shrink_volume(found.agent(), found.volume.to_proto(), args.by), said).await
}

fn all(state: &State) -> Result<Vec<Found<'_>>, CommandError> {
    let mut found = Vec::new();
    for agent in &state.agents.agents {
        let volumes = AgentResources::of(agent)?.volumes();
        found.extend(volumes.iter().map(|volume| Found { agent, volume: volume.clone() }));
    }
    Ok(found)
}

impl Named {
    fn find<'a>(&self, state: &'a State) -> Result<Found<'a>, CommandError> {
        let on = self.agent.as_deref().map(|agent| find::agent_id(state, agent)).transpose()?;
        let mut fitting = all(state)?;
        fitting.retain(|one| {
            one.id().starts_with(&self.volume)
                && on.as_ref().is_none_or(|id| one.agent_id() == id.value)
                && self.role.as_deref().is_none_or(|role| one.role() == role)
        });
        if fitting.iter().any(|one| one.id() == self.volume) {
            fitting.retain(|one| one.id() == self.volume);
        }
        let given = &self.volume;
        if fitting.len() > 1 {
            let places: Vec<String> = fitting
                .iter()
                .take(5)
                .map(|one| format!("{} of {} on {}", one.id(), one.role(), short(one.agent_id())))
                .collect();
            return Err(CommandError::message(format!(
                "'{given}' could be {}: add --agent or --role",
                places.join(", ")
            )));
        }
        fitting
            .pop()
            .ok_or_else(|| CommandError::message(format!("no volume '{given}': `tepui volume list` lists them")))
    }
}

impl Found<'_> {
    fn id(&self) -> &str {
        self.volume.disk().and_then(|disk| disk.persistence.as_ref()).map_or("", |persistence| &persistence.id)
    }

    fn agent(&self) -> v1::AgentId {
        self.agent.agent_info.id.clone().unwrap_or_default()
    }

    fn agent_id(&self) -> &str {
        self.agent.agent_info.id.as_ref().map_or("", |id| id.value.as_str())
    }

    fn role(&self) -> &str {
        self.volume.reservation_role().map_or("*", |role| role.as_str())
    }

    fn size(&self) -> Scalar {
        self.volume.value().as_scalar().unwrap_or(Scalar::ZERO)
    }
}
