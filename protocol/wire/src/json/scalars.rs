//! Strings and numbers, spelled as RapidJSON spells them for Mesos.

use std::io::Write as _;

/// Appends `text` as a JSON string. Only what JSON requires is escaped: `/` and everything beyond ASCII stay as they
/// are.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut clean = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if !NEEDS_ESCAPE[usize::from(*byte)] {
            continue;
        }
        out.extend_from_slice(&bytes[clean..index]);
        clean = index + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
}

static NEEDS_ESCAPE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// Appends a number in a form that shows that it is not an integer: `15.0`, `0.1`, `1e-7`, `1e22`.
///
/// JSON has no infinities. A C++ master aborts on one (RapidJSON refuses it and a CHECK fails); Tepui writes the
/// strings that the reader accepts for them.
pub fn write_f64(value: f64, out: &mut Vec<u8>) {
    /// Integers up to this bound are exact, and most of Mesos' doubles are small integers.
    const EXACT: f64 = 1e15;
    if !value.is_finite() {
        let name: &[u8] = match (value.is_nan(), value > 0.0) {
            (true, _) => b"\"NaN\"",
            (false, true) => b"\"Infinity\"",
            (false, false) => b"\"-Infinity\"",
        };
        out.extend_from_slice(name);
    } else if value.abs() < EXACT && value.trunc() == value && (value != 0.0 || value.is_sign_positive()) {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
        out.extend_from_slice(b".0");
    } else {
        write_shortest(value, out);
    }
}

/// Appends the shortest digits that read back as `value`, placed by RapidJSON's rule: plain between 1e-6 and 1e21,
/// otherwise with an exponent without plus sign or padding.
fn write_shortest(value: f64, out: &mut Vec<u8>) {
    let mut text = [0u8; 32];
    let mut cursor = std::io::Cursor::new(&mut text[..]);
    // Writing cannot fail: the shortest form has at most 17 digits, a sign, a point and an exponent of four characters.
    let _ = write!(cursor, "{:e}", value.abs());
    let length = cursor.position() as usize;
    let text = text.get(..length).unwrap_or_default();
    let split = text.iter().position(|b| *b == b'e').unwrap_or(text.len());
    let (mantissa, exponent) = text.split_at(split);
    let exponent: i32 = std::str::from_utf8(exponent).ok().and_then(|e| e.get(1..)?.parse().ok()).unwrap_or(0);
    let mut digits = [0u8; 20];
    let mut count = 0;
    for digit in mantissa.iter().filter(|b| **b != b'.') {
        if let Some(slot) = digits.get_mut(count) {
            *slot = *digit;
            count += 1;
        }
    }
    let digits = digits.get(..count).unwrap_or_default();
    if value.is_sign_negative() {
        out.push(b'-');
    }
    place_point(digits, exponent + 1, out);
}

/// Writes `0.<digits> * 10^point`.
fn place_point(digits: &[u8], point: i32, out: &mut Vec<u8>) {
    let count = digits.len() as i32;
    if count <= point && point <= 21 {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', (point - count) as usize));
        out.extend_from_slice(b".0");
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = digits.split_at(point as usize);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else if -6 < point && point <= 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
        out.extend_from_slice(digits);
    } else {
        let (first, fraction) = digits.split_at(1.min(digits.len()));
        out.extend_from_slice(first);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        out.push(b'e');
        out.extend_from_slice(itoa::Buffer::new().format(point - 1).as_bytes());
    }
}
