//! Gives one container its images: pulls those that the store does not have, and writes the description for the
//! launcher.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ::agent::{ContainerLaunch, NestedLaunch};
use containerizer::User;
use executor::{ImageVolume, LaunchInfo, OverlayDirectories, RootSource, TmpfsMount, UserIds};
use messages::v1;
use model::ContainerId;
use provisioner::runtime::{NoCommand, RequestedCommand, resolve};
use provisioner::{Credentials, ImageConfig, ImageReference, Provided, PullOptions, Rootfs};
use validation::container_labels::{ContainerLabels, Tmpfs};

use super::images::Images;
use crate::launch::sets;
use crate::requests::{check_sources, command_info, container_info};

/// The reason for which a container does not get its images.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The reference or the credentials of the task are invalid.
    #[error("{0}")]
    Invalid(String),
    /// The image cannot be pulled or provisioned.
    #[error("cannot provide image '{image}': {source}")]
    Provisioner {
        /// The images as the task names them.
        image: String,
        /// The reason.
        source: provisioner::Error,
    },
    /// Neither the task nor its image names a program.
    #[error("{0}")]
    NoCommand(#[from] NoCommand),
    /// The launch info cannot be written or read.
    #[error("cannot write or read '{}': {source}", path.display())]
    LaunchInfo {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

/// The file beside the launch info in which the containerizer describes what isolates the program.
pub const ISOLATION: &str = "isolation";

/// The parts of a container that come from its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvidedImages {
    /// The file that describes the container to the launcher.
    pub launch_info: PathBuf,
    /// The program in the container, and its arguments with `argv[0]`.
    pub command: (String, Vec<String>),
    /// Whether the container has the root of an image, and not only images as volumes.
    pub has_root: bool,
    /// The variables of the image.
    pub environment: Vec<(String, String)>,
    /// Whether the root is that of an image that asks for the files of NVIDIA's driver, which the agent has.
    pub needs_nvidia_driver: bool,
}

/// The label by which an image asks for the files of NVIDIA's driver, and its value (as in Mesos' `gpu/volume.cpp`).
const NVIDIA_LABEL: (&str, &str) = ("com.nvidia.volumes.needed", "nvidia_driver");

/// Adds the places of the driver's files to the variables of an image (`NvidiaVolume::ENV` of Mesos). Libraries for
/// compatibility that the image has come before those of the driver.
fn add_nvidia_paths(variables: &mut Vec<String>) {
    let mut add = |name: &str, further: &[&str]| {
        let given = variables.iter().position(|variable| variable.split_once('=').is_some_and(|(own, _)| own == name));
        let value = given.map(|at| variables.remove(at)).unwrap_or_default();
        let value = value.split_once('=').map(|(_, value)| value).unwrap_or_default();
        let mut paths: Vec<&str> = value.split(':').filter(|path| !path.is_empty()).collect();
        for path in further {
            if !paths.contains(path) {
                paths.push(path);
            }
        }
        variables.push(format!("{name}={}", paths.join(":")));
    };
    add("PATH", &["/usr/local/nvidia/bin"]);
    add("LD_LIBRARY_PATH", &["/usr/local/cuda/compat", "/usr/local/nvidia/lib", "/usr/local/nvidia/lib64"]);
}

/// The container that asks for images.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    container: &'a ContainerId,
    sandbox: &'a Path,
    /// Whether the container names its user.
    names_user: bool,
}

/// The images that a container asks for.
#[derive(Debug, Default)]
struct RequestedImages<'a> {
    root: Option<&'a v1::Image>,
    volumes: Vec<(&'a v1::Volume, &'a v1::Image)>,
    hostname: Option<&'a str>,
    command: Option<&'a v1::CommandInfo>,
    /// What the labels of a command task ask for.
    labels: ContainerLabels,
}

impl Images {
    /// Provides the images of a container. Returns `None` for a container without images. Blocks while images are
    /// pulled; `report` is told how far a long pull is.
    ///
    /// # Errors
    /// Returns [`ImageError`] if the container cannot have its images.
    pub fn provide(
        &self,
        launch: &ContainerLaunch,
        user: Option<&User>,
        cancelled: &Arc<AtomicBool>,
        report: &(dyn Fn(String) + Sync),
    ) -> Result<Option<ProvidedImages>, ImageError> {
        let place = Place { container: &launch.container, sandbox: &launch.sandbox, names_user: launch.user.is_some() };
        self.provide_requested(place, &RequestedImages::of(launch)?, user, cancelled, report)
    }

