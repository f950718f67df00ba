//! Reads the updates of a command executor that ended before an agent had confirmed them. The executor leaves the
//! SUBSCRIBE call that it would have made next in its sandbox (`executor::last_updates`).

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use messages::v1::TaskStatus;
use messages::v1::executor::Call;
use rustix::fs::OFlags;
use wire::Limits;

const NAME: &str = ".last-updates";
/// The maximum size of the file in bytes, more than any executor writes.
const MAX_LENGTH: u64 = 4 << 20;

/// Returns the updates of the file; usually there is no file. The task can write to the sandbox, so the file may be a
/// link, a pipe or of any size: none is followed, waited for, or read beyond the maximum.
pub fn read(sandbox: &Path) -> Vec<TaskStatus> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(sandbox.join(NAME)) else {
        return Vec::new();
    };
    let regular = file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_LENGTH);
    let mut bytes = Vec::new();
    if !regular || file.take(MAX_LENGTH).read_to_end(&mut bytes).is_err() {
        return Vec::new();
    }
    let subscribe = wire::decode::<Call>(&bytes, &Limits::default()).ok().and_then(|call| call.subscribe);
    let updates = subscribe.map(|subscribe| subscribe.unacknowledged_updates).unwrap_or_default();
    updates.into_iter().map(|update| update.status).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_sandbox_can_hold_anything() {
        let sandbox = tempfile::tempdir().unwrap();
        let path = sandbox.path().join(NAME);
        assert!(read(sandbox.path()).is_empty());
        fs::write(&path, "no call").unwrap();
        assert!(read(sandbox.path()).is_empty());
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(read(sandbox.path()).is_empty());
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert!(read(sandbox.path()).is_empty());
    }
}
