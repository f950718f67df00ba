//! Changing a few places of encoded bytes.

/// Copies the source lazily: nothing happens until the first replacement.
pub(super) struct LazyCopy<'a> {
    source: &'a [u8],
    copied: usize,
    out: Option<Vec<u8>>,
}

impl<'a> LazyCopy<'a> {
    pub fn new(source: &'a [u8]) -> Self {
        LazyCopy { source, copied: 0, out: None }
    }

    /// Puts what `by` writes in the place of the bytes from `start` to `end`; places come in ascending order.
    pub fn replace(&mut self, start: usize, end: usize, by: impl FnOnce(&mut Vec<u8>)) {
        let out = self.out.get_or_insert_with(|| Vec::with_capacity(self.source.len()));
        out.extend_from_slice(self.source.get(self.copied..start).unwrap_or_default());
        by(out);
        self.copied = end;
    }

    /// The changed copy, if anything was replaced.
    pub fn finish(self) -> Option<Vec<u8>> {
        let mut out = self.out?;
        out.extend_from_slice(self.source.get(self.copied..).unwrap_or_default());
        Some(out)
    }
}