    /// Provides the image of a nested or standalone container, like [`Images::provide`].
    ///
    /// # Errors
    /// Returns [`ImageError`] if the container cannot have its image.
    pub fn provide_nested(
        &self,
        launch: &NestedLaunch,
        user: Option<&User>,
        cancelled: &Arc<AtomicBool>,
        report: &(dyn Fn(String) + Sync),
    ) -> Result<Option<ProvidedImages>, ImageError> {
        let requested = RequestedImages {
            root: nested_image(launch),
            volumes: image_volumes(launch.info.as_ref()),
            hostname: launch.info.as_ref().and_then(|container| container.hostname.as_deref()),
            command: Some(&launch.command),
            labels: ContainerLabels::default(),
        };
        let place = Place { container: &launch.container, sandbox: &launch.sandbox, names_user: launch.user.is_some() };
        self.provide_requested(place, &requested, user, cancelled, report)
    }

    fn provide_requested(
        &self,
        place: Place<'_>,
        requested: &RequestedImages<'_>,
        user: Option<&User>,
        cancelled: &Arc<AtomicBool>,
        report: &(dyn Fn(String) + Sync),
    ) -> Result<Option<ProvidedImages>, ImageError> {
        let images: Vec<&v1::Image> =
            requested.root.into_iter().chain(requested.volumes.iter().map(|(_, image)| *image)).collect();
        if images.is_empty() {
            return Ok(None);
        }
        let mut provided = self.provisioned(place.container.as_str(), &images, cancelled, report)?.into_iter();
        let root = requested.root.and_then(|_| provided.next());
        let mut config = root.as_ref().map(|root| root.image.config.clone()).unwrap_or_default();
        let needs_nvidia_driver = self.options.has_nvidia_driver
            && config.labels.get(NVIDIA_LABEL.0).is_some_and(|value| value == NVIDIA_LABEL.1);
        if self.options.ignore_runtime {
            config = ImageConfig::default();
        }
        if needs_nvidia_driver {
            add_nvidia_paths(&mut config.env);
        }
        if root.is_some() && !config.user.is_empty() && !place.names_user {
            tracing::warn!(
                container = %place.container,
                user = config.user,
                "the user of an image is not used, as in Mesos: set the user of the command"
            );
        }
        let volumes = requested.volumes.iter().zip(provided).map(|((volume, _), provided)| ImageVolume {
            source: source(provided.rootfs),
            container_path: PathBuf::from(&volume.container_path),
            read_only: volume.mode() == v1::volume::Mode::Ro,
        });
        let directory = self.provisioner().map_err(|source| failed(&images, source))?;
        let directory = directory.directory(place.container.as_str());
        let info = LaunchInfo {
            volumes: volumes.collect(),
            sandbox: place.sandbox.to_owned(),
            sandbox_directory: self.options.sandbox_directory.clone(),
            working_directory: match (&root, config.working_dir.as_str()) {
                (None, _) => place.sandbox.to_owned(),
                (Some(_), "") => self.options.sandbox_directory.clone(),
                (Some(_), directory) => Path::new("/").join(directory),
            },
            user: user.map(|user| UserIds { uid: user.uid, gid: user.gid, groups: user.groups.clone() }),
            isolation: Some(directory.join(ISOLATION)),
            command: resolved(requested.command_for(&config).as_ref(), &config)?,
            read_only: requested.labels.read_only,
            tmpfs: requested.tmpfs(&self.options.sandbox_directory)?,
            names: self.names(&directory, requested, root.is_some())?,
            environment: not_replaced(&config.env, requested.command),
            root: root.map(|root| source(root.rootfs)),
        };
        let variables = config.env.iter().filter_map(|variable| variable.split_once('='));
        Ok(Some(ProvidedImages {
            launch_info: write(&directory.join("launch_info"), &info)?,
            has_root: info.root.is_some(),
            needs_nvidia_driver,
            environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            command: info.command,
        }))
    }

