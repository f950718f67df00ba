//! Writing JSON text straight into a buffer, object by object, without a tree in between.

use messages::schema::Described;
use vocabulary::Timestamp;

/// The inside of `{…}`: names its members and sets the commas.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

pub(crate) fn object(out: &mut Vec<u8>, members: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    members(&mut Object { out, empty: true });
    out.push(b'}');
}

/// `{"type":…,…}`: a message of the v1 API.
pub(crate) fn typed(out: &mut Vec<u8>, kind: &str, member: impl FnOnce(&mut Object<'_>)) {
    object(out, |object| {
        object.string("type", kind);
        member(object);
    });
}

/// `[…]` of what `write` makes of each item.
pub(crate) fn array<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    wire::json::write_string(text, out);
}

pub(crate) fn double(out: &mut Vec<u8>, number: f64) {
    wire::json::write_f64(number, out);
}

pub(crate) fn integer(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Seconds with all their digits: what a double would round.
pub(crate) fn time(out: &mut Vec<u8>, at: Timestamp) {
    const NANOS: u64 = 1_000_000_000;
    out.extend_from_slice(itoa::Buffer::new().format(at.nanos() / NANOS).as_bytes());
    out.push(b'.');
    let fraction = NANOS + at.nanos() % NANOS;
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(fraction).get(1..).unwrap_or_default();
    let kept = digits.trim_end_matches('0');
    out.extend_from_slice(if kept.is_empty() { b"0" } else { kept.as_bytes() });
}

/// A message in the generic mapping of protobuf to JSON.
pub(crate) fn message<M: Described>(out: &mut Vec<u8>, message: &M) {
    wire::json::write(message, out);
}

impl<'a> Object<'a> {
    /// Members only, for a caller that writes the braces itself.
    pub fn begun(out: &'a mut Vec<u8>) -> Self {
        Object { out, empty: true }
    }

    /// Starts a member; its value is for the caller to write. The name needs no escapes: it is this program's.
    pub fn member(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Starts a member whose name came from outside.
    pub fn entry(&mut self, name: &str) -> &mut Vec<u8> {
        self.separate();
        string(self.out, name);
        self.out.push(b':');
        self.out
    }

    fn separate(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    /// Members that `write` makes, at least one.
    pub fn members(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.separate();
        write(self.out);
    }

    pub fn string(&mut self, name: &'static str, text: &str) {
        string(self.member(name), text);
    }

    pub fn double(&mut self, name: &'static str, number: f64) {
        double(self.member(name), number);
    }

    /// In seconds.
    pub fn time(&mut self, name: &'static str, at: Timestamp) {
        time(self.member(name), at);
    }

    pub fn integer(&mut self, name: &'static str, number: i64) {
        integer(self.member(name), number);
    }

    pub fn boolean(&mut self, name: &'static str, value: bool) {
        self.member(name).extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub fn object(&mut self, name: &'static str, members: impl FnOnce(&mut Object<'_>)) {
        object(self.member(name), members);
    }

    pub fn array<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Vec<u8>, T),
    ) {
        array(self.member(name), items, write);
    }

    pub fn message<M: Described>(&mut self, name: &'static str, value: &M) {
        message(self.member(name), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_all_their_digits() {
        let check = |nanos, expect: &str| {
            assert_eq!(written(|out| time(out, Timestamp::from_nanos(nanos))), expect);
        };
        check(0, "0.0");
        check(1, "0.000000001");
        check(1_000_000_000, "1.0");
        check(1_795_261_628_759_343_104, "1795261628.759343104");
        check(12_500_000_000, "12.5");
    }

    #[test]
    fn names_from_outside_are_escaped() {
        let text = written(|out| {
            object(out, |object| {
                object.string("a", "\n");
                integer(object.entry("b\"c"), -7);
                object.array("d", [1.0, 2.5], double);
                object.object("e", |_| {});
            });
        });
        assert_eq!(text, r#"{"a":"\n","b\"c":-7,"d":[1.0,2.5],"e":{}}"#);
    }
}
