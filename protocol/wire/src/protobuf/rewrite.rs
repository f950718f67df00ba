//! Replacement of a few parts of encoded bytes.

/// Copies the source lazily: it copies nothing until the first replacement.
pub(super) struct LazyCopy<'a> {
    source: &'a [u8],
    copied: usize,
    out: Option<Vec<u8>>,
}

impl<'a> LazyCopy<'a> {
    pub fn new(source: &'a [u8]) -> Self {
        LazyCopy { source, copied: 0, out: None }
    }

    /// Replaces the bytes from `start` to `end` by the bytes that `by` writes. The replacements come in ascending
    /// order.
    pub fn replace(&mut self, start: usize, end: usize, by: impl FnOnce(&mut Vec<u8>)) {
        let out = self.out.get_or_insert_with(|| Vec::with_capacity(self.source.len()));
        out.extend_from_slice(self.source.get(self.copied..start).unwrap_or_default());
        by(out);
        self.copied = end;
    }

    /// Returns the changed copy; `None` if nothing was replaced.
    pub fn finish(self) -> Option<Vec<u8>> {
        let mut out = self.out?;
        out.extend_from_slice(self.source.get(self.copied..).unwrap_or_default());
        Some(out)
    }
}
