//! The images that the daemon has to have before a container is created.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ::docker::{Error, InvalidImage, Pull, RegistryAuth, Request, qualified};
use provisioner::{Credentials, ImageReference, RegistryError};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::containerizer::{ASK, DockerContainerizer};

/// The reason for which an image cannot be pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The name is none.
    #[error(transparent)]
    Image(#[from] InvalidImage),
    /// Docker cannot pull it.
    #[error(transparent)]
    Docker(#[from] Error),
    /// The credentials cannot be read.
    #[error(transparent)]
    Credentials(#[from] RegistryError),
}

/// The time without a word about a pull after which the daemon is taken for hanging. Unpacking a large layer is silent.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// The maximum length of a file with credentials in bytes.
const MAX_CONFIG: u64 = 1 << 20;

impl DockerContainerizer {
    /// Pulls an image if the daemon does not have it, or in any case (`force_pull_image`).
    ///
    /// # Errors
    /// Returns [`PullError`] if the daemon does not have it afterwards.
    pub(super) fn pull(
        &self,
        image: &str,
        force: bool,
        sandbox: &Path,
        cancelled: &AtomicBool,
    ) -> Result<(), PullError> {
        let image = qualified(image);
        if !force {
            match self.client.call(&Request::inspect_image(&image), ASK) {
                Ok(_) => return Ok(()),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let auth = self.auth(&image, sandbox, cancelled)?.map(|auth| auth.header());
        let mut pull = Pull::default();
        self.client.stream(&Request::pull(&image, auth.as_deref()), SILENCE, cancelled, &mut |part| pull.push(part))?;
        pull.finish()?;
        // The stream of a daemon that ends in between reports no error.
        self.client.call(&Request::inspect_image(&image), ASK)?;
        Ok(())
    }

    /// Returns the credentials for the registry of an image: those of the agent, and those that the task has fetched into
    /// its sandbox.
    fn auth(&self, image: &str, sandbox: &Path, cancelled: &AtomicBool) -> Result<Option<RegistryAuth>, PullError> {
        let reference: ImageReference = image.parse().map_err(|_| InvalidImage(model::visible(image).into_owned()))?;
        let own = self.options.credentials.clone();
        let credentials = match fetched(sandbox)? {
            Some(given) => own.overlaid_by(given),
            None => own,
        };
        let registry = reference.registry().unwrap_or("index.docker.io");
        let login = credentials.login(registry, cancelled)?;
        Ok(login.map(|login| RegistryAuth {
            username: login.username,
            password: login.password,
            identity_token: login.identity_token,
            registry_token: login.registry_token,
            server_address: match reference.registry() {
                Some(registry) => registry.to_owned(),
                None => "https://index.docker.io/v1/".to_owned(),
            },
        }))
    }
}

/// Returns the credentials in the sandbox, where the URIs of a task put them for Mesos: `.docker/config.json`, or
/// `.dockercfg` of older versions. Links are not followed, since the agent can read more than the task.
fn fetched(sandbox: &Path) -> Result<Option<Credentials>, RegistryError> {
    if let Some(text) = read(sandbox, ".docker/config.json") {
        return Credentials::parse(&text, ".docker/config.json").map(Some);
    }
    match read(sandbox, ".dockercfg") {
        Some(text) => Credentials::parse(&format!("{{\"auths\":{text}}}"), ".dockercfg").map(Some),
        None => Ok(None),
    }
}

fn read(sandbox: &Path, name: &str) -> Option<String> {
    let directory = File::open(sandbox).ok()?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(&directory, name, flags, Mode::empty(), resolve).ok()?);
    let is_small = file.metadata().is_ok_and(|data| data.is_file() && data.len() <= MAX_CONFIG);
    let mut text = String::new();
    (is_small && file.take(MAX_CONFIG).read_to_string(&mut text).is_ok()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_where_tasks_put_them() {
        let sandbox = tempfile::tempdir().unwrap();
        let user = || {
            let credentials = fetched(sandbox.path()).unwrap();
            credentials
                .and_then(|credentials| credentials.login("r.x", &AtomicBool::default()).unwrap())
                .map(|login| login.username)
        };
        assert_eq!(user(), None);
        std::fs::write(sandbox.path().join(".dockercfg"), r#"{"r.x":{"username":"old","password":"p"}}"#).unwrap();
        assert_eq!(user().as_deref(), Some("old"));
        std::fs::create_dir(sandbox.path().join(".docker")).unwrap();
        let config = sandbox.path().join(".docker/config.json");
        std::fs::write(&config, r#"{"auths":{"r.x":{"username":"new","password":"p"}}}"#).unwrap();
        assert_eq!(user().as_deref(), Some("new"));
        // A file that only the agent can read is not read for a task.
        std::fs::remove_file(&config).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &config).unwrap();
        assert_eq!(user().as_deref(), Some("old"));
        std::fs::write(sandbox.path().join(".dockercfg"), "nonsense").unwrap();
        assert!(fetched(sandbox.path()).is_err());
    }
}
