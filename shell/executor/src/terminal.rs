//! The terminal of a container, which its init or its command executor owns: it copies the output to the file and to those that are attached, and
//! their input to the terminal. In Mesos the I/O switchboard does it, a process of its own; here as there, the terminal
//! does not depend on the agent.
//!
//! The agent connects to a socket in the runtime directory. The first byte of a connection is `o` for the output, which is
//! then sent as it is, or `i` for the input, which is answered `k`, or `b` if another connection writes the input. Input
//! consists of frames: one byte, `d` for data or `s` for a size (rows and columns, two bytes each), and the length in four
//! bytes, the highest first.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The maximum of bytes that are read at once, and of a frame.
const CHUNK: usize = 16 * 1024;
const HEADER: usize = 5;
/// The maximum of connections. Others wait.
const MAX_CONNECTIONS: usize = 64;
/// The time for those that are attached to take the last output.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// A terminal and those that are attached to it.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    /// The end for the program. It stays open here, so that the output does not end before the program.
    slave: OwnedFd,
    listener: OwnedFd,
    connections: Vec<Connection>,
    /// The input that the terminal has not taken yet.
    input: Vec<u8>,
    /// Whether the output waits for its first reader.
    waits: bool,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The first byte has not arrived.
    New,
    /// The output that the reader has not taken yet.
    Reader(Vec<u8>),
    /// The bytes of frames that are not complete.
    Writer(Vec<u8>),
    Closed,
}

