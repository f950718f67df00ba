//! Gives containers the images that they ask for: pulls images that the store does not have, and writes the description
//! for the launcher.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use ::agent::ContainerLaunch;
use containerizer::User;
use executor::{LaunchInfo, UserIds};
use messages::v1;
use model::ContainerId;
use provisioner::runtime::{NoCommand, RequestedCommand, resolve};
use provisioner::{Credentials, Image, ImageReference, Provisioner, PullOptions, RegistryOptions, Store};

/// The settings for images.
#[derive(Debug, Clone)]
pub struct ImageOptions {
    /// `--docker_store_dir`.
    pub store: PathBuf,
    /// `--docker_registry`, and the other options of requests to registries.
    pub registry: RegistryOptions,
    /// `--docker_config`.
    pub credentials: Credentials,
    /// `--sandbox_directory`: the path of the sandbox in a container with an image.
    pub sandbox_directory: PathBuf,
}

impl Default for ImageOptions {
    fn default() -> Self {
        ImageOptions {
            store: PathBuf::from("/tmp/mesos/store/docker"),
            registry: RegistryOptions::default(),
            credentials: Credentials::default(),
            sandbox_directory: PathBuf::from("/mnt/mesos/sandbox"),
        }
    }
}

/// Why a container does not get its image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The reference or the credentials of the task are invalid.
    #[error("{0}")]
    Invalid(String),
    /// The image cannot be pulled or provisioned.
    #[error("cannot provide image '{image}': {source}")]
    Provisioner {
        /// The image as the task names it.
        image: String,
        /// The reason.
        source: provisioner::Error,
    },
    /// Neither the task nor its image names a program.
    #[error("{0}")]
    NoCommand(#[from] NoCommand),
    /// The launch info cannot be written.
    #[error("cannot write '{}': {source}", path.display())]
    LaunchInfo {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

/// A container that needs its image.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The container.
    pub container: &'a ContainerId,
    /// The sandbox on the host.
    pub sandbox: &'a Path,
    /// The image.
    pub image: &'a v1::Image,
    /// The command that runs in it.
    pub command: Option<&'a v1::CommandInfo>,
}

/// The images of an agent.
#[derive(Debug)]
pub struct Images {
    options: ImageOptions,
    /// `<work_dir>/provisioner`.
    root: PathBuf,
    /// The provisioner, opened for the first container that needs it: opening cleans up.
    opened: Mutex<Option<Provisioner>>,
}

impl Images {
    /// Makes the images of an agent, with the files of containers below this work directory. No file is created before
    /// a container asks for an image.
    pub fn new(options: ImageOptions, work_dir: &Path) -> Self {
        Images { options, root: work_dir.join("provisioner"), opened: Mutex::default() }
    }

    /// Removes the files of containers that have ended.
    pub fn recover(&self, alive: &BTreeSet<String>) {
        if self.root.exists()
            && let Err(error) = self.provisioner().and_then(|provisioner| provisioner.recover(alive))
        {
            tracing::warn!(%error, "cannot clean up the root file systems of containers that have ended");
        }
    }

    /// Provides the image of a container. Returns the file that describes it to the launcher, or `None` for a container
    /// without an image. Blocks while the image is pulled.
    ///
    /// # Errors
    /// Returns [`ImageError`] if the container cannot have its image.
    pub fn provide(
        &self,
        launch: &ContainerLaunch,
        user: Option<&User>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Option<PathBuf>, ImageError> {
        let Some((image, command)) = wanted(launch) else { return Ok(None) };
        let wanted = Wanted { container: &launch.container, sandbox: &launch.sandbox, image, command };
        self.provide_image(&wanted, user, cancelled).map(|(path, _)| Some(path))
    }

    /// Provides the image of a container. Returns the file that describes it to the launcher, and its contents.
    ///
    /// # Errors
    /// Returns the errors of [`Images::provide`].
    pub fn provide_image(
        &self,
        wanted: &Wanted<'_>,
        user: Option<&User>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<(PathBuf, LaunchInfo), ImageError> {
        let Wanted { container, sandbox, image, command } = *wanted;
        let docker = image.docker.as_deref().ok_or_else(|| ImageError::Invalid("the image has no name".to_owned()))?;
        let reference: ImageReference = docker
            .name
            .parse()
            .map_err(|error: provisioner::InvalidReference| ImageError::Invalid(error.to_string()))?;
        let failed = |source| ImageError::Provisioner { image: docker.name.clone(), source };
        let options = PullOptions {
            registry: self.options.registry.clone(),
            credentials: self.credentials(docker)?,
            refresh: !image.cached.unwrap_or(true),
            cancelled: Arc::clone(cancelled),
            ..PullOptions::default()
        };
        let provisioner = self.provisioner().map_err(failed)?;
        let image = provisioner.store().pull(&reference, &options, &|_| {}).map_err(failed)?;
        let overlay = provisioner.provision(container.as_str(), &image).map_err(failed)?;
        let info = LaunchInfo {
            layers: overlay.layers,
            upper: overlay.upper,
            work: overlay.work,
            target: overlay.target,
            sandbox: sandbox.to_owned(),
            sandbox_directory: self.options.sandbox_directory.clone(),
            working_directory: self.working_directory(&image),
            user: user.map(|user| UserIds { uid: user.uid, gid: user.gid, groups: user.groups.clone() }),
            command: resolved(command, &image)?,
            environment: image.config.env,
        };
        let path = self.write(container, &info)?;
        Ok((path, info))
    }

    /// Returns whether a container has the root file system of an image, or is about to get it.
    pub fn has_image(&self, container: &ContainerId) -> bool {
        self.root.join("containers").join(container.as_str()).exists()
    }

    /// Removes the files that a container has written. There are none for a container without an image.
    pub fn destroy(&self, container: &ContainerId) {
        if !self.root.exists() {
            return;
        }
        let removed = self.provisioner().and_then(|provisioner| provisioner.destroy(container.as_str()));
        if let Err(error) = removed {
            tracing::warn!(%container, %error, "cannot remove the root file system of a container");
        }
    }

    fn provisioner(&self) -> Result<Provisioner, provisioner::Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provisioner) = &*opened {
            return Ok(provisioner.clone());
        }
        let provisioner = Provisioner::open(Store::open(&self.options.store)?, &self.root)?;
        Ok(opened.insert(provisioner).clone())
    }

    /// Returns the credentials of the agent together with those of the task, which take precedence.
    fn credentials(&self, docker: &v1::image::Docker) -> Result<Credentials, ImageError> {
        let own = self.options.credentials.clone();
        let Some(secret) = docker.config.as_deref().and_then(|config| config.value.as_ref()) else { return Ok(own) };
        let invalid = |problem: String| ImageError::Invalid(format!("the 'config' of the image: {problem}"));
        let text = std::str::from_utf8(&secret.data).map_err(|error| invalid(error.to_string()))?;
        let given = Credentials::parse(text, "config").map_err(|error| invalid(error.to_string()))?;
        Ok(own.overlaid_by(given))
    }

    fn working_directory(&self, image: &Image) -> PathBuf {
        match image.config.working_dir.as_str() {
            "" => self.options.sandbox_directory.clone(),
            directory => Path::new("/").join(directory),
        }
    }

    /// Writes the launch info. The file belongs to the agent: a container that could write it would choose the root of
    /// the next process.
    fn write(&self, container: &ContainerId, info: &LaunchInfo) -> Result<PathBuf, ImageError> {
        let path = self.root.join("containers").join(container.as_str()).join("launch_info");
        let failed = |source| ImageError::LaunchInfo { path: path.clone(), source };
        let bytes = serde_json::to_vec(info).map_err(|error| failed(error.into()))?;
        std::fs::write(&path, bytes).map_err(failed)?;
        Ok(path)
    }
}

/// Returns the image of the task or of a custom executor, and the command that runs in it.
fn wanted(launch: &ContainerLaunch) -> Option<(&v1::Image, Option<&v1::CommandInfo>)> {
    let (container, command) = match &launch.command_task {
        Some(task) => (task.container.as_deref(), task.command.as_deref()),
        None => (launch.executor_info.container.as_deref(), launch.executor_info.command.as_deref()),
    };
    Some((container?.mesos.as_deref()?.image.as_deref()?, command))
}

fn resolved(command: Option<&v1::CommandInfo>, image: &Image) -> Result<(String, Vec<String>), NoCommand> {
    let shell = command.is_some_and(|command| command.shell());
    let value = command.and_then(|command| command.value.as_deref()).filter(|value| !value.is_empty());
    let arguments = command.map(|command| command.arguments.as_slice()).unwrap_or_default();
    let resolved = resolve(RequestedCommand { shell, value, arguments }, &image.config)?;
    Ok((resolved.program, resolved.argv))
}
