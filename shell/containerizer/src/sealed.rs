//! Helper programs of the agent that run inside containers, as copies that nothing can write to.
//!
//! A container that runs as root can open `/proc/<pid>/exe` of a helper, wait for its end, and overwrite the file: the
//! next helper would then run the attacker's code (CVE-2019-0204, and CVE-2019-5736 in runc). Helpers therefore run
//! from a sealed memory file.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::elf::{
    E_PHENTSIZE, E_PHNUM, E_PHOFF, E_SHNUM, E_SHOFF, HEADER, MAGIC, P_FILESZ, P_OFFSET, PROGRAM_HEADER, number,
};
use crate::prelink::prelink;
use crate::spawn::ExecutorTemplate;

/// A sealed copy of an executable in memory. All containers run from the same pages.
#[derive(Debug)]
pub struct SealedProgram {
    fd: OwnedFd,
    template: Option<ExecutorTemplate>,
}

impl SealedProgram {
    /// Copies and seals the program at `path`. A copy that cannot be sealed is made anew (`until_sealed`).
    ///
    /// # Errors
    /// Returns the error of the operating system if the program cannot be read or copied.
    pub fn copy_of(path: &Path) -> io::Result<Self> {
        Self::copy(path, |_| Ok(()))
    }

    /// Copies and seals the program at `path`, and relocates the copy where that is possible: many processes are going to
    /// run it (module `prelink`). The program is run once with `arguments`, which begin with `argv[0]`, to see whether the
    /// relocated copy works here: it has to exit, with any code, within `TRIAL`. If it does not, the copy is a plain one.
    ///
    /// # Errors
    /// Returns the error of the operating system if the program cannot be read or copied.
    pub fn relocated_copy_of(path: &Path, arguments: &[String]) -> io::Result<Self> {
        let random = RandomState::new().hash_one(std::process::id());
        let mut is_relocated = false;
        let copy = Self::copy(path, |copy| prelink(copy, random).map(|done| is_relocated = done))?;
        if is_relocated && !copy.exits(arguments) {
            tracing::warn!("the relocated copy of {} does not run: a plain copy is used", path.display());
            return Self::copy_of(path);
        }
        Ok(copy)
    }

    /// Starts the template from which processes are forked that would run this program with arguments beginning with
    /// `argv`: command executors. The program has to call [`crate::executor_template`] when it is started as
    /// `executor-template`. Without a template these processes are started as all others, which takes longer.
    #[must_use]
    pub fn with_template(mut self, argv: &[String]) -> Self {
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        match ExecutorTemplate::start(Path::new(&path), argv) {
            Ok(template) => self.template = Some(template),
            Err(error) => tracing::warn!(%error, "executors are started without a template, which takes longer"),
        }
        self
    }

    /// Returns the template, if there is one.
    pub(crate) fn template(&self) -> Option<&ExecutorTemplate> {
        self.template.as_ref()
    }

    /// Runs the program with nothing but these arguments, and returns whether it exits.
    fn exits(&self, arguments: &[String]) -> bool {
        let mut command = Command::new(format!("/proc/self/fd/{}", self.fd.as_raw_fd()));
        command.arg0(arguments.first().map_or("", String::as_str)).args(arguments.iter().skip(1)).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else { return false };
        if !ends_within(&child, TRIAL) {
            // The process may have ended in the meantime.
            let _ = child.kill();
        }
        child.wait().is_ok_and(|status| status.code().is_some())
    }

    fn copy(path: &Path, mut change: impl FnMut(&File) -> io::Result<()>) -> io::Result<Self> {
        let mut source = File::open(path)?;
        let length = loadable_length(&mut source)?;
        until_sealed(|| {
            source.seek(SeekFrom::Start(0))?;
            let mut copy = File::from(executable_memory()?);
            io::copy(&mut (&source).take(length), &mut copy)?;
            forget_sections(&mut copy)?;
            change(&copy)?;
            let fd = OwnedFd::from(copy);
            fcntl_add_seals(&fd, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
            Ok(SealedProgram { fd, template: None })
        })
    }
}

/// The time in which a program that has nothing to do exits, on a machine that is very busy.
const TRIAL: Duration = Duration::from_secs(10);

fn ends_within(child: &Child, time: Duration) -> bool {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(Ok(process)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return false };
    let time = Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&time)).is_ok_and(|ready| ready > 0)
}

/// The number of copies after which the agent reports an error.
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

