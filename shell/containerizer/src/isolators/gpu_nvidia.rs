//! `gpu/nvidia`: whole GPUs of NVIDIA for containers, with their device nodes and the files of the driver.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use executor::ImageDevice;
use ids::ContainerId;

use super::{ContainerContext, Isolator};
use crate::cgroups::{Controller, Version, device_program};
use crate::launch_spec::LaunchSpec;
use crate::volumes::resolve;
use crate::{AllowedDevice, Config, DeviceKind, Error, Launch, Limits, Propagation, Volume, VolumeSource};

/// The major number of NVIDIA's devices.
const MAJOR: u32 = 195;
/// The place of the driver's files in a container, as in Mesos and in NVIDIA's images.
const DRIVER: &str = "/usr/local/nvidia";
/// The attribute of the cgroup of a container with the minor numbers of its GPUs, by which the next agent knows them.
const ATTRIBUTE: &str = "trusted.tepui.gpus";

/// The GPUs of the agent, and those of each container.
#[derive(Debug, Default)]
struct Gpus {
    free: BTreeSet<u32>,
    used: BTreeMap<ContainerId, BTreeSet<u32>>,
}

impl Gpus {
    /// Gives a container this number of GPUs in total: further ones, or fewer.
    fn set_count(&mut self, id: &ContainerId, count: usize) -> Result<BTreeSet<u32>, Error> {
        let used = self.used.entry(id.clone()).or_default();
        while used.len() > count {
            self.free.extend(used.pop_last());
        }
        let missing = count - used.len();
        if missing > self.free.len() {
            let available = self.free.len();
            return Err(Error::Request(format!("Requested {missing} GPUs but only {available} available")));
        }
        for _ in 0..missing {
            used.extend(self.free.pop_first());
        }
        Ok(used.clone())
    }

    /// Notes the GPUs of a container of an earlier agent. Those that the agent does not have any more stay the
    /// container's.
    fn adopt(&mut self, id: &ContainerId, gpus: BTreeSet<u32>) {
        self.free.retain(|gpu| !gpus.contains(gpu));
        self.used.insert(id.clone(), gpus);
    }

    fn remove(&mut self, id: &ContainerId, all: &[u32]) {
        let returned = self.used.remove(id).unwrap_or_default();
        self.free.extend(returned.into_iter().filter(|gpu| all.contains(gpu)));
    }
}

/// Gives containers as many GPUs as they have of the resource `gpus`.
#[derive(Debug)]
pub(super) struct GpuNvidia {
    /// The minor numbers of the agent's GPUs.
    all: Vec<u32>,
    gpus: Mutex<Gpus>,
    /// The devices that all containers can use, so that NVIDIA's tools work.
    control: Vec<AllowedDevice>,
    /// `--allowed_devices`.
    allowed: Vec<AllowedDevice>,
    device_directory: PathBuf,
    driver_volume: Option<PathBuf>,
}

impl GpuNvidia {
    pub(super) fn new(config: &Config) -> Self {
        let directory = &config.gpu.device_directory;
        let names = ["nvidiactl", "nvidia-uvm", "nvidia-uvm-tools"];
        GpuNvidia {
            all: config.gpu.minors.clone(),
            gpus: Mutex::new(Gpus { free: config.gpu.minors.iter().copied().collect(), ..Gpus::default() }),
            control: names.iter().filter_map(|name| character_device(&directory.join(name))).collect(),
            allowed: config.allowed_devices.clone(),
            device_directory: directory.clone(),
            driver_volume: config.gpu.driver_volume.clone(),
        }
    }

    fn gpus(&self) -> MutexGuard<'_, Gpus> {
        self.gpus.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn device(&self, minor: u32) -> AllowedDevice {
        let path = self.device_directory.join(format!("nvidia{minor}"));
        character_device(&path).unwrap_or(AllowedDevice {
            path: Some(path),
            kind: DeviceKind::Character,
            major: Some(MAJOR),
            minor: Some(minor),
            read: true,
            write: true,
            mknod: true,
        })
    }

    fn devices(&self, gpus: &BTreeSet<u32>) -> Vec<AllowedDevice> {
        self.control.iter().cloned().chain(gpus.iter().map(|minor| self.device(*minor))).collect()
    }

    /// Writes down which GPUs a container has.
    fn note(&self, container: &ContainerContext<'_>, gpus: &BTreeSet<u32>) -> Result<(), Error> {
        let Some((_, path)) = container.cgroups.and_then(|cgroups| cgroups.location(Controller::Devices)) else {
            return Err(Error::NotIsolated { what: "GPUs", isolator: "cgroups/devices" });
        };
        let minors: Vec<String> = gpus.iter().map(u32::to_string).collect();
        let noted = container.kernel.set_attribute(path, ATTRIBUTE, &minors.join(","));
        noted.map_err(Error::io("cannot note the GPUs of a container at", path))
    }
}

