//! Properties of the container of a task that no message of Mesos has a field for: a read-only root file system, memory that is
//! mounted on paths, and arguments of the image's entrypoint. They are labels of the task, since labels reach the agent through
//! every framework, library and master.
//!
//! | label | value |
//! | --- | --- |
//! | [`READ_ONLY`] | `true`: nothing of the image can be written; volumes, the sandbox and tmpfs can |
//! | [`TMPFS`] | `PATH[:OPTIONS]` as of `docker run --tmpfs`: `size=64m`, `mode=1777`, `exec`; a task may have several |
//! | [`COMMAND`] | `arguments`: an image with an entrypoint runs that, and `CommandInfo.arguments` are its arguments |

use messages::v1;

use crate::{ValidationError, Within};

/// The label of a root file system that cannot be written to.
pub const READ_ONLY: &str = "tepui.read_only";
/// The label of memory that is mounted on a path.
pub const TMPFS: &str = "tepui.tmpfs";
/// The label of a command that an image's entrypoint runs.
pub const COMMAND: &str = "tepui.command";
/// The value of [`COMMAND`].
pub const ARGUMENTS: &str = "arguments";

/// The maximum of mounts of memory of a task.
const MAX_TMPFS: usize = 16;
/// The maximum length of a path in bytes (PATH_MAX without its zero byte).
const MAX_PATH: usize = 4095;
/// The directories that the agent mounts itself.
const OF_THE_SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What the labels of a task ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerLabels {
    /// Whether the root file system is read-only.
    pub read_only: bool,
    /// The mounts of memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Whether the command has the arguments of the image's entrypoint.
    pub arguments: bool,
}

/// Memory that is mounted on a path of a container. It counts as memory of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tmpfs {
    /// An absolute path in the container.
    pub path: String,
    /// The size in bytes; `None` for half of the memory of the machine.
    pub size: Option<u64>,
    /// The permissions of the directory; `None` for 01777.
    pub mode: Option<u32>,
    /// Whether programs in it can be executed.
    pub exec: bool,
}

