//! Makes the processes of `tepui local` end with it, even after kill -9. Otherwise they would keep its ports, and a
//! cluster that is started again would find the old one. Killing a master or an agent loses nothing and does not end
//! its tasks.

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::commands::CommandError;

/// The environment variable with the pid of the `tepui local` that started this process.
pub const LOCAL_PARENT: &str = "TEPUI_LOCAL_PID";

/// Makes this process end with its parent; it is called at the start of the process. See prctl(2), PR_SET_PDEATHSIG.
///
/// # Errors
///
/// Fails if the parent has ended already or the call fails.
pub fn end_with_parent() -> Result<(), CommandError> {
    let Some(parent) = std::env::var(LOCAL_PARENT).ok().and_then(|pid| Pid::from_raw(pid.parse().ok()?)) else {
        return Ok(());
    };
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| CommandError::Io {
        doing: "ask to end with `tepui local`".to_owned(),
        source: error.into(),
    })?;
    // The parent may have ended before the call.
    match getppid() == Some(parent) {
        true => Ok(()),
        false => Err(CommandError::message("the `tepui local` that started this has ended")),
    }
}
