//! Sizes in messages about disk space.

/// Writes a size as Mesos does: in the largest unit without a fraction.
pub(crate) fn disk_size(bytes: u64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let is_whole = |power: &usize| bytes > 0 && bytes.is_multiple_of(1 << (10 * power));
    let power = (0..units.len()).rev().find(is_whole).unwrap_or(0);
    format!("{}{}", bytes >> (10 * power), units.get(power).unwrap_or(&"B"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_no_fraction() {
        for (size, expect) in
            [(0, "0B"), (1023, "1023B"), (1024, "1KB"), (3 << 20, "3MB"), ((1 << 30) + 1024, "1048577KB")]
        {
            assert_eq!(disk_size(size), expect);
        }
    }
}
