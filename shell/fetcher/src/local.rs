//! Opens local files of the agent's machine.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

use crate::error::Reason;

/// The type of a `/proc` file system (statfs(2)).
const PROC_SUPER_MAGIC: i64 = 0x9fa0;

/// Opens a regular file. Pipes and devices are refused, because they would block or never end; and files of `/proc`,
/// because those about "self" would show the environment and memory of the agent.
pub(crate) fn open(path: &Path) -> Result<File, Reason> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| Reason::Read(errno.into()))?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| Reason::Read(errno.into()))?;
    let system = rustix::fs::fstatfs(&file).map_err(|errno| Reason::Read(errno.into()))?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    #[allow(clippy::useless_conversion, reason = "the width of f_type differs between architectures")]
    let in_proc = i64::from(system.f_type) == PROC_SUPER_MAGIC;
    if regular && !in_proc { Ok(File::from(file)) } else { Err(Reason::NotAFile(path.display().to_string())) }
}
