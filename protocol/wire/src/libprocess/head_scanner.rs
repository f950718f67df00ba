//! Where a message head ends, found without looking at any byte twice: a peer that sends byte by byte must not make us
//! parse its head once per byte.

#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    scanned: usize,
    line: Line,
}

/// What the current line consists of so far.
#[derive(Debug, Default, Clone, Copy)]
enum Line {
    /// Empty lines before the head are none of it (RFC 9112, 2.2).
    #[default]
    Before,
    Text,
    Empty,
    CarriageReturn,
}

impl HeadScanner {
    /// The head, once the buffer holds it whole. Between calls bytes may only be appended.
    pub fn head<'a>(&mut self, buffer: &'a [u8]) -> Option<&'a [u8]> {
        for byte in buffer.get(self.scanned..).unwrap_or_default() {
            self.scanned += 1;
            self.line = match (byte, self.line) {
                (b'\n' | b'\r', Line::Before) => Line::Before,
                (b'\n', Line::Text) => Line::Empty,
                // What follows must not matter: it may not have arrived yet.
                (b'\n', _) => return buffer.get(..self.scanned),
                (b'\r', Line::Empty) => Line::CarriageReturn,
                _ => Line::Text,
            };
        }
        None
    }
}
