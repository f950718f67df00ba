//! The profile of an agent without profiles of its own.
//!
//! It permits the system calls that existed when it was written, but for those that act on the whole machine. Later
//! system calls do not exist in containers, which is what programs for older kernels expect.

use super::profile::{ArgumentEntry, Profile, Scope, SyscallEntry};
use super::syscalls::Architecture;

/// The system calls that are denied to containers without this capability, which the kernel demands for most of their
/// uses.
const WITH_CAPABILITY: [(&str, &[&str]); 14] = [
    (
        "CAP_SYS_ADMIN",
        &[
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "lookup_dcookie",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "open_tree_attr",
            "pivot_root",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "swapoff",
            "swapon",
            "umount2",
            "unshare",
        ],
    ),
    ("CAP_BPF", &["bpf"]),
    ("CAP_DAC_READ_SEARCH", &["open_by_handle_at"]),
    ("CAP_PERFMON", &["perf_event_open"]),
    ("CAP_SYSLOG", &["syslog"]),
    ("CAP_SYS_BOOT", &["kexec_file_load", "kexec_load", "reboot"]),
    ("CAP_SYS_CHROOT", &["chroot"]),
    ("CAP_SYS_MODULE", &["delete_module", "finit_module", "init_module"]),
    ("CAP_SYS_NICE", &["migrate_pages", "move_pages"]),
    ("CAP_SYS_PACCT", &["acct"]),
    ("CAP_SYS_PTRACE", &["kcmp", "pidfd_getfd", "process_madvise", "userfaultfd"]),
    ("CAP_SYS_RAWIO", &["ioperm", "iopl"]),
    ("CAP_SYS_TIME", &["clock_settime", "settimeofday"]),
    ("CAP_SYS_TTY_CONFIG", &["vhangup"]),
];

/// The system calls that no container may make: the keys of the kernel belong to users and not to containers, io_uring
/// makes system calls that no filter sees, and the others are obsolete.
const NEVER: [&str; 19] = [
    "_sysctl",
    "add_key",
    "afs_syscall",
    "create_module",
    "get_kernel_syms",
    "getpmsg",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "keyctl",
    "nfsservctl",
    "putpmsg",
    "query_module",
    "request_key",
    "security",
    "sysfs",
    "tuxcall",
    "uselib",
    "vserver",
];

/// The flags of clone(2) that make namespaces.
const NAMESPACES: u64 = 0x7e02_0000;
/// The execution domains of personality(2) that do not weaken the protection of memory, and the question for the
/// current one.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// The address family of sockets to the hypervisor.
const AF_VSOCK: u64 = 40;
const ENOSYS: u16 = 38;

/// Returns the profile for an architecture.
pub(crate) fn default_profile(architecture: Architecture) -> Profile {
    let denied = |name: &str| {
        NEVER.contains(&name) || WITH_CAPABILITY.iter().any(|(_, names)| names.contains(&name)) || is_special(name)
    };
    let names = architecture.syscalls().into_keys().filter(|name| !denied(name)).map(str::to_owned).collect();
    let mut syscalls = vec![SyscallEntry { names, ..allow() }];
    for (capability, names) in WITH_CAPABILITY {
        let scope = || Scope { caps: Some(vec![capability.to_owned()]), ..Scope::default() };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        syscalls.push(SyscallEntry { names: names.clone(), includes: Some(scope()), ..allow() });
        syscalls.push(SyscallEntry { names, excludes: Some(scope()), ..deny(None) });
    }
    syscalls.push(SyscallEntry { names: NEVER.map(str::to_owned).to_vec(), ..deny(None) });

    let with_admin = || Some(Scope { caps: Some(vec!["CAP_SYS_ADMIN".to_owned()]), ..Scope::default() });
    let named = |name: &str| vec![name.to_owned()];
    syscalls.push(SyscallEntry { names: named("clone"), includes: with_admin(), ..allow() });
    syscalls.push(SyscallEntry { names: named("clone3"), includes: with_admin(), ..allow() });
    let no_namespaces = ArgumentEntry { index: 0, value: NAMESPACES, value_two: 0, op: "SCMP_CMP_MASKED_EQ".into() };
    let plain = SyscallEntry { names: named("clone"), args: Some(vec![no_namespaces]), ..allow() };
    syscalls.push(SyscallEntry { excludes: with_admin(), ..plain });
    // The flags of clone3 are in memory, which no filter can read. The C library then uses clone.
    syscalls.push(SyscallEntry { names: named("clone3"), excludes: with_admin(), ..deny(Some(ENOSYS)) });
    syscalls.push(SyscallEntry { names: named("clone"), excludes: with_admin(), ..deny(None) });

    let compare = |op: &str, value| Some(vec![ArgumentEntry { index: 0, value, value_two: 0, op: op.to_owned() }]);
    syscalls.push(SyscallEntry { names: named("socket"), args: compare("SCMP_CMP_NE", AF_VSOCK), ..allow() });
    syscalls.push(SyscallEntry { names: named("socket"), ..deny(None) });
    for value in PERSONALITIES {
        syscalls.push(SyscallEntry { names: named("personality"), args: compare("SCMP_CMP_EQ", value), ..allow() });
    }
    syscalls.push(SyscallEntry { names: named("personality"), ..deny(None) });
    Profile {
        default_action: "SCMP_ACT_ERRNO".to_owned(),
        default_errno_ret: Some(ENOSYS),
        default_errno: None,
        arch_map: None,
        architectures: None,
        syscalls,
    }
}

/// Returns whether the arguments of a system call decide.
fn is_special(name: &str) -> bool {
    matches!(name, "clone" | "clone3" | "personality" | "socket")
}

fn allow() -> SyscallEntry {
    SyscallEntry { action: "SCMP_ACT_ALLOW".to_owned(), ..SyscallEntry::default() }
}

/// The system call fails with this error number; `None` for "operation not permitted".
fn deny(errno_ret: Option<u16>) -> SyscallEntry {
    SyscallEntry { action: "SCMP_ACT_ERRNO".to_owned(), errno_ret, ..SyscallEntry::default() }
}
