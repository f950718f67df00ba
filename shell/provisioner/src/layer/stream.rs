//! The stream of a layer: how it is packed, and the digests of both its forms.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use flate2::read::MultiGzDecoder;

use super::unpack::{UnpackLimits, unpack};
use crate::Digest;
use crate::digest::HashingReader;
use crate::error::LayerError;
use crate::manifest::Compression;

/// What a layer turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// Of the bytes as they came.
    pub digest: Digest,
    /// The number of these bytes.
    pub packed_bytes: u64,
    /// Of the archive (`diff_id` of the image's configuration).
    pub diff_id: Digest,
}

const BUFFER: usize = 256 * 1024;

/// Unpacks a layer into a directory while it arrives. All of the stream is read, so that both digests are those of the whole.
///
/// # Errors
/// The stream breaks, is not what it claims to be, or costs too much.
pub(crate) fn unpack_stream(
    stream: impl Read,
    directory: &Path,
    limits: UnpackLimits,
    cancelled: &AtomicBool,
) -> Result<Unpacked, LayerError> {
    let mut packed = BufReader::with_capacity(BUFFER, HashingReader::new(stream));
    let compression = Compression::detect(io::BufRead::fill_buf(&mut packed).map_err(LayerError::Read)?);
    // The end of an archive is not that of the stream: padding may follow.
    let archive_of = |archive: &mut dyn Read| -> Result<Digest, LayerError> {
        let mut hashed = HashingReader::new(archive);
        unpack(&mut hashed, directory, limits, cancelled)?;
        let (_, diff_id, _) = hashed.finish().map_err(LayerError::Read)?;
        Ok(diff_id)
    };
    let diff_id = match compression {
        Compression::None => archive_of(&mut packed)?,
        Compression::Gzip => archive_of(&mut MultiGzDecoder::new(&mut packed))?,
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut packed).map_err(LayerError::Read)?;
            // 128 MiB, what the specification of the format recommends that decoders support at most.
            decoder.window_log_max(27).map_err(LayerError::Read)?;
            archive_of(&mut decoder)?
        }
    };
    // The buffer is empty: the decoder above has read it to its end, or what is left belongs to no archive but to the digest.
    io::copy(&mut packed, &mut io::sink()).map_err(LayerError::Read)?;
    let (_, digest, packed_bytes) = packed.into_inner().finish().map_err(LayerError::Read)?;
    Ok(Unpacked { digest, packed_bytes, diff_id })
}
