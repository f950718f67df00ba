//! The terminals of containers, which their inits own (`executor::terminal` has the protocol).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use messages::v1::agent::ProcessIo;
use messages::v1::agent::process_io::data;
use messages::v1::tty_info::WindowSize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::session::{CHUNK, WAITING_CHUNKS, Written, output_record};

/// Streams the output of a terminal from a connection to its init, from now on.
///
/// # Errors
/// Returns the error of the connection.
pub async fn read(connection: OwnedFd) -> io::Result<mpsc::Receiver<Arc<ProcessIo>>> {
    let mut connection = stream(connection)?;
    connection.write_all(b"o").await?;
    let (sender, receiver) = mpsc::channel(WAITING_CHUNKS);
    tokio::spawn(async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = tokio::select! {
                () = sender.closed() => return,
                read = connection.read(&mut buffer) => read,
            };
            let Ok(length @ 1..) = read else { return };
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            // The reader has gone.
            if sender.send(output_record(data::Type::Stdout, bytes)).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

fn stream(connection: OwnedFd) -> io::Result<UnixStream> {
    UnixStream::from_std(std::os::unix::net::UnixStream::from(connection))
}

/// The right to write the input of a terminal.
#[derive(Debug)]
pub struct TerminalInput(UnixStream);

impl TerminalInput {
    /// Asks the init for the input of a terminal; `None` if another connection has it.
    ///
    /// # Errors
    /// Returns the error of the connection.
    pub async fn open(connection: OwnedFd) -> io::Result<Option<Self>> {
        let mut connection = stream(connection)?;
        connection.write_all(b"i").await?;
        match connection.read_u8().await? {
            b'k' => Ok(Some(TerminalInput(connection))),
            _ => Ok(None),
        }
    }

    /// Waits for the end of the container.
    pub async fn ended(&self) {
        // The init sends nothing more.
        while self.0.readable().await.is_ok() {
            match self.0.try_read(&mut [0; 16]) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return,
            }
        }
    }

    /// Writes to the terminal, as fast as its program reads.
    ///
    /// # Errors
    /// Returns the error of the connection.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<Written> {
        for part in bytes.chunks(CHUNK) {
            if self.send(b'd', part).await? == Written::Ended {
                return Ok(Written::Ended);
            }
        }
        Ok(Written::All)
    }

    /// Sets the size of the terminal.
    ///
    /// # Errors
    /// Returns the error of the connection.
    pub async fn resize(&self, size: &WindowSize) -> io::Result<Written> {
        let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
        let ([row_high, row_low], [column_high, column_low]) = (small(size.rows), small(size.columns));
        self.send(b's', &[row_high, row_low, column_high, column_low]).await
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.0.writable().await?;
            match self.0.try_write(bytes) {
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn send(&self, kind: u8, bytes: &[u8]) -> io::Result<Written> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let frame = [&[kind][..], &length.to_be_bytes(), bytes].concat();
        match self.write_all(&frame).await {
            Ok(()) => Ok(Written::All),
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {
                Ok(Written::Ended)
            }
            Err(error) => Err(error),
        }
    }
}
