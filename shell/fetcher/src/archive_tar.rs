//! Members of a tar archive.

use std::io::Read;
use std::path::Path;

use tar::{Archive, Entry, EntryType};

use crate::byte_limit::{self, ByteBudget, LimitedReader};
use crate::error::Reason;
use crate::fetch::write_error;
use crate::plan::Plan;
use crate::sandbox::{Sandbox, set_file_mode, set_modified};
use crate::sandbox_path::{InvalidPath, SandboxPath};

/// What lies between two members at most: headers with long names and attributes, which the decoder keeps in memory.
const HEADER_BYTES: u64 = 1 << 20;

pub(crate) fn unpack(archive: impl Read, sandbox: &Sandbox, plan: &Plan) -> Result<(), Reason> {
    let unpacked = ByteBudget::new(plan.limits.unpacked_bytes);
    // The decoder reads headers by itself and members at our request, from one stream: while a member is read the
    // allowance for headers is refilled again and again.
    let headers = ByteBudget::new(HEADER_BYTES);
    let mut archive = Archive::new(LimitedReader::new(archive, headers.clone()));
    let mut members = 0;
    for entry in archive.entries().map_err(Reason::Archive)? {
        let entry = entry.map_err(Reason::Archive)?;
        members += 1;
        if members > plan.limits.entries {
            return Err(Reason::TooManyMembers(plan.limits.entries));
        }
        unpack_member(Refilling { entry, headers: headers.clone() }, sandbox, plan, &unpacked)?;
        headers.refill();
    }
    Ok(())
}

struct Refilling<'a, R: Read> {
    entry: Entry<'a, R>,
    headers: ByteBudget,
}

impl<R: Read> Read for Refilling<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.headers.refill();
        self.entry.read(buffer)
    }
}

fn unpack_member<R: Read>(
    mut member: Refilling<'_, R>,
    sandbox: &Sandbox,
    plan: &Plan,
    unpacked: &ByteBudget,
) -> Result<(), Reason> {
    let path = member.entry.path().map_err(Reason::Archive)?.into_owned();
    let shown = || path.display().to_string();
    let sandbox_path = match SandboxPath::new(&path) {
        Ok(sandbox_path) => sandbox_path,
        // `./`, which many archives begin with.
        Err(InvalidPath::Root) => return skip_content(&mut member, plan, unpacked),
        Err(InvalidPath::Escapes) => return Err(Reason::MemberOutside(shown())),
    };
    let failed_to_write = |source| write_error(&sandbox_path, source);
    let mode = member.entry.header().mode().unwrap_or(0o644);
    match member.entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let modified = member.entry.header().mtime().ok().and_then(|time| i64::try_from(time).ok());
            let mut file = sandbox.create(&sandbox_path).map_err(failed_to_write)?;
            byte_limit::copy(&mut member, &mut file, unpacked, &plan.cancelled, Reason::Archive, failed_to_write)?;
            set_file_mode(&file, mode).map_err(failed_to_write)?;
            if let Some(modified) = modified {
                set_modified(&file, modified).map_err(failed_to_write)?;
            }
            Ok(())
        }
        EntryType::Directory => {
            sandbox.create_directory(&sandbox_path, mode).map_err(failed_to_write)?;
            skip_content(&mut member, plan, unpacked)
        }
        EntryType::Symlink => {
            let target = link_name(&member.entry)?;
            if !sandbox_path.may_link_to(&target) {
                return Err(Reason::MemberOutside(shown()));
            }
            sandbox.link_symbolically(&sandbox_path, &target).map_err(failed_to_write)
        }
        EntryType::Link => {
            // Relative to the archive's root, unlike the target of a symbolic link.
            let target = link_name(&member.entry)?;
            let target = SandboxPath::new(&target).map_err(|_| Reason::MemberOutside(shown()))?;
            sandbox.link_hard(&sandbox_path, &target).map_err(failed_to_write)
        }
        EntryType::XGlobalHeader => skip_content(&mut member, plan, unpacked),
        // Devices and pipes have no business in a sandbox.
        _ => Err(Reason::MemberKind(shown())),
    }
}

fn link_name<R: Read>(entry: &Entry<'_, R>) -> Result<std::path::PathBuf, Reason> {
    let name = entry.link_name().map_err(Reason::Archive)?;
    Ok(name.map_or_else(|| Path::new("").to_owned(), |name| name.into_owned()))
}

/// Reads what a member without content has all the same.
fn skip_content(member: &mut dyn Read, plan: &Plan, unpacked: &ByteBudget) -> Result<(), Reason> {
    let nowhere = &mut std::io::sink();
    byte_limit::copy(member, nowhere, unpacked, &plan.cancelled, Reason::Archive, Reason::Archive)?;
    Ok(())
}
