//! Regular expressions that match in linear time, with programs of bounded size.

use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::re2_syntax;

/// A state of a program takes about eight times the memory of an instruction of RE2.
const MEMORY_FACTOR: u64 = 8;
/// The deepest nesting of groups, since the parser recurses.
const MAX_NESTING: u32 = 100;
/// The states of every program besides those of the pattern: the ends of the whole match, the unanchored prefix, the
/// match.
const FIXED_STATES: usize = 6;

/// The limits on the program of a pattern. Mesos limits programs of RE2; the limits here are the closest equivalents,
/// so that patterns that are clearly beyond or within the limits of Mesos are so here as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatternLimits {
    /// `--offer_constraints_re2_max_mem`: bytes that compiling may take, counted in instructions of RE2.
    pub max_mem: u64,
    /// `--offer_constraints_re2_max_program_size`: instructions of RE2, which here are states of the automaton.
    pub max_program_size: usize,
}

impl Default for PatternLimits {
    fn default() -> Self {
        PatternLimits { max_mem: 4096, max_program_size: 100 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidPattern {
    #[error("Failed to construct regex from pattern '{pattern}': {reason}")]
    Syntax { pattern: String, reason: String },
    #[error("Failed to construct regex from pattern '{pattern}': pattern too large - compile failed")]
    TooLarge { pattern: String },
    #[error("Regex '{pattern}' is too complex: program size of {size} is larger than maximum of {maximum} allowed")]
    TooComplex { pattern: String, size: usize, maximum: usize },
}

/// A pattern that matches whole texts only, as `RE2::FullMatch` does.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: Box<str>,
    program: PikeVM,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Returns why the pattern is invalid, or which limit it exceeds.
    pub fn new(text: &str, limits: PatternLimits) -> Result<Self, InvalidPattern> {
        let translated = re2_syntax::translate(text);
        let config = syntax::Config::new().nest_limit(MAX_NESTING);
        // The pattern is parsed alone first, since `a)|(b` has another meaning inside of brackets.
        if let Err(error) = syntax::parse_with(&translated, &config) {
            return Err(InvalidPattern::Syntax { pattern: text.to_owned(), reason: last_line(&error.to_string()) });
        }
        let memory = usize::try_from(limits.max_mem.saturating_mul(MEMORY_FACTOR)).unwrap_or(usize::MAX);
        let program = PikeVM::builder()
            .syntax(config.nest_limit(MAX_NESTING + 2))
            .thompson(
                thompson::Config::new().nfa_size_limit(Some(memory)).which_captures(WhichCaptures::All).shrink(false),
            )
            .build(&format!(r"(?:{translated})\z"))
            .map_err(|error| match error.size_limit() {
                Some(_) => InvalidPattern::TooLarge { pattern: text.to_owned() },
                None => InvalidPattern::Syntax { pattern: text.to_owned(), reason: last_line(&error.to_string()) },
            })?;
        let size = program.get_nfa().states().len().saturating_sub(FIXED_STATES);
        if size > limits.max_program_size {
            let maximum = limits.max_program_size;
            return Err(InvalidPattern::TooComplex { pattern: text.to_owned(), size, maximum });
        }
        Ok(Pattern { text: text.into(), program })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn matches(&self, text: &str) -> bool {
        self.program.is_match(&mut self.program.create_cache(), Input::new(text).anchored(Anchored::Yes))
    }
}

/// Returns the last line of a message of the parser, which has the pattern above the reason.
fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<Pattern, InvalidPattern> {
        Pattern::new(text, PatternLimits::default())
    }

    fn check(text: &str, matching: &[&str], others: &[&str]) {
        let pattern = pattern(text).unwrap();
        for text in matching {
            assert!(pattern.matches(text), "{} does not match {text}", pattern.text());
        }
        for text in others {
            assert!(!pattern.matches(text), "{} matches {text}", pattern.text());
        }
    }

    #[test]
    fn the_whole_text_must_match() {
        check("[a-d]+", &["a", "abcd"], &["", "bcde", "xa", "a\n"]);
        check("a|ab", &["a", "ab"], &["abb"]);
        check("", &[""], &["a"]);
        check("a.c", &["abc", "aüc"], &["a\nc", "ac"]);
        check("(?i)RACK-1", &["rack-1"], &["rack-2"]);
        check("^a$", &["a"], &["a\n"]);
    }

    #[test]
    fn character_classes_match_as_in_re2() {
        check(r"\d+", &["12"], &["٣"]);
        check(r"[\w.]+", &["a.b_1"], &["ü"]);
        check(r"a\b-\Bb", &[], &["a-b"]);
        check(r"a\b-\bb", &["a-b"], &[]);
        check(r"\Qa.b\E\d", &["a.b1"], &["axb1"]);
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for text in ["[a-d", "(a", "a)", "a)|(b", "*", "a{2", r"\1", "(?=a)", "(?x)a # b", "a\\"] {
            assert!(matches!(pattern(text), Err(InvalidPattern::Syntax { .. })), "{text}");
        }
        assert_eq!(
            pattern("[a-d").unwrap_err().to_string(),
            "Failed to construct regex from pattern '[a-d': unclosed character class"
        );
    }

    /// The three cases are those of Mesos' own test of its limits.
    #[test]
    fn programs_are_limited_as_in_mesos() {
        assert!(pattern("(a+){10}").is_ok());
        assert!(matches!(pattern("(a+){50}"), Err(InvalidPattern::TooComplex { maximum: 100, .. })));
        assert_eq!(
            pattern("(a+){500}").unwrap_err().to_string(),
            "Failed to construct regex from pattern '(a+){500}': pattern too large - compile failed"
        );
    }

    #[test]
    fn fixed_states_do_not_count_against_the_limit() {
        let size_of = |text: &str| match Pattern::new(text, PatternLimits { max_program_size: 0, ..Default::default() })
        {
            Ok(_) => 0,
            Err(InvalidPattern::TooComplex { size, .. }) => size,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(size_of("a"), 1);
        assert_eq!(size_of("abc"), 3);
    }

    /// The limits hold while a pattern is compiled, and matching takes linear time.
    #[test]
    fn patterns_of_exponential_size_are_refused_quickly() {
        for text in ["(((a{1000}){1000}){1000})", r"(\pL{100}){100}", "(a?){4294967295}", &"(".repeat(100_000)] {
            assert!(pattern(text).is_err());
        }
        let slow = pattern("(a*)*b").unwrap();
        assert!(!slow.matches(&"a".repeat(10_000)));
    }
}
