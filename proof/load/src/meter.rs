//! The cost of a part of a run: elapsed time, and processor time of the master and of this program.

use std::time::{Duration, Instant};

use crate::process::{Usage, UsageError};
use crate::report::Report;

pub struct Meter {
    pid: Option<u32>,
    begin: Instant,
    master: Option<Usage>,
    own: Usage,
    peak: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub wall: Duration,
    /// The processor time of the master; `None` if its process is not known.
    pub cpu: Option<Duration>,
    pub resident: Option<u64>,
    pub peak: Option<u64>,
    pub own_cpu: Duration,
}

impl Meter {
    /// Begins a measurement. `pid` is the master's process, if it is known.
    ///
    /// # Errors
    /// Returns [`UsageError`] if the usage of a process cannot be read.
    pub fn start(pid: Option<u32>) -> Result<Self, UsageError> {
        let master = pid.map(Usage::of).transpose()?;
        let own = Usage::of(std::process::id())?;
        Ok(Meter { pid, begin: Instant::now(), master, own, peak: master.map(|usage| usage.resident) })
    }

    /// Records the current memory of the master if it is the most so far.
    pub fn sample_memory(&mut self) {
        let resident = self.pid.and_then(|pid| Usage::of(pid).ok()).map(|usage| usage.resident);
        self.peak = self.peak.max(resident);
    }

    /// Ends the measurement.
    ///
    /// # Errors
    /// Returns [`UsageError`] if the usage of a process cannot be read.
    pub fn stop(mut self) -> Result<Cost, UsageError> {
        let wall = self.begin.elapsed();
        self.sample_memory();
        let now = self.pid.map(Usage::of).transpose()?;
        let own = Usage::of(std::process::id())?;
        Ok(Cost {
            wall,
            cpu: now.zip(self.master).map(|(now, then)| now.cpu.saturating_sub(then.cpu)),
            resident: now.map(|usage| usage.resident),
            peak: self.peak,
            own_cpu: own.cpu.saturating_sub(self.own.cpu),
        })
    }
}

impl Cost {
    /// Adds the figures that every phase has.
    pub fn report(&self, phase: &'static str, report: &mut Report) {
        report.add(phase, "wall", "s", Some(self.wall.as_secs_f64()));
        report.add(phase, "master cpu", "s", self.cpu.map(|cpu| cpu.as_secs_f64()));
        report.add(phase, "master resident", "MB", self.resident.map(megabytes));
        report.add(phase, "generator cpu", "s", Some(self.own_cpu.as_secs_f64()));
    }
}

pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

pub fn milliseconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(|duration| duration.as_secs_f64() * 1e3)
}
