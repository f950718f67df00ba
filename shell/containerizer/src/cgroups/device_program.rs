//! The programs that decide about devices in the v2 hierarchy (eBPF, BPF_PROG_TYPE_CGROUP_DEVICE): one comparison after the
//! other, as `linux/ebpf.cpp` of Mesos and runc do.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::{AllowedDevice, DeviceKind};

/// The opcodes (linux/bpf.h): loads of 32 bits, and moves, comparisons and masks of 32 or 64 bits with a constant.
const LOAD_WORD: u8 = 0x61;
const MOVE_REGISTER_32: u8 = 0xbc;
const MOVE_CONSTANT: u8 = 0xb7;
const AND_CONSTANT_32: u8 = 0x54;
const SHIFT_RIGHT_32: u8 = 0x74;
const JUMP_UNEQUAL_32: u8 = 0x56;
const EXIT: u8 = 0x95;

/// The registers: the result, the argument, and the parts of the argument.
const RESULT: u8 = 0;
const ARGUMENT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// The values of `struct bpf_cgroup_dev_ctx`.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;
const MKNOD: i32 = 1;
const READ: i32 = 2;
const WRITE: i32 = 4;

fn instruction(code: u8, destination: u8, source: u8, offset: i16, value: i32) -> u64 {
    u64::from(code)
        | u64::from(source << 4 | destination) << 8
        | u64::from(offset.cast_unsigned()) << 16
        | u64::from(value.cast_unsigned()) << 32
}

/// Returns the program that allows these devices and no others.
pub(crate) fn device_program(allowed: &[AllowedDevice]) -> Vec<u64> {
    let mut program = vec![
        // The lower half of the first word is the kind, the upper half the access.
        instruction(LOAD_WORD, KIND, ARGUMENT, 0, 0),
        instruction(MOVE_REGISTER_32, ACCESS, KIND, 0, 0),
        instruction(AND_CONSTANT_32, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT_32, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, ARGUMENT, 4, 0),
        instruction(LOAD_WORD, MINOR, ARGUMENT, 8, 0),
    ];
    for device in allowed {
        let kind = match device.kind {
            DeviceKind::Character => CHARACTER,
            DeviceKind::Block => BLOCK,
        };
        let access = [(device.read, READ), (device.write, WRITE), (device.mknod, MKNOD)];
        let denied = access.iter().filter(|(given, _)| !given).map(|(_, bit)| bit).sum();
        // The access must have no bit that is denied. The mask is applied to a copy.
        let mut checks = vec![(KIND, kind), (RESULT, 0)];
        checks.extend(device.major.map(|major| (MAJOR, major.cast_signed())));
        checks.extend(device.minor.map(|minor| (MINOR, minor.cast_signed())));
        let mut body = vec![
            instruction(MOVE_REGISTER_32, RESULT, ACCESS, 0, 0),
            instruction(AND_CONSTANT_32, RESULT, 0, 0, denied),
        ];
        let allow = [instruction(MOVE_CONSTANT, RESULT, 0, 0, 1), instruction(EXIT, 0, 0, 0, 0)];
        for (done, (register, value)) in checks.iter().enumerate() {
            let behind = checks.len() - done - 1 + allow.len();
            let offset = i16::try_from(behind).unwrap_or(i16::MAX);
            body.push(instruction(JUMP_UNEQUAL_32, *register, 0, offset, *value));
        }
        program.extend(body);
        program.extend(allow);
    }
    program.extend([instruction(MOVE_CONSTANT, RESULT, 0, 0, 0), instruction(EXIT, 0, 0, 0, 0)]);
    program
}

/// The commands and types of bpf(2).
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
/// Programs of the cgroups above stay in force.
const ALLOW_MULTI: u32 = 2;
/// The program takes the place of another one, since Linux 5.6.
const REPLACE: u32 = 4;
/// More programs than one cgroup has.
const MAX_PROGRAMS: usize = 64;

