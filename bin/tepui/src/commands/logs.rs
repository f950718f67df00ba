//! `tepui logs`.

use std::time::Duration;

use client::Files;

use super::cli::{CommandError, Target};
use super::find;
use super::state::State;
use crate::output;
use model::is_terminal;

/// How often a followed file is looked at; agents serve it from the page cache.
const POLL: Duration = Duration::from_millis(300);

#[derive(clap::Args)]
pub struct Logs {
    #[command(flatten)]
    target: Target,
    /// The task (id or a unique part of it)
    task: String,
    /// Keep printing what is added, until the task is over
    #[arg(long, short)]
    follow: bool,
    /// Show stderr instead of stdout
    #[arg(long)]
    stderr: bool,
    /// Show another file of the sandbox
    #[arg(long, conflicts_with = "stderr")]
    file: Option<String>,
    /// Start this many bytes before the end
    #[arg(long)]
    tail: Option<u64>,
}

pub async fn logs(args: Logs) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    let task = find::task(&state, &args.task)?;
    let agent = find::agent_of(&state, task)?;
    let sandbox = find::sandbox(&agent, task).await?;
    let file_name = args.file.as_deref().unwrap_or(if args.stderr { "stderr" } else { "stdout" });
    let path = format!("{sandbox}/{file_name}");
    let files = Files::new(agent);
    let start = match args.tail {
        Some(bytes) => files.size(&path).await?.saturating_sub(bytes),
        None => 0,
    };
    let mut file = files.follow(path, start);
    let mut over = is_terminal(task.state());
    let name = format!("{}/{}", task.framework_id.value, task.task_id.value);
    loop {
        let data = file.available().await?;
        output::exact(&data);
        if output::is_closed() {
            return Ok(());
        }
        if !data.is_empty() {
            continue;
        }
        if !args.follow || over {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
        // Looked up before the next read, so that output written before the end is not missed.
        let state = State::get(&args.target.master).await?;
        over = find::task(&state, &name).map_or(true, |t| is_terminal(t.state()));
    }
}
