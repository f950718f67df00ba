//! The cost of input: no input of a peer takes more than a hundred times its bytes in memory, or time that grows faster
//! than its bytes.

use std::time::Duration;

use messages::schema::{FieldDescriptor, Kind, Label};
use serde_json::{Value, json};
use wire::Limits;

use super::{InputKind, Samples, Visited, insert, visit_unvisited};

/// The bytes of a filled field.
pub const FILL: usize = 64 << 10;
/// The bytes of memory that are allowed per byte on the wire.
const FACTOR: usize = 100;
/// The time that a debug build may take for a filled field on a busy machine.
const TIME: Duration = Duration::from_secs(2);
/// The descriptors that may be open: those of the process, and those that one container may need for its start.
const DESCRIPTORS: usize = 500;

/// The measurement of costs. A test program counts its allocations with an allocator of its own.
#[derive(Debug, Clone, Copy)]
pub struct Meter {
    /// Returns the number of bytes that were allocated so far, freed ones included.
    pub allocated: fn() -> usize,
    /// Returns the processor time so far: of this thread, or of all threads if several take part.
    pub time: fn() -> Duration,
    /// The bytes of memory that any input may cost, however short it is.
    pub floor: usize,
    /// Returns the most descriptors that were open at once since it was called last; `None` where nothing is opened.
    pub descriptors: Option<fn() -> usize>,
    /// Whether each kind of input is filled completely. Otherwise a field of a type is filled in the first two places of
    /// all kinds only, which is enough where kinds have their parts in common.
    pub each_kind: bool,
}

/// The costs so far, from which those of an input are counted.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    allocated: usize,
    time: Duration,
}

impl Meter {
    /// Begins to count.
    pub fn mark(&self) -> Mark {
        self.descriptors.map(|take| take());
        Mark { allocated: (self.allocated)(), time: (self.time)() }
    }

    /// Returns a complaint if an input of `size` bytes has cost too much since the mark. With the variable `COSTS`, all
    /// costs are printed.
    pub fn complaint(&self, what: &str, size: usize, since: Mark) -> Option<String> {
        let memory = (self.allocated)() - since.allocated;
        let time = (self.time)() - since.time;
        if std::env::var_os("COSTS").is_some() {
            eprintln!("{:8} {memory:10} {time:?} {what}", memory / size.max(1));
        }
        let descriptors = self.descriptors.map_or(0, |take| take());
        let too_much = memory > FACTOR * size + self.floor || time > TIME || descriptors > DESCRIPTORS;
        too_much
            .then(|| format!("{what}: {size} bytes cost {memory} bytes and {time:?}, with {descriptors} descriptors"))
    }
}

/// Fills each field of each kind of input that can be long, one after the other, and processes it by a new subject.
/// Returns a complaint for each that costs too much: decoding and processing are measured separately.
pub fn sweep<S>(kinds: &[InputKind<S>], samples: &Samples, subject: &dyn Fn() -> S, meter: Meter) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut visited = Visited::default();
    for kind in kinds {
        if meter.each_kind {
            visited = Visited::default();
        }
        visit_unvisited(kind.desc, &mut visited, &can_be_long, &mut |path| {
            let names: Vec<&str> = path.iter().map(|field| field.name).collect();
            let what = format!("{} {}", kind.desc.name, names.join("."));
            for (variant, value) in fillings(path, samples) {
                let mut given = kind.base.clone();
                insert(kind.desc, &mut given, path, value, samples);
                complaints.extend(check(&format!("{what} ({variant})"), kind, &given, subject, meter));
            }
        });
    }
    complaints
}

/// Processes the JSON of a message and reports it if it costs too much.
fn check<S>(what: &str, kind: &InputKind<S>, given: &Value, subject: &dyn Fn() -> S, meter: Meter) -> Option<String> {
    let text = given.to_string();
    let mut subject = subject();
    let mark = meter.mark();
    let Ok(bytes) = wire::json::read_bytes(kind.desc, text.as_bytes(), &Limits::default()) else {
        return meter.complaint(what, text.len(), mark);
    };
    if let Some(complaint) = meter.complaint(what, text.len(), mark) {
        return Some(complaint);
    }
    let mark = meter.mark();
    (kind.process)(&mut subject, &bytes);
    meter.complaint(what, bytes.len(), mark)
}

/// Returns whether a field can be long: a text, bytes, or a list.
pub fn can_be_long(field: &FieldDescriptor) -> bool {
    matches!(field.kind, Kind::String | Kind::Bytes | Kind::Map(_)) || field.label == Label::Repeated
}

/// Returns named values of about [`FILL`] bytes.
pub fn fillings(path: &[&'static FieldDescriptor], samples: &Samples) -> Vec<(&'static str, Value)> {
    let Some(field) = path.last() else { return Vec::new() };
    let list = |element: &dyn Fn(usize) -> Value| {
        let each = element(0).to_string().len() + 1;
        Value::Array((0..(FILL / each).clamp(1, 20_000)).map(element).collect())
    };
    if let Kind::Map(entry) = field.kind {
        let value = |i: usize| samples.value(&entry.fields[1], i);
        let each = value(0).to_string().len() + 8;
        return vec![("keys", (0..FILL / each).map(|i| (format!("k{i}"), value(i))).collect())];
    }
    match (field.label, field.kind) {
        (Label::Repeated, Kind::Message(_)) => {
            vec![("elements", list(&|i| samples.value(field, i))), ("empty elements", list(&|_| json!({})))]
        }
        (Label::Repeated, Kind::String) => {
            let deep = |i: usize| Value::from(format!("{i}{}", "/a".repeat(31)));
            vec![
                ("elements", list(&|i| Value::from(format!("a{i}")))),
                ("deep elements", list(&deep)),
                ("one long element", json!(["a".repeat(FILL)])),
                ("one deep element", json!([format!("a{}", "/a".repeat(FILL / 2))])),
            ]
        }
        (Label::Repeated, _) => vec![("elements", list(&|i| samples.value(field, i)))],
        _ => {
            vec![("long", Value::from("a".repeat(FILL))), ("deep", Value::from(format!("a{}", "/a".repeat(FILL / 2))))]
        }
    }
}
