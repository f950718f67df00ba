//! Writes the updates of an executor that ends before its agent has confirmed them to a file of its sandbox, as the
//! SUBSCRIBE call that would have been next. The agent reads the file when it finds that the container has ended
//! (`agent-server`, `unacknowledged_updates`).

use std::fs::{self, File};
use std::io::{self, Write};

use messages::v1::executor::Call;

const NAME: &str = ".last-updates";

/// Writes the file to the working directory, completely or not at all.
pub(crate) fn write(subscribe: &Call) -> io::Result<()> {
    let temporary = format!("{NAME}.new");
    let mut file = File::create(&temporary)?;
    file.write_all(&wire::encode(subscribe))?;
    file.sync_data()?;
    fs::rename(temporary, NAME)
}
