//! The GPUs of an agent: `--nvidia_gpu_devices`, `gpus` of `--resources`, and those of the machine.

use std::path::{Path, PathBuf};

use containerizer::Nvml;
use flags::AgentFlags;

use crate::commands::CommandError;

/// The GPUs of an agent with the isolator `gpu/nvidia`.
pub(super) struct Gpus {
    nvml: Nvml,
    /// The minor numbers of their device nodes.
    pub minors: Vec<u32>,
    /// Whether they are all of the machine, and not those that the flags name.
    pub is_discovered: bool,
}

/// Returns the GPUs that the isolator gives to containers; `None` without the isolator.
///
/// # Errors
/// Fails with a sentence in Mesos' words (`gpu/allocator.cpp`) if the flags contradict each other or the machine.
pub(super) fn gpus(flags: &AgentFlags) -> Result<Option<Gpus>, CommandError> {
    let isolation = flags.isolation.as_ref().map(|list| list.0.as_slice()).unwrap_or_default();
    let devices = flags.nvidia_gpu_devices.as_ref().map(|list| list.0.as_slice());
    if !isolation.iter().any(|name| name.trim() == "gpu/nvidia") {
        return match devices {
            None => Ok(None),
            Some(_) => Err(CommandError::message(
                "'--nvidia_gpu_devices' can only be specified if the `--isolation` flag contains 'gpu/nvidia'",
            )),
        };
    }
    let failed = |error: containerizer::NvmlError| {
        CommandError::message(format!("Cannot create the Nvidia GPU isolator: {error}"))
    };
    let nvml = Nvml::load().map_err(failed)?;
    let available = nvml.device_count().map_err(failed)?;
    let given = flags.resources.as_deref().unwrap_or_default();
    let parsed = resources::Resources::parse(given, &flags.default_role).unwrap_or_default();
    let names_gpus = given.split(';').any(|part| part.trim_start().starts_with("gpus"));
    let indices = choose(devices, names_gpus.then(|| parsed.gpus()), available).map_err(CommandError::message)?;
    let minors = indices.iter().map(|index| nvml.minor_number(*index)).collect::<Result<_, _>>().map_err(failed)?;
    Ok(Some(Gpus { nvml, minors, is_discovered: !names_gpus }))
}

impl Gpus {
    /// Fills the directory with the files of the driver below the runtime directory, and returns it.
    ///
    /// # Errors
    /// Fails if the files cannot be copied.
    pub(super) fn fill_volume(&self, runtime_dir: &Path) -> Result<PathBuf, CommandError> {
        let version = self.nvml.driver_version();
        let version = version
            .map_err(|error| CommandError::message(format!("Cannot create the Nvidia GPU isolator: {error}")))?;
        let name: String = version.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '.').collect();
        let volume = runtime_dir.join("isolators/gpu").join(format!("nvidia_{name}"));
        let libraries = self.nvml.path().parent().unwrap_or(Path::new("/usr/lib"));
        let path = std::env::var("PATH").unwrap_or_default();
        containerizer::driver_volume(&volume, libraries, &path).map_err(|source| CommandError::Io {
            doing: format!("copy the files of NVIDIA's driver to '{}'", volume.display()),
            source,
        })?;
        Ok(volume)
    }
}

/// Returns the indices of the GPUs: `devices` of `--nvidia_gpu_devices`, `gpus` of `--resources`, and the number of the
/// machine.
fn choose(devices: Option<&[String]>, gpus: Option<f64>, available: u32) -> Result<Vec<u32>, String> {
    let gpus = match (devices, gpus) {
        (None, None) => return Ok((0..available).collect()),
        (None, Some(0.0)) => return Ok(Vec::new()),
        (Some(_), Some(0.0)) => {
            return Err("'--nvidia_gpu_devices' cannot be specified when '--resources' specifies 0 GPUs".to_owned());
        }
        (Some(_), None) => {
            return Err("'--nvidia_gpu_devices' cannot be set without also setting 'gpus' in '--resources'".to_owned());
        }
        (None, Some(_)) => {
            return Err("The `gpus` resource cannot be set without also setting `--nvidia_gpu_devices`".to_owned());
        }
        (Some(_), Some(gpus)) => gpus,
    };
    if gpus.fract() != 0.0 || gpus < 0.0 {
        return Err("The 'gpus' resource must be an non-negative integer".to_owned());
    }
    let index = |text: &String| {
        let wanted =
            || format!("--nvidia_gpu_devices: '{}' is not the index of a GPU; expected e.g. 0,1", model::visible(text));
        text.trim().parse::<u32>().map_err(|_| wanted())
    };
    let indices = devices.unwrap_or_default().iter().map(index).collect::<Result<Vec<u32>, String>>()?;
    let distinct: std::collections::BTreeSet<u32> = indices.iter().copied().collect();
    if distinct.len() != indices.len() {
        return Err("'--nvidia_gpu_devices' contains duplicates".to_owned());
    }
    if indices.len() as f64 != gpus {
        return Err("'--resources' and '--nvidia_gpu_devices' specify different numbers of GPU devices".to_owned());
    }
    if gpus > f64::from(available) {
        return Err(
            "The number of GPUs requested is greater than the number of GPUs available on the machine".to_owned()
        );
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_machine_agree_on_the_gpus() {
        let check = |devices: Option<&str>, gpus: Option<f64>, expect: Result<&[u32], &str>| {
            let devices: Option<Vec<String>> = devices.map(|devices| devices.split(',').map(str::to_owned).collect());
            match (choose(devices.as_deref(), gpus, 2), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect),
                (Err(found), Err(expect)) => assert!(found.contains(expect), "{found}"),
                (found, expect) => panic!("{found:?} instead of {expect:?}"),
            }
        };
        check(None, None, Ok(&[0, 1]));
        check(None, Some(0.0), Ok(&[]));
        check(Some("1"), Some(1.0), Ok(&[1]));
        check(Some("1"), None, Err("without also setting 'gpus'"));
        check(Some("1"), Some(0.0), Err("specifies 0 GPUs"));
        check(None, Some(1.0), Err("without also setting `--nvidia_gpu_devices`"));
        check(Some("0"), Some(1.5), Err("non-negative integer"));
        check(Some("0,0"), Some(2.0), Err("contains duplicates"));
        check(Some("0"), Some(2.0), Err("different numbers"));
        check(Some("0,1,2"), Some(3.0), Err("greater than the number"));
        check(Some("a"), Some(1.0), Err("'a' is not the index of a GPU"));
    }
}