impl Terminal {
    /// Makes a terminal from the argument that the containerizer passes:
    /// `terminal:<descriptor of the socket>:<rows>:<columns>`, and `:waits` for one whose output waits for its first reader.
    /// Returns `None` for another text.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn from_argument(text: &str) -> Option<io::Result<Self>> {
        let fields = text.strip_prefix("terminal:")?;
        let (fields, waits) = fields.strip_suffix(":waits").map_or((fields, false), |fields| (fields, true));
        let mut fields = fields.splitn(3, ':').map(str::parse::<u16>);
        let mut next = || fields.next()?.ok();
        let (listener, rows, columns) = (next()?, next()?, next()?);
        let made = take_over(RawFd::from(listener)).and_then(|listener| Self::new(listener, rows, columns));
        Some(made.map(|terminal| Terminal { waits, ..terminal }))
    }

    fn new(listener: OwnedFd, rows: u16, columns: u16) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&listener, true)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let terminal = Terminal { master, slave, listener, connections: Vec::new(), input: Vec::new(), waits: false };
        if rows > 0 && columns > 0 {
            terminal.resize(rows, columns);
        }
        Ok(terminal)
    }

    /// Returns the end for the program.
    pub fn slave(&self) -> BorrowedFd<'_> {
        self.slave.as_fd()
    }

    /// Sets the size. Clients of Mesos set it to zero and back, so that programs draw their screen again.
    fn resize(&self, ws_row: u16, ws_col: u16) {
        // A terminal has a size in any case.
        let _ = tcsetwinsize(&self.master, Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 });
    }

    /// Serves the terminal until `other` is readable.
    ///
    /// # Errors
    /// Returns the error of poll(2).
    pub fn serve_until(&mut self, other: BorrowedFd<'_>) -> io::Result<()> {
        while !self.serve_once(other, PollFlags::IN, None)? {}
        Ok(())
    }

    /// Waits for the next events and serves them. Returns whether `other` is ready.
    fn serve_once(&mut self, other: BorrowedFd<'_>, wanted: PollFlags, timeout: Option<&Timespec>) -> io::Result<bool> {
        let (ready, events) = {
            let mut fds = vec![PollFd::from_borrowed_fd(other, wanted)];
            fds.extend(self.poll_fds());
            match poll(&mut fds, timeout) {
                Err(Errno::INTR) => return Ok(false),
                done => done?,
            };
            let mut events = fds.iter().map(PollFd::revents);
            (events.next().unwrap_or(PollFlags::empty()), events.collect::<Vec<_>>())
        };
        self.serve(&events);
        Ok(!ready.is_empty())
    }

    /// Returns what to wait for, for a caller that waits for other things as well.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let room = self.connections.len() < MAX_CONNECTIONS;
        let listener = PollFd::new(&self.listener, if room { PollFlags::IN } else { PollFlags::empty() });
        let master = PollFd::new(&self.master, self.wanted_of_master());
        let accepts_input = self.input.is_empty();
        let connections = self.connections.iter().map(move |connection| connection.poll(accepts_input));
        [listener, master].into_iter().chain(connections)
    }

    /// Serves the events of [`poll_fds`](Self::poll_fds), in the same order.
    pub fn serve(&mut self, events: &[PollFlags]) {
        let [accepts, master, of_connections @ ..] = events else { return };
        for (at, events) in of_connections.iter().enumerate() {
            if !events.is_empty() {
                self.serve_connection(at);
            }
        }
        if master.contains(PollFlags::OUT) {
            self.write_input();
        }
        if master.contains(PollFlags::IN) {
            self.read_output();
        }
        if accepts.contains(PollFlags::IN) {
            self.accept();
        }
        self.waits &= !self.connections.iter().any(|connection| matches!(connection.kind, Kind::Reader(_)));
        self.connections.retain(|connection| !matches!(connection.kind, Kind::Closed));
    }

    /// Copies the output that the program has written, for instance before its end.
    pub fn read_available(&mut self) {
        while self.read_output() {}
    }

    /// Gives the end for the program to a user, who can then open it again.
    ///
    /// # Errors
    /// Returns the error of fchown(2).
    pub fn give_to(&self, uid: u32, gid: u32) -> io::Result<()> {
        let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
        Ok(rustix::fs::fchown(&self.slave, Some(uid), Some(gid))?)
    }

    /// The terminal is read while every reader has taken the output before, so that a slow reader stops the program.
    fn wanted_of_master(&self) -> PollFlags {
        let waits = self.connections.iter().any(|c| matches!(&c.kind, Kind::Reader(pending) if !pending.is_empty()));
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, !waits && !self.waits);
        wanted.set(PollFlags::OUT, !self.input.is_empty());
        wanted
    }

    fn accept(&mut self) {
        if let Ok(socket) = accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            self.connections.push(Connection { socket, kind: Kind::New });
        }
    }

    /// Reads once from the terminal. Returns whether there was output.
    fn read_output(&mut self) -> bool {
        let mut buffer = [0u8; CHUNK];
        let Ok(length @ 1..) = rustix::io::read(&self.master, &mut buffer) else { return false };
        let bytes = buffer.get(..length).unwrap_or_default();
        // Without room on the disk the output is lost, and the program goes on.
        let _ = write_all(rustix::stdio::stdout(), bytes);
        for connection in &mut self.connections {
            if let Kind::Reader(pending) = &mut connection.kind {
                pending.extend_from_slice(bytes);
                connection.flush();
            }
        }
        true
    }

    fn write_input(&mut self) {
        match rustix::io::write(&self.master, &self.input) {
            Ok(length) => drop(self.input.drain(..length)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.input.clear(),
        }
    }

    fn serve_connection(&mut self, at: usize) {
        let has_writer = self.connections.iter().any(|connection| matches!(connection.kind, Kind::Writer(_)));
        let Some(connection) = self.connections.get_mut(at) else { return };
        match &mut connection.kind {
            Kind::Reader(pending) if !pending.is_empty() => connection.flush(),
            Kind::New => connection.identify(has_writer),
            Kind::Reader(_) | Kind::Writer(_) => self.receive(at),
            Kind::Closed => {}
        }
    }

    /// Receives from a connection. A reader sends nothing, so that it can only have ended.
    fn receive(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        let mut buffer = [0u8; CHUNK];
        let length = match rustix::io::read(&connection.socket, &mut buffer) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(0) | Err(_) => {
                connection.kind = Kind::Closed;
                return;
            }
            Ok(length) => length,
        };
        let Kind::Writer(received) = &mut connection.kind else { return };
        received.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let mut sizes = Vec::new();
        loop {
            match frame(received) {
                Ok(Some((b'd', data))) => self.input.extend(data),
                Ok(Some((_, size))) => sizes.push(size),
                Ok(None) => break,
                Err(InvalidFrame) => {
                    connection.kind = Kind::Closed;
                    break;
                }
            }
        }
        for size in sizes {
            if let [row_high, row_low, column_high, column_low] = *size.as_slice() {
                self.resize(u16::from_be_bytes([row_high, row_low]), u16::from_be_bytes([column_high, column_low]));
            }
        }
        if !self.input.is_empty() {
            self.write_input();
        }
    }

    /// Copies what the program has written before its end, and gives those that are attached, and the first reader if the
    /// output waits for it, some time to take it.
    pub fn finish(mut self) {
        let deadline = Instant::now() + LAST_OUTPUT;
        while self.waits && Instant::now() < deadline {
            // The descriptor is ready for nothing, so that only the terminal is served.
            let stdin = rustix::stdio::stdin();
            if self.serve_once(stdin, PollFlags::empty(), Some(&until(deadline))).is_err() {
                break;
            }
        }
        self.read_available();
        for connection in &mut self.connections {
            connection.flush_until(deadline);
        }
    }
}

