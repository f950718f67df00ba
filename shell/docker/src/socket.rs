//! Where the daemon listens.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The unix socket of a daemon: `/path`, or `unix:///path` as Docker writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket(PathBuf);

/// A text that names no unix socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the path of a unix socket; expected e.g. /var/run/docker.sock")]
pub struct InvalidSocket(String);

impl Socket {
    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Connects to the daemon. The connection does not block, and neither does this call: a daemon that accepts no
    /// connections, with a full queue, is an error.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn connect(&self) -> io::Result<UnixStream> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(&self.0)?)?;
        Ok(UnixStream::from(socket))
    }
}

impl FromStr for Socket {
    type Err = InvalidSocket;

    fn from_str(text: &str) -> Result<Self, InvalidSocket> {
        let path = text.strip_prefix("unix://").unwrap_or(text);
        match path.starts_with('/') {
            true => Ok(Socket(PathBuf::from(path))),
            false => Err(InvalidSocket(text.to_owned())),
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_a_path() {
        let check = |text: &str, expect: Option<&str>| {
            let found = text.parse::<Socket>().ok().map(|socket| socket.to_string());
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        check("/var/run/docker.sock", Some("/var/run/docker.sock"));
        check("unix:///run/d.sock", Some("/run/d.sock"));
        check("tcp://1.2.3.4:2375", None);
        check("docker.sock", None);
        check("unix://d.sock", None);
    }
}
