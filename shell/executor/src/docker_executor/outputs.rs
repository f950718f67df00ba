//! The outputs of the container. They go to those of this process, which are the files of the sandbox.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use docker::{LogStream, Output};

use crate::write_stderr::write_stderr;

/// The outputs of the container.
#[derive(Debug)]
pub struct Outputs {
    terminal: bool,
    frames: LogStream,
    /// The time of the last part, in seconds since the epoch.
    last: f64,
}

impl Outputs {
    /// Makes the outputs of a container; one with a terminal has a single one.
    pub fn new(terminal: bool) -> Self {
        Outputs { terminal, frames: LogStream::default(), last: now() }
    }

    /// Begins another stream. Returns the time from which it has to have the outputs, in seconds since the epoch.
    pub fn begin_again(&mut self) -> f64 {
        self.frames = LogStream::default();
        self.last
    }

    /// Writes a part of the stream. Without space on the disk, the container goes on and its output is lost.
    pub fn write(&mut self, part: &[u8]) {
        self.last = now();
        let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
        if self.terminal {
            let _ = stdout.write_all(part).and_then(|()| stdout.flush());
            return;
        }
        let written = self.frames.push(part, &mut |output, bytes| {
            let _ = match output {
                Output::Stdout => stdout.write_all(bytes),
                Output::Stderr => stderr.write_all(bytes),
            };
        });
        let _ = stdout.flush();
        drop(stderr);
        if let Err(error) = written {
            write_stderr(format_args!("executor: {error}"));
            self.frames = LogStream::default();
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
