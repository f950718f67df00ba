//! The terminal of this command: raw mode, its size, and the keys that detach.

use std::io::{self, IsTerminal};

use messages::v1;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The control characters that detach, as in Docker: Ctrl-P, Ctrl-Q.
const DETACH: [u8; 2] = [0x10, 0x11];

/// A terminal in raw mode, in which every key is a byte for the container. Dropping it restores the former mode.
#[derive(Debug)]
pub struct RawTerminal {
    former: Termios,
}

impl RawTerminal {
    /// Sets the terminal on stdin to raw mode. Returns `None` if stdin is no terminal.
    ///
    /// # Errors
    ///
    /// The terminal refuses the mode.
    pub fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let former = tcgetattr(&stdin)?;
        let mut raw = former.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Drain, &raw)?;
        Ok(Some(RawTerminal { former }))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.former);
    }
}

/// Returns the size of the terminal on stdout; `None` if stdout is no terminal.
pub fn size() -> Option<v1::tty_info::WindowSize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = tcgetwinsize(&stdout).ok()?;
    Some(v1::tty_info::WindowSize { rows: size.ws_row.into(), columns: size.ws_col.into() })
}

/// Recognises the keys that detach in what the user types. The first key is held back until the next one is known.
#[derive(Debug, Default)]
pub struct DetachKeys {
    pending: bool,
}

impl DetachKeys {
    /// Takes typed bytes in. Returns those for the container, and whether the user wants to detach.
    pub fn typed(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::with_capacity(bytes.len() + 1);
        for byte in bytes {
            if self.pending && *byte == DETACH[1] {
                return (out, true);
            }
            if std::mem::take(&mut self.pending) {
                out.push(DETACH[0]);
            }
            if *byte == DETACH[0] {
                self.pending = true;
            } else {
                out.push(*byte);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_detach_in_any_chunks() {
        let check = |typed: &[&[u8]], expect: &[u8], detached: bool| {
            let mut keys = DetachKeys::default();
            let mut out = Vec::new();
            let mut is_detached = false;
            for bytes in typed {
                let (bytes, detach) = keys.typed(bytes);
                out.extend(bytes);
                is_detached |= detach;
            }
            assert_eq!((out.as_slice(), is_detached), (expect, detached), "{typed:?}");
        };
        check(&[b"ls\n"], b"ls\n", false);
        check(&[b"a\x10\x11b"], b"a", true);
        check(&[b"a\x10", b"\x11"], b"a", true);
        check(&[b"\x10x\x11"], b"\x10x\x11", false);
        check(&[b"\x10\x10\x11"], b"\x10", true);
        check(&[b"\x10"], b"", false);
    }
}
