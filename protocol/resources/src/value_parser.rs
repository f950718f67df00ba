//! The text form of a value, as `--resources` and `--attributes` write it: `2`, `[1-5, 7-9]`, `{a, b}`, `text`.

use crate::{Range, Ranges};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parsed {
    /// A scalar that is finite and not negative, before rounding.
    Scalar(f64),
    Ranges(Ranges),
    Set(Vec<String>),
    Text(String),
}

/// The reason for which a text is not a value, with the texts of Mesos except for the last variant: Mesos keeps
/// inverted ranges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidValue {
    #[error("Expecting non-empty string")]
    Empty,
    #[error("Mismatched brackets")]
    Brackets,
    #[error("Expecting one or more \"ranges\"")]
    Pairs,
    #[error("Expecting non-negative integers in '{0}'")]
    Integer(String),
    #[error("Unexpected '{0}' found")]
    Unexpected(char),
    #[error("Subnormal values not supported")]
    Subnormal,
    #[error("inverted range {0}-{1}")]
    Inverted(u64, u64),
}

pub(crate) fn parse(text: &str) -> Result<Parsed, InvalidValue> {
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    if text.is_empty() {
        return Err(InvalidValue::Empty);
    }
    if ![('{', '}'), ('[', ']'), ('(', ')')].into_iter().all(|(open, close)| balanced(&text, open, close)) {
        return Err(InvalidValue::Brackets);
    }
    match (text.find('['), text.find('{')) {
        (Some(0), _) => ranges(&text).map(Parsed::Ranges),
        (Some(_), _) => Err(InvalidValue::Unexpected('[')),
        (None, Some(0)) => Ok(Parsed::Set(tokens(&text, "{},\n").map(str::to_owned).collect())),
        (None, Some(_)) => Err(InvalidValue::Unexpected('{')),
        (None, None) => scalar_or_text(text),
    }
}

fn ranges(text: &str) -> Result<Ranges, InvalidValue> {
    let bounds: Vec<&str> = tokens(text, "[]-,\n").collect();
    if !bounds.len().is_multiple_of(2) {
        return Err(InvalidValue::Pairs);
    }
    bounds
        .chunks_exact(2)
        .map(|pair| match (pair[0].parse(), pair[1].parse()) {
            (Ok(begin), Ok(end)) if begin <= end => Ok(Range { begin, end }),
            (Ok(begin), Ok(end)) => Err(InvalidValue::Inverted(begin, end)),
            _ => Err(InvalidValue::Integer(pair[0].to_owned())),
        })
        .collect()
}

/// A number that cannot be an amount (negative, infinite) is read as a text, as in Mesos.
fn scalar_or_text(text: String) -> Result<Parsed, InvalidValue> {
    match text.parse::<f64>() {
        Ok(number) if number.is_subnormal() => Err(InvalidValue::Subnormal),
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(Parsed::Scalar(number)),
        _ => Ok(Parsed::Text(text)),
    }
}

pub(crate) fn tokens<'a>(text: &'a str, separators: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(|c| separators.contains(c)).filter(|token| !token.is_empty())
}

fn balanced(text: &str, open: char, close: char) -> bool {
    let depth = text.chars().try_fold(0usize, |depth, c| match c {
        _ if c == open => Some(depth + 1),
        _ if c == close => depth.checked_sub(1),
        _ => Some(depth),
    });
    depth == Some(0)
}
