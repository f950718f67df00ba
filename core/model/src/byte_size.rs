//! Sizes in bytes in Mesos' notation (stout's `Bytes`): `2GB`, `4096B`.

/// The units from small to large, in bytes.
const UNITS: [(&str, u64); 5] = [("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];

/// The reason for which a text is not a size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidByteSize {
    /// The text is not a whole number followed by a unit.
    #[error("expected a whole number and a unit (B, KB, MB, GB, TB), e.g. 2GB")]
    Form,
    /// The number of bytes does not fit into 64 bits.
    #[error("out of range: at most 16777215TB")]
    TooLarge,
}

/// Reads a whole number followed by a unit, and returns the number of bytes.
///
/// # Errors
/// Returns an error if the text has another form or is larger than 64 bits can count.
pub fn parse_bytes(text: &str) -> Result<u64, InvalidByteSize> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(InvalidByteSize::Form)?;
    let (number, unit) = text.split_at(split);
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(InvalidByteSize::Form)?;
    let number: u64 = number.trim().parse().map_err(|_| InvalidByteSize::Form)?;
    number.checked_mul(size).ok_or(InvalidByteSize::TooLarge)
}

/// Returns a size in the largest unit in which it is a whole number, as stout prints it.
pub fn format_bytes(bytes: u64) -> String {
    for (unit, size) in UNITS.iter().rev() {
        if bytes != 0 && bytes.is_multiple_of(*size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_of_a_unit() {
        for (text, bytes) in [("2GB", 2 << 30), ("4KB", 4096), ("1000B", 1000), ("0B", 0)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
            assert_eq!(format_bytes(bytes), text);
        }
        for text in ["7", "1.5GB", "-1GB", "99999999999999999999B", "", "GB", "1PB"] {
            assert_eq!(parse_bytes(text), Err(InvalidByteSize::Form), "{text}");
        }
        assert_eq!(parse_bytes("99999999999999TB"), Err(InvalidByteSize::TooLarge));
    }
}
