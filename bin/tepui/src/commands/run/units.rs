//! Durations and sizes as docker writes them.

use std::time::Duration;

/// Reads `30s`, `1m30s`, `1.5h`, or a duration of Mesos such as `30secs`.
///
/// # Errors
///
/// The text is neither.
pub fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 6] = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    if let Ok(duration) = model::parse_duration(text) {
        return Ok(duration);
    }
    let expected = || format!("'{text}' is no duration; write e.g. 30s or 1m30s");
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(expected)?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(expected)?;
        seconds += number.parse::<f64>().ok().filter(|n| *n >= 0.0).ok_or_else(expected)? * factor;
        rest = next;
    }
    if text.is_empty() { Err(expected()) } else { Duration::try_from_secs_f64(seconds).map_err(|_| expected()) }
}

/// Reads a number of seconds, or a duration.
///
/// # Errors
///
/// The text is neither.
pub fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).or_else(|_| duration(text))
}

/// Reads a size such as `64m` or `1g`, in bytes without a unit, and returns megabytes, rounded up.
///
/// # Errors
///
/// The text is no size, or less than a byte or more than the message can hold.
pub fn megabytes(text: &str) -> Result<u32, String> {
    const UNITS: [(&str, u64); 4] = [("k", 10), ("m", 20), ("g", 30), ("t", 40)];
    let expected = || format!("'{text}' is no size; write e.g. 64m or 1g");
    let lower = text.to_ascii_lowercase();
    let short = lower.strip_suffix('b').unwrap_or(&lower);
    let with_unit = UNITS.iter().find_map(|(unit, shift)| Some((short.strip_suffix(unit)?, *shift)));
    let (number, shift) = with_unit.unwrap_or((short, 0));
    let number: u64 = number.trim().parse().map_err(|_| expected())?;
    let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(expected)?;
    u32::try_from(bytes.div_ceil(1 << 20)).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_docker_and_of_mesos() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(duration(text).ok().map(|duration| duration.as_millis() as u64), expect, "{text}");
        };
        check("30s", Some(30_000));
        check("1m30s", Some(90_000));
        check("1.5h", Some(5_400_000));
        check("250ms", Some(250));
        check("30secs", Some(30_000));
        check("1mins", Some(60_000));
        for wrong in ["", "30", "s", "-1s", "1d", "1s2", "1e400s", "nans", "1m 30s"] {
            check(wrong, None);
        }
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(seconds("1m"), Ok(Duration::from_secs(60)));
    }

    #[test]
    fn sizes_are_those_of_docker() {
        let check = |text: &str, expect: Option<u32>| assert_eq!(megabytes(text).ok(), expect, "{text}");
        check("64m", Some(64));
        check("64MB", Some(64));
        check("1g", Some(1024));
        check("1", Some(1));
        check("1025k", Some(2));
        check("67108864b", Some(64));
        for wrong in ["", "0", "m", "-1m", "1.5g", "99999999t", "64x"] {
            check(wrong, None);
        }
    }
}
