//! The clock and the randomness of the operating system.

use std::io::{self, Read};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::core::Clock;

/// The clock and randomness of the operating system.
#[derive(Debug)]
pub struct SystemClock {
    random: std::fs::File,
    start: Instant,
}

impl SystemClock {
    /// Makes a clock whose `elapsed` begins now.
    ///
    /// # Errors
    /// Returns the error of the operating system if its randomness cannot be opened.
    pub fn new() -> io::Result<Self> {
        Ok(SystemClock { random: std::fs::File::open("/dev/urandom")?, start: Instant::now() })
    }
}

impl Clock for SystemClock {
    fn elapsed(&mut self) -> Duration {
        self.start.elapsed()
    }

    fn now(&mut self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
    }

    fn uuid(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        if self.random.read_exact(&mut bytes).is_err() {
            // This has never been observed. The time still makes the uuids of one task's updates unique, which
            // suffices.
            bytes = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos()).to_le_bytes();
        }
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        bytes
    }
}
