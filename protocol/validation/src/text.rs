//! The format of numbers in Mesos' reasons.

/// Prints a double as a C++ stream does: six significant digits, no trailing zeros.
pub(crate) fn double(value: f64) -> String {
    const DIGITS: i32 = 6;
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    // Rust's `e` notation rounds to the wanted digits and returns the exponent after rounding.
    let scientific = format!("{value:.*e}", (DIGITS - 1) as usize);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..DIGITS).contains(&exponent) {
        return trim_zeros(&format!("{value:.*}", (DIGITS - 1 - exponent) as usize)).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.abs())
}

fn trim_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Prints an amount of megabytes in the largest unit in which it is a whole number.
pub(crate) fn megabytes(megabytes: f64) -> String {
    const UNITS: [(&str, u64); 5] = [("B", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40)];
    let bytes = (megabytes * (1 << 20) as f64) as u64;
    let unit = UNITS.iter().rev().find(|(_, size)| bytes != 0 && bytes.is_multiple_of(*size));
    unit.map_or("0B".to_owned(), |(name, size)| format!("{}{name}", bytes / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_printed_as_by_a_cpp_stream() {
        for (value, text) in [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (0.01, "0.01"),
            (1e20, "1e+20"),
            (123456.0, "123456"),
            (1234567.0, "1.23457e+06"),
            (0.0001, "0.0001"),
            (0.00001234, "1.234e-05"),
            (999999.5, "1e+06"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn sizes_take_the_largest_whole_unit() {
        for (value, text) in [(0.0, "0B"), (31.0, "31MB"), (1024.0, "1GB"), (0.5, "512KB"), (0.001, "1048B")] {
            assert_eq!(megabytes(value), text);
        }
    }
}