impl ContainerLabels {
    /// Reads the labels of a task.
    ///
    /// # Errors
    ///
    /// The error names the label and what is wrong with it.
    pub fn of(labels: Option<&v1::Labels>) -> Result<Self, ValidationError> {
        let mut found = ContainerLabels::default();
        for label in labels.map(|labels| labels.labels.as_slice()).unwrap_or_default() {
            let value = label.value.as_deref().unwrap_or_default();
            let only = |expected: &str| match value == expected {
                true => Ok(true),
                false => {
                    Err(ValidationError::new(format!("Label '{}' is '{value}', and can be '{expected}'", label.key)))
                }
            };
            match label.key.as_str() {
                READ_ONLY => found.read_only = only("true")?,
                COMMAND => found.arguments = only(ARGUMENTS)?,
                TMPFS if found.tmpfs.len() >= MAX_TMPFS => {
                    return Err(ValidationError::new(format!("a task has at most {MAX_TMPFS} labels '{TMPFS}'")));
                }
                TMPFS => {
                    let tmpfs = tmpfs(value).map_err(ValidationError::new).within("Label 'tepui.tmpfs' is invalid")?;
                    if found.tmpfs.iter().any(|other| other.path == tmpfs.path) {
                        return Err(ValidationError::new(format!(
                            "two labels '{TMPFS}' have the path '{}'",
                            tmpfs.path
                        )));
                    }
                    found.tmpfs.push(tmpfs);
                }
                _ => {}
            }
        }
        // A directory comes before those in it, which it would hide otherwise.
        found.tmpfs.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Returns whether the labels ask for nothing.
    pub fn is_empty(&self) -> bool {
        *self == ContainerLabels::default()
    }

    /// Checks that a container can have what the labels ask for.
    ///
    /// # Errors
    ///
    /// The container has no image at the containerizer of the agents, or a volume would hide a mount of memory.
    pub fn check(&self, container: Option<&v1::ContainerInfo>) -> Result<(), ValidationError> {
        if self.is_empty() {
            return Ok(());
        }
        let mesos = container.filter(|container| container.r#type() == v1::container_info::Type::Mesos);
        let image = mesos.and_then(|container| container.mesos.as_deref()).and_then(|mesos| mesos.image.as_deref());
        if image.is_none() {
            return Err(ValidationError::new(format!(
                "The labels '{READ_ONLY}', '{TMPFS}' and '{COMMAND}' are for containers of type MESOS with an image"
            )));
        }
        let volumes = container.map(|container| container.volumes.as_slice()).unwrap_or_default();
        let hides = |volume: &&v1::Volume, tmpfs: &Tmpfs| is_below(&tmpfs.path, &volume.container_path);
        for tmpfs in &self.tmpfs {
            if let Some(volume) = volumes.iter().find(|volume| hides(volume, tmpfs)) {
                return Err(ValidationError::new(format!(
                    "The volume at '{}' would hide the tmpfs at '{}'",
                    volume.container_path, tmpfs.path
                )));
            }
        }
        Ok(())
    }

    /// Checks the labels of a task that is not a command task. Containers of pods and of custom executors are described by their
    /// own messages, which the labels do not reach.
    ///
    /// # Errors
    ///
    /// The task has one of the labels.
    pub fn refuse_for_executor(&self) -> Result<(), ValidationError> {
        if self.is_empty() {
            return Ok(());
        }
        Err(ValidationError::new(format!(
            "The labels '{READ_ONLY}', '{TMPFS}' and '{COMMAND}' are for command tasks, which have no executor and no group"
        )))
    }
}

/// Reads `PATH[:OPTIONS]`.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn tmpfs(text: &str) -> Result<Tmpfs, String> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    if !path.starts_with('/') || names.is_empty() || names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(format!("'{path}' is not a path in the container: it begins with '/' and has no '..'"));
    }
    if path.len() > MAX_PATH || path.contains('\0') {
        return Err(format!("a path has at most {MAX_PATH} bytes, none of them zero"));
    }
    let path = format!("/{}", names.join("/"));
    if let Some(own) = OF_THE_SYSTEM.iter().find(|own| is_below(&path, own)) {
        return Err(format!(
            "'{path}' is part of '{own}', which the agent mounts; --shm-size has the size of /dev/shm"
        ));
    }
    let mut tmpfs = Tmpfs { path, ..Tmpfs::default() };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=').unwrap_or((option, "")) {
            ("size", size) => tmpfs.size = Some(bytes(size)?),
            ("mode", mode) => {
                let number = u32::from_str_radix(mode, 8).ok().filter(|number| *number <= 0o7777);
                tmpfs.mode = Some(number.ok_or_else(|| format!("'{mode}' is no mode; write e.g. 1777"))?);
            }
            ("exec", "") => tmpfs.exec = true,
            ("rw" | "noexec" | "nosuid" | "nodev", "") => {}
            _ => {
                return Err(format!(
                    "'{option}' is not an option of a tmpfs here; known are size, mode, exec and noexec"
                ));
            }
        }
    }
    Ok(tmpfs)
}

/// Reads a size such as `64m`, in bytes without a unit.
fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let units = [("k", 10), ("m", 20), ("g", 30)];
    let (number, shift) =
        units.iter().find_map(|(unit, shift)| Some((lower.strip_suffix(unit)?, *shift))).unwrap_or((&lower, 0));
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| format!("'{text}' is no size; write e.g. 64m"))
}

