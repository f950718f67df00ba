//! The types of values in Mesos' notation (`stout/flags/parse.hpp`): `2GB`, `true`, `15secs`, `50%`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use model::{parse_bytes, parse_duration};

use crate::bounds::{Bounds, Size};
use crate::definition::Kind;

/// A type of values of flags.
pub trait Value: Sized {
    /// The notation of the value.
    const KIND: Kind;
    /// The values that every flag of this type accepts. A row of a table may narrow them.
    const BOUNDS: Bounds;

    /// Reads a value.
    ///
    /// # Errors
    /// Returns what was expected.
    fn parse(text: &str) -> Result<Self, String>;

    /// Returns the property that bounds compare.
    fn size(&self) -> Size;
}

/// The type of a field: a [`Value`], or an `Option` of one for a flag without a default.
pub trait Field: Sized {
    /// The notation of the value.
    const KIND: Kind;
    /// The bounds of the type ([`Value::BOUNDS`]).
    const BOUNDS: Bounds;
    /// Whether a value is required.
    const REQUIRED: bool;

    /// Returns the field without a value; `None` if a value is required.
    fn absent() -> Option<Self>;

    /// Reads a value within bounds.
    ///
    /// # Errors
    /// Returns what was expected.
    fn read(text: &str, bounds: &Bounds) -> Result<Self, String>;
}

impl<V: Value> Field for V {
    const KIND: Kind = V::KIND;
    const BOUNDS: Bounds = V::BOUNDS;
    const REQUIRED: bool = true;

    fn absent() -> Option<Self> {
        None
    }

    fn read(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let value = V::parse(text)?;
        if bounds.contain(value.size()) { Ok(value) } else { Err(format!("expected {bounds}")) }
    }
}

impl<V: Value> Field for Option<V> {
    const KIND: Kind = V::KIND;
    const BOUNDS: Bounds = V::BOUNDS;
    const REQUIRED: bool = false;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn read(text: &str, bounds: &Bounds) -> Result<Self, String> {
        <V as Field>::read(text, bounds).map(Some)
    }
}

/// Checks whether a value is valid.
pub(crate) fn check<F: Field>(text: &str, bounds: &Bounds) -> Result<(), String> {
    F::read(text, bounds).map(drop)
}

impl Value for bool {
    const KIND: Kind = Kind::Bool;
    const BOUNDS: Bounds = Bounds::Any;

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err("expected true or false".to_owned()),
        }
    }

    fn size(&self) -> Size {
        Size::Unordered
    }
}

impl Value for String {
    const KIND: Kind = Kind::Text;
    const BOUNDS: Bounds = Bounds::NotEmpty;

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn size(&self) -> Size {
        Size::Length(self.len())
    }
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Path;
    const BOUNDS: Bounds = Bounds::NotEmpty;

    fn parse(text: &str) -> Result<Self, String> {
        if text.contains('\0') { Err("expected a path".to_owned()) } else { Ok(PathBuf::from(text)) }
    }

    fn size(&self) -> Size {
        Size::Length(self.as_os_str().len())
    }
}

/// The path of a file that is read whenever it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedFile(pub PathBuf);

impl Value for WatchedFile {
    const KIND: Kind = Kind::WatchedFile;
    const BOUNDS: Bounds = Bounds::NotEmpty;

    fn parse(text: &str) -> Result<Self, String> {
        PathBuf::parse(text.strip_prefix("file://").unwrap_or(text)).map(WatchedFile)
    }

    fn size(&self) -> Size {
        self.0.size()
    }
}

impl Value for Ipv4Addr {
    const KIND: Kind = Kind::Address;
    const BOUNDS: Bounds = Bounds::Any;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "expected an IPv4 address, e.g. 10.0.0.1".to_owned())
    }

    fn size(&self) -> Size {
        Size::Unordered
    }
}

impl Value for Duration {
    const KIND: Kind = Kind::Duration;
    const BOUNDS: Bounds = Bounds::lasts(Duration::ZERO);

    fn parse(text: &str) -> Result<Self, String> {
        parse_duration(text).map_err(|error| error.to_string())
    }

    fn size(&self) -> Size {
        Size::Duration(*self)
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Value for $type {
            const KIND: Kind = Kind::Integer;
            const BOUNDS: Bounds = Bounds::Integer { min: 0, max: <$type>::MAX as u64 };

            fn parse(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("expected a whole number, {}", <Self as Value>::BOUNDS))
            }

            fn size(&self) -> Size {
                Size::Integer(u64::try_from(*self).unwrap_or(u64::MAX))
            }
        }
    )+};
}

integers!(u16, u32, u64, usize);

impl Value for f64 {
    const KIND: Kind = Kind::Float;
    const BOUNDS: Bounds = Bounds::Float { min: f64::MIN, max: f64::MAX };

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| "expected a number".to_owned())
    }

    fn size(&self) -> Size {
        Size::Float(*self)
    }
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl Value for Bytes {
    const KIND: Kind = Kind::Bytes;
    const BOUNDS: Bounds = Bounds::Bytes { min: 0, max: u64::MAX };

    fn parse(text: &str) -> Result<Self, String> {
        parse_bytes(text).map(Bytes).map_err(|error| error.to_string())
    }

    fn size(&self) -> Size {
        Size::Bytes(self.0)
    }
}