fn until(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now());
    Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or_default(), tv_nsec: i64::from(left.subsec_nanos()) }
}

impl Connection {
    fn poll(&self, accepts_input: bool) -> PollFd<'_> {
        let wanted = match &self.kind {
            Kind::Reader(pending) if !pending.is_empty() => PollFlags::OUT,
            Kind::Writer(_) if !accepts_input => PollFlags::empty(),
            _ => PollFlags::IN,
        };
        PollFd::new(&self.socket, wanted)
    }

    fn identify(&mut self, has_writer: bool) {
        let mut first = [0u8; 1];
        self.kind = match rustix::io::read(&self.socket, &mut first) {
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(1) if first == *b"o" => Kind::Reader(Vec::new()),
            Ok(1) if first == *b"i" && !has_writer => match rustix::io::write(&self.socket, b"k") {
                Ok(1) => Kind::Writer(Vec::new()),
                _ => Kind::Closed,
            },
            Ok(1) if first == *b"i" => {
                let _ = rustix::io::write(&self.socket, b"b");
                Kind::Closed
            }
            _ => Kind::Closed,
        };
    }

    fn flush(&mut self) {
        let Kind::Reader(pending) = &mut self.kind else { return };
        match rustix::net::send(&self.socket, pending, rustix::net::SendFlags::NOSIGNAL) {
            Ok(length) => drop(pending.drain(..length)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.kind = Kind::Closed,
        }
    }

    fn flush_until(&mut self, deadline: Instant) {
        while matches!(&self.kind, Kind::Reader(pending) if !pending.is_empty()) {
            match poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], Some(&until(deadline))) {
                Ok(1..) => self.flush(),
                Err(Errno::INTR) => {}
                Ok(0) | Err(_) => return,
            }
        }
    }
}

/// The bytes are no frame.
#[derive(Debug, PartialEq)]
struct InvalidFrame;

/// Takes the first frame from the received bytes; `None` until it is complete.
fn frame(received: &mut Vec<u8>) -> Result<Option<(u8, Vec<u8>)>, InvalidFrame> {
    let Some([kind, length @ ..]) = received.first_chunk::<HEADER>() else { return Ok(None) };
    let (kind, length) = (*kind, u32::from_be_bytes(*length) as usize);
    let valid = match kind {
        b'd' => length <= CHUNK,
        b's' => length == 4,
        _ => false,
    };
    if !valid {
        return Err(InvalidFrame);
    }
    if received.len() < HEADER + length {
        return Ok(None);
    }
    let rest = received.split_off(HEADER + length);
    let mut whole = std::mem::replace(received, rest);
    Ok(Some((kind, whole.split_off(HEADER))))
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Takes over a descriptor that the containerizer has left open. The program does not inherit it.
///
/// # Errors
/// Returns an error for a standard stream, and for a number that is no descriptor.
#[allow(unsafe_code)]
pub fn take_over(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor <= libc::STDERR_FILENO {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the containerizer has left this descriptor open for us, and nothing in this process has used it yet. If it
    // has not, this is an error of the next call and nothing else.
    let fd = unsafe { OwnedFd::from_raw_fd(descriptor) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(fd)
}

/// Returns the path by which a child opens a descriptor of this process again.
pub fn path_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_decoded_from_any_chunks() {
        let bytes = b"d\0\0\0\x02abs\0\0\0\x04\0\x18\0\x50d\0\0\0\0";
        for cut in 1..bytes.len() {
            let (mut received, mut found) = (Vec::new(), Vec::new());
            for part in bytes.chunks(cut) {
                received.extend_from_slice(part);
                while let Some(frame) = frame(&mut received).unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, [(b'd', b"ab".to_vec()), (b's', vec![0, 24, 0, 80]), (b'd', vec![])]);
        }
        for invalid in [&b"x\0\0\0\0"[..], b"d\0\x01\0\0", b"s\0\0\0\x03"] {
            assert_eq!(frame(&mut invalid.to_vec()), Err(InvalidFrame));
        }
    }
}
