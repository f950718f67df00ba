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
    /// The first line cannot be the empty one that ends the head.
    #[default]
    Text,
    Empty,
    CarriageReturn,
}

impl HeadScanner {
    /// Whether the buffer holds a whole head. Between calls bytes may only be appended to it.
    pub fn is_complete(&mut self, buffer: &[u8]) -> bool {
        for byte in buffer.get(self.scanned..).unwrap_or_default() {
            self.scanned += 1;
            self.line = match (byte, self.line) {
                (b'\n', Line::Text) => Line::Empty,
                (b'\n', _) => return true,
                (b'\r', Line::Empty) => Line::CarriageReturn,
                _ => Line::Text,
            };
        }
        false
    }
}
