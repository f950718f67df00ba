//! Unpacks a fetched archive into the sandbox. Its name determines its kind.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

use crate::byte_limit::{self, ByteBudget};
use crate::error::Reason;
use crate::fetch::write_error;
use crate::plan::Plan;
use crate::sandbox::Sandbox;
use crate::sandbox_path::SandboxPath;
use crate::warnings::Warnings;
use crate::{archive_tar, archive_zip};

/// The memory limit for an xz stream in KiB. The stream names the memory that it needs: `xz -9` needs 64 MiB, a hostile
/// one 4 GiB.
const XZ_MEMORY_KIB: u32 = 256 * 1024;

/// The kind of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tar(Compression),
    Zip,
    /// One compressed file, whose name loses its last extension.
    Single(Compression),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
}

impl Kind {
    /// Returns the kind by the extension, as Mesos does; `None` for any other extension.
    pub fn of(name: &str) -> Option<Kind> {
        const KINDS: [(&str, Kind); 11] = [
            (".tar", Kind::Tar(Compression::None)),
            (".tgz", Kind::Tar(Compression::Gzip)),
            (".tar.gz", Kind::Tar(Compression::Gzip)),
            (".tbz2", Kind::Tar(Compression::Bzip2)),
            (".tar.bz2", Kind::Tar(Compression::Bzip2)),
            (".txz", Kind::Tar(Compression::Xz)),
            (".tar.xz", Kind::Tar(Compression::Xz)),
            (".zip", Kind::Zip),
            (".gz", Kind::Single(Compression::Gzip)),
            (".bz2", Kind::Single(Compression::Bzip2)),
            (".xz", Kind::Single(Compression::Xz)),
        ];
        KINDS.iter().find(|(extension, _)| name.ends_with(extension)).map(|(_, kind)| *kind)
    }
}

pub(crate) fn unpack(
    kind: Kind,
    file: File,
    name: &Path,
    sandbox: &Sandbox,
    plan: &Plan,
    warnings: &mut Warnings,
) -> Result<(), Reason> {
    match kind {
        Kind::Zip => archive_zip::unpack(file, sandbox, plan, warnings),
        Kind::Tar(compression) => archive_tar::unpack(decompress(compression, file), sandbox, plan, warnings),
        Kind::Single(compression) => {
            let destination = SandboxPath::new(&name.with_extension("")).map_err(|_| Reason::OutputOutside)?;
            let failed_to_write = |source| write_error(&destination, source);
            let mut output = sandbox.create(&destination).map_err(failed_to_write)?;
            let budget = ByteBudget::new(plan.limits.unpacked_bytes);
            let mut input = decompress(compression, file);
            byte_limit::copy(&mut input, &mut output, &budget, &plan.cancelled, Reason::Archive, failed_to_write)?;
            Ok(())
        }
    }
}

fn decompress(compression: Compression, file: File) -> Box<dyn Read> {
    let file = BufReader::new(file);
    match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
        Compression::Bzip2 => Box::new(MultiBzDecoder::new(file)),
        Compression::Xz => Box::new(XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB)),
    }
}
