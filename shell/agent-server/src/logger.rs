//! `--container_logger`: the bounds of the outputs of containers.

use std::path::{Path, PathBuf};

use containerizer::Rotation;
use messages::v1;
use model::parse_bytes;

/// The default bound of an output: Mesos' `max_stdout_size`, and Kubernetes' five files, of which four are old.
pub const DEFAULT_ROTATION: Rotation = Rotation { max_bytes: 10 << 20, max_files: 4 };

/// The smallest size in bytes that Mesos accepts, one page.
pub const MIN_BYTES: u64 = 4096;

/// The bounds of `stdout` and `stderr` of every container. An output without a bound grows without limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerLogger {
    /// The bound of `stdout`; `None` if it is not rotated.
    pub stdout: Option<Rotation>,
    /// The bound of `stderr`; `None` if it is not rotated.
    pub stderr: Option<Rotation>,
    /// The prefix of environment variables of a command that change the bounds for its container
    /// (`CONTAINER_LOGGER_MAX_STDOUT_SIZE`), as in Mesos' LogrotateContainerLogger.
    pub environment_variable_prefix: Option<String>,
}

impl Default for ContainerLogger {
    fn default() -> Self {
        ContainerLogger {
            stdout: Some(DEFAULT_ROTATION),
            stderr: Some(DEFAULT_ROTATION),
            environment_variable_prefix: Some("CONTAINER_LOGGER_".to_owned()),
        }
    }
}

impl ContainerLogger {
    /// Returns a logger that rotates nothing, as Mesos' SandboxContainerLogger.
    pub fn unbounded() -> Self {
        ContainerLogger { stdout: None, stderr: None, environment_variable_prefix: None }
    }

    /// Returns the bounds of one container, whose command may set its own.
    ///
    /// # Errors
    /// Returns a text that names the environment variable that cannot be parsed.
    pub fn of_container(
        &self,
        environment: Option<&v1::Environment>,
    ) -> Result<(Option<Rotation>, Option<Rotation>), String> {
        let (mut stdout, mut stderr) = (self.stdout, self.stderr);
        let variables = environment.map(|environment| environment.variables.as_slice()).unwrap_or_default();
        for variable in variables {
            let name = self.environment_variable_prefix.as_deref().and_then(|p| variable.name.strip_prefix(p));
            let (Some(name), Some(value)) = (name, variable.value.as_deref()) else { continue };
            let outcome = match name {
                "MAX_STDOUT_SIZE" => set_size(&mut stdout, value),
                "MAX_STDERR_SIZE" => set_size(&mut stderr, value),
                "LOGROTATE_STDOUT_OPTIONS" => set_options(&mut stdout, value),
                "LOGROTATE_STDERR_OPTIONS" => set_options(&mut stderr, value),
                _ => Ok(()),
            };
            outcome.map_err(|reason| format!("the variable {}: {reason}", variable.name))?;
        }
        Ok((stdout, stderr))
    }
}

/// Returns the outputs that are rotated for a container with this sandbox.
pub fn rotated_outputs(
    sandbox: &Path,
    (stdout, stderr): (Option<Rotation>, Option<Rotation>),
) -> Vec<(PathBuf, Rotation)> {
    let outputs = [("stdout", stdout), ("stderr", stderr)];
    outputs.into_iter().filter_map(|(name, rotation)| Some((sandbox.join(name), rotation?))).collect()
}

/// Sets the size of a rotation from a text such as `10MB`.
///
/// # Errors
/// Returns why the text is not a size, or that the size is less than a page.
pub fn set_size(rotation: &mut Option<Rotation>, text: &str) -> Result<(), String> {
    match parse_bytes(text.trim()).map_err(|error| error.to_string())? {
        bytes if bytes < MIN_BYTES => Err(format!("expected at least {MIN_BYTES}B, a page, and not {bytes}B")),
        bytes => {
            rotation.get_or_insert(DEFAULT_ROTATION).max_bytes = bytes;
            Ok(())
        }
    }
}

/// Sets the number of old files from `rotate N` in logrotate's options. Other options have no effect.
///
/// # Errors
/// Returns why the number is invalid.
pub fn set_options(rotation: &mut Option<Rotation>, text: &str) -> Result<(), String> {
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() != Some("rotate") {
            continue;
        }
        let number = words.next().and_then(|number| number.parse().ok()).filter(|number| *number <= MAX_FILES);
        match number {
            Some(number) => rotation.get_or_insert(DEFAULT_ROTATION).max_files = number,
            None => return Err(format!("'{}': expected 'rotate N' with N up to {MAX_FILES}", line.trim())),
        }
    }
    Ok(())
}

/// The maximum of old files. Each rotation renames all of them.
const MAX_FILES: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expect: Result<(Rotation, Rotation), &str>) {
        let variable = |(name, value): &(&str, &str)| v1::environment::Variable {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            ..Default::default()
        };
        let environment = v1::Environment { variables: variables.iter().map(variable).collect() };
        match (ContainerLogger::default().of_container(Some(&environment)), expect) {
            (Ok(found), Ok((stdout, stderr))) => assert_eq!(found, (Some(stdout), Some(stderr)), "{variables:?}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "{variables:?}: {found}"),
            (found, _) => panic!("{variables:?}: {found:?}"),
        }
    }

    #[test]
    fn a_command_may_have_bounds_of_its_own() {
        let default = DEFAULT_ROTATION;
        check(&[], Ok((default, default)));
        check(&[("MAX_STDOUT_SIZE", "1MB"), ("CONTAINER_LOGGER_X", "1")], Ok((default, default)));
        check(
            &[("CONTAINER_LOGGER_MAX_STDOUT_SIZE", "1MB"), ("CONTAINER_LOGGER_LOGROTATE_STDERR_OPTIONS", "rotate 9")],
            Ok((Rotation { max_bytes: 1 << 20, ..default }, Rotation { max_files: 9, ..default })),
        );
        check(&[("CONTAINER_LOGGER_LOGROTATE_STDOUT_OPTIONS", "compress\n  rotate 2\n")], {
            Ok((Rotation { max_files: 2, ..default }, default))
        });
        check(&[("CONTAINER_LOGGER_MAX_STDERR_SIZE", "1KB")], Err("a page"));
        check(&[("CONTAINER_LOGGER_MAX_STDERR_SIZE", "much")], Err("CONTAINER_LOGGER_MAX_STDERR_SIZE"));
        check(&[("CONTAINER_LOGGER_LOGROTATE_STDOUT_OPTIONS", "rotate -1")], Err("rotate N"));
    }

    #[test]
    fn only_bounded_outputs_are_rotated() {
        let check = |stdout, stderr, expect: &[&str]| {
            let paths: Vec<_> =
                rotated_outputs(Path::new("/box"), (stdout, stderr)).into_iter().map(|(p, _)| p).collect();
            assert_eq!(paths, expect.iter().map(PathBuf::from).collect::<Vec<_>>());
        };
        check(None, None, &[]);
        check(Some(DEFAULT_ROTATION), None, &["/box/stdout"]);
        check(Some(DEFAULT_ROTATION), Some(DEFAULT_ROTATION), &["/box/stdout", "/box/stderr"]);
    }

    #[test]
    fn an_unbounded_logger_stays_unbounded() {
        assert_eq!(ContainerLogger::unbounded().of_container(None), Ok((None, None)));
    }
}
