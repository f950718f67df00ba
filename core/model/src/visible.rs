//! Text from outside in a form that is safe to show: characters that would control a terminal, break a line or turn its
//! direction are written as escapes. Frameworks choose names, messages and ids, and a terminal executes control
//! sequences in its input (CVE-2021-25743 is this fault of `kubectl`).

use std::borrow::Cow;

/// Returns the text with every control character (C0, DEL, C1), line or paragraph separator and bidirectional control
/// replaced by an escape: `\n`, `\r`, `\t`, `\x1b`, `\u{202e}`. Text without any is returned as it is.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            control if is_unsafe(control) && u32::from(control) < 0x100 => {
                shown.push_str(&format!("\\x{:02x}", u32::from(control)));
            }
            control if is_unsafe(control) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(control))),
            plain => shown.push(plain),
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character is escaped. The bidirectional controls are those of Unicode Standard Annex 9, section 2.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_control_a_terminal_are_escaped() {
        let check = |given: &str, expect: &str| assert_eq!(visible(given), expect, "{given:?}");
        check("plain text, ünïcödé 漢字", "plain text, ünïcödé 漢字");
        check("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m");
        check("two\nlines\r\n\tand a tab", "two\\nlines\\r\\n\\tand a tab");
        check("bell \x07, delete \x7f, CSI of C1 \u{9b}2J", "bell \\x07, delete \\x7f, CSI of C1 \\x9b2J");
        check("\u{202e}gpj.exe\u{2066}\u{200f}", "\\u{202e}gpj.exe\\u{2066}\\u{200f}");
        check("a\u{2028}b\u{85}c", "a\\u{2028}b\\x85c");
    }

    #[test]
    fn every_control_character_is_found() {
        let raw: String = (0..=0x9f).filter_map(char::from_u32).collect();
        assert!(!visible(&raw).chars().any(char::is_control));
    }
}
