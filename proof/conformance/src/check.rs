//! The comparisons that cases are made of.
//!
//! Each returns a `CaseError` that names what was compared, what was expected, and what was found.

use std::fmt::Debug;

use serde_json::Value;

use crate::case_error::{CaseError, Checked};

pub fn equal<T: PartialEq + Debug>(what: &str, expected: T, got: T) -> Checked {
    if expected == got {
        return Ok(());
    }
    Err(CaseError::unexpected(what, format!("{expected:?}"), format!("{got:?}")))
}

pub fn holds(what: &str, expected: &str, holds: bool, got: impl std::fmt::Display) -> Checked {
    if holds { Ok(()) } else { Err(CaseError::unexpected(what, expected, got)) }
}

pub fn contains(what: &str, expected: &str, got: &str) -> Checked {
    holds(what, &format!("text with {expected:?}"), got.contains(expected), format!("{got:?}"))
}

pub fn starts(what: &str, expected: &str, got: &str) -> Checked {
    holds(what, &format!("text beginning with {expected:?}"), got.starts_with(expected), format!("{got:?}"))
}

/// Returns the value at a JSON pointer, which must exist.
pub fn at<'a>(json: &'a Value, pointer: &str) -> Checked<&'a Value> {
    json.pointer(pointer).ok_or_else(|| CaseError::unexpected("JSON", format!("a value at {pointer}"), json))
}

pub fn text_at<'a>(json: &'a Value, pointer: &str) -> Checked<&'a str> {
    let value = at(json, pointer)?;
    value.as_str().ok_or_else(|| CaseError::unexpected(pointer, "a string", value))
}

pub fn array_at<'a>(json: &'a Value, pointer: &str) -> Checked<&'a Vec<Value>> {
    let value = at(json, pointer)?;
    value.as_array().ok_or_else(|| CaseError::unexpected(pointer, "an array", value))
}

pub fn equal_at(json: &Value, pointer: &str, expected: impl Into<Value>) -> Checked {
    let (got, expected) = (at(json, pointer)?, expected.into());
    if *got == expected { Ok(()) } else { Err(CaseError::unexpected(pointer, expected, got)) }
}

pub fn absent_at(json: &Value, pointer: &str) -> Checked {
    match json.pointer(pointer) {
        None => Ok(()),
        Some(value) => Err(CaseError::unexpected(pointer, "nothing", value)),
    }
}