    /// Pulls the images and makes their root file systems.
    fn provisioned(
        &self,
        container: &str,
        images: &[&v1::Image],
        cancelled: &Arc<AtomicBool>,
        report: &(dyn Fn(String) + Sync),
    ) -> Result<Vec<Provided>, ImageError> {
        let provisioner = self.provisioner().map_err(|source| failed(images, source))?;
        let mut requested: Vec<(ImageReference, PullOptions)> = Vec::new();
        for image in images {
            let docker =
                image.docker.as_deref().ok_or_else(|| ImageError::Invalid("the image has no name".to_owned()))?;
            let reference: ImageReference = docker
                .name
                .parse()
                .map_err(|error: provisioner::InvalidReference| ImageError::Invalid(error.to_string()))?;
            let options = PullOptions {
                registry: self.options.registry.clone(),
                archives: self.options.archives.clone(),
                signatures: self.options.signatures.clone(),
                credentials: self.credentials(docker)?,
                refresh: !image.cached.unwrap_or(true),
                cancelled: Arc::clone(cancelled),
                ..PullOptions::default()
            };
            requested.push((reference, options));
        }
        let references: Vec<ImageReference> = requested.iter().map(|(reference, _)| reference.clone()).collect();
        let find = |reference: &ImageReference| {
            let options = requested.iter().find(|(other, _)| other == reference).map(|(_, options)| options);
            let pull = self.pulls.begin(container, &reference.to_string());
            let options = options.ok_or_else(|| provisioner::Error::NotFound(reference.to_string()))?;
            provisioner.store().pull(reference, options, &|event| pull.observe(&event, report))
        };
        provisioner.provide(container, &references, &find).map_err(|source| failed(images, source))
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

    /// Writes the files that name the host in a container with a host name of its own.
    fn names(
        &self,
        directory: &Path,
        requested: &RequestedImages<'_>,
        has_root: bool,
    ) -> Result<Option<PathBuf>, ImageError> {
        let Some(hostname) = requested.hostname.filter(|_| has_root) else { return Ok(None) };
        containerizer::check_hostname(hostname).map_err(|error| ImageError::Invalid(error.to_string()))?;
        let names = directory.join("etc");
        let failed = |source| ImageError::LaunchInfo { path: names.clone(), source };
        std::fs::DirBuilder::new().mode(0o755).recursive(true).create(&names).map_err(failed)?;
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        std::fs::write(names.join("hostname"), format!("{hostname}\n")).map_err(failed)?;
        std::fs::write(names.join("hosts"), format!("{}\n127.0.1.1 {hostname}\n", hosts.trim_end())).map_err(failed)?;
        Ok(Some(names))
    }
}

impl<'a> RequestedImages<'a> {
    /// Returns what the task or the custom executor asks for.
    ///
    /// # Errors
    /// Returns [`ImageError::Invalid`] for a volume without a source.
    fn of(launch: &'a ContainerLaunch) -> Result<Self, ImageError> {
        let labels = check_labels(launch)?;
        let Some(container) = container_info(launch) else { return Ok(RequestedImages::default()) };
        check_sources(&container.volumes).map_err(|error| ImageError::Invalid(error.to_string()))?;
        Ok(RequestedImages {
            root: container.mesos.as_deref().and_then(|mesos| mesos.image.as_deref()),
            volumes: image_volumes(Some(container)),
            hostname: container.hostname.as_deref(),
            command: command_info(launch),
            labels,
        })
    }
}

impl RequestedImages<'_> {
    /// Returns the command as it is combined with the image. If it has the arguments of an entrypoint, an image with one runs
    /// that.
    fn command_for(&self, config: &ImageConfig) -> Option<v1::CommandInfo> {
        let command = self.command?.clone();
        let value = command.value.clone().filter(|_| !self.labels.arguments || config.entrypoint.is_empty());
        Some(v1::CommandInfo { value, ..command })
    }

    /// Returns the mounts of memory.
    ///
    /// # Errors
    /// Returns [`ImageError::Invalid`] for one that the sandbox would hide.
    fn tmpfs(&self, sandbox_directory: &Path) -> Result<Vec<TmpfsMount>, ImageError> {
        let mount = |tmpfs: &Tmpfs| match Path::new(&tmpfs.path).starts_with(sandbox_directory) {
            false => Ok(TmpfsMount {
                path: PathBuf::from(&tmpfs.path),
                size: tmpfs.size,
                mode: tmpfs.mode.unwrap_or(TMPFS_MODE),
                exec: tmpfs.exec,
            }),
            true => Err(ImageError::Invalid(format!(
                "the tmpfs at '{}' would be hidden by the sandbox at '{}': mount it elsewhere",
                tmpfs.path,
                sandbox_directory.display()
            ))),
        };
        self.labels.tmpfs.iter().map(mount).collect()
    }
}

