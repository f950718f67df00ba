//! Parsed JSON text, with its size and depth bounded while it is parsed (CVE-2018-11793: a deeply nested body must not
//! exhaust the stack).

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use serde_json::error::Category;

use crate::Limits;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonValue<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<JsonValue<'a>>),
    /// The members sorted by name, each name once; of several members with one name the last is kept.
    Object(Vec<(Cow<'a, str>, JsonValue<'a>)>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Signed(i64),
    Unsigned(u64),
    Double(f64),
}

/// Parses one JSON value.
///
/// # Errors
///
/// The error is worded as Mesos words it.
pub(super) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<JsonValue<'a>, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    // The parser's own limit of 128 is below what Mesos accepts; the limit of `Limits` replaces it.
    deserializer.disable_recursion_limit();
    let left = Cell::new(limits.max_elements);
    // A message in a repeated field is two JSON levels. Mesos allows 200.
    let parser = Parser { left: &left, depth: limits.max_depth.saturating_mul(2) };
    let tree = parser.deserialize(&mut deserializer).map_err(|error| describe(&error, bytes))?;
    deserializer.end().map_err(|error| {
        format!("Parsed JSON included non-whitespace trailing characters: {}", snippet(&error, bytes))
    })?;
    Ok(tree)
}

fn describe(error: &serde_json::Error, bytes: &[u8]) -> String {
    match error.classify() {
        // The error comes from one of Tepui's two bounds.
        Category::Data => error.to_string(),
        Category::Eof => format!("syntax error at line {} near: ", error.line()),
        _ => format!("syntax error at line {} near: {}", error.line(), snippet(error, bytes)),
    }
}

/// Returns the rest of the line at which parsing stopped, shortened.
fn snippet<'a>(error: &serde_json::Error, bytes: &'a [u8]) -> Cow<'a, str> {
    const MAX: usize = 80;
    let line = bytes.split(|b| *b == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let rest = line.get(error.column().saturating_sub(1)..).unwrap_or_default();
    String::from_utf8_lossy(rest.get(..MAX).unwrap_or(rest))
}

#[derive(Clone, Copy)]
struct Parser<'l> {
    left: &'l Cell<usize>,
    /// The number of levels that are still allowed below.
    depth: usize,
}

impl Parser<'_> {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Parser { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Parser<'_> {
    type Value = JsonValue<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonValue<'de>, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Parser<'_> {
    type Value = JsonValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Number(Number::Signed(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Number(Number::Unsigned(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::Number(Number::Double(value)))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<JsonValue<'de>, E> {
        Ok(JsonValue::String(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<JsonValue<'de>, A::Error> {
        let inner = self.below()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(JsonValue::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<JsonValue<'de>, A::Error> {
        let inner = self.below()?;
        let mut members: Vec<(Cow<'de, str>, JsonValue<'de>)> = Vec::new();
        while let Some(JsonValue::String(name)) = access.next_key_seed(inner)? {
            members.push((name, access.next_value_seed(inner)?));
        }
        members.sort_by(|a, b| a.0.cmp(&b.0));
        // If two neighbours have the same name, the later value replaces the earlier one in its place.
        members.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Ok(JsonValue::Object(members))
    }
}
