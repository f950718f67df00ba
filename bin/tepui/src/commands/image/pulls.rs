//! `tepui image pulls`: the images that the agents of a cluster are pulling.

use serde_json::json;
use tepui_client::{Address, get_json};

use crate::commands::cli::{CommandError, Target};
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

/// One pull of an agent.
struct Pull {
    agent: String,
    image: String,
    container: String,
    progress: String,
}

/// Asks every agent for its pulls. An agent that does not answer is named on stderr.
pub async fn pulls(args: Pulls) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
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
    if args.json {
        let shown = |pull: &Pull| json!({ "agent": pull.agent, "image": pull.image, "container": pull.container, "progress": pull.progress });
        output::json(serde_json::Value::from(found.iter().map(shown).collect::<Vec<_>>()));
    } else if found.is_empty() {
        output::line("No agent is pulling an image.");
    } else {
        let rows: Vec<Vec<String>> =
            found.into_iter().map(|pull| vec![pull.agent, pull.image, pull.container, pull.progress]).collect();
        output::print(table::render(&["AGENT", "IMAGE", "CONTAINER", "PROGRESS"], &rows));
    }
    Ok(())
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
