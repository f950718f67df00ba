//! Values as Mesos writes them: `15secs`, `2GB`, `true`.

use std::time::Duration;

const DURATION_UNITS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("secs", 1_000_000_000),
    ("mins", 60_000_000_000),
    ("hrs", 3_600_000_000_000),
    ("days", 86_400_000_000_000),
    ("weeks", 604_800_000_000_000),
];

const BYTE_UNITS: &[(&str, u64)] = &[("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

/// A decimal number followed by one of the units of Mesos.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let units: Vec<&str> = DURATION_UNITS.iter().map(|(u, _)| *u).collect();
    let expected = || format!("expected a number and a unit ({}), e.g. 10secs", units.join(", "));
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(split);
    // Singular forms are what people type (and what Mesos prints for one): accept them as well.
    let nanos = DURATION_UNITS
        .iter()
        .find(|(u, _)| *u == unit || u.strip_suffix('s').is_some_and(|s| s == unit && s.len() > 1))
        .map(|(_, nanos)| *nanos)
        .ok_or_else(expected)?;
    let number: f64 = number.trim().parse().map_err(|_| expected())?;
    if !number.is_finite() || number < 0.0 {
        return Err(expected());
    }
    let total = number * nanos as f64;
    // i64 nanoseconds (292 years) is what Mesos can hold.
    if total > i64::MAX as f64 {
        return Err("out of range: at most 15250 weeks".to_owned());
    }
    Ok(Duration::from_nanos(total.round() as u64))
}

/// The largest unit that divides the duration evenly, as Mesos prints it.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    for (unit, size) in DURATION_UNITS.iter().rev() {
        if nanos != 0 && nanos.is_multiple_of(*size) {
            return format!("{}{unit}", nanos / size);
        }
    }
    format!("{nanos}ns")
}

pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let expected = || "expected a whole number and a unit (B, KB, MB, GB, TB), e.g. 2GB".to_owned();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(split);
    let size = BYTE_UNITS.iter().find(|(u, _)| *u == unit).map(|(_, size)| *size).ok_or_else(expected)?;
    let number: u64 = number.trim().parse().map_err(|_| expected())?;
    number.checked_mul(size).ok_or_else(|| "out of range: at most 16777215TB".to_owned())
}

pub fn format_bytes(bytes: u64) -> String {
    for (unit, size) in BYTE_UNITS.iter().rev() {
        if bytes != 0 && bytes.is_multiple_of(*size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    format!("{bytes}B")
}

pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(parse_duration(text).ok().map(|d| d.as_nanos() as u64), expect, "{text}");
        };
        check("15secs", Some(15_000_000_000));
        check("1sec", Some(1_000_000_000));
        check("0.5mins", Some(30_000_000_000));
        check("2weeks", Some(1_209_600_000_000_000));
        check("0ns", Some(0));
        check("10", None);
        check("secs", None);
        check("-1secs", None);
        check("1fortnight", None);
        check("99999999weeks", None);
        check("", None);
    }

    #[test]
    fn durations_print_in_the_largest_even_unit() {
        for text in ["15secs", "1mins", "2weeks", "500ms", "6hrs", "0ns"] {
            assert_eq!(parse_duration(text).map(format_duration), Ok(text.to_owned()));
        }
    }

    #[test]
    fn bytes() {
        let check = |text: &str, expect: Option<u64>| assert_eq!(parse_bytes(text).ok(), expect, "{text}");
        check("2GB", Some(2 << 30));
        check("4KB", Some(4096));
        check("7B", Some(7));
        check("7", None);
        check("1.5GB", None);
        check("99999999999999TB", None);
        assert_eq!(format_bytes(2 << 30), "2GB");
        assert_eq!(format_bytes(1000), "1000B");
    }
}
