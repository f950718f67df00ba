//! The signals that end a program.

use std::sync::OnceLock;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves on SIGINT or SIGTERM.
pub async fn terminate() {
    tokio::select! {
        () = received(SignalKind::interrupt()) => {}
        () = received(SignalKind::terminate()) => {}
    }
}

/// Resolves on SIGUSR1, which makes an agent unregister and end its tasks.
pub async fn leave() {
    received(SignalKind::user_defined1()).await;
}

/// If a handler cannot be installed, the default action of the signal stays in force.
async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// The signals that end a command in the foreground: Ctrl-C, SIGTERM, and the end of its terminal. It listens from its
/// creation, so that no signal is lost between two calls.
#[derive(Debug)]
pub struct Cancel {
    signals: Vec<(i32, Signal)>,
}

impl Cancel {
    /// Starts to listen. Must be called inside a tokio runtime. SIGHUP is left alone if it was ignored at the start,
    /// because `nohup` and `setsid` mean that the command continues.
    pub fn listen() -> Self {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !hangup_is_ignored() {
            kinds.push(SignalKind::hangup());
        }
        // If a handler cannot be installed, the default action of the signal stays in force.
        let signals = kinds.into_iter().filter_map(|kind| Some((kind.as_raw_value(), signal(kind).ok()?)));
        Cancel { signals: signals.collect() }
    }

    /// Waits for the next signal and returns its number.
    pub async fn next(&mut self) -> i32 {
        std::future::poll_fn(|context| {
            for (number, signal) in &mut self.signals {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(*number);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// The inherited setting is read once, before a handler replaces it.
fn hangup_is_ignored() -> bool {
    static IGNORED: OnceLock<bool> = OnceLock::new();
    *IGNORED.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        ignores(&status, SignalKind::hangup().as_raw_value())
    })
}

/// Reads `SigIgn` of proc_pid_status(5), a mask in which bit 0 stands for signal 1.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let check = |status: &str, expect: bool| assert_eq!(ignores(status, 1), expect, "{status}");
        check("Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t0\n", true);
        check("SigIgn:\t0000000000001000\n", false);
        check("SigIgn:\t0000000000001003\n", true);
        check("", false);
    }
}
