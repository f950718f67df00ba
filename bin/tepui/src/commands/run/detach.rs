//! A batch in the background: a process of its own stays subscribed, so that tasks that wait find their offers, statuses are
//! acknowledged, and the framework is removed when all is over.
//!
//! The process that people start waits until the other one is subscribed and prints the ids. The other one writes one line
//! of JSON to its stdout: `{"ids": […]}` or `{"error": "…"}`.

use std::process::{ExitCode, Stdio};

use messages::v1;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::batch::{self, Batch, Observer, Plan};
use crate::commands::cli::CommandError;
use crate::commands::state::short;
use crate::output;
use crate::signals::Cancel;

/// Set for the process in the background.
const BACKGROUND: &str = "TEPUI_RUN_IN_BACKGROUND";

/// How long a master keeps the tasks when the process in the background is gone, in seconds: a week.
pub const FAILOVER_TIMEOUT: f64 = 7.0 * 24.0 * 3600.0;

/// Whether this is the process in the background.
pub fn is_background() -> bool {
    std::env::var_os(BACKGROUND).is_some()
}

/// Neither the end of a terminal nor a Ctrl-C at it is for this process from now on, and it keeps no file system in use.
/// See setsid(2).
pub fn leave_the_terminal() {
    // Nothing depends on where it is: all files that the command names have been read.
    let _ = std::env::set_current_dir("/");
    // It fails for the leader of a process group, which this process is none of: its parent has just made it.
    let _ = rustix::process::setsid();
}

/// Starts this command once more in the background, and returns when its framework is subscribed.
///
/// # Errors
/// What the process in the background failed with.
pub async fn start() -> Result<ExitCode, CommandError> {
    let io = |doing: &str| {
        let doing = doing.to_owned();
        move |source| CommandError::Io { doing, source }
    };
    let program = std::env::current_exe().map_err(io("find this program"))?;
    let mut cancel = Cancel::listen();
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(BACKGROUND, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(io("start a process in the background"))?;
    let stdout =
        child.stdout.take().ok_or_else(|| CommandError::message("the process in the background has no output"))?;
    let mut line = String::new();
    let mut reader = BufReader::new(stdout);
    tokio::select! {
        read = reader.read_line(&mut line) => drop(read.map_err(io("hear of the process in the background"))?),
        signal = cancel.next() => {
            // It may have ended already.
            let _ = child.kill().await;
            return Ok(ExitCode::from(batch::signalled(signal)));
        }
    }
    let told: Value = serde_json::from_str(&line).unwrap_or_default();
    match (told["ids"].as_array(), told["error"].as_str()) {
        (Some(ids), _) => {
            ids.iter().filter_map(Value::as_str).for_each(output::line);
            Ok(ExitCode::SUCCESS)
        }
        (None, Some(error)) => Err(CommandError::message(error)),
        (None, None) => Err(CommandError::message("the process in the background ended without a word")),
    }
}

/// Runs the batch as the process in the background.
///
/// # Errors
/// As those of a batch; nobody but `start` hears of them.
pub async fn run(options: batch::Options, plan: Plan) -> Result<ExitCode, CommandError> {
    let ids: Vec<String> = plan.tasks().iter().map(|task| task.info.task_id.value.clone()).collect();
    let mut herald = Herald { ids, told: false };
    let mut batch = match Batch::new(options, plan) {
        Ok(batch) => batch,
        Err(error) => return Err(herald.failed(error)),
    };
    batch.run(&mut herald).await.map_err(|error| herald.failed(error))?;
    // A machine that goes down is no reason to end the tasks: they run elsewhere.
    if !batch.is_interrupted() {
        batch.leave().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells the process that waits.
struct Herald {
    ids: Vec<String>,
    told: bool,
}

impl Herald {
    fn failed(&mut self, error: client::Error) -> CommandError {
        let failure = CommandError::Client(error);
        if !self.told {
            output::json(json!({ "error": model::with_sources(&failure) }));
        }
        failure
    }
}

impl Observer for Herald {
    fn subscribed(&mut self, framework: &v1::FrameworkId) {
        let named: Vec<String> = self.ids.iter().map(|id| format!("{}/{id}", short(&framework.value))).collect();
        output::json(json!({ "ids": named }));
        self.told = true;
    }
}
