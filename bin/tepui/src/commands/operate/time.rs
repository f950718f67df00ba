//! Reads and writes times and durations. Times are UTC, because a cluster can have machines in many time zones.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::table;

const DAY: u64 = 86_400;
/// The first year that can be written.
const FIRST_YEAR: u64 = 1970;
/// The last year that can be written, because the messages count nanoseconds in 63 bits.
const LAST_YEAR: u64 = 2261;
/// The maximum duration, nearly 292 years, for the same reason.
const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

/// A time in nanoseconds since 1970, as in every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcTime(pub i64);

/// Reads a time on the command line.
///
/// # Errors
///
/// Returns which formats are accepted.
pub fn moment(text: &str) -> Result<UtcTime, String> {
    read_moment(text, now())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn read_moment(text: &str, now: Duration) -> Result<UtcTime, String> {
    let expected =
        || format!("'{text}' is no time; write e.g. now, 'in 2h', 18:00, 'tomorrow 18:00' or '2026-11-21 18:00' (UTC)");
    let text = text.trim();
    let today = now.as_secs() / DAY;
    if text == "now" {
        return Ok(UtcTime::from(now));
    }
    if let Some(later) = text.strip_prefix("in ").or_else(|| text.strip_prefix('+')) {
        let moment = now.saturating_add(duration(later)?);
        return if moment <= LONGEST { Ok(UtcTime::from(moment)) } else { Err(expected()) };
    }
    if let Some(clock) = text.strip_prefix("tomorrow") {
        return clock_of(clock).map(|clock| UtcTime::at(today + 1, clock)).ok_or_else(expected);
    }
    if let Some(clock) = text.strip_prefix("today") {
        return clock_of(clock).map(|clock| UtcTime::at(today, clock)).ok_or_else(expected);
    }
    if let Some((date, clock)) = split_date(text) {
        let day = day_of(date).ok_or_else(expected)?;
        return clock_of(clock).map(|clock| UtcTime::at(day, clock)).ok_or_else(expected);
    }
    // A time without a date is the next one that a clock shows.
    let clock = clock_of(text).filter(|_| !text.is_empty()).ok_or_else(expected)?;
    let passed = UtcTime::at(today, clock) < UtcTime::from(now);
    Ok(UtcTime::at(today + u64::from(passed), clock))
}

/// Splits `2026-11-21` from what follows after a blank or `T`.
fn split_date(text: &str) -> Option<(&str, &str)> {
    let date = text.get(..10).filter(|date| date.as_bytes().get(4) == Some(&b'-'))?;
    let rest = text.get(10..)?;
    rest.is_empty().then_some((date, "")).or_else(|| Some((date, rest.strip_prefix([' ', 'T'])?)))
}

/// Reads the seconds of the day; an empty text is midnight.
fn clock_of(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches("UTC").trim_end_matches('Z').trim();
    if text.is_empty() {
        return Some(0);
    }
    let numbers: Option<Vec<u64>> = text.split(':').map(|part| part.parse().ok()).collect();
    let (hours, minutes, seconds) = match numbers?.as_slice() {
        [hours, minutes] => (*hours, *minutes, 0),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return None,
    };
    (hours < 24 && minutes < 60 && seconds < 60).then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Returns the days since 1970-01-01.
fn day_of(date: &str) -> Option<u64> {
    let numbers: Option<Vec<u64>> = date.split('-').map(|part| part.parse().ok()).collect();
    let [year, month, day] = numbers?[..] else { return None };
    let months = months_of(year);
    if !(FIRST_YEAR..=LAST_YEAR).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let month = usize::try_from(month).ok()? - 1;
    if day == 0 || day > months[month] {
        return None;
    }
    let before: u64 = (FIRST_YEAR..year).map(|year| days_in(&months_of(year))).sum();
    Some(before + days_in(&months[..month]) + day - 1)
}

fn days_in(months: &[u64]) -> u64 {
    months.iter().sum()
}

/// Returns the number of days of each month.
fn months_of(year: u64) -> [u64; 12] {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

impl UtcTime {
    fn at(day: u64, second: u64) -> Self {
        UtcTime::from(Duration::from_secs(day.saturating_mul(DAY).saturating_add(second)))
    }

    /// Formats a time as `2026-11-21 18:00:07 UTC`.
    pub fn to_the_second(self) -> String {
        let seconds = u64::try_from(self.0).unwrap_or_default() / 1_000_000_000;
        format!("{}:{:02} UTC", self.to_string().trim_end_matches(" UTC"), seconds % 60)
    }

    /// Formats the distance to now: `in 2h10m`, `2h10m ago`.
    pub fn distance(self) -> String {
        let apart = Duration::from_nanos(self.0.abs_diff(UtcTime::from(now()).0)).as_secs_f64();
        if self > UtcTime::from(now()) {
            format!("in {}", table::duration(apart))
        } else {
            format!("{} ago", table::duration(apart))
        }
    }
}

impl From<Duration> for UtcTime {
    fn from(since_1970: Duration) -> Self {
        UtcTime(i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Formats a time as `2026-11-21 18:00 UTC`.
impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = u64::try_from(self.0).unwrap_or_default() / 1_000_000_000;
        let (mut days, clock) = (seconds / DAY, seconds % DAY);
        let mut year = FIRST_YEAR;
        while days >= days_in(&months_of(year)) {
            days -= days_in(&months_of(year));
            year += 1;
        }
        let mut month = 1;
        for length in months_of(year) {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        write!(f, "{year:04}-{month:02}-{:02} {:02}:{:02} UTC", days + 1, clock / 3600, clock % 3600 / 60)
    }
}

/// Reads `90s`, `2h`, `1h30m`, `1d`, and the notation of Mesos: `10mins`.
///
/// # Errors
///
/// Returns which formats are accepted.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("'{text}' is no duration; write e.g. 90s, 10m, 2h, 1h30m or 1d");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(expected());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(expected)?;
        let (number, after) = rest.split_at(unit_at);
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let number: f64 = number.trim().parse().map_err(|_| expected())?;
        let part = Duration::try_from_secs_f64(number * unit_of(unit).ok_or_else(expected)?).map_err(|_| expected())?;
        total = total.checked_add(part).filter(|total| *total <= LONGEST).ok_or_else(expected)?;
        rest = next.trim_start();
    }
    Ok(total)
}

/// Returns a unit in seconds.
fn unit_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The time 2026-11-21 15:40:00 UTC, by `date -d @1795275600`.
    const NOW: Duration = Duration::from_secs(1_795_275_600);

    #[test]
    fn times_are_parsed() {
        let check = |text: &str, expect: Option<&str>| {
            let read = read_moment(text, NOW).ok().map(|moment| moment.to_string());
            assert_eq!(read.as_deref(), expect, "{text}");
        };
        check("now", Some("2026-11-21 15:40 UTC"));
        check("in 2h", Some("2026-11-21 17:40 UTC"));
        check("in 1h30m", Some("2026-11-21 17:10 UTC"));
        check("+10mins", Some("2026-11-21 15:50 UTC"));
        check("2026-11-21 18:00", Some("2026-11-21 18:00 UTC"));
        check("2026-11-21T18:00:30Z", Some("2026-11-21 18:00 UTC"));
        check("2026-11-21 18:00 UTC", Some("2026-11-21 18:00 UTC"));
        check("2028-02-29", Some("2028-02-29 00:00 UTC"));
        check("tomorrow 06:30", Some("2026-11-22 06:30 UTC"));
        check("today 18:00", Some("2026-11-21 18:00 UTC"));
        check("18:00", Some("2026-11-21 18:00 UTC"));
        check("06:00", Some("2026-11-22 06:00 UTC"));
        check("2261-12-31 23:59", Some("2261-12-31 23:59 UTC"));
        for wrong in ["2262-01-01", "9999-01-01", "in 90000d", "+100000d"] {
            check(wrong, None);
        }
        for wrong in ["", "soon", "in", "in 2", "2026-02-29", "2026-13-01 00:00", "25:00", "2026-11-21x", "é-é-é-é-é-é"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn a_record_is_shown_to_the_second() {
        assert_eq!(moment("2026-11-21T18:00:07Z").unwrap().to_the_second(), "2026-11-21 18:00:07 UTC");
    }

    #[test]
    fn durations_are_parsed() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(duration(text).ok().map(|d| d.as_secs()), expect, "{text}");
        };
        check("90s", Some(90));
        check("10mins", Some(600));
        check("1h30m", Some(5400));
        check("1.5 h", Some(5400));
        check("2d 4h", Some(187_200));
        check("1w", Some(604_800));
        check("0s", Some(0));
        for wrong in ["", "5", "h", "5x", "-5s", "nan s", "inf s", "1e308s", "293000d"] {
            check(wrong, None);
        }
    }

    proptest! {
        #[test]
        fn printed_durations_are_parsed(minutes in 0_u64..130_000_000) {
            let moment = UtcTime::from(Duration::from_secs(minutes * 60));
            prop_assert_eq!(read_moment(&moment.to_string(), NOW), Ok(moment));
        }
    }
}
