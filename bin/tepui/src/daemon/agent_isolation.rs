//! The flags of single isolators.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use containerizer::{
    AllowedDevice, CapabilityRequest, CapabilitySet, DeviceKind, NetClassHandles, PerfConfig, XfsConfig, parse_handles,
};
use flags::{AgentFlags, Json};
use resources::Resources;

use crate::commands::CommandError;

/// Sets the options of isolators.
///
/// # Errors
/// Fails with a sentence that names the flag and says what it accepts.
pub(super) fn configure(flags: &AgentFlags, config: &mut containerizer::Config) -> Result<(), CommandError> {
    config.capabilities = CapabilityRequest {
        effective: capabilities("--effective_capabilities", flags.effective_capabilities.as_ref())?,
        bounding: capabilities("--bounding_capabilities", flags.bounding_capabilities.as_ref())?,
    };
    let refused = |error: containerizer::CapabilityError| {
        CommandError::message(format!("--effective_capabilities, --bounding_capabilities: {error}"))
    };
    config.capabilities.check().map_err(refused)?;
    config.container_disk_watch_interval = flags.container_disk_watch_interval;
    config.enforce_container_disk_quota = flags.enforce_container_disk_quota;
    config.default_container_shm_size = flags.default_container_shm_size.map(|size| size.0);
    config.disallow_sharing_agent_pid_namespace = flags.disallow_sharing_agent_pid_namespace;
    config.disallow_sharing_agent_ipc_namespace = flags.disallow_sharing_agent_ipc_namespace;
    config.allowed_devices = flags.allowed_devices.as_ref().map(devices).transpose()?.unwrap_or_default();
    config.net_cls_handles = net_cls_handles(flags)?;
    config.host_path_volume_force_creation = directories(&flags.host_path_volume_force_creation)?;
    config.xfs = XfsConfig {
        project_range: project_range(&flags.xfs_project_range)?,
        kill_containers: flags.xfs_kill_containers,
        quota_headroom: flags.xfs_quota_headroom.0,
    };
    config.perf = PerfConfig {
        events: flags.perf_events.as_ref().map(|list| list.0.clone()).unwrap_or_default(),
        interval: flags.perf_interval,
        duration: flags.perf_duration,
    };
    config.perf.check().map_err(CommandError::message)?;
    if !config.perf.events.is_empty() && config.perf.duration > config.perf.interval {
        let (duration, interval) = (config.perf.duration.as_secs_f64(), config.perf.interval.as_secs_f64());
        return Err(CommandError::message(format!(
            "Sampling perf for duration ({duration}secs) > interval ({interval}secs) is not supported: lower \
             --perf_duration or raise --perf_interval"
        )));
    }
    config.seccomp_config_dir.clone_from(&flags.seccomp_config_dir);
    config.seccomp_profile_name.clone_from(&flags.seccomp_profile_name);
    if let (Some(name), None) = (&flags.seccomp_profile_name, &flags.seccomp_config_dir) {
        let problem =
            format!("--seccomp_profile_name={name}: --seccomp_config_dir is missing, the directory of the profile");
        return Err(CommandError::message(problem));
    }
    if let (Some(name), Some(directory)) = (&flags.seccomp_profile_name, &flags.seccomp_config_dir)
        && config.isolation.iter().any(|name| name.trim() == "linux/seccomp")
    {
        check_profile(name, &directory.join(name))?;
    }
    Ok(())
}

