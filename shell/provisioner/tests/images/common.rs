//! A store in a directory of its own, with the options of its pulls.

use provisioner::{ImageReference, PullEvent, PullOptions, RegistryOptions, Store};
use testkit::registry::Registry;

/// A store in a directory of its own, with the options of its pulls.
pub struct Scenario {
    pub registry: Registry,
    pub store: Store,
    pub directory: tempfile::TempDir,
    pub options: PullOptions,
}

pub fn scenario() -> Scenario {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let registry = Registry::start();
    let options = PullOptions {
        registry: RegistryOptions {
            retries: 3,
            stall_timeout: std::time::Duration::from_secs(5),
            ..RegistryOptions::default()
        },
        ..PullOptions::default()
    };
    Scenario { registry, store, directory, options }
}

impl Scenario {
    /// Returns the reference of an image at the registry.
    pub fn reference(&self, tag: &str) -> ImageReference {
        self.registry.image(tag).parse().unwrap()
    }

    pub fn pull(&self, tag: &str) -> Result<provisioner::Image, provisioner::Error> {
        self.store.pull(&self.reference(tag), &self.options, &|_: PullEvent| {})
    }

    /// Returns the text of the error with which a pull fails.
    pub fn refused(&self, tag: &str) -> String {
        self.pull(tag).map(|image| format!("{image:?}")).unwrap_err().to_string()
    }

    /// Returns the names of everything that the store has of incomplete layers.
    pub fn leftovers(&self) -> Vec<String> {
        let names = |name: &str| {
            let entries = std::fs::read_dir(self.directory.path().join("store").join(name)).unwrap();
            entries.map(|entry| format!("{name}/{}", entry.unwrap().file_name().to_string_lossy())).collect::<Vec<_>>()
        };
        let all = [names("staging"), names("ingest")].concat();
        all.into_iter().filter(|name| !name.ends_with(".lock")).collect()
    }
}
