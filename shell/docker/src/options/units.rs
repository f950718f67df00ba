//! The sizes and times of options of `docker run`.

/// Reads a size such as `64m`, `1.5g`, `512k`, `100b` or a number of bytes (`units.RAMInBytes` of Docker).
pub fn size(text: &str) -> Result<u64, String> {
    let expected = || format!("has the value '{text}'; expected a size, e.g. 64m");
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &lower[number.len()..] {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tb" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(expected()),
    };
    let value: f64 = number.trim_end().parse().map_err(|_| expected())?;
    let bytes = value * unit;
    // Beyond this, a float is no exact number any more.
    if (0.0..9e15).contains(&bytes) { Ok(bytes as u64) } else { Err(expected()) }
}

/// Reads a duration of Go, e.g. `1m30s`, `500ms`. Returns nanoseconds.
pub fn nanoseconds(text: &str) -> Result<u64, String> {
    let expected = || format!("has the value '{text}'; expected a time, e.g. 30s");
    let (mut rest, mut total) = (text.trim(), 0.0);
    if rest.is_empty() {
        return Err(expected());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(expected)?;
        let value: f64 = rest[..digits].parse().map_err(|_| expected())?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += value
            * match &rest[..end] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return Err(expected()),
            };
        rest = &rest[end..];
    }
    if total < 9e15 { Ok(total as u64) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, expect) in
            [("64m", 64 << 20), ("1.5g", 3 << 29), ("100", 100), ("100b", 100), ("2K", 2048), ("1GiB", 1 << 30)]
        {
            assert_eq!(size(text), Ok(expect), "{text}");
        }
        for text in ["", "m", "-1", "1x", "1e40", "nan", "inf", "1e20"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_read_as_docker_reads_them() {
        for (text, expect) in
            [("30s", 30_000_000_000), ("1m30s", 90_000_000_000), ("500ms", 500_000_000), ("1.5s", 1_500_000_000)]
        {
            assert_eq!(nanoseconds(text), Ok(expect), "{text}");
        }
        for text in ["", "30", "s", "1y", "1.2.3s", "9999999999h", "-1s"] {
            assert!(nanoseconds(text).is_err(), "{text}");
        }
    }
}