/// Checks the profile of all containers before one of them needs it.
fn check_profile(name: &str, path: &Path) -> Result<(), CommandError> {
    let refused = |problem: String| {
        CommandError::message(format!("--seccomp_profile_name={name}: '{}': {problem}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    containerizer::check_seccomp_profile(&text).map_err(|error| refused(error.to_string()))?;
    Ok(())
}

/// Reads directories separated by colons.
fn directories(text: &str) -> Result<Vec<PathBuf>, CommandError> {
    let one = |path: &str| {
        let mut parts = Path::new(path).components();
        match parts.next() == Some(Component::RootDir) && parts.all(|part| matches!(part, Component::Normal(_))) {
            true => Ok(PathBuf::from(path)),
            false => Err(CommandError::message(format!(
                "--host_path_volume_force_creation={text}: '{path}' is not an absolute path without '..'; expected e.g. \
                 /data:/var/cache"
            ))),
        }
    };
    text.split(':').filter(|path| !path.is_empty()).map(one).collect()
}

/// Reads ranges as in `--resources`, e.g. `[5000-10000]`.
fn project_range(text: &str) -> Result<Vec<(u32, u32)>, CommandError> {
    let refused = |problem: String| {
        CommandError::message(format!("--xfs_project_range={text}: {problem}; expected e.g. [5000-10000]"))
    };
    let wanted = || refused("these are no ranges of project ids".to_owned());
    let parsed = Resources::parse(&format!("projects:{text}"), "*").map_err(|_| wanted())?;
    let ranges = parsed.get_ranges("projects").ok_or_else(wanted)?;
    let one = |(first, last): (u64, u64)| {
        if first == 0 {
            return Err(refused("XFS project ID range contains illegal 0 value".to_owned()));
        }
        let id = |id: u64| u32::try_from(id).map_err(|_| refused(format!("Project ID {id} is out of range")));
        Ok((id(first)?, id(last)?))
    };
    ranges.iter().map(|range| one((range.begin, range.end))).collect()
}

fn net_cls_handles(flags: &AgentFlags) -> Result<Option<NetClassHandles>, CommandError> {
    let secondary = flags.cgroups_net_cls_secondary_handles.as_deref();
    match (flags.cgroups_net_cls_primary_handle.as_deref(), secondary) {
        (Some(primary), secondary) => parse_handles(primary, secondary).map(Some).map_err(|problem| {
            CommandError::message(format!(
                "--cgroups_net_cls_primary_handle={primary}, --cgroups_net_cls_secondary_handles: {problem}"
            ))
        }),
        (None, Some(range)) => Err(CommandError::message(format!(
            "--cgroups_net_cls_secondary_handles={range} needs --cgroups_net_cls_primary_handle, e.g. 0x0012"
        ))),
        (None, None) => Ok(None),
    }
}

/// Reads a `DeviceWhitelist` in JSON. The numbers of a device are those of its path on this machine.
fn devices(given: &Json) -> Result<Vec<AllowedDevice>, CommandError> {
    let wanted = |problem: &str| {
        let example = r#"{"allowed_devices":[{"device":{"path":"/dev/fuse"},"access":{"read":true,"write":true}}]}"#;
        CommandError::message(format!("--allowed_devices: {problem}; expected e.g. {example}"))
    };
    let value: serde_json::Value = serde_json::from_str(&given.0).map_err(|error| wanted(&error.to_string()))?;
    let list = value.get("allowed_devices").and_then(serde_json::Value::as_array);
    let one = |entry: &serde_json::Value| {
        let path = entry["device"]["path"].as_str().ok_or_else(|| wanted("a device has no 'path'"))?;
        let data = std::fs::metadata(path).map_err(|error| wanted(&format!("'{path}': {error}")))?;
        let kind = match data.file_type() {
            kind if kind.is_char_device() => DeviceKind::Character,
            kind if kind.is_block_device() => DeviceKind::Block,
            _ => return Err(wanted(&format!("'{path}' is not a device"))),
        };
        let access = |name: &str| entry["access"][name].as_bool().unwrap_or_default();
        let (read, write, mknod) = (access("read"), access("write"), access("mknod"));
        if !(read || write || mknod) {
            return Err(wanted(&format!("'{path}' has no access that is true")));
        }
        let (major, minor) = (rustix::fs::major(data.rdev()), rustix::fs::minor(data.rdev()));
        Ok(AllowedDevice { path: Some(path.into()), kind, major: Some(major), minor: Some(minor), read, write, mknod })
    };
    list.ok_or_else(|| wanted("it has no list 'allowed_devices'"))?.iter().map(one).collect()
}

/// Reads a `CapabilityInfo` in JSON.
fn capabilities(flag: &str, given: Option<&Json>) -> Result<Option<CapabilitySet>, CommandError> {
    let Some(Json(text)) = given else { return Ok(None) };
    let wanted = |problem: &str| {
        CommandError::message(format!("{flag}: {problem}; expected e.g. {{\"capabilities\":[\"NET_RAW\",\"CHOWN\"]}}"))
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| wanted(&error.to_string()))?;
    let names = value.get("capabilities").and_then(serde_json::Value::as_array);
    let names = names.ok_or_else(|| wanted("it has no list 'capabilities'"))?;
    let one = |name: &serde_json::Value| {
        let known = name.as_str().and_then(CapabilitySet::of_name);
        known.ok_or_else(|| wanted(&format!("the capability {name} is unknown")))
    };
    names.iter().try_fold(CapabilitySet::EMPTY, |set, name| Ok(set.union(one(name)?))).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_absolute() {
        let read = |text: &str| directories(text).map_err(|error| error.to_string());
        assert_eq!(read("/data::/var/cache"), Ok(vec!["/data".into(), "/var/cache".into()]));
        assert_eq!(read(""), Ok(Vec::new()));
        for wrong in ["data", "/data:..", "/data/../etc", "-1:-1"] {
            assert!(read(wrong).is_err_and(|said| said.contains("--host_path_volume_force_creation")), "{wrong}");
        }
    }

    #[test]
    fn projects_are_ranges() {
        let read = |text: &str| project_range(text).map_err(|error| error.to_string());
        assert_eq!(read("[5000-10000]"), Ok(vec![(5000, 10_000)]));
        assert_eq!(read("[1-2, 9-9]"), Ok(vec![(1, 2), (9, 9)]));
        for (wrong, expect) in [
            ("[0-10]", "contains illegal 0 value"),
            ("[1-4294967296]", "Project ID 4294967296 is out of range"),
            ("5000", "no ranges"),
            ("", "no ranges"),
        ] {
            assert!(read(wrong).is_err_and(|said| said.contains(expect)), "{wrong}: {:?}", read(wrong));
        }
    }

    #[test]
    fn the_profile_of_system_calls_is_checked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p");
        let check = || check_profile("p", &path).map_err(|error| error.to_string());
        assert!(
            check().is_err_and(|said| said.contains("--seccomp_profile_name=p") && said.contains("cannot be read"))
        );
        for (profile, expect) in [("{}", "defaultAction"), (r#"{"defaultAction":"NO","syscalls":[]}"#, "'NO'")] {
            std::fs::write(&path, profile).unwrap();
            assert!(check().is_err_and(|said| said.contains(expect)), "{profile}");
        }
        std::fs::write(&path, r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS","syscalls":[]}"#).unwrap();
        assert_eq!(check(), Ok(()));
    }

    #[test]
    fn devices_are_those_of_this_machine() {
        let read = |text: &str| devices(&Json(text.to_owned())).map_err(|error| error.to_string());
        let null = r#"{"allowed_devices":[{"device":{"path":"/dev/null"},"access":{"read":true}}]}"#;
        let found: Vec<String> = read(null).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["c 1:3 r"]);
        for (wrong, expect) in [
            (null.replace("true", "false"), "no access"),
            (null.replace("/dev/null", "/"), "'/' is not a device"),
            (null.replace("/dev/null", "/no/such"), "'/no/such'"),
            (null.replace("path", "number"), "no 'path'"),
            ("{}".to_owned(), "no list"),
        ] {
            assert!(read(&wrong).is_err_and(|said| said.contains(expect)), "{wrong}");
        }
    }

    #[test]
    fn capabilities_are_those_of_mesos() {
        let read = |text: &str| capabilities("--x", Some(&Json(text.to_owned()))).map_err(|error| error.to_string());
        let set = CapabilitySet::of_name("NET_RAW").unwrap().union(CapabilitySet::of_name("BPF").unwrap());
        assert_eq!(read(r#"{"capabilities":["NET_RAW","BPF"]}"#), Ok(Some(set)));
        assert_eq!(read(r#"{"capabilities":[]}"#), Ok(Some(CapabilitySet::EMPTY)));
        for wrong in ["[]", "{}", r#"{"capabilities":["CAP_NET_RAW"]}"#, r#"{"capabilities":[13]}"#] {
            assert!(read(wrong).is_err_and(|said| said.starts_with("--x: ")), "{wrong}");
        }
    }
}
