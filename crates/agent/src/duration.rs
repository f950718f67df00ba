//! Durations as Mesos prints and parses them: `5secs`, `1mins`, `1weeks`.

use std::time::Duration;

use messages::v1;

/// In the largest unit that leaves no fraction, as stout does; executors parse it from their environment.
pub(crate) fn text(duration: Duration) -> String {
    const UNITS: [(u128, &str); 8] = [
        (604_800_000_000_000, "weeks"),
        (86_400_000_000_000, "days"),
        (3_600_000_000_000, "hrs"),
        (60_000_000_000, "mins"),
        (1_000_000_000, "secs"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0ns".to_owned();
    }
    for (unit, name) in UNITS {
        if nanos.is_multiple_of(unit) {
            return format!("{}{name}", nanos / unit);
        }
    }
    format!("{nanos}ns")
}

/// Zero for a negative one: validation refuses those, so it only bounds what an unchecked peer can do.
pub(crate) fn from_proto(duration: &v1::DurationInfo) -> Duration {
    Duration::from_nanos(u64::try_from(duration.nanoseconds).unwrap_or(0))
}

pub(crate) fn to_proto(duration: Duration) -> v1::DurationInfo {
    v1::DurationInfo { nanoseconds: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_whole_unit_is_printed() {
        for (duration, expected) in [
            (Duration::ZERO, "0ns"),
            (Duration::from_nanos(7), "7ns"),
            (Duration::from_millis(1500), "1500ms"),
            (Duration::from_secs(5), "5secs"),
            (Duration::from_secs(60), "1mins"),
            (Duration::from_secs(90), "90secs"),
            (Duration::from_secs(7 * 24 * 3600), "1weeks"),
        ] {
            assert_eq!(text(duration), expected);
        }
    }
}
