//! Unpacks the members of a zip archive.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use untrusted_files::is_link_target;
use zip::ZipArchive;
use zip::read::ZipFile;

use crate::byte_limit::{self, ByteBudget};
use crate::error::Reason;
use crate::fetch::write_error;
use crate::plan::Plan;
use crate::sandbox::{Sandbox, set_file_mode};
use crate::sandbox_path::{InvalidPath, SandboxPath};
use crate::warnings::Warnings;

/// `S_IFMT` and the file types, in the upper half of a member's external attributes.
const KIND: u32 = 0o170_000;
const KIND_NONE: u32 = 0;
const KIND_FILE: u32 = 0o100_000;
const KIND_DIRECTORY: u32 = 0o040_000;
const KIND_LINK: u32 = 0o120_000;
const KIND_PIPE: u32 = 0o010_000;

const MAX_LINK: u64 = 4096;

pub(crate) fn unpack(file: File, sandbox: &Sandbox, plan: &Plan, warnings: &mut Warnings) -> Result<(), Reason> {
    let unpacked = ByteBudget::new(plan.limits.unpacked_bytes);
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    if archive.len() as u64 > plan.limits.entries {
        return Err(Reason::TooManyMembers(plan.limits.entries));
    }
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).map_err(broken)?;
        if member.encrypted() {
            return Err(Reason::Encrypted(member.name().to_owned()));
        }
        drop(member);
        unpack_member(archive.by_index(index).map_err(broken)?, sandbox, plan, &unpacked, warnings)?;
    }
    Ok(())
}

fn unpack_member<R: Read>(
    mut member: ZipFile<'_, R>,
    sandbox: &Sandbox,
    plan: &Plan,
    unpacked: &ByteBudget,
    warnings: &mut Warnings,
) -> Result<(), Reason> {
    let shown = member.name().to_owned();
    // The raw name of the archive; the decoder changes names for display.
    let path = Path::new(OsStr::from_bytes(member.name_raw())).to_owned();
    let sandbox_path = match SandboxPath::of_member(&path) {
        Ok(sandbox_path) => sandbox_path,
        Err(InvalidPath::Root) => return Ok(()),
        Err(InvalidPath::Escapes) => return Err(Reason::MemberOutside(shown)),
    };
    if path.is_absolute() {
        warnings.add("removed the leading '/' from names of members");
    }
    let failed_to_write = |source| write_error(&sandbox_path, source);
    let mode = member.unix_mode();
    match mode.unwrap_or(0) & KIND {
        _ if member.is_dir() => sandbox.create_directory(&sandbox_path, mode.unwrap_or(0o755)).map_err(failed_to_write),
        KIND_DIRECTORY => sandbox.create_directory(&sandbox_path, mode.unwrap_or(0o755)).map_err(failed_to_write),
        KIND_FILE | KIND_NONE => {
            let mut file = sandbox.create(&sandbox_path).map_err(failed_to_write)?;
            byte_limit::copy(&mut member, &mut file, unpacked, &plan.cancelled, Reason::Archive, failed_to_write)?;
            set_file_mode(&file, mode.unwrap_or(0o644)).map_err(failed_to_write)
        }
        KIND_LINK => {
            let mut target = Vec::new();
            member.take(MAX_LINK).read_to_end(&mut target).map_err(Reason::Archive)?;
            let target = Path::new(OsStr::from_bytes(&target));
            if !is_link_target(target) {
                return Err(Reason::EmptyLink(shown));
            }
            sandbox.link_symbolically(&sandbox_path, target).map_err(failed_to_write)
        }
        KIND_PIPE => sandbox.create_pipe(&sandbox_path, mode.unwrap_or(0o644)).map_err(failed_to_write),
        _ => {
            warnings.add(format!("left out member '{shown}': it is a device or of a kind that is not known"));
            Ok(())
        }
    }
}

fn broken(error: zip::result::ZipError) -> Reason {
    Reason::Archive(io::Error::other(error))
}
