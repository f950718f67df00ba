//! Numbers of the command line that have bounds: whatever is accepted has a meaning, and the rest is refused while the
//! arguments are read.

use resources::Scalar;

/// The most tasks of one run: each is a row of its table.
pub const MAX_TASKS: u32 = 100_000;

/// The least cpus of a task, as in Mesos (`MIN_CPUS`).
const MIN_CPUS: f64 = 0.01;

/// Returns a number of things in words: `1 image`, `2 images`.
pub fn counted(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Reads the cpus of a task.
///
/// # Errors
///
/// It is no number, or no amount that an agent can have.
pub fn cpus(text: &str) -> Result<f64, String> {
    let bounds = || format!("a task has between {MIN_CPUS} and {} cpus, e.g. 0.5", Scalar::MAX_INPUT);
    let cpus: f64 = text.parse().map_err(|_| bounds())?;
    if (MIN_CPUS..=Scalar::MAX_INPUT).contains(&cpus) { Ok(cpus) } else { Err(bounds()) }
}

/// Reads a weight.
///
/// # Errors
///
/// It is no number above 0.
pub fn weight(text: &str) -> Result<f64, String> {
    let weight = text.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight > 0.0);
    weight.ok_or_else(|| format!("Weights must be positive, and '{text}' is no positive number; write e.g. 2.5"))
}