/// The beginning of `union bpf_attr` for PROG_LOAD, up to the fields that are needed.
#[repr(C)]
#[derive(Default)]
struct LoadAttributes {
    program_type: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

/// The same for PROG_ATTACH.
#[repr(C)]
#[derive(Default)]
struct AttachAttributes {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
    replaced: u32,
}

/// The same for PROG_QUERY.
#[repr(C)]
#[derive(Default)]
struct QueryAttributes {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    /// The kernel refuses bytes that are not zero.
    padding: u32,
}

/// The same for PROG_GET_FD_BY_ID.
#[repr(C)]
#[derive(Default)]
struct IdAttributes {
    id: u32,
    next: u32,
    flags: u32,
}

/// Returns the program that is attached to a cgroup itself.
fn attached(directory: u32) -> io::Result<Option<OwnedFd>> {
    let mut ids = [0u32; MAX_PROGRAMS];
    let query = QueryAttributes {
        target: directory,
        attach_type: ATTACH_CGROUP_DEVICE,
        ids: ids.as_mut_ptr().expose_provenance() as u64,
        count: MAX_PROGRAMS as u32,
        ..QueryAttributes::default()
    };
    bpf(PROG_QUERY, query)?;
    match ids.first() {
        None | Some(0) => Ok(None),
        Some(id) => bpf(PROG_GET_FD_BY_ID, IdAttributes { id: *id, ..IdAttributes::default() }).map(own).map(Some),
    }
}

/// Attaches a program to a cgroup, in place of the one that was attached to it before: of two programs, both would have to
/// allow a device. The kernel keeps it until the cgroup is removed.
pub(crate) fn attach(cgroup: &Path, program: &[u64]) -> io::Result<()> {
    let directory = rustix::fs::open(cgroup, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let count = u32::try_from(program.len()).map_err(io::Error::other)?;
    let load = LoadAttributes {
        program_type: PROG_TYPE_CGROUP_DEVICE,
        count,
        instructions: program.as_ptr().expose_provenance() as u64,
        license: c"Apache-2.0".as_ptr().expose_provenance() as u64,
        ..LoadAttributes::default()
    };
    let program = own(bpf(PROG_LOAD, load)?);
    let descriptor = |fd: RawFd| u32::try_from(fd).map_err(io::Error::other);
    let target = descriptor(directory.as_raw_fd())?;
    let before = attached(target)?;
    let attach = AttachAttributes {
        target,
        program: descriptor(program.as_raw_fd())?,
        attach_type: ATTACH_CGROUP_DEVICE,
        flags: if before.is_some() { ALLOW_MULTI | REPLACE } else { ALLOW_MULTI },
        replaced: before.as_ref().map_or(Ok(0), |before| descriptor(before.as_raw_fd()))?,
    };
    bpf(PROG_ATTACH, attach).map(drop)
}

#[allow(unsafe_code)]
fn own(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us, and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

#[allow(unsafe_code)]
fn bpf<T>(command: libc::c_int, mut attributes: T) -> io::Result<RawFd> {
    // SAFETY: `attributes` is valid for reads and writes of its size. The pointers in it are to data that lives through the
    // call, and that a query may write.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut attributes, size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { i32::try_from(result).map_err(io::Error::other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result of the program, after the instructions that it uses.
    fn allows(program: &[u64], kind: i32, access: i32, major: u32, minor: u32) -> bool {
        let context = [(access << 16 | kind).cast_unsigned(), major, minor];
        let (mut registers, mut at) = ([0u64; 6], 0);
        loop {
            let word = program[at];
            let (code, value) = ((word & 0xff) as u8, (word >> 32) as u32);
            let (to, from) = ((word >> 8 & 0xf) as usize, (word >> 12 & 0xf) as usize);
            let offset = (word >> 16 & 0xffff) as usize;
            at += 1;
            match code {
                LOAD_WORD => registers[to] = u64::from(context[offset / 4]),
                MOVE_REGISTER_32 => registers[to] = registers[from],
                MOVE_CONSTANT => registers[to] = u64::from(value),
                AND_CONSTANT_32 => registers[to] &= u64::from(value),
                SHIFT_RIGHT_32 => registers[to] >>= value,
                JUMP_UNEQUAL_32 if registers[to] != u64::from(value) => at += offset,
                JUMP_UNEQUAL_32 => {}
                EXIT => return registers[0] == 1,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn a_program_allows_what_is_listed() {
        let mut devices = AllowedDevice::defaults();
        let fuse = AllowedDevice { major: Some(10), minor: Some(229), mknod: false, ..devices[2].clone() };
        devices.push(AllowedDevice { write: false, ..fuse });
        let program = device_program(&devices);
        for (kind, access, major, minor, expect) in [
            (CHARACTER, READ | WRITE, 1, 3, true),
            (CHARACTER, READ | WRITE, 136, 17, true),
            (CHARACTER, MKNOD, 200, 1, true),
            (BLOCK, MKNOD, 8, 0, true),
            (BLOCK, READ, 8, 0, false),
            (BLOCK, READ, 1, 3, false),
            (CHARACTER, READ | MKNOD, 200, 1, false),
            (CHARACTER, READ, 10, 229, true),
            (CHARACTER, READ | WRITE, 10, 229, false),
        ] {
            assert_eq!(allows(&program, kind, access, major, minor), expect, "{kind} {access} {major}:{minor}");
        }
    }

    /// The kernel takes the program, and a process in the cgroup is limited by it.
    #[test]
    fn a_process_in_the_cgroup_is_limited() {
        let test = "a_process_in_the_cgroup_is_limited";
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let unified = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
        let (Some(unified), true) = (unified, rustix::process::geteuid().is_root()) else {
            return testkit::skip::skipped(test, "it needs root and cgroup v2");
        };
        let group = Path::new(unified).join(format!("tepui-devices-{}", std::process::id()));
        std::fs::create_dir(&group).unwrap();
        // The later program allows what the first one does not.
        let first = attach(&group, &device_program(&[]));
        let attached = first.and_then(|()| attach(&group, &device_program(&AllowedDevice::defaults())));
        let procs = group.join("cgroup.procs");
        let command =
            format!("echo $$ > {}; cat /dev/null && echo null; exec 3</dev/kmsg && echo kmsg", procs.display());
        let output = std::process::Command::new("sh").args(["-c", &command]).output();
        let removed = (0..1000).any(|_| {
            std::thread::yield_now();
            std::fs::remove_dir(&group).is_ok()
        });
        let seen = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        attached.unwrap();
        assert_eq!(seen.unwrap(), "null\n");
        assert!(removed);
    }
}
