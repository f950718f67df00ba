//! The members of a tar archive, with a bound on what the tar reader keeps in memory by itself.
//!
//! The tar reader reads headers with long names and attributes as a whole. It reads members only when the caller asks
//! for them, from the same stream. The allowance is therefore refilled whenever a member is read, and between two members
//! no more than the allowance is read.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use tar::{Archive, Entry};

/// The maximum size of the headers between two members, in bytes: names, links and extended attributes.
pub const MAX_HEADERS: u64 = 1 << 20;

/// The remaining allowance in bytes, shared by the reader and the code that refills it.
#[derive(Debug, Clone)]
pub struct HeaderAllowance(Rc<Cell<u64>>);

impl Default for HeaderAllowance {
    fn default() -> Self {
        HeaderAllowance(Rc::new(Cell::new(MAX_HEADERS)))
    }
}

impl HeaderAllowance {
    /// Restores the maximum.
    pub fn refill(&self) {
        self.0.set(MAX_HEADERS);
    }

    fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// A reader that fails when the allowance is used up.
#[derive(Debug)]
pub struct AllowedReader<R> {
    inner: R,
    allowance: HeaderAllowance,
}

impl<R> AllowedReader<R> {
    /// Makes a reader that uses the allowance.
    pub fn new(inner: R, allowance: HeaderAllowance) -> Self {
        AllowedReader { inner, allowance }
    }
}

impl<R: Read> Read for AllowedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = usize::try_from(self.allowance.0.get()).unwrap_or(usize::MAX).min(buffer.len());
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::other(format!("headers of more than {MAX_HEADERS} bytes")));
        }
        let read = self.inner.read(buffer.get_mut(..allowed).unwrap_or_default())?;
        self.allowance.0.set(self.allowance.0.get().saturating_sub(read as u64));
        Ok(read)
    }
}

/// Bytes that are skipped cost nothing.
impl<R: Seek> Seek for AllowedReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// A member, whose contents can be read.
pub struct TarMember<'a, R: Read> {
    /// Its headers.
    pub entry: Entry<'a, AllowedReader<R>>,
    allowance: HeaderAllowance,
}

impl<R: Read> Read for TarMember<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.allowance.refill();
        self.entry.read(buffer)
    }
}

/// Visits the members of an archive in their order.
///
/// # Errors
/// The first error of `visit`, or `broken` for an archive that cannot be read; its flag says that the headers are too
/// long.
pub fn for_each_tar_member<R: Read, E>(
    archive: R,
    broken: impl Fn(io::Error, bool) -> E,
    mut visit: impl FnMut(TarMember<'_, R>) -> Result<(), E>,
) -> Result<(), E> {
    let allowance = HeaderAllowance::default();
    let mut archive = Archive::new(AllowedReader::new(archive, allowance.clone()));
    for entry in archive.entries().map_err(|error| broken(error, false))? {
        let entry = entry.map_err(|error| broken(error, allowance.is_used_up()))?;
        visit(TarMember { entry, allowance: allowance.clone() })?;
        allowance.refill();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(name: usize, content: usize) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for _ in 0..2 {
            let mut header = tar::Header::new_gnu();
            header.set_size(content as u64);
            builder.append_data(&mut header, "n".repeat(name), &vec![1; content][..]).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn contents_may_be_long_and_headers_not() {
        let read = |bytes: &[u8]| -> Result<Vec<usize>, bool> {
            let mut sizes = Vec::new();
            for_each_tar_member(
                bytes,
                |_, is_too_long| is_too_long,
                |mut member| {
                    sizes.push(io::copy(&mut member, &mut io::sink()).map_err(|_| false)? as usize);
                    Ok(())
                },
            )?;
            Ok(sizes)
        };
        assert_eq!(read(&archive(1000, 3 << 20)), Ok(vec![3 << 20; 2]));
        assert_eq!(read(&archive(2 << 20, 0)), Err(true));
        assert_eq!(read(&[1; 1024]), Err(false));
        assert_eq!(read(b""), Ok(vec![]));
    }
}
