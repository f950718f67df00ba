//! What a loss of power leaves of the store.
//!
//! A pull does not wait until its files are on the disk. Its image is valid for this boot of the machine at once, and
//! for later ones when a thread has synchronised the file system and removed the mark from its record. The first process
//! of a boot removes the images that were not that far, and all layers that no image names: they may be incomplete.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::image::{Image, StoredImage};
use super::lock::Lock;
use super::store_root::Store;
use crate::Error;

/// Returns the id of this boot of the machine (random(4)); empty if it cannot be read.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

impl Store {
    /// Removes what an earlier boot may have left incomplete. The caller holds the lock.
    pub(super) fn begin_boot(&self) -> Result<(), Error> {
        let (path, boot) = (self.directories.boot(), boot_id());
        if !boot.is_empty() && fs::read_to_string(&path).is_ok_and(|last| last == boot) {
            return Ok(());
        }
        for (path, stored) in self.stored()? {
            if stored.boot.is_some_and(|of| of != boot) {
                fs::remove_file(&path).map_err(|source| self.directories.failed("remove", &path, source))?;
            }
        }
        self.remove_unused_layers()?;
        self.directories.write(&path, boot.as_bytes())
    }

    /// Writes the record of an image after its layers have been made.
    pub(super) fn record(&self, image: &Image) -> Result<(), Error> {
        let boot = Some(boot_id()).filter(|boot| !boot.is_empty());
        let stored = StoredImage { image: image.clone(), boot };
        if stored.boot.is_none() {
            self.sync()?;
            return self.write_record(&stored);
        }
        self.write_record(&stored)?;
        self.settle_in_background();
        Ok(())
    }

    /// Starts [`Store::settle`] on a thread of its own. If the process ends before, the next one does it.
    pub(super) fn settle_in_background(&self) {
        let store = self.clone();
        let settle = move || {
            if let Err(error) = store.settle() {
                tracing::warn!(%error, "an image of the store is not on the disk yet");
            }
        };
        // Without a thread, a later process does it.
        let _ = std::thread::Builder::new().name("image-sync".into()).spawn(settle);
    }

    /// Makes the images of this boot outlive a loss of power.
    fn settle(&self) -> Result<(), Error> {
        let mut marked = self.stored()?;
        marked.retain(|(_, stored)| stored.is_of_this_boot());
        if marked.is_empty() {
            return Ok(());
        }
        self.sync()?;
        let path = self.directories.lock();
        let _lock = Lock::shared(&path).map_err(|source| self.directories.failed("lock", &path, source))?;
        for (path, stored) in marked {
            // The image may have been removed or pulled anew meanwhile.
            if self.read_stored(&path)?.as_ref() == Some(&stored) {
                self.write_record(&StoredImage { boot: None, ..stored })?;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        let layers = self.directories.layers();
        let sync = || -> io::Result<()> { Ok(rustix::fs::syncfs(fs::File::open(&layers)?)?) };
        sync().map_err(|source| self.directories.failed("write", &layers, source))
    }

    fn write_record(&self, stored: &StoredImage) -> Result<(), Error> {
        let path = self.directories.image(&stored.image.reference);
        let bytes =
            serde_json::to_vec_pretty(stored).map_err(|error| Error::manifest("the record of the image", error))?;
        match stored.boot {
            Some(_) => self.directories.write(&path, &bytes),
            None => self.directories.write_durably(&path, &bytes),
        }
    }

    /// Returns the records of all images, with their paths.
    pub(super) fn stored(&self) -> Result<Vec<(PathBuf, StoredImage)>, Error> {
        let directory = self.directories.images();
        let failed = |source| self.directories.failed("read", &directory, source);
        let mut images = Vec::new();
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json")
                && let Some(stored) = self.read_stored(&path)?
            {
                images.push((path, stored));
            }
        }
        Ok(images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, ImageConfig, LayerId};

    fn image(reference: &str, layer: LayerId) -> Image {
        Image {
            reference: reference.into(),
            digest: layer.0,
            layers: vec![layer],
            has_own_layer: false,
            packed_bytes: 0,
            pulled_at: 0,
            signed_by: None,
            config: ImageConfig::default(),
        }
    }

    /// A loss of power is another boot, with the files of before.
    #[test]
    fn an_image_that_was_not_on_the_disk_does_not_outlive_a_loss_of_power() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let layers = [b"1", b"2", b"3"].map(|name| LayerId(Digest::of(name)));
        for layer in layers {
            fs::create_dir(store.layer_directory(layer)).unwrap();
        }
        let write = |reference: &str, layer: LayerId, boot: Option<&str>| {
            let stored = StoredImage { image: image(reference, layer), boot: boot.map(str::to_owned) };
            store.write_record(&stored).unwrap();
        };
        let names = |store: &Store| store.list().unwrap().into_iter().map(|image| image.reference).collect::<Vec<_>>();
        write("on-disk:t", layers[0], None);
        write("of-this-boot:t", layers[1], Some(&boot_id()));
        write("lost:t", layers[2], Some("of another boot"));
        assert_eq!(names(&store), ["of-this-boot:t", "on-disk:t"], "a mark of another boot is not believed");
        fs::write(store.directories.boot(), "another boot").unwrap();
        let next = Store::open(directory.path()).unwrap();
        assert_eq!(names(&next), ["of-this-boot:t", "on-disk:t"]);
        assert!(!next.layer_directory(layers[2]).exists(), "the layer may be incomplete");
        // After it has been synchronised, it outlives another boot.
        next.settle().unwrap();
        let marks: Vec<_> = next.stored().unwrap().into_iter().map(|(_, stored)| stored.boot).collect();
        assert_eq!(marks, [None, None]);
    }
}