/// A share from 0 to 1, written as a percentage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(pub f64);

impl Value for Percent {
    const KIND: Kind = Kind::Percent;
    const BOUNDS: Bounds = Bounds::Any;

    fn parse(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
        match percent.filter(|percent: &f64| (0.0..=100.0).contains(percent)) {
            Some(percent) => Ok(Percent(percent / 100.0)),
            None => Err("expected a percentage from 0% to 100%, e.g. 50%".to_owned()),
        }
    }

    fn size(&self) -> Size {
        Size::Unordered
    }
}

/// A rate, as the time from one event to the next: `2/1mins` is one event in thirty seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The time between two events, which is not zero.
    pub interval: Duration,
}

impl Value for Rate {
    const KIND: Kind = Kind::Rate;
    const BOUNDS: Bounds = Bounds::Any;

    fn parse(text: &str) -> Result<Self, String> {
        let interval = || {
            let (events, time) = text.split_once('/')?;
            let events = events.trim().parse().ok().filter(|events: &u32| *events > 0)?;
            let interval = parse_duration(time.trim()).ok()?.checked_div(events)?;
            (!interval.is_zero()).then_some(interval)
        };
        match interval() {
            Some(interval) => Ok(Rate { interval }),
            None => Err("expected a number, a slash and a time, neither of them zero, e.g. 1/10mins".to_owned()),
        }
    }

    fn size(&self) -> Size {
        Size::Unordered
    }
}

/// Texts, separated by commas and without white space around them. As in `strings::tokenize` of Mesos, empty texts are
/// ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List(pub Vec<String>);

impl Value for List {
    const KIND: Kind = Kind::List;
    const BOUNDS: Bounds = Bounds::NotEmpty;

    fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        Ok(List(items.map(str::to_owned).collect()))
    }

    fn size(&self) -> Size {
        Size::Length(self.0.len())
    }
}

/// The text of a JSON document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub String);

impl Value for Json {
    const KIND: Kind = Kind::Json;
    const BOUNDS: Bounds = Bounds::Any;

    fn parse(text: &str) -> Result<Self, String> {
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) if value.is_object() || value.is_array() => Ok(Json(text.to_owned())),
            Ok(_) => Err("expected a JSON object or array".to_owned()),
            Err(error) => Err(format!("expected JSON, inline or as file:///path: {error}")),
        }
    }

    fn size(&self) -> Size {
        Size::Unordered
    }
}

/// The text of a JSON document, or the word `off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonOrOff(pub String);

impl Value for JsonOrOff {
    const KIND: Kind = Kind::Json;
    const BOUNDS: Bounds = Bounds::Any;

    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "off" => Ok(JsonOrOff(text.to_owned())),
            _ => Json::parse(text).map(|Json(text)| JsonOrOff(text)).map_err(|reason| format!("{reason}, or off")),
        }
    }

    fn size(&self) -> Size {
        Size::Unordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<V: Value + PartialEq + std::fmt::Debug>(text: &str, expect: Option<V>) {
        assert_eq!(<V as Field>::read(text, &V::BOUNDS).ok(), expect, "{text:?}");
    }

    #[test]
    fn sizes_are_whole_numbers_of_a_unit() {
        check("2GB", Some(Bytes(2 << 30)));
        check("4KB", Some(Bytes(4096)));
        check("7B", Some(Bytes(7)));
        for text in ["7", "1.5GB", "-1GB", "99999999999999TB", "", "GB"] {
            check::<Bytes>(text, None);
        }
    }

    #[test]
    fn rates_and_percentages_are_read_as_mesos_reads_them() {
        check("1/10mins", Some(Rate { interval: Duration::from_secs(600) }));
        check("3/1mins", Some(Rate { interval: Duration::from_secs(20) }));
        for text in ["", "1", "1/", "/1secs", "0/1secs", "-1/1secs", "x/1secs", "1/x", "1/1secs/2", "1/0secs", "9/1ns"]
        {
            check::<Rate>(text, None);
        }
        check("100%", Some(Percent(1.0)));
        check("12.5%", Some(Percent(0.125)));
        for text in ["", "%", "50", "101%", "-1%", "NaN%"] {
            check::<Percent>(text, None);
        }
    }

    #[test]
    fn lists_have_items() {
        check("a, b,,c", Some(List(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()])));
        for text in ["", ",", " , "] {
            check::<List>(text, None);
        }
    }

    #[test]
    fn documents_are_objects_or_arrays() {
        check("{\"a\":1}", Some(Json("{\"a\":1}".to_owned())));
        check("off", Some(JsonOrOff("off".to_owned())));
        for text in ["", "0", "-1", "null", "NaN", "{", "off"] {
            check::<Json>(text, None);
        }
        check::<JsonOrOff>("on", None);
    }
}