/// Returns what the labels of a command task ask for. Masters of Mesos do not know them.
///
/// # Errors
/// Returns [`ImageError::Invalid`] if they are invalid, or the container cannot have what they ask for.
pub fn check_labels(launch: &ContainerLaunch) -> Result<ContainerLabels, ImageError> {
    let labels = launch.command_task.as_ref().and_then(|task| task.labels.as_deref());
    let labels = ContainerLabels::of(labels);
    let checked = labels.and_then(|labels| labels.check(container_info(launch)).map(|()| labels));
    checked.map_err(|error| ImageError::Invalid(error.to_string()))
}

/// The permissions of a tmpfs that names none, as in docker.
const TMPFS_MODE: u32 = 0o1777;

/// Returns whether a container asks for images, which may have to be pulled.
pub fn has_images(launch: &ContainerLaunch) -> bool {
    RequestedImages::of(launch).is_ok_and(|requested| requested.root.is_some() || !requested.volumes.is_empty())
}

/// Returns the volumes of a container that are images.
fn image_volumes(container: Option<&v1::ContainerInfo>) -> Vec<(&v1::Volume, &v1::Image)> {
    let volumes = container.map(|container| container.volumes.as_slice()).unwrap_or_default();
    volumes.iter().filter_map(|volume| Some((volume, volume.image.as_deref()?))).collect()
}

/// Returns whether a nested or standalone container asks for images.
pub fn nested_has_images(launch: &NestedLaunch) -> bool {
    nested_image(launch).is_some() || !image_volumes(launch.info.as_ref()).is_empty()
}

/// Returns the image that a nested or standalone container asks for.
pub fn nested_image(launch: &NestedLaunch) -> Option<&v1::Image> {
    launch.info.as_ref()?.mesos.as_deref()?.image.as_deref()
}

/// Returns the variables of an image that the command does not replace by its own.
fn not_replaced(of_image: &[String], command: Option<&v1::CommandInfo>) -> Vec<String> {
    let is_replaced = |variable: &str| sets(command, variable.split_once('=').map_or(variable, |(name, _)| name));
    of_image.iter().filter(|variable| !is_replaced(variable)).cloned().collect()
}

/// Writes the launch info. The file belongs to the agent: a container that could write it would choose the root of the
/// next process.
fn write(path: &Path, info: &LaunchInfo) -> Result<PathBuf, ImageError> {
    let failed = |source| ImageError::LaunchInfo { path: path.to_owned(), source };
    let bytes = serde_json::to_vec(info).map_err(|error| failed(error.into()))?;
    std::fs::write(path, bytes).map_err(failed)?;
    Ok(path.to_owned())
}

fn failed(images: &[&v1::Image], source: provisioner::Error) -> ImageError {
    let names: Vec<&str> = images.iter().filter_map(|image| image.docker.as_deref()).map(|d| d.name.as_str()).collect();
    ImageError::Provisioner { image: names.join("', '"), source }
}

fn source(rootfs: Rootfs) -> RootSource {
    match rootfs {
        Rootfs::Overlay(overlay) => RootSource::Overlay(OverlayDirectories {
            layers: overlay.layers,
            upper: overlay.upper,
            work: overlay.work,
            target: overlay.target,
        }),
        Rootfs::Directory(path) => RootSource::Directory(path),
    }
}

/// Returns the program of a command and of an image, and its arguments with `argv[0]`.
///
/// # Errors
/// Neither of them names a program.
pub fn resolved(command: Option<&v1::CommandInfo>, config: &ImageConfig) -> Result<(String, Vec<String>), NoCommand> {
    // An unset field means true, the default of the schema.
    let shell = command.is_some_and(|command| command.shell.unwrap_or(true));
    let value = command.and_then(|command| command.value.as_deref()).filter(|value| !value.is_empty());
    let arguments = command.map(|command| command.arguments.as_slice()).unwrap_or_default();
    let resolved = resolve(RequestedCommand { shell, value, arguments }, config)?;
    Ok((resolved.program, resolved.argv))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_the_driver_are_added_once() {
        let mut variables = vec!["PATH=/usr/bin:/bin".to_owned(), "A=b".to_owned()];
        for _ in 0..2 {
            add_nvidia_paths(&mut variables);
            let libraries = "LD_LIBRARY_PATH=/usr/local/cuda/compat:/usr/local/nvidia/lib:/usr/local/nvidia/lib64";
            assert_eq!(variables, ["A=b", "PATH=/usr/bin:/bin:/usr/local/nvidia/bin", libraries]);
        }
    }
}
