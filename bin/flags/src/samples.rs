//! Values at and beyond the bounds of a flag, computed from its row, for tests of all flags.

use std::time::Duration;

use model::format_duration;

use crate::bounds::Bounds;
use crate::definition::{Flag, Kind};

/// Returns values that the flag must refuse: of another type, or out of bounds.
pub fn invalid_values(flag: &Flag) -> Vec<String> {
    let mut samples: Vec<&str> = match flag.kind {
        Kind::Bool => vec!["", "2", "-1", "yes", "TRUE", "NaN"],
        Kind::Text | Kind::Path | Kind::WatchedFile | Kind::List => Vec::new(),
        Kind::Address => vec!["", "0", "-1", "localhost", "1.2.3", "1.2.3.256", "::1", "1.2.3.4:5"],
        Kind::Choice(_) => vec!["", "0", "-1", "NaN", "nonsense"],
        Kind::Duration => {
            vec!["", "0", "-1", "1", "-1secs", "NaNsecs", "infsecs", "1e400secs", "99999999weeks", "1parsec"]
        }
        Kind::Bytes => vec!["", "0", "-1", "1", "-1B", "1.5GB", "NaNGB", "99999999999999TB", "1PB"],
        Kind::Integer => vec!["", "-1", "1.5", "1e3", "NaN", "18446744073709551616", "0x10", " 1"],
        Kind::Float => vec!["", "NaN", "inf", "-inf", "1e999", "x"],
        Kind::Percent => vec!["", "0", "-1%", "101%", "NaN%", "1e999%", "%"],
        Kind::Rate => vec!["", "0", "-1", "1", "0/1secs", "-1/1secs", "1/0secs", "1/-1secs", "NaN/1secs", "9/1ns"],
        Kind::Json => vec!["", "0", "-1", "NaN", "null", "{", "nonsense"],
    };
    if flag.bounds == Bounds::NotEmpty {
        samples.push("");
    }
    let mut samples: Vec<String> = samples.into_iter().map(str::to_owned).collect();
    samples.extend(beyond(&flag.bounds));
    samples
}

/// Returns the minimum and the maximum of a flag with an order.
pub fn extremes(flag: &Flag) -> Option<[String; 2]> {
    match flag.bounds {
        Bounds::Any | Bounds::NotEmpty => None,
        Bounds::Integer { min, max } => Some([min.to_string(), max.to_string()]),
        Bounds::Bytes { min, max } => Some([format!("{min}B"), format!("{max}B")]),
        Bounds::Float { min, max } => Some([min.to_string(), max.to_string()]),
        Bounds::Duration { min, max: Bounds::LONGEST } => Some([format_duration(min), "15250weeks".to_owned()]),
        Bounds::Duration { min, max } => Some([format_duration(min), format_duration(max)]),
    }
}

/// Returns the nearest values out of bounds.
fn beyond(bounds: &Bounds) -> Vec<String> {
    const STEP: Duration = Duration::from_nanos(1);
    /// The notation has fifteen digits, so that one nanosecond more than some weeks would not be visible.
    const VISIBLE_STEP: Duration = Duration::from_millis(1);
    let (below, above) = match *bounds {
        Bounds::Any | Bounds::NotEmpty => (None, None),
        Bounds::Integer { min, max } => {
            (min.checked_sub(1).map(|n| n.to_string()), max.checked_add(1).map(|n| n.to_string()))
        }
        Bounds::Bytes { min, max } => {
            (min.checked_sub(1).map(|n| format!("{n}B")), max.checked_add(1).map(|n| format!("{n}B")))
        }
        Bounds::Float { min, max } => {
            let number = |number: f64, beyond: bool| (beyond && number.is_finite()).then(|| number.to_string());
            (number(min - 0.001, min - 0.001 < min), number(max + 0.001, max + 0.001 > max))
        }
        Bounds::Duration { min, max } => (
            min.checked_sub(STEP).map(format_duration),
            max.checked_add(VISIBLE_STEP).filter(|_| max < Bounds::LONGEST).map(format_duration),
        ),
    };
    below.into_iter().chain(above).collect()
}