/// Returns a device node with all access; `None` if there is none.
fn character_device(path: &Path) -> Option<AllowedDevice> {
    let data = std::fs::metadata(path).ok().filter(|data| data.file_type().is_char_device())?;
    Some(AllowedDevice {
        path: Some(path.to_owned()),
        kind: DeviceKind::Character,
        major: Some(rustix::fs::major(data.rdev())),
        minor: Some(rustix::fs::minor(data.rdev())),
        read: true,
        write: true,
        mknod: true,
    })
}

/// Returns the node of a device in the `/dev` of an image.
fn node(device: &AllowedDevice) -> Option<ImageDevice> {
    let name = device.path.as_deref()?.file_name()?;
    Some(ImageDevice {
        path: Path::new("/dev").join(name),
        is_block: false,
        major: device.major?,
        minor: device.minor?,
        mode: 0o666,
    })
}

impl Isolator for GpuNvidia {
    fn name(&self) -> &'static str {
        "gpu/nvidia"
    }

    /// As in Mesos, GPUs belong to top-level containers, and nested ones share them.
    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        let gpus = match container.id.parent() {
            None => {
                let count = usize::try_from(launch.limits.gpus).unwrap_or(usize::MAX);
                let gpus = self.gpus().set_count(container.id, count)?;
                self.note(container, &gpus)?;
                gpus
            }
            Some(_) => self.gpus().used.get(&container.id.root()).cloned().unwrap_or_default(),
        };
        let devices = self.devices(&gpus);
        if let Some(image) = &launch.requests.image {
            spec.image_devices.extend(devices.iter().filter_map(node));
            if let Some(volume) = self.driver_volume.as_ref().filter(|_| image.needs_nvidia_driver) {
                let source = VolumeSource::HostPath { path: volume.clone(), propagation: Propagation::default() };
                let volume = Volume { source, container_path: DRIVER.into(), read_only: true };
                let number = launch.requests.volumes.len();
                spec.volumes.push(resolve(&volume, launch, number, &[])?);
                spec.injected_volumes += 1;
            }
        }
        spec.allowed_devices.extend(devices);
        Ok(())
    }

    fn update(&self, container: &ContainerContext<'_>, limits: &Limits) -> Result<(), Error> {
        if container.id.parent().is_some() {
            return Ok(());
        }
        let count = usize::try_from(limits.gpus).unwrap_or(usize::MAX);
        let (before, gpus) = {
            let mut all = self.gpus();
            let before = all.used.get(container.id).cloned().unwrap_or_default();
            if before.len() == count {
                return Ok(());
            }
            (before, all.set_count(container.id, count)?)
        };
        self.note(container, &gpus)?;
        match container.cgroups.and_then(|cgroups| cgroups.location(Controller::Devices)) {
            None => Ok(()),
            Some((Version::V1, path)) => {
                let write = |file: &str, minor: &u32| {
                    let path = path.join(file);
                    let device = self.device(*minor).to_string();
                    container.kernel.write(&path, &device).map_err(Error::io("cannot write to", path))
                };
                before.difference(&gpus).try_for_each(|minor| write("devices.deny", minor))?;
                gpus.difference(&before).try_for_each(|minor| write("devices.allow", minor))
            }
            Some((Version::V2, path)) => {
                let allowed = AllowedDevice::defaults().into_iter().chain(self.allowed.iter().cloned());
                let allowed: Vec<AllowedDevice> = allowed.chain(self.devices(&gpus)).collect();
                let replaced = container.kernel.attach_device_program(path, &device_program(&allowed));
                replaced.map_err(Error::io("cannot limit devices in", path))
            }
        }
    }

    fn recover(&self, container: &ContainerContext<'_>) -> Result<(), Error> {
        let cgroup = container.cgroups.and_then(|cgroups| cgroups.location(Controller::Devices));
        let Some((_, path)) = cgroup.filter(|_| container.id.parent().is_none()) else { return Ok(()) };
        let noted = container.kernel.attribute(path, ATTRIBUTE).unwrap_or_default();
        let gpus = noted.split(',').filter_map(|minor| minor.parse().ok()).collect();
        self.gpus().adopt(container.id, gpus);
        Ok(())
    }

    fn cleanup(&self, container: &ContainerContext<'_>) -> std::io::Result<()> {
        self.gpus().remove(container.id, &self.all);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_belongs_to_one_container() {
        let (a, b) = (ContainerId::new("a"), ContainerId::new("b"));
        let mut gpus = Gpus { free: [0, 1, 2].into(), ..Gpus::default() };
        gpus.adopt(&a, [1, 9].into());
        assert_eq!(gpus.set_count(&b, 2).unwrap(), [0, 2].into());
        assert_eq!(gpus.set_count(&b, 3).unwrap_err().to_string(), "Requested 1 GPUs but only 0 available");
        assert_eq!(gpus.set_count(&b, 1).unwrap(), [0].into());
        assert_eq!(gpus.set_count(&a, 3).unwrap(), [1, 2, 9].into());
        gpus.remove(&a, &[0, 1, 2]);
        gpus.remove(&a, &[0, 1, 2]);
        assert_eq!(gpus.free, [1, 2].into(), "the agent does not have the GPU 9 any more");
    }
}
