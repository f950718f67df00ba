//! Takes images from archives into the store.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::fetch_layers::{Documents, ReportingReader};
use super::image::Image;
use super::layers::next_staging_name;
use super::lock::Lock;
use super::progress::PullEvent;
use super::pull::PullOptions;
use super::store_root::Store;
use crate::archive::{ArchiveFiles, ArchiveImage, TarIndex, images, select};
use crate::error::LayerError;
use crate::layer::ZstdFrames;
use crate::manifest::Compression;
use crate::{Error, ImageReference};

/// The choice of the images of an archive, and their names in the store.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The image that is taken; without it, all images that have names, or the only one.
    pub image: Option<ImageReference>,
    /// The name that the image gets in the store; without it, its own.
    pub name: Option<ImageReference>,
}

impl Store {
    /// Takes images from a file or directory into the store: an archive of `docker save`, or an OCI image layout. The
    /// archive may be compressed with gzip or zstd.
    ///
    /// # Errors
    /// The path is no archive, does not have the image, its contents are not what its digests say, or the store cannot
    /// be written.
    pub fn import(
        &self,
        path: &Path,
        import: &ImportOptions,
        options: &PullOptions,
        progress: &(dyn Fn(PullEvent) + Sync),
    ) -> Result<Vec<Image>, Error> {
        let lock = self.directories.lock();
        let _lock = Lock::shared(&lock).map_err(|source| self.directories.failed("lock", &lock, source))?;
        let files = self.open_archive(path, options)?;
        let found = images(&files)?.ok_or_else(|| Error::NoArchive(path.to_owned()))?;
        let chosen: Vec<&ArchiveImage> = match &import.image {
            Some(wanted) => vec![select(&found, wanted)?],
            None => found.iter().filter(|image| !image.names.is_empty() || found.len() == 1).collect(),
        };
        if chosen.is_empty() || (import.name.is_some() && chosen.len() > 1) {
            return Err(Error::Ambiguous(path.to_owned()));
        }
        let mut added = Vec::new();
        for image in chosen {
            let names: Vec<&ImageReference> = match (&import.name, &import.image) {
                (Some(name), _) | (None, Some(name)) => vec![name],
                (None, None) => image.names.iter().collect(),
            };
            if names.is_empty() {
                return Err(Error::Unnamed(path.to_owned()));
            }
            let resolved = image.resolve(&files, &options.platform)?;
            for name in names {
                let documents = Documents {
                    digest: resolved.digest,
                    config: resolved.config.clone(),
                    layers: resolved.layers.iter().map(|(descriptor, _)| descriptor).collect(),
                    signed_by: None,
                };
                let image = self.add_image(name.to_string(), documents, options, progress, &|number, arriving| {
                    let path = resolved.layers.get(number).map(|(_, path)| path.as_str()).unwrap_or_default();
                    let file = files.required(path)?;
                    let _lock = self.lock_blob(arriving.descriptor.digest)?;
                    match self.known_layer(arriving) {
                        Some(layer) => Ok(layer),
                        None => self.add_layer(arriving, ReportingReader::new(file, progress)),
                    }
                })?;
                added.push(image);
            }
        }
        Ok(added)
    }

    /// Takes an image from a directory of archives (`--docker_registry=/path`): `<reference>.tar`, as in Mesos'
    /// `LocalPuller`.
    pub(super) fn pull_archive(
        &self,
        directory: &Path,
        reference: &ImageReference,
        options: &PullOptions,
        progress: &(dyn Fn(PullEvent) + Sync),
    ) -> Result<Image, Error> {
        let candidates =
            [reference.as_given(), reference.to_string()].map(|name| directory.join(format!("{name}.tar")));
        let path = candidates.iter().find(|path| path.exists()).ok_or_else(|| Error::NoArchiveOf {
            image: reference.to_string(),
            path: candidates.first().cloned().unwrap_or_default(),
        })?;
        let import = ImportOptions { image: Some(reference.clone()), name: None };
        let mut added = self.import(path, &import, options, progress)?;
        added.pop().ok_or_else(|| Error::NoArchive(path.clone()))
    }

    fn open_archive(&self, path: &Path, options: &PullOptions) -> Result<ArchiveFiles, Error> {
        let failed = |source| Error::Store { action: "read", path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return ArchiveFiles::of_directory(path).map_err(failed);
        }
        if !metadata.is_file() {
            return Err(Error::NoArchive(path.to_owned()));
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut beginning = [0; 4];
        let read = file.read(&mut beginning).and_then(|read| file.rewind().map(|()| read)).map_err(failed)?;
        let limit = options.limits.of_layer(Some(metadata.len())).bytes;
        let tar = match Compression::detect(beginning.get(..read).unwrap_or_default()) {
            Compression::None => file,
            Compression::Gzip => self.unpacked(MultiGzDecoder::new(io::BufReader::new(file)), limit, path)?,
            Compression::Zstd => self.unpacked(ZstdFrames::new(io::BufReader::new(file)), limit, path)?,
        };
        TarIndex::read(tar).map(ArchiveFiles::Tar).map_err(|_| Error::NoArchive(path.to_owned()))
    }

    /// Decompresses an archive into a file without a name, because its members are read in any order.
    fn unpacked(&self, stream: impl Read, limit: u64, archive: &Path) -> Result<File, Error> {
        let path: PathBuf = self.directories.staging().join(next_staging_name());
        let failed = |source| self.directories.failed("write", &path, source);
        let mut file = File::options().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        fs::remove_file(&path).map_err(failed)?;
        let copied = io::copy(&mut stream.take(limit.saturating_add(1)), &mut file).map_err(|source| {
            match self.directories.failed("read", archive, source) {
                Error::Store { source, .. } => Error::Store { action: "decompress", path: archive.to_owned(), source },
                no_space => no_space,
            }
        })?;
        if copied > limit {
            return Err(Error::manifest("the archive", LayerError::TooLarge(limit)));
        }
        Ok(file)
    }
}
