//! The stream of a layer: its compression, and the digests of the compressed and the uncompressed form.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use flate2::read::MultiGzDecoder;

use super::unpack::{UnpackLimits, unpack};
use super::zstd_frames::ZstdFrames;
use crate::Digest;
use crate::digest::HashingReader;
use crate::error::LayerError;
use crate::manifest::Compression;

/// The properties of a layer that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unpacked {
    /// The digest of the bytes as they came.
    pub digest: Digest,
    /// The number of these bytes.
    pub packed_bytes: u64,
    /// The digest of the uncompressed archive (`diff_id` of the image's configuration).
    pub diff_id: Digest,
    /// The directories that the layer has files in without listing them.
    pub implied: Vec<PathBuf>,
}

const BUFFER: usize = 256 * 1024;

/// Unpacks a layer into a directory while it arrives. The stream is read to its end, so that both digests cover all of
/// it.
///
/// # Errors
/// The stream breaks, does not have the announced form, or exceeds a limit.
pub(crate) fn unpack_stream(
    stream: impl Read,
    directory: &Path,
    limits: UnpackLimits,
    cancelled: &AtomicBool,
) -> Result<Unpacked, LayerError> {
    let mut packed = BufReader::with_capacity(BUFFER, HashingReader::new(stream));
    let compression = Compression::detect(io::BufRead::fill_buf(&mut packed).map_err(LayerError::Read)?);
    // The stream may continue after the end of the archive, with padding.
    let archive_of = |archive: &mut dyn Read| -> Result<(Digest, Vec<PathBuf>), LayerError> {
        let mut hashed = HashingReader::new(archive);
        let implied = unpack(&mut hashed, directory, limits, cancelled)?;
        let (_, diff_id, _) = hashed.finish().map_err(LayerError::Read)?;
        Ok((diff_id, implied))
    };
    let (diff_id, implied) = match compression {
        Compression::None => archive_of(&mut packed)?,
        Compression::Gzip => archive_of(&mut MultiGzDecoder::new(&mut packed))?,
        Compression::Zstd => archive_of(&mut ZstdFrames::new(&mut packed))?,
    };
    // The decoder has read the archive to its end. Bytes that are left belong to the digest only.
    io::copy(&mut packed, &mut io::sink()).map_err(LayerError::Read)?;
    let (_, digest, packed_bytes) = packed.into_inner().finish().map_err(LayerError::Read)?;
    Ok(Unpacked { digest, packed_bytes, diff_id, implied })
}
