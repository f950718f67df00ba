//! The updates of a command executor that ended before an agent had confirmed them: it leaves the SUBSCRIBE call that it
//! would have made next in its sandbox (`executor::last_updates`).

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use messages::v1::TaskStatus;
use messages::v1::executor::Call;
use rustix::fs::OFlags;
use wire::Limits;

const NAME: &str = ".last-updates";
/// More than any executor keeps.
const MAX_LENGTH: u64 = 4 << 20;

/// Mostly nothing. The sandbox is its task's to write to, so nothing in the place of the file is followed, waited for, or
/// believed to be short.
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
