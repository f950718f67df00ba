//! What the entities of masters and agents have in common: they are immutable behind `Arc`s, each with the JSON of its
//! version, which the first reader encodes.

use std::sync::OnceLock;

use messages::v1;
use resources::Resources;

/// JSON that is encoded at most once for a version of an entity; every snapshot with that version shares the result.
#[derive(Debug, Default)]
pub(crate) struct Fragment(OnceLock<Box<[u8]>>);

impl Fragment {
    /// Returns the bytes; the first call encodes them.
    pub fn get(&self, encode: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.0.get_or_init(|| encode().into_boxed_slice())
    }

    /// Appends the bytes. The first call encodes them in place, and keeps a copy of exactly their size.
    pub fn append(&self, out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
        if let Some(encoded) = self.0.get() {
            return out.extend_from_slice(encoded);
        }
        let start = out.len();
        encode(out);
        // Another reader may have been faster, with the same result.
        let _ = self.0.set(Box::from(out.get(start..).unwrap_or_default()));
    }
}

/// Parses resources. The core has validated them, so a part that does not parse is left out.
pub(crate) fn parse(resources: &[v1::Resource]) -> Resources {
    Resources::from_proto(resources).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_fragment_is_encoded_once() {
        let fragment = Fragment::default();
        let times = Cell::new(0);
        let mut out = b"before ".to_vec();
        for _ in 0..3 {
            fragment.append(&mut out, |out| {
                times.set(times.get() + 1);
                out.extend_from_slice(b"x");
            });
        }
        assert_eq!((out.as_slice(), times.get()), (&b"before xxx"[..], 1));
    }
}
