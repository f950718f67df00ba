//! The streams between a container and this terminal.

use std::io::{Read, Write};

use tepui_client::{ContainerInput, ContainerOutput, Error, OutputPiece};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::terminal::{self, DetachKeys};
use crate::output;
use crate::signals::Cancel;

/// The bytes of stdin that are read at once.
const STDIN_CHUNK: usize = 16 << 10;
/// The byte that ends the input of a terminal (EOT).
const END_OF_TRANSMISSION: u8 = 4;

/// The input that is forwarded to the container.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding {
    /// Whether stdin is forwarded. Otherwise the container's stdin is closed at once, unless it has a terminal.
    pub stdin: bool,
    /// Whether the container has a terminal.
    pub terminal: bool,
    /// Whether the keys that detach are recognised.
    pub detaches: bool,
}

/// The reason for which the streams have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The container's output has ended.
    Output,
    /// The user has detached.
    Detached,
    /// A signal has ended this command.
    Signal(i32),
}

/// Copies the output of a container to stdout and stderr, and what is typed to the container, until one of them ends or
/// `cancel` has a signal.
///
/// # Errors
///
/// The connection to the agent breaks.
pub async fn relay(
    output: &mut ContainerOutput,
    input: Option<ContainerInput>,
    forwarding: Forwarding,
    cancel: &mut Cancel,
) -> Result<Ended, Error> {
    let (detach, mut detached) = oneshot::channel();
    // Input and output must not wait for each other: a container that writes before it reads would stop both.
    let forward = input.map(|input| tokio::spawn(forward(input, forwarding, detach)));
    let mut may_detach = forward.is_some();
    let ended = loop {
        tokio::select! {
            piece = output.next() => match piece? {
                Some(OutputPiece::Stdout(bytes)) => output::exact(&bytes),
                // An error of stderr cannot be reported anywhere.
                Some(OutputPiece::Stderr(bytes)) => drop(std::io::stderr().write_all(&bytes)),
                None => break Ended::Output,
            },
            wanted = &mut detached, if may_detach => match wanted {
                Ok(()) => break Ended::Detached,
                Err(_) => may_detach = false,
            },
            signal = cancel.next() => break Ended::Signal(signal),
        }
        if output::is_closed() {
            break Ended::Signal(SIGPIPE);
        }
    };
    if let Some(forward) = forward {
        forward.abort();
    }
    Ok(ended)
}

/// The signal that ends a process that writes to a closed pipe.
const SIGPIPE: i32 = 13;

/// Sends what is typed, and the size of the terminal, to the container.
async fn forward(input: ContainerInput, forwarding: Forwarding, detach: oneshot::Sender<()>) {
    let open = async {
        let mut resized = forwarding.terminal.then(|| signal(SignalKind::window_change()).ok()).flatten();
        if forwarding.terminal
            && let Some(size) = terminal::size()
        {
            input.resize(size.rows, size.columns).await?;
        }
        if !forwarding.stdin && !forwarding.terminal {
            return input.write(Vec::new()).await.map(|()| false);
        }
        let mut stdin = forwarding.stdin.then(read_stdin);
        let mut keys = DetachKeys::default();
        loop {
            tokio::select! {
                read = next(&mut stdin) => match read {
                    None => {
                        stdin = None;
                        let end = if forwarding.terminal { vec![END_OF_TRANSMISSION] } else { Vec::new() };
                        input.write(end).await?;
                    }
                    Some(typed) => {
                        let (bytes, wanted) = match forwarding.detaches {
                            true => keys.typed(&typed),
                            false => (typed, false),
                        };
                        // An empty write would close the stdin.
                        if !bytes.is_empty() {
                            input.write(bytes).await?;
                        }
                        if wanted {
                            return Ok(true);
                        }
                    }
                },
                () = changed(&mut resized) => if let Some(size) = terminal::size() {
                    input.resize(size.rows, size.columns).await?;
                },
            }
        }
    };
    let result: Result<bool, tepui_client::InputClosed> = open.await;
    if result == Ok(true) {
        // The receiver is there until this task is aborted.
        let _ = detach.send(());
        return;
    }
    // The connection stays open until the container has ended, since its end would close the container's stdin.
    // Other errors mean that the container ended before it was attached to, or that the agent is lost, which ends the output.
    if let Err(error @ Error::Status { status: 400 | 409, .. }) = input.finish().await {
        output::write_stderr(format_args!("tepui: the container takes no input: {error}"));
    }
}

/// Reads stdin on a thread of its own, which waits for the container after each piece. Reads of a terminal cannot be ended, so
/// the thread ends with the process.
pub(super) fn read_stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut buffer = vec![0; STDIN_CHUNK];
        loop {
            match std::io::stdin().lock().read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(length) if sender.blocking_send(buffer[..length].to_vec()).is_err() => return,
                Ok(_) => {}
            }
        }
    });
    receiver
}

/// Waits for the next piece of stdin; `None` at its end. There is never one after the end.
async fn next(stdin: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match stdin {
        Some(stdin) => stdin.recv().await,
        None => std::future::pending().await,
    }
}

async fn changed(resized: &mut Option<Signal>) {
    match resized {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
