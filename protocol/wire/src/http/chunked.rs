//! Decodes the chunked transfer coding (RFC 9112, section 7.1) while it arrives.

/// The maximum length of a chunk header, which is a hexadecimal length with optional extensions.
const MAX_LINE: usize = 4096;

/// The stream is not chunked as HTTP/1.1 defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response is not chunked as HTTP/1.1 defines it")]
pub struct BadChunk;

/// The decoder of one response body.
#[derive(Debug, Default)]
pub struct Chunked {
    line: Vec<u8>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

impl Chunked {
    /// Makes a decoder at the beginning of a body.
    pub fn new() -> Self {
        Chunked { line: Vec::new(), state: State::Size }
    }

    /// Returns whether the last chunk and the trailers have been decoded.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Appends the payload in `bytes` to `out`.
    ///
    /// # Errors
    /// Returns [`BadChunk`] if `bytes` are not chunked.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BadChunk> {
        while !bytes.is_empty() && self.state != State::Done {
            if let State::Data(left) = self.state {
                let take = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                out.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                let left = left - take as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                continue;
            }
            let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
                self.line.extend_from_slice(bytes);
                return if self.line.len() > MAX_LINE { Err(BadChunk) } else { Ok(()) };
            };
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.line(line.strip_suffix(b"\r").unwrap_or(&line))?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), BadChunk> {
        self.state = match self.state {
            State::Size => match size(line)? {
                0 => State::Trailers,
                size => State::Data(size),
            },
            State::DataEnd if line.is_empty() => State::Size,
            State::DataEnd => return Err(BadChunk),
            State::Trailers if line.is_empty() => State::Done,
            other => other,
        };
        Ok(())
    }
}

fn size(line: &[u8]) -> Result<u64, BadChunk> {
    let digits = line.split(|b| *b == b';').next().unwrap_or(line).trim_ascii();
    let text = std::str::from_utf8(digits).map_err(|_| BadChunk)?;
    if text.is_empty() || text.starts_with('+') {
        return Err(BadChunk);
    }
    u64::from_str_radix(text, 16).map_err(|_| BadChunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], step: usize) -> Result<(String, bool), BadChunk> {
        let mut decoder = Chunked::new();
        let mut out = Vec::new();
        for piece in input.chunks(step) {
            decoder.push(piece, &mut out)?;
        }
        Ok((String::from_utf8_lossy(&out).into_owned(), decoder.is_done()))
    }

    #[test]
    fn payload_does_not_depend_on_how_it_arrives() {
        let input = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: 1\r\n\r\n";
        for step in 1..input.len() {
            assert_eq!(decode(input, step), Ok(("hello world".to_owned(), true)), "in steps of {step}");
        }
    }

    #[test]
    fn invalid_input_is_an_error() {
        for input in [b"x\r\n".as_slice(), b"\r\n", b"+5\r\nhello", b"5\r\nhelloX\r\n", b"fffffffffffffffff\r\n"] {
            assert_eq!(decode(input, 100), Err(BadChunk), "{input:?}");
        }
        assert_eq!(decode(&[b'1'; 5000], 5000), Err(BadChunk));
    }
}
