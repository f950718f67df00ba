//! A batch in the background. A separate process stays subscribed, so that waiting tasks get offers, updates are
//! acknowledged, and the framework is removed when all tasks are over.
//!
//! The process that the user starts waits until the other one is subscribed and prints the ids. The background process
//! writes one line of JSON to its stdout: `{"ids": […]}` or `{"error": "…"}`.

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

/// The environment variable that is set for the process in the background.
const BACKGROUND: &str = "TEPUI_RUN_IN_BACKGROUND";

/// The seconds for which a master keeps the tasks when the process in the background is gone: a week.
pub const FAILOVER_TIMEOUT: f64 = 7.0 * 24.0 * 3600.0;

/// Returns whether this is the process in the background.
pub fn is_background() -> bool {
    std::env::var_os(BACKGROUND).is_some()
}

/// Detaches this process from its terminal, so that neither the end of the terminal nor Ctrl-C affects it, and from its
/// current directory. See setsid(2).
pub fn leave_the_terminal() {
    // All files that the command names have been read, so nothing depends on the directory.
    let _ = std::env::set_current_dir("/");
    // The call fails only for the leader of a process group, and this process was just created by its parent.
    let _ = rustix::process::setsid();
}

/// Starts this command again in the background, and returns when its framework is subscribed.
///
/// # Errors
///
/// Returns the error of the process in the background.
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
            // The process may have ended already.
            let _ = child.kill().await;
            return Ok(ExitCode::from(batch::signalled(signal)));
        }
    }
    let reported: Value = serde_json::from_str(&line).unwrap_or_default();
    match (reported["ids"].as_array(), reported["error"].as_str()) {
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
///
/// Fails like a batch; only `start` is notified.
pub async fn run(options: batch::Options, plan: Plan) -> Result<ExitCode, CommandError> {
    let ids: Vec<String> = plan.tasks().iter().map(|task| task.info.task_id.value.clone()).collect();
    let mut reporter = StartReporter { ids, reported: false };
    let mut batch = match Batch::new(options, plan) {
        Ok(batch) => batch,
        Err(error) => return Err(reporter.failed(error)),
    };
    batch.run(&mut reporter).await.map_err(|error| reporter.failed(error))?;
    // The tasks are not ended when the machine of this process shuts down, because they run elsewhere.
    if !batch.is_interrupted() {
        batch.leave().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// Notifies the process that waits.
struct StartReporter {
    ids: Vec<String>,
    reported: bool,
}

impl StartReporter {
    fn failed(&mut self, error: tepui_client::Error) -> CommandError {
        let failure = CommandError::Client(error);
        if !self.reported {
            output::json(json!({ "error": model::with_sources(&failure) }));
        }
        failure
    }
}

impl Observer for StartReporter {
    fn subscribed(&mut self, framework: &v1::FrameworkId) {
        let named: Vec<String> = self.ids.iter().map(|id| format!("{}/{id}", short(&framework.value))).collect();
        output::json(json!({ "ids": named }));
        self.reported = true;
    }
}
