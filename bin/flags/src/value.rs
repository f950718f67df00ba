//! Values as Mesos writes them: `2GB`, `true`. Durations are in `vocabulary`.

const BYTE_UNITS: &[(&str, u64)] = &[("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

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
