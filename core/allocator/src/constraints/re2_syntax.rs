//! Translates patterns from the syntax of RE2, which Mesos uses, to that of the engine used here.
//!
//! | pattern | RE2 | engine | here |
//! | --- | --- | --- | --- |
//! | `\d` `\s` `\w` `\b` and their opposites | ASCII | Unicode | ASCII |
//! | `\Q…\E` | literal text | error | literal text |
//! | `[a[b]`, `[a&&b]`, `[a~~b]` | members of the class | nested class, set operations | members |
//! | `{` that begins no repetition | literal | error | error |
//! | `\C` (one byte) | any byte | error | error |
//!
//! The last two differences remain.

/// Translates a pattern. A pattern that RE2 refuses stays invalid.
pub(crate) fn translate(pattern: &str) -> String {
    Translation { rest: pattern, out: String::with_capacity(pattern.len()), in_class: false }.run()
}

struct Translation<'a> {
    rest: &'a str,
    out: String,
    in_class: bool,
}

impl<'a> Translation<'a> {
    fn run(mut self) -> String {
        while let Some(next) = self.next() {
            match next {
                '\\' => self.escape(),
                '[' if self.in_class => self.bracket_in_class(),
                '[' => self.open_class(),
                ']' if self.in_class => {
                    self.in_class = false;
                    self.out.push(']');
                }
                '&' | '~' if self.in_class => self.literal(next),
                other => self.out.push(other),
            }
        }
        self.out
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn escape(&mut self) {
        let Some(escaped) = self.next() else {
            self.out.push('\\');
            return;
        };
        let ascii = match escaped {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            's' => r"[\t\n\f\r ]",
            'S' => r"[^\t\n\f\r ]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            'b' if !self.in_class => r"(?-u:\b)",
            'B' if !self.in_class => r"(?-u:\B)",
            'Q' if !self.in_class => return self.quoted(),
            _ => {
                self.out.push('\\');
                self.out.push(escaped);
                return;
            }
        };
        self.out.push_str(ascii);
    }

    /// Copies literal text until `\E` or the end.
    fn quoted(&mut self) {
        while !self.rest.is_empty() && !self.skip(r"\E") {
            if let Some(next) = self.next() {
                self.literal(next);
            }
        }
    }

    fn literal(&mut self, literal: char) {
        if literal.is_ascii_punctuation() {
            self.out.push('\\');
        }
        self.out.push(literal);
    }

    /// A bracket right after the opening one is a member.
    fn open_class(&mut self) {
        self.in_class = true;
        self.out.push('[');
        if self.skip("^") {
            self.out.push('^');
        }
        if self.skip("]") {
            self.out.push_str(r"\]");
        }
    }

    /// `[:alpha:]` is a class of POSIX; any other bracket is a member.
    fn bracket_in_class(&mut self) {
        let posix = self.rest.starts_with(':').then(|| self.rest.find(":]")).flatten();
        match posix.and_then(|end| self.rest.split_at_checked(end + 2)) {
            Some((name, rest)) => {
                self.out.push('[');
                self.out.push_str(name);
                self.rest = rest;
            }
            None => self.literal('['),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cases: &[(&str, &str)]) {
        for (pattern, expected) in cases {
            assert_eq!(translate(pattern), *expected, "{pattern}");
        }
    }

    #[test]
    fn syntax_with_the_same_meaning_is_kept() {
        check(&[
            ("", ""),
            ("rack-[a-d]+", "rack-[a-d]+"),
            (r"(?i)a|b\.c", r"(?i)a|b\.c"),
            (r"\pL{2,3}\x41\z", r"\pL{2,3}\x41\z"),
            ("[[:alpha:]_]", "[[:alpha:]_]"),
            ("[[:^alpha:]]", "[[:^alpha:]]"),
            ("ü.", "ü."),
        ]);
    }

    #[test]
    fn perl_classes_are_ascii() {
        check(&[
            (r"\d\D", "[0-9][^0-9]"),
            (r"[\w.]", "[[0-9A-Za-z_].]"),
            (r"[^\S]", r"[^[^\t\n\f\r ]]"),
            (r"\bx\B", r"(?-u:\b)x(?-u:\B)"),
        ]);
    }

    #[test]
    fn classes_do_not_nest() {
        check(&[
            ("[a[b]", r"[a\[b]"),
            ("[]a]", r"[\]a]"),
            ("[^]a]", r"[^\]a]"),
            ("[a&&b]", r"[a\&\&b]"),
            ("[a~~b]", r"[a\~\~b]"),
            ("[a[:b]", r"[a\[:b]"),
        ]);
    }

    #[test]
    fn quoted_text_is_literal() {
        check(&[(r"\Qa.b\E.", r"a\.b."), (r"\Qa(", r"a\("), (r"\Q\E", ""), (r"\Q\\E", r"\\")]);
    }

    #[test]
    fn invalid_patterns_stay_invalid() {
        check(&[("a\\", "a\\"), ("[a", "[a"), ("(a", "(a")]);
    }
}
