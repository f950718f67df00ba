//! Writing of JSON text into a buffer, object by object, without a tree in between.

use messages::schema::HasDescriptor;
use model::Timestamp;

/// The inside of `{…}`. It writes the names of members and the commas.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

pub(crate) fn object(out: &mut Vec<u8>, members: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    members(&mut Object { out, empty: true });
    out.push(b'}');
}

/// Writes `{"type":…,…}`: a message of the v1 API.
pub(crate) fn typed(out: &mut Vec<u8>, kind: &str, member: impl FnOnce(&mut Object<'_>)) {
    object(out, |object| {
        object.string("type", kind);
        member(object);
    });
}

/// Writes `[…]`; `write` writes each item.
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

/// Writes a time in seconds with all its digits, which a double would round.
pub(crate) fn time(out: &mut Vec<u8>, at: Timestamp) {
    const NANOS: u64 = 1_000_000_000;
    decimal(out, at.nanos() / NANOS, NANOS, at.nanos() % NANOS);
}

/// Writes a double that is a time of day in seconds. Every status has one, and the shortest digits of any double are
/// costly to find. Between 2004 and 2038 doubles are 2^-22 apart, so that seven decimals, which one exact product
/// gives, always read back as the same double.
pub(crate) fn seconds(out: &mut Vec<u8>, time: f64) {
    const BEGIN: f64 = (1u64 << 30) as f64;
    const END: f64 = (1u64 << 31) as f64;
    const SCALE: u64 = 10_000_000;
    if !(BEGIN..END).contains(&time) {
        return double(out, time);
    }
    let whole = time.trunc();
    let fraction = ((time - whole) * SCALE as f64).round() as u64;
    decimal(out, whole as u64, SCALE, fraction);
}

/// Writes a decimal number of `whole` and `fraction` parts of `scale`, a power of ten, without trailing zeros except
/// for the first decimal.
fn decimal(out: &mut Vec<u8>, whole: u64, scale: u64, fraction: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    let mut buffer = itoa::Buffer::new();
    // The leading digit keeps the zeros after the point.
    let digits = buffer.format(scale + fraction).get(1..).unwrap_or_default().trim_end_matches('0');
    out.push(b'.');
    out.extend_from_slice(if digits.is_empty() { b"0" } else { digits.as_bytes() });
}

/// Writes a message in the generic mapping of protobuf to JSON.
pub(crate) fn message<M: HasDescriptor>(out: &mut Vec<u8>, message: &M) {
    wire::json::write(message, out);
}

impl<'a> Object<'a> {
    /// Writes members only, for a caller that writes the braces itself.
    pub fn begun(out: &'a mut Vec<u8>) -> Self {
        Object { out, empty: true }
    }

    /// Begins a member, whose value the caller writes. The name is this program's and needs no escapes.
    pub fn member(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Begins a member whose name comes from outside.
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

    /// Writes members by `write`, which writes at least one.
    pub fn members(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.separate();
        write(self.out);
    }

    /// Writes a member that is a string.
    pub fn string(&mut self, name: &'static str, text: &str) {
        string(self.member(name), text);
    }

    /// Writes a member that is a number, in the shortest form that reads back as the same number.
    pub fn double(&mut self, name: &'static str, number: f64) {
        double(self.member(name), number);
    }

    /// Writes a member that is a time in seconds.
    pub fn time(&mut self, name: &'static str, at: Timestamp) {
        time(self.member(name), at);
    }

    /// Writes a member that is a time in seconds.
    pub fn seconds(&mut self, name: &'static str, time: f64) {
        seconds(self.member(name), time);
    }

    /// Writes a member that is a whole number.
    pub fn integer(&mut self, name: &'static str, number: i64) {
        integer(self.member(name), number);
    }

    /// Writes a member that is true or false.
    pub fn boolean(&mut self, name: &'static str, value: bool) {
        self.member(name).extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Writes a member that is an object.
    pub fn object(&mut self, name: &'static str, members: impl FnOnce(&mut Object<'_>)) {
        object(self.member(name), members);
    }

    /// Writes a member that is a list.
    pub fn array<T>(
        &mut self,
        name: &'static str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Vec<u8>, T),
    ) {
        array(self.member(name), items, write);
    }

    /// Writes a member that is a message in its JSON mapping.
    pub fn message<M: HasDescriptor>(&mut self, name: &'static str, value: &M) {
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
    fn seconds_have_seven_decimals_at_most() {
        let check = |time: f64, expect: &str| assert_eq!(written(|out| seconds(out, time)), expect);
        check(1_795_261_631.831_210_7, "1795261631.8312106");
        check(1_795_261_631.5, "1795261631.5");
        check(1_795_261_631.0, "1795261631.0");
        check(1_795_261_631.000_001, "1795261631.000001");
        check(15.25, "15.25");
        check(0.0, "0.0");
        check(4_000_000_000.1, "4000000000.1");
    }

    proptest::proptest! {
        #[test]
        fn seconds_round_trip_through_text(bits in (1u64 << 30)..(1u64 << 31), fraction in 0..(1u64 << 22)) {
            let time = bits as f64 + fraction as f64 / (1u64 << 22) as f64;
            proptest::prop_assert_eq!(written(|out| seconds(out, time)).parse::<f64>(), Ok(time));
        }
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
