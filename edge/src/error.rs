//! Why a server does not start.

use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;

/// Why a server does not start, where that is the same for masters and agents.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process listens on the address.
    #[error("cannot listen on {address}: another process does; stop it or choose another --port")]
    AddressInUse {
        /// The address of `--ip` and `--port`.
        address: SocketAddrV4,
    },
    /// The machine does not have the address.
    #[error("cannot listen on {address}: this machine does not have that address; choose another --ip")]
    NoSuchAddress {
        /// The address of `--ip` and `--port`.
        address: SocketAddrV4,
    },
    /// The port needs a privilege.
    #[error("cannot listen on {address}: not permitted; ports below 1024 need root, choose another --port")]
    NotPermitted {
        /// The address of `--ip` and `--port`.
        address: SocketAddrV4,
    },
    /// The socket cannot be had for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address of `--ip` and `--port`.
        address: SocketAddrV4,
        /// What the system says.
        source: io::Error,
    },
    /// There is no runtime for the connections.
    #[error("a server must be started inside a tokio runtime")]
    NoRuntime,
    /// The system does not give another thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// There are no random bytes for ids.
    #[error("cannot get randomness from the operating system")]
    Randomness(#[source] io::Error),
    /// A directory of the server cannot be made.
    #[error("cannot create the directory {path}; choose another --work_dir or --runtime_dir")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn listen(address: SocketAddrV4, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Error::AddressInUse { address },
            io::ErrorKind::AddrNotAvailable => Error::NoSuchAddress { address },
            io::ErrorKind::PermissionDenied => Error::NotPermitted { address },
            _ => Error::Listen { address, source },
        }
    }
}
