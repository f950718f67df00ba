//! Processes of `tepui local` end with it, however it ends: after kill -9 they would hold its ports, and a cluster that is
//! started again would find another one in its place. Being killed costs a master or an agent nothing, nor its tasks.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::commands::CommandError;

/// The variable in which a process is told whom it accompanies.
pub const LOCAL_PARENT: &str = "TEPUI_LOCAL_PID";

/// To be called at the start of a process. See prctl(2), PR_SET_PDEATHSIG.
pub fn end_with_parent() -> Result<(), CommandError> {
    let Some(parent) = std::env::var(LOCAL_PARENT).ok().and_then(|pid| Pid::from_raw(pid.parse().ok()?)) else {
        return Ok(());
    };
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| CommandError::Io {
        doing: "ask to end with `tepui local`".to_owned(),
        source: error.into(),
    })?;
    // It may have ended before we asked.
    match getppid() == Some(parent) {
        true => Ok(()),
        false => Err(CommandError::message("the `tepui local` that started this has ended")),
    }
}
