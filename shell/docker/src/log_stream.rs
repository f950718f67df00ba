//! The outputs of a container without a terminal, which come as one stream of frames: a byte for the output, three zero
//! bytes, the length in four bytes, and the bytes themselves (Docker's API, `ContainerAttach`).

/// Which output a part belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

/// The bytes are no frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the output of the container does not come in Docker's frames")]
pub struct InvalidStream;

/// The decoder of the stream. A frame is handed on while it arrives, so that its length does not matter.
#[derive(Debug, Default)]
pub struct LogStream {
    header: Vec<u8>,
    /// The output and the number of bytes that are left of the current frame.
    current: Option<(Output, usize)>,
}

/// The length of the header of a frame.
const HEADER: usize = 8;

impl LogStream {
    /// Takes bytes in, and hands the parts of the outputs on.
    ///
    /// # Errors
    /// Returns [`InvalidStream`] if a header is none.
    pub fn push(&mut self, mut bytes: &[u8], part: &mut dyn FnMut(Output, &[u8])) -> Result<(), InvalidStream> {
        while !bytes.is_empty() {
            if let Some((output, left)) = self.current {
                let (own, rest) = bytes.split_at(left.min(bytes.len()));
                part(output, own);
                bytes = rest;
                self.current = Some((output, left - own.len())).filter(|(_, left)| *left > 0);
                continue;
            }
            let (own, rest) = bytes.split_at((HEADER - self.header.len()).min(bytes.len()));
            self.header.extend_from_slice(own);
            bytes = rest;
            if let [kind, 0, 0, 0, a, b, c, d] = self.header[..] {
                let output = match kind {
                    // The daemon writes its own words to the third stream.
                    0 | 1 => Output::Stdout,
                    2 | 3 => Output::Stderr,
                    _ => return Err(InvalidStream),
                };
                let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| InvalidStream)?;
                self.current = Some((output, length)).filter(|(_, left)| *left > 0);
                self.header.clear();
            } else if self.header.len() == HEADER {
                return Err(InvalidStream);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], step: usize) -> Result<(String, String), InvalidStream> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut stream = LogStream::default();
        for piece in bytes.chunks(step) {
            stream.push(piece, &mut |output, part| match output {
                Output::Stdout => stdout.extend_from_slice(part),
                Output::Stderr => stderr.extend_from_slice(part),
            })?;
        }
        Ok((String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap()))
    }

    #[test]
    fn outputs_are_separated_however_they_arrive() {
        let bytes = b"\x01\0\0\0\0\0\0\x03hi\n\x02\0\0\0\0\0\0\x04err\n\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01x";
        for step in 1..=bytes.len() {
            assert_eq!(decode(bytes, step), Ok(("hi\nx".to_owned(), "err\n".to_owned())), "in steps of {step}");
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for bytes in [b"plain text of a terminal".as_slice(), b"\x01\0\0\x01\0\0\0\x01x", b"\x09\0\0\0\0\0\0\x01x"] {
            assert_eq!(decode(bytes, 3), Err(InvalidStream));
        }
    }
}
