//! Unpacks the members of a tar archive.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use tar::{Entry, EntryType};
use untrusted_files::{TarMember, for_each_tar_member, is_link_target};

use crate::byte_limit::{self, ByteBudget};
use crate::error::Reason;
use crate::fetch::write_error;
use crate::plan::Plan;
use crate::sandbox::{Sandbox, set_file_mode, set_modified};
use crate::sandbox_path::{InvalidPath, SandboxPath};
use crate::warnings::Warnings;

/// The maximum of remembered names of omitted members, to which hard links may refer.
const MAX_LEFT_OUT: usize = 10_000;

pub(crate) fn unpack(
    archive: impl Read,
    sandbox: &Sandbox,
    plan: &Plan,
    warnings: &mut Warnings,
) -> Result<(), Reason> {
    let unpacked = ByteBudget::new(plan.limits.unpacked_bytes);
    let mut unpacking = Unpacking { sandbox, plan, unpacked, warnings, left_out: BTreeSet::new() };
    let mut members = 0;
    for_each_tar_member(
        archive,
        |error, _| Reason::Archive(error),
        |member| {
            members += 1;
            if members > plan.limits.entries {
                return Err(Reason::TooManyMembers(plan.limits.entries));
            }
            unpacking.member(member)
        },
    )
}

struct Unpacking<'a> {
    sandbox: &'a Sandbox,
    plan: &'a Plan,
    unpacked: ByteBudget,
    warnings: &'a mut Warnings,
    left_out: BTreeSet<SandboxPath>,
}

impl Unpacking<'_> {
    fn member<R: Read>(&mut self, mut member: TarMember<'_, R>) -> Result<(), Reason> {
        let path = member.entry.path().map_err(Reason::Archive)?.into_owned();
        let sandbox_path = match SandboxPath::of_member(&path) {
            Ok(sandbox_path) => sandbox_path,
            // Many archives begin with `./`.
            Err(InvalidPath::Root) => return self.skip_content(&mut member),
            Err(InvalidPath::Escapes) => return Err(Reason::MemberOutside(path.display().to_string())),
        };
        if path.is_absolute() {
            self.warnings.add("removed the leading '/' from names of members");
        }
        let failed_to_write = |source| write_error(&sandbox_path, source);
        let mode = member.entry.header().mode().unwrap_or(0o644);
        match member.entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let modified = member.entry.header().mtime().ok().and_then(|time| i64::try_from(time).ok());
                let mut file = self.sandbox.create(&sandbox_path).map_err(failed_to_write)?;
                let cancelled = &self.plan.cancelled;
                byte_limit::copy(&mut member, &mut file, &self.unpacked, cancelled, Reason::Archive, failed_to_write)?;
                set_file_mode(&file, mode).map_err(failed_to_write)?;
                if let Some(modified) = modified {
                    set_modified(&file, modified).map_err(failed_to_write)?;
                }
                Ok(())
            }
            EntryType::Directory => {
                self.sandbox.create_directory(&sandbox_path, mode).map_err(failed_to_write)?;
                self.skip_content(&mut member)
            }
            EntryType::Symlink => {
                let target = link_name(&member.entry)?;
                if !is_link_target(&target) {
                    return Err(Reason::EmptyLink(path.display().to_string()));
                }
                self.sandbox.link_symbolically(&sandbox_path, &target).map_err(failed_to_write)
            }
            EntryType::Link => {
                // The path is relative to the root of the archive, unlike the target of a symbolic link.
                let target = link_name(&member.entry)?;
                let outside = |_| Reason::MemberOutside(path.display().to_string());
                let target = SandboxPath::of_member(&target).map_err(outside)?;
                if self.left_out.contains(&target) {
                    let shown = path.display();
                    self.warnings.add(format!("left out member '{shown}': a link to a member that was left out"));
                    return Ok(());
                }
                self.sandbox.link_hard(&sandbox_path, &target).map_err(failed_to_write)
            }
            EntryType::Fifo => {
                self.sandbox.create_pipe(&sandbox_path, mode).map_err(failed_to_write)?;
                self.skip_content(&mut member)
            }
            EntryType::XGlobalHeader => self.skip_content(&mut member),
            kind => {
                let what = match kind {
                    EntryType::Char | EntryType::Block => "a device",
                    _ => "of a kind that is not known",
                };
                self.warnings.add(format!("left out member '{}': it is {what}", path.display()));
                if self.left_out.len() < MAX_LEFT_OUT {
                    self.left_out.insert(sandbox_path);
                }
                self.skip_content(&mut member)
            }
        }
    }

    /// Reads the content of a member that should not have any.
    fn skip_content(&self, member: &mut dyn Read) -> Result<(), Reason> {
        let nowhere = &mut std::io::sink();
        byte_limit::copy(member, nowhere, &self.unpacked, &self.plan.cancelled, Reason::Archive, Reason::Archive)?;
        Ok(())
    }
}

fn link_name<R: Read>(entry: &Entry<'_, R>) -> Result<PathBuf, Reason> {
    let name = entry.link_name().map_err(Reason::Archive)?;
    Ok(name.map_or_else(PathBuf::new, |name| name.into_owned()))
}
