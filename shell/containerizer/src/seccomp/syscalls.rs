//! The numbers of system calls of each architecture, and of the next one that does not exist yet.

use std::collections::BTreeMap;

/// The system calls of the kernel, one per line: the number and the name (`asm/unistd_64.h`, `asm-generic/unistd.h`).
const X86_64: &str = include_str!("x86_64.txt");
const AARCH64: &str = include_str!("aarch64.txt");

/// System calls that profiles name and that neither of the tables has: those of other architectures and those that Linux has
/// removed.
const ELSEWHERE: [&str; 20] = [
    "bdflush",
    "clock_settime64",
    "idle",
    "nice",
    "oldfstat",
    "oldlstat",
    "oldolduname",
    "oldstat",
    "olduname",
    "pciconfig_iobase",
    "pciconfig_read",
    "pciconfig_write",
    "sgetmask",
    "socketcall",
    "ssetmask",
    "stime",
    "swapcontext",
    "umount",
    "vm86",
    "vm86old",
];

/// An architecture that containers can be filtered on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    /// Returns the architecture of this program; `None` if the numbers of its system calls are not known here.
    pub(crate) fn native() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Architecture::X86_64),
            "aarch64" => Some(Architecture::Aarch64),
            _ => None,
        }
    }

    /// Returns the name in `archMap` of a profile.
    pub(crate) fn profile_name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "SCMP_ARCH_X86_64",
            Architecture::Aarch64 => "SCMP_ARCH_AARCH64",
        }
    }

    /// Returns the name in `arches` of a rule, which is that of Go.
    pub(crate) fn rule_name(self) -> &'static str {
        match self {
            Architecture::X86_64 => "amd64",
            Architecture::Aarch64 => "arm64",
        }
    }

    /// Returns the value of `seccomp_data.arch` (linux/audit.h).
    pub(crate) fn audit(self) -> u32 {
        match self {
            Architecture::X86_64 => 0xc000_003e,
            Architecture::Aarch64 => 0xc000_00b7,
        }
    }

    /// Returns the numbers of all system calls by name.
    pub(crate) fn syscalls(self) -> BTreeMap<&'static str, u32> {
        let table = match self {
            Architecture::X86_64 => X86_64,
            Architecture::Aarch64 => AARCH64,
        };
        let entry = |line: &'static str| {
            let (number, name) = line.split_once(' ')?;
            Some((name, number.parse().ok()?))
        };
        table.lines().filter_map(entry).collect()
    }
}

/// Returns whether any architecture has, or had, a system call of this name.
pub(super) fn is_known(name: &str) -> bool {
    let has = |table: &&str| table.lines().any(|line| line.split_once(' ').is_some_and(|(_, n)| n == name));
    ELSEWHERE.contains(&name) || [X86_64, AARCH64].iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_c_library() {
        let calls = Architecture::native().unwrap().syscalls();
        for (name, number) in [
            ("read", libc::SYS_read),
            ("openat", libc::SYS_openat),
            ("clone3", libc::SYS_clone3),
            ("seccomp", libc::SYS_seccomp),
            ("mount", libc::SYS_mount),
            ("openat2", libc::SYS_openat2),
            ("futex_waitv", libc::SYS_futex_waitv),
        ] {
            assert_eq!(calls.get(name).copied().map(i64::from), Some(number), "{name}");
        }
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            let calls = architecture.syscalls();
            assert!(calls.len() > 300 && calls.contains_key("file_setattr"), "{architecture:?}");
        }
        assert!(is_known("uselib") && is_known("stime") && !is_known("usslib"));
    }
}
