//! The end of a message head, found without reading any byte twice: a peer that sends byte by byte must not cause its
//! head to be parsed once per byte.

#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    scanned: usize,
    line: Line,
}

/// The content of the current line so far.
#[derive(Debug, Default, Clone, Copy)]
enum Line {
    /// Empty lines before the head do not belong to it (RFC 9112, 2.2).
    #[default]
    Before,
    Text,
    Empty,
    CarriageReturn,
}

impl HeadScanner {
    /// Returns the head once the buffer has all of it. Between calls bytes may only be appended.
    pub fn head<'a>(&mut self, buffer: &'a [u8]) -> Option<&'a [u8]> {
        for byte in buffer.get(self.scanned..).unwrap_or_default() {
            self.scanned += 1;
            self.line = match (byte, self.line) {
                (b'\n' | b'\r', Line::Before) => Line::Before,
                (b'\n', Line::Text) => Line::Empty,
                // The bytes after it must not matter, since they may not have arrived yet.
                (b'\n', _) => return buffer.get(..self.scanned),
                (b'\r', Line::Empty) => Line::CarriageReturn,
                _ => Line::Text,
            };
        }
        None
    }
}
