//! The updates of an executor that ends before its agent has confirmed them, in a file of its sandbox: the SUBSCRIBE call
//! it would have made next. The agent reads it when it finds the container gone (`agent-server`, `unacknowledged_updates`).

use std::fs::{self, File};
use std::io::{self, Write};

use messages::v1::executor::Call;

const NAME: &str = ".last-updates";

/// Into the working directory, whole or not at all.
pub(crate) fn write(subscribe: &Call) -> io::Result<()> {
    let temporary = format!("{NAME}.new");
    let mut file = File::create(&temporary)?;
    file.write_all(&wire::encode(subscribe))?;
    file.sync_data()?;
    fs::rename(temporary, NAME)
}
