//! The kinds of inputs, and the paths to the fields of a message.

use std::collections::BTreeMap;

use messages::schema::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

/// The number of places of a message in which a field is tested.
const WAYS: usize = 2;

/// The processing of the encoded bytes of an input by a subject.
pub type Process<S> = dyn Fn(&mut S, &[u8]);

/// A kind of input: its type, JSON that every input of the kind contains, and the processing of encoded bytes.
pub struct InputKind<S> {
    /// The type of the message.
    pub desc: &'static MessageDescriptor,
    /// The JSON.
    pub base: Value,
    /// The processing.
    pub process: Box<Process<S>>,
}

/// How often each field of each type was visited.
#[derive(Debug, Default)]
pub struct Visited(BTreeMap<(&'static str, &'static str), usize>);

/// Calls `visit` with the paths to the wanted fields below `desc`, each field of a type in at most [`WAYS`] places.
pub fn visit_fields(
    desc: &'static MessageDescriptor,
    wanted: &dyn Fn(&FieldDescriptor) -> bool,
    visit: &mut dyn FnMut(&[&'static FieldDescriptor]),
) {
    visit_unvisited(desc, &mut Visited::default(), wanted, visit);
}

/// Does the same as [`visit_fields`], where places that were visited before count as well.
pub fn visit_unvisited(
    desc: &'static MessageDescriptor,
    visited: &mut Visited,
    wanted: &dyn Fn(&FieldDescriptor) -> bool,
    visit: &mut dyn FnMut(&[&'static FieldDescriptor]),
) {
    visit_below(desc, &mut Vec::new(), &mut |owner, path| {
        let field = path[path.len() - 1];
        if !wanted(field) {
            return;
        }
        let count = visited.0.entry((owner.name, field.name)).or_default();
        *count += 1;
        if *count <= WAYS {
            visit(path);
        }
    });
}

/// Calls `visit` with every type and the path to each of its fields. Types that contain themselves are entered once.
fn visit_below(
    desc: &'static MessageDescriptor,
    path: &mut Vec<&'static FieldDescriptor>,
    visit: &mut dyn FnMut(&'static MessageDescriptor, &[&'static FieldDescriptor]),
) {
    for field in desc.fields {
        path.push(field);
        visit(desc, path);
        if let Kind::Message(nested) = field.kind
            && !path[..path.len() - 1]
                .iter()
                .any(|above| matches!(above.kind, Kind::Message(m) if m.name == nested.name))
        {
            visit_below(nested, path, visit);
        }
        path.pop();
    }
}
