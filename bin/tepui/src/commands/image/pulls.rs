//! `tepui image pulls`: the images that the agents of a cluster are pulling.

use std::time::Duration;

use serde_json::json;
use tepui_client::{Address, get_json};

use crate::commands::cli::{self, CommandError, Target};
use crate::commands::state::State;
use crate::output;
use crate::table;

#[derive(clap::Args)]
pub struct Pulls {
    #[command(flatten)]
    target: Target,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The time for which `tepui images` waits for a cluster that it can do without.
const PATIENCE: Duration = Duration::from_secs(2);

/// One pull of an agent.
struct Pull {
    agent: String,
    image: String,
    container: String,
    progress: String,
}

/// Shows the pulls of all agents.
pub async fn pulls(args: Pulls) -> Result<(), CommandError> {
    let found = in_progress(&args.target.master).await?;
    if args.json {
        let shown = |pull: &Pull| json!({ "agent": pull.agent, "image": pull.image, "container": pull.container, "progress": pull.progress });
        output::json(serde_json::Value::from(found.iter().map(shown).collect::<Vec<_>>()));
    } else if found.is_empty() {
        output::line("No agent is pulling an image.");
    } else {
        print(found);
    }
    Ok(())
}

/// Shows the pulls of all agents if there are any and the default master answers in a moment.
pub async fn print_in_progress() {
    let asked = async {
        let master = cli::default_master().await.ok()?;
        in_progress(&master).await.ok()
    };
    let found = tokio::time::timeout(PATIENCE, asked).await.ok().flatten().unwrap_or_default();
    if !found.is_empty() {
        output::line("\nThe agents of the cluster are pulling:");
        print(found);
    }
}

fn print(found: Vec<Pull>) {
    let rows: Vec<Vec<String>> =
        found.into_iter().map(|pull| vec![pull.agent, pull.image, pull.container, pull.progress]).collect();
    output::print(table::render(&["AGENT", "IMAGE", "CONTAINER", "PROGRESS"], &rows));
}

/// Asks every agent for its pulls. An agent that does not answer is named on stderr.
async fn in_progress(master: &Address) -> Result<Vec<Pull>, CommandError> {
    let state = State::get(master).await?;
    let names = state.agent_names();
    let mut asked = Vec::new();
    for agent in &state.agents.agents {
        let id = agent.agent_info.id.as_ref().map_or("", |id| id.value.as_str());
        let name = names.get(id).cloned().unwrap_or_else(|| id.to_owned());
        let address = agent.pid.as_deref().and_then(|pid| pid.parse::<Address>().ok());
        asked.push(tokio::spawn(async move { (of_agent(&name, address).await, name) }));
    }
    let mut found = Vec::new();
    for answer in asked {
        match answer.await {
            Ok((Ok(pulls), _)) => found.extend(pulls),
            Ok((Err(error), name)) => {
                output::write_stderr(format_args!("tepui: agent {name} does not answer: {error}"))
            }
            Err(error) => return Err(CommandError::message(format!("a question ended by itself: {error}"))),
        }
    }
    Ok(found)
}

async fn of_agent(name: &str, address: Option<Address>) -> Result<Vec<Pull>, tepui_client::Error> {
    let Some(address) = address else { return Err(tepui_client::Error::NoAgent(name.to_owned())) };
    let answer = get_json(&address, "/containerizer/debug").await?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let pull = |entry: &serde_json::Value| Pull {
        agent: name.to_owned(),
        image: text(&entry["args"]["image"]),
        container: text(&entry["args"]["containerId"]),
        progress: text(&entry["args"]["progress"]),
    };
    Ok(answer["pending"].as_array().map(|entries| entries.iter().map(pull).collect()).unwrap_or_default())
}
