//! Durations: in Mesos' notation (`15secs`, `500ms`, `2weeks`), and in messages.

use std::time::Duration;

use messages::v1;

/// The units from small to large, in nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("secs", 1_000_000_000),
    ("mins", 60_000_000_000),
    ("hrs", 3_600_000_000_000),
    ("days", 86_400_000_000_000),
    ("weeks", 604_800_000_000_000),
];

/// The decimal digits that a double keeps.
const SIGNIFICANT_DIGITS: usize = 15;

/// The reason for which a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// The text is not a number followed by a unit.
    #[error("expected a number and a unit (ns, us, ms, secs, mins, hrs, days, weeks), e.g. 10secs")]
    Form,
    /// Mesos counts nanoseconds in 63 bits, which is 292 years.
    #[error("out of range: at most 15250 weeks")]
    TooLong,
}

/// Reads a decimal number followed by one of the units of Mesos. Singular forms are accepted, too, since people type
/// them.
///
/// # Errors
///
/// Returns an error if the text has another form, is negative, or is longer than Mesos can count.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(InvalidDuration::Form)?;
    let (number, unit) = text.split_at(split);
    let is_unit = |name: &str| name == unit || name.strip_suffix('s').is_some_and(|one| one == unit && one.len() > 1);
    let (_, size) = UNITS.into_iter().find(|(name, _)| is_unit(name)).ok_or(InvalidDuration::Form)?;
    let number: f64 = number.trim().parse().map_err(|_| InvalidDuration::Form)?;
    if !number.is_finite() || number < 0.0 {
        return Err(InvalidDuration::Form);
    }
    let nanos = (number * size as f64).round();
    // The largest number is rounded up, so it is itself out of range.
    if nanos > i64::MAX as f64 {
        return Err(InvalidDuration::TooLong);
    }
    Ok(Duration::from_nanos(nanos as u64))
}

/// Writes a duration as stout prints it: in the largest unit that fits, in the next smaller one if only that makes it a
/// whole number (`90secs`), otherwise with a fraction (`1.1875days`).
pub fn format_duration(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let fitting = UNITS.iter().rposition(|(_, size)| nanos >= *size).unwrap_or(0);
    let smaller = fitting.saturating_sub(1);
    let whole = |index: usize| UNITS.get(index).is_some_and(|(_, size)| nanos.is_multiple_of(*size));
    let (name, size) = match !whole(fitting) && whole(smaller) {
        true => UNITS[smaller],
        false => UNITS[fitting],
    };
    match nanos.is_multiple_of(size) {
        true => format!("{}{name}", nanos / size),
        false => format!("{}{name}", decimal(nanos as f64 / size as f64)),
    }
}

/// Writes a number of at least one that is not whole, without zeros at its end.
fn decimal(number: f64) -> String {
    let before_point = number.trunc().to_string().len();
    let text = format!("{number:.*}", SIGNIFICANT_DIGITS.saturating_sub(before_point));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads the duration of a message. A negative one becomes zero: validation refuses negative durations, so this only
/// bounds what an unchecked peer can cause.
pub fn duration_from_proto(duration: &v1::DurationInfo) -> Duration {
    Duration::from_nanos(u64::try_from(duration.nanoseconds).unwrap_or(0))
}

/// Converts a duration for a message; it becomes at most 292 years.
pub fn duration_to_proto(duration: Duration) -> v1::DurationInfo {
    v1::DurationInfo { nanoseconds: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_in_the_notation_of_mesos() {
        let check = |text: &str, expect: Result<u64, InvalidDuration>| {
            assert_eq!(parse_duration(text).map(|duration| duration.as_nanos() as u64), expect, "{text}");
        };
        check("15secs", Ok(15_000_000_000));
        check("1sec", Ok(1_000_000_000));
        check("0.5mins", Ok(30_000_000_000));
        check("2weeks", Ok(1_209_600_000_000_000));
        check("0ns", Ok(0));
        for text in ["10", "secs", "-1secs", "1fortnight", "", "1e", "NaNsecs", "infsecs"] {
            check(text, Err(InvalidDuration::Form));
        }
        check("99999999weeks", Err(InvalidDuration::TooLong));
    }

    #[test]
    fn durations_print_as_in_stout() {
        let check = |duration: Duration, expect: &str| assert_eq!(format_duration(duration), expect);
        let seconds = Duration::from_secs;
        check(Duration::ZERO, "0ns");
        check(Duration::from_nanos(7), "7ns");
        check(Duration::from_nanos(1500), "1500ns");
        check(Duration::from_millis(250), "250ms");
        check(Duration::from_millis(1500), "1500ms");
        check(Duration::from_millis(3140), "3140ms");
        check(Duration::from_nanos(3_141_592_653), "3.141592653secs");
        check(seconds(1), "1secs");
        check(seconds(60), "1mins");
        check(seconds(90), "90secs");
        check(seconds(600), "10mins");
        check(seconds(10 * 3600), "10hrs");
        check(seconds(86_400 + 4 * 3600 + 30 * 60), "1.1875days");
        check(seconds(10 * 86_400), "10days");
        check(seconds(14 * 86_400), "2weeks");
        check(Duration::from_nanos(i64::MAX as u64), "15250.2844524715weeks");
    }

    proptest! {
        #[test]
        fn a_printed_duration_is_read_back(nanos in prop_oneof![0..10_000_000_u64, 0..9_000_000_000_000_000_000_u64]) {
            let duration = Duration::from_nanos(nanos);
            let read = parse_duration(&format_duration(duration)).unwrap();
            // Fifteen digits are enough: the remaining digits of a long time have no practical meaning.
            let error = read.abs_diff(duration).as_secs_f64();
            prop_assert!(error <= duration.as_secs_f64() * 1e-13, "{error}");
        }

        #[test]
        fn no_text_causes_a_panic(text in ".*") {
            let _ = parse_duration(&text);
        }
    }
}
