//! The reasons for which a server does not start.

use std::io;
use std::net::SocketAddrV4;
use std::path::PathBuf;

/// The reason for which a server does not start, as far as masters and agents share it.
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
    /// The socket cannot be opened for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address of `--ip` and `--port`.
        address: SocketAddrV4,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The caller is not inside a tokio runtime.
    #[error("a server must be started inside a tokio runtime")]
    NoRuntime,
    /// The operating system refuses another thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// The operating system returns no random bytes for ids.
    #[error("cannot get randomness from the operating system")]
    Randomness(#[source] io::Error),
    /// A directory of the server cannot be created.
    #[error("cannot create the directory {path}; choose another --work_dir or --runtime_dir")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the operating system.
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
