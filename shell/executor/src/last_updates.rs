//! Writes the updates of an executor that ends before its agent has confirmed them to a file of its sandbox, as the
//! SUBSCRIBE call that would have been next. The agent reads the file when it finds that the container has ended
//! (`agent-server`, `unacknowledged_updates`).

use std::fs::{self, File};
use std::io::{self, Write};

use messages::v1::executor::Call;

use crate::write_stderr::write_stderr;

const NAME: &str = ".last-updates";

/// Keeps the updates of a SUBSCRIBE call for the next agent, if there are any. An executor that cannot write them ends
/// nevertheless.
pub(crate) fn keep(subscribe: &Call) {
    let has_updates = subscribe.subscribe.as_ref().is_some_and(|call| !call.unacknowledged_updates.is_empty());
    if has_updates && let Err(error) = write(subscribe) {
        write_stderr(format_args!("executor: the last updates are lost: {error}"));
    }
}

/// Writes the file to the working directory, completely or not at all.
fn write(subscribe: &Call) -> io::Result<()> {
    let temporary = format!("{NAME}.new");
    let mut file = File::create(&temporary)?;
    file.write_all(&wire::encode(subscribe))?;
    file.sync_data()?;
    fs::rename(temporary, NAME)
}