/// Returns the length of the part of an ELF file that is ever mapped. Debug information follows the segments and is not
/// copied into memory. A file that is not a 64-bit little-endian ELF is copied whole.
fn loadable_length(file: &mut File) -> io::Result<u64> {
    let whole = file.metadata()?.len();
    let mut header = [0u8; HEADER];
    if file.read_exact(&mut header).is_err() || !header.starts_with(MAGIC) {
        return Ok(whole);
    }
    let table = number(&header, E_PHOFF, 8);
    let size = number(&header, E_PHENTSIZE, 2);
    let count = number(&header, E_PHNUM, 2);
    if size < PROGRAM_HEADER as u64 {
        return Ok(whole);
    }
    let mut end = table + size * count;
    file.seek(SeekFrom::Start(table))?;
    for _ in 0..count {
        let mut entry = vec![0u8; usize::try_from(size).unwrap_or(PROGRAM_HEADER)];
        file.read_exact(&mut entry)?;
        end = end.max(number(&entry, P_OFFSET, 8).saturating_add(number(&entry, P_FILESZ, 8)));
    }
    Ok(end.min(whole))
}

/// Clears the reference to the section table, which was cut off, so that debuggers do not search for it.
fn forget_sections(file: &mut File) -> io::Result<()> {
    let mut magic = [0u8; MAGIC.len()];
    file.seek(SeekFrom::Start(0))?;
    if file.read_exact(&mut magic).is_err() || !magic.starts_with(MAGIC) {
        return Ok(());
    }
    file.seek(SeekFrom::Start(E_SHOFF as u64))?;
    file.write_all(&[0; 8])?;
    file.seek(SeekFrom::Start(E_SHNUM as u64))?;
    file.write_all(&[0; 4])
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// A test program of Rust has relocations of the usual kinds. Where the linker makes others, the copy is plain.
    #[test]
    fn a_relocated_copy_runs_and_unwinds() {
        assert!(std::env::var_os(PANIC).is_none(), "on purpose");
        let own = std::env::current_exe().unwrap();
        let arguments = ["own".to_owned(), "--list".to_owned()];
        let copies = [SealedProgram::copy_of(&own), SealedProgram::relocated_copy_of(&own, &arguments)];
        let [plain, relocated] = copies.map(Result::unwrap);
        let is_fixed = |program: &SealedProgram| {
            let mut header = [0; HEADER];
            std::os::unix::fs::FileExt::read_exact_at(&File::from(program.fd.try_clone().unwrap()), &mut header, 0)
                .unwrap();
            number(&header, crate::elf::E_TYPE, 2) == crate::elf::ET_EXEC
        };
        assert!(!is_fixed(&plain));
        assert_eq!(is_fixed(&relocated), cfg!(target_arch = "x86_64"));
        let list = |program| Command::new(path_of(program)).arg("--list").output().unwrap().stdout;
        assert_eq!(list(&relocated), list(&plain));
        let mut again = Command::new(path_of(&relocated));
        let outcome = again
            .args(["--exact", "sealed::tests::a_relocated_copy_runs_and_unwinds"])
            .env(PANIC, "")
            .output()
            .unwrap();
        assert_eq!(outcome.status.code(), Some(101), "the harness catches the panic");
        assert!(String::from_utf8_lossy(&outcome.stdout).contains("on purpose"));
    }

    /// Set in the process of a test that has to panic.
    const PANIC: &str = "TEPUI_TEST_PANICS";

    #[test]
    fn a_program_of_another_kind_is_copied_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("script");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        let copy = SealedProgram::relocated_copy_of(&script, &[]).unwrap();
        let mut text = String::new();
        File::open(path_of(&copy)).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "#!/bin/sh\n");
        // Debian's programs may export symbols, which have addresses as well.
        let copy = SealedProgram::relocated_copy_of(Path::new("/bin/true"), &["true".to_owned()]).unwrap();
        assert!(Command::new(path_of(&copy)).status().unwrap().success());
    }

    /// No damage to a program file makes the agent panic or write out of bounds.
    #[test]
    fn damaged_programs_are_left_or_changed_within_their_bounds() {
        let own = std::env::current_exe().unwrap();
        let mut file = File::open(&own).unwrap();
        let length = loadable_length(&mut file).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("program");
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_exact(&mut bytes).unwrap();
        let mut copy = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        copy.write_all(&bytes).unwrap();
        for at in 0..HEADER + PROGRAM_HEADER * 12 {
            for value in [0, 0xff, 0x7f] {
                let old = std::mem::replace(&mut bytes[at], value);
                std::os::unix::fs::FileExt::write_all_at(&copy, &bytes[..4096], 0).unwrap();
                let _ = prelink(&copy, 0);
                assert_eq!(copy.metadata().unwrap().len(), length);
                bytes[at] = old;
            }
        }
    }
}
