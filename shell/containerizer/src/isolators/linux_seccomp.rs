//! `linux/seccomp`: filters of system calls.

use std::path::{Component, Path, PathBuf};

use super::{ContainerContext, Isolator};
use crate::kernel::Kernel;
use crate::launch_spec::LaunchSpec;
use crate::seccomp::{Architecture, Circumstances, Profile, compile, default_profile};
use crate::{CapabilitySet, Config, Error, Launch, SeccompRequest};

/// Filters system calls by the profile that a container asks for, else by that of the operator, else by the built-in
/// one.
#[derive(Debug)]
pub(super) struct LinuxSeccomp {
    /// `--seccomp_config_dir`.
    directory: Option<PathBuf>,
    /// `--seccomp_profile_name`.
    profile: Option<String>,
}

impl LinuxSeccomp {
    pub(super) fn new(config: &Config) -> Self {
        let (directory, profile) = (config.seccomp_config_dir.clone(), config.seccomp_profile_name.clone());
        LinuxSeccomp { directory, profile }
    }

    /// Reads a profile. A name that leaves the directory would let a task choose any file of the agent.
    fn read(&self, kernel: &dyn Kernel, name: &str) -> Result<Profile, Error> {
        let Some(directory) = &self.directory else {
            return Err(Error::Seccomp(format!(
                "there is no profile '{name}' of system calls: the agent has no --seccomp_config_dir"
            )));
        };
        let mut parts = Path::new(name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            return Err(Error::Seccomp(format!("'{name}' is not the name of a profile in --seccomp_config_dir")));
        }
        let path = directory.join(name);
        let text = kernel.read(&path).map_err(|error| {
            Error::Seccomp(format!("Failed to read Seccomp profile file '{}': {error}", path.display()))
        })?;
        Profile::parse(&text).map_err(|error| unusable(&path.display().to_string(), &error))
    }
}

impl Isolator for LinuxSeccomp {
    fn name(&self) -> &'static str {
        "linux/seccomp"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let architecture = Architecture::native().ok_or_else(|| {
            let name = std::env::consts::ARCH;
            Error::Seccomp(format!("system calls cannot be filtered on {name}: remove linux/seccomp from --isolation"))
        })?;
        let name = match &launch.requests.seccomp {
            SeccompRequest::Unconfined => return Ok(()),
            SeccompRequest::Invalid(reason) => return Err(Error::Seccomp((*reason).to_owned())),
            SeccompRequest::Profile(name) => Some(name),
            SeccompRequest::Default => self.profile.as_ref(),
        };
        let profile = match name {
            Some(name) => self.read(container.kernel, name)?,
            None => default_profile(architecture),
        };
        let given = Circumstances {
            architecture,
            capabilities: capabilities(launch, spec),
            kernel: kernel_version(container.kernel),
        };
        let filter =
            compile(&profile, &given).map_err(|error| unusable(name.map_or("built-in", String::as_str), &error))?;
        spec.privileges.filter = Some(filter);
        Ok(())
    }
}

fn unusable(name: &str, error: &dyn std::error::Error) -> Error {
    Error::Seccomp(format!("Failed to parse Seccomp profile '{name}': {error}"))
}

/// Returns the capabilities that the program has. The isolator `linux/capabilities` has come before.
fn capabilities(launch: &Launch, spec: &LaunchSpec) -> CapabilitySet {
    let user = launch.requests.image.as_ref().map_or(launch.user.as_ref(), |image| image.user.as_ref());
    match &spec.privileges.capabilities {
        Some(limited) => CapabilitySet::of_bits(limited.effective.unwrap_or(limited.bounding)),
        None if user.is_none_or(|user| user.uid == 0) => CapabilitySet::ALL,
        None => CapabilitySet::EMPTY,
    }
}

/// Returns the version of the kernel; 0.0 if it is not known, for which no rule is made.
fn kernel_version(kernel: &dyn Kernel) -> (u32, u32) {
    let text = kernel.read(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let mut numbers = text.trim().split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
