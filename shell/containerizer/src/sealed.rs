//! Helper programs of the agent that run inside containers, as copies that nothing can write to.
//!
//! A container that runs as root can open `/proc/<pid>/exe` of a helper, wait for its end, and overwrite the file: the
//! next helper would then run the attacker's code (CVE-2019-0204, and CVE-2019-5736 in runc). Helpers therefore run
//! from a sealed memory file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// A sealed copy of an executable in memory. All containers run from the same pages.
#[derive(Debug)]
pub struct SealedProgram {
    fd: OwnedFd,
}

impl SealedProgram {
    /// Copies and seals the program at `path`. A copy that cannot be sealed is made anew: see [`until_sealed`].
    ///
    /// # Errors
    /// Returns the error of the operating system if the program cannot be read or copied.
    pub fn copy_of(path: &Path) -> io::Result<Self> {
        let mut source = File::open(path)?;
        let length = loadable_length(&mut source)?;
        until_sealed(|| {
            source.seek(SeekFrom::Start(0))?;
            let mut copy = File::from(executable_memory()?);
            io::copy(&mut (&source).take(length), &mut copy)?;
            forget_sections(&mut copy)?;
            let fd = OwnedFd::from(copy);
            fcntl_add_seals(&fd, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
            Ok(SealedProgram { fd })
        })
    }
}

/// How many copies are made before the agent gives up.
const ATTEMPTS: usize = 16;

/// Makes another copy while the kernel says that this one is in use. `F_SEAL_WRITE` waits about 150 ms for pages that
/// something else in the kernel holds (page migration, reclaim, a batch of a processor's page lists), and then fails
/// with EBUSY though nobody can write to the file (`memfd_wait_for_pins` in mm/memfd.c). On a machine short of memory
/// this happens to a process that does nothing wrong, and the next copy has other pages.
fn until_sealed<T>(mut copy: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..ATTEMPTS {
        match copy() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            outcome => return outcome,
        }
    }
    copy()
}

impl AsFd for SealedProgram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Creates an executable memory file. The flag is needed where an administrator has set `vm.memfd_noexec`; kernels
/// before 6.3 do not know the flag.
fn executable_memory() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create("tepui", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => Ok(memfd_create("tepui", flags)?),
        outcome => Ok(outcome?),
    }
}

// Offsets of the ELF-64 header and of its program headers (elf(5)).
const E_PHOFF: usize = 32;
const E_SHOFF: usize = 40;
const E_PHENTSIZE: usize = 54;
const E_PHNUM: usize = 56;
const E_SHNUM: usize = 60;
const HEADER: usize = 64;
const P_OFFSET: usize = 8;
const P_FILESZ: usize = 32;

/// Returns the length of the part of an ELF file that is ever mapped. Debug information follows the segments and is not
/// copied into memory. A file that is not a 64-bit little-endian ELF is copied whole.
fn loadable_length(file: &mut File) -> io::Result<u64> {
    let whole = file.metadata()?.len();
    let mut header = [0u8; HEADER];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"\x7fELF\x02\x01") {
        return Ok(whole);
    }
    let table = number(&header, E_PHOFF, 8);
    let size = number(&header, E_PHENTSIZE, 2);
    let count = number(&header, E_PHNUM, 2);
    if size < 56 {
        return Ok(whole);
    }
    let mut end = table + size * count;
    file.seek(SeekFrom::Start(table))?;
    for _ in 0..count {
        let mut entry = vec![0u8; usize::try_from(size).unwrap_or(56)];
        file.read_exact(&mut entry)?;
        end = end.max(number(&entry, P_OFFSET, 8).saturating_add(number(&entry, P_FILESZ, 8)));
    }
    Ok(end.min(whole))
}

/// Clears the reference to the section table, which was cut off, so that debuggers do not search for it.
fn forget_sections(file: &mut File) -> io::Result<()> {
    let mut magic = [0u8; 6];
    file.seek(SeekFrom::Start(0))?;
    if file.read_exact(&mut magic).is_err() || !magic.starts_with(b"\x7fELF\x02\x01") {
        return Ok(());
    }
    file.seek(SeekFrom::Start(E_SHOFF as u64))?;
    file.write_all(&[0; 8])?;
    file.seek(SeekFrom::Start(E_SHNUM as u64))?;
    file.write_all(&[0; 4])
}

fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes.iter().skip(at).take(length).rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::process::Command;

    fn path_of(program: &SealedProgram) -> String {
        format!("/proc/self/fd/{}", program.fd.as_raw_fd())
    }

    #[test]
    fn the_copy_runs() {
        let program = SealedProgram::copy_of(Path::new("/bin/true")).unwrap();
        // The descriptor is close-on-exec, which works for a program (but not for a script).
        assert!(Command::new(path_of(&program)).status().unwrap().success());
    }

    #[test]
    fn a_copy_whose_pages_are_in_use_is_made_anew() {
        let busy = || Err(Errno::BUSY.into());
        let mut made = 0;
        let outcome: io::Result<()> = until_sealed(|| {
            made += 1;
            if made < 3 { busy() } else { Ok(()) }
        });
        assert!(outcome.is_ok() && made == 3);

        let mut made = 0;
        let outcome: io::Result<()> = until_sealed(|| {
            made += 1;
            busy()
        });
        assert_eq!((outcome.unwrap_err().kind(), made), (io::ErrorKind::ResourceBusy, ATTEMPTS));

        let outcome: io::Result<()> = until_sealed(|| Err(Errno::NOENT.into()));
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn root_of_a_container_cannot_overwrite_the_copy() {
        let program = SealedProgram::copy_of(Path::new("/bin/true")).unwrap();
        let refused =
            std::fs::OpenOptions::new().write(true).open(path_of(&program)).and_then(|mut f| f.write_all(b"x"));
        assert!(refused.is_err());
        assert!(rustix::fs::ftruncate(&program.fd, 0).is_err());
        assert!(fcntl_add_seals(&program.fd, SealFlags::empty()).is_err(), "the seals themselves are sealed");
    }

    #[test]
    fn debug_information_is_left_out() {
        let own = std::env::current_exe().unwrap();
        let program = SealedProgram::copy_of(&own).unwrap();
        let copied = File::from(program.fd.try_clone().unwrap()).metadata().unwrap().len();
        assert!(copied < own.metadata().unwrap().len());
        let listed = Command::new(path_of(&program)).arg("--list").output().unwrap();
        assert!(listed.status.success());
    }
}
