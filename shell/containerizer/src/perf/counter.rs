//! The system call perf_event_open(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::PerfEvent;

/// The first version of `struct perf_event_attr` (`PERF_ATTR_SIZE_VER0`), which every kernel accepts.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    breakpoint_kind: u32,
    config1: u64,
}

const _: () = assert!(size_of::<Attributes>() == 64);

/// `PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING`.
const WITH_TIMES: u64 = 1 | 2;
/// `PERF_FLAG_PID_CGROUP` and `PERF_FLAG_FD_CLOEXEC`.
const OF_CGROUP: libc::c_ulong = 1 << 2;
const CLOSE_ON_EXEC: libc::c_ulong = 1 << 3;

/// A counter that runs, of one cgroup on one processor. It ends with this value.
#[derive(Debug)]
pub(super) struct Counter(OwnedFd);

impl Counter {
    /// Begins to count an event of the processes of a cgroup on a processor.
    ///
    /// # Errors
    /// Returns the error of the operating system: ENOENT if nothing counts the event.
    pub(super) fn of_cgroup(event: &PerfEvent, cgroup: BorrowedFd<'_>, processor: i32) -> io::Result<Counter> {
        open(event, cgroup.as_raw_fd(), processor, OF_CGROUP)
    }

    /// Returns the count so far. If there are more events than counters of the processor, the kernel counts each for a part
    /// of the time, and the result is extrapolated, as `perf stat` does.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub(super) fn value(&self) -> io::Result<f64> {
        let mut buffer = [0u8; 24];
        if rustix::io::read(self.0.as_fd(), &mut buffer)? != buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut words =
            buffer.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()) as f64);
        let (value, enabled, running) =
            (words.next().unwrap_or(0.0), words.next().unwrap_or(0.0), words.next().unwrap_or(0.0));
        Ok(if running > 0.0 && running < enabled { value * enabled / running } else { value })
    }
}

/// Checks whether the machine counts an event, by counting it for this thread.
///
/// # Errors
/// Returns why it does not.
pub(crate) fn is_counted(event: &PerfEvent) -> io::Result<()> {
    open(event, 0, -1, 0).map(drop)
}

#[allow(unsafe_code)]
fn open(event: &PerfEvent, pid: i32, processor: i32, flags: libc::c_ulong) -> io::Result<Counter> {
    let attributes = Attributes {
        kind: event.kind,
        size: size_of::<Attributes>() as u32,
        config: event.config,
        read_format: WITH_TIMES,
        ..Attributes::default()
    };
    let no_group: libc::c_int = -1;
    // SAFETY: `attributes` is as long as its field says, and only read.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, &raw const attributes, pid, processor, no_group, flags | CLOSE_ON_EXEC)
    };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has made this descriptor for us, and nobody else owns it.
    Ok(Counter(unsafe { OwnedFd::from_raw_fd(fd) }))
}
