//! Members of a tar archive.

use std::io::Read;
use std::path::Path;

use tar::{Archive, Entry, EntryType};

use crate::error::Reason;
use crate::fetch::write_error;
use crate::inside::{Inside, Outside};
use crate::meter::{self, Allowance, Metered};
use crate::plan::Plan;
use crate::sandbox::{Sandbox, set_file_mode, set_modified};

/// What lies between two members at most: headers with long names and attributes, which the decoder keeps in memory.
const HEADER_BYTES: u64 = 1 << 20;

pub(crate) fn unpack(archive: impl Read, sandbox: &Sandbox, plan: &Plan) -> Result<(), Reason> {
    let unpacked = Allowance::new(plan.limits.unpacked_bytes);
    // The decoder reads headers by itself and members at our request, from one stream: while a member is read the
    // allowance for headers is refilled again and again.
    let headers = Allowance::new(HEADER_BYTES);
    let mut archive = Archive::new(Metered::new(archive, headers.clone()));
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
    headers: Allowance,
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
    unpacked: &Allowance,
) -> Result<(), Reason> {
    let path = member.entry.path().map_err(Reason::Archive)?.into_owned();
    let shown = || path.display().to_string();
    let inside = match Inside::new(&path) {
        Ok(inside) => inside,
        // `./`, which many archives begin with.
        Err(Outside::Root) => return drain(&mut member, plan, unpacked),
        Err(Outside::Escapes) => return Err(Reason::MemberOutside(shown())),
    };
    let failed_to_write = |source| write_error(&inside, source);
    let mode = member.entry.header().mode().unwrap_or(0o644);
    match member.entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let modified = member.entry.header().mtime().ok().and_then(|time| i64::try_from(time).ok());
            let mut file = sandbox.create(&inside).map_err(failed_to_write)?;
            meter::copy(&mut member, &mut file, unpacked, &plan.cancelled, Reason::Archive, failed_to_write)?;
            set_file_mode(&file, mode).map_err(failed_to_write)?;
            if let Some(modified) = modified {
                set_modified(&file, modified).map_err(failed_to_write)?;
            }
            Ok(())
        }
        EntryType::Directory => {
            sandbox.create_directory(&inside, mode).map_err(failed_to_write)?;
            drain(&mut member, plan, unpacked)
        }
        EntryType::Symlink => {
            let target = link_name(&member.entry)?;
            if !inside.may_link_to(&target) {
                return Err(Reason::MemberOutside(shown()));
            }
            sandbox.link_symbolically(&inside, &target).map_err(failed_to_write)
        }
        EntryType::Link => {
            // Relative to the archive's root, unlike the target of a symbolic link.
            let target = link_name(&member.entry)?;
            let target = Inside::new(&target).map_err(|_| Reason::MemberOutside(shown()))?;
            sandbox.link_hard(&inside, &target).map_err(failed_to_write)
        }
        EntryType::XGlobalHeader => drain(&mut member, plan, unpacked),
        // Devices and pipes have no business in a sandbox.
        _ => Err(Reason::MemberKind(shown())),
    }
}

fn link_name<R: Read>(entry: &Entry<'_, R>) -> Result<std::path::PathBuf, Reason> {
    let name = entry.link_name().map_err(Reason::Archive)?;
    Ok(name.map_or_else(|| Path::new("").to_owned(), |name| name.into_owned()))
}

/// Reads what a member without content has all the same.
fn drain(member: &mut dyn Read, plan: &Plan, unpacked: &Allowance) -> Result<(), Reason> {
    let nowhere = &mut std::io::sink();
    meter::copy(member, nowhere, unpacked, &plan.cancelled, Reason::Archive, Reason::Archive)?;
    Ok(())
}