/// Returns whether a path is another one or below it.
fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    directory.starts_with('/') && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[(&str, &str)]) -> Result<ContainerLabels, String> {
        let label =
            |(key, value): &(&str, &str)| v1::Label { key: (*key).to_owned(), value: Some((*value).to_owned()) };
        let labels = v1::Labels { labels: given.iter().map(label).collect() };
        ContainerLabels::of(Some(&labels)).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_read_or_refused() {
        let tmpfs = |text: &str| read(&[(TMPFS, text)]).map(|labels| labels.tmpfs[0].clone());
        let plain = Tmpfs { path: "/run".into(), ..Tmpfs::default() };
        assert_eq!(tmpfs("/run"), Ok(plain.clone()));
        assert_eq!(tmpfs("//run/"), Ok(plain.clone()));
        let full = Tmpfs { size: Some(64 << 20), mode: Some(0o755), exec: true, ..plain };
        assert_eq!(tmpfs("/run:rw,size=64m,mode=755,exec"), Ok(full));
        let refused = |given: &[(&str, &str)], expect: &str| {
            let error = read(given).unwrap_err();
            assert!(error.contains(expect), "{given:?}: {error}");
        };
        for path in ["", "run", "/", "/a/../b", "/./a"] {
            refused(&[(TMPFS, path)], "is not a path in the container");
        }
        for path in ["/proc", "/sys/fs", "/dev/shm"] {
            refused(&[(TMPFS, path)], "which the agent mounts");
        }
        refused(&[(TMPFS, "/a:size=0")], "no size");
        refused(&[(TMPFS, "/a:size=99999999999g")], "no size");
        refused(&[(TMPFS, "/a:mode=9")], "no mode");
        refused(&[(TMPFS, "/a:ro")], "not an option");
        refused(&[(TMPFS, "/a"), (TMPFS, "/a/")], "have the path '/a'");
        refused(&[(TMPFS, &format!("/{}", "a".repeat(MAX_PATH)))], "at most 4095 bytes");
        let paths: Vec<String> = (0..=MAX_TMPFS).map(|number| format!("/{number}")).collect();
        let many: Vec<(&str, &str)> = paths.iter().map(|path| (TMPFS, path.as_str())).collect();
        refused(&many, "at most 16 labels");
        assert!(read(&[(READ_ONLY, "true")]).unwrap().read_only);
        refused(&[(READ_ONLY, "yes")], "can be 'true'");
        assert!(read(&[(COMMAND, ARGUMENTS)]).unwrap().arguments);
        refused(&[(COMMAND, "x")], "can be 'arguments'");
        assert!(read(&[("other", "x")]).unwrap().is_empty());
    }

    #[test]
    fn a_container_has_what_the_labels_ask_for_or_is_refused() {
        let labels = read(&[(READ_ONLY, "true"), (TMPFS, "/data/tmp")]).unwrap();
        let mesos = |image: bool, volume: &str| {
            let image = image.then(|| Box::new(v1::Image::default()));
            let volume = v1::Volume { container_path: volume.to_owned(), ..Default::default() };
            v1::ContainerInfo {
                r#type: v1::container_info::Type::Mesos.into(),
                mesos: Some(Box::new(v1::container_info::MesosInfo { image })),
                volumes: vec![volume],
                ..Default::default()
            }
        };
        let check = |container: Option<v1::ContainerInfo>, expect: Option<&str>| {
            let error = labels.check(container.as_ref()).err().map(|error| error.to_string());
            assert!(error.as_deref().unwrap_or("").contains(expect.unwrap_or("")), "{container:?}: {error:?}");
            assert_eq!(error.is_some(), expect.is_some(), "{container:?}: {error:?}");
        };
        check(None, Some("with an image"));
        check(Some(mesos(false, "/x")), Some("with an image"));
        let docker = v1::ContainerInfo { r#type: v1::container_info::Type::Docker.into(), ..mesos(true, "/x") };
        check(Some(docker), Some("with an image"));
        check(Some(mesos(true, "/x")), None);
        check(Some(mesos(true, "/data/tmp/below")), None);
        check(Some(mesos(true, "/data/tm")), None);
        check(Some(mesos(true, "relative")), None);
        check(Some(mesos(true, "/data/")), Some("would hide"));
        check(Some(mesos(true, "/data/tmp")), Some("would hide"));
        ContainerLabels::default().check(None).unwrap();
        assert!(labels.refuse_for_executor().is_err());
    }
}
