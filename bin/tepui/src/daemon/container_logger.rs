//! `--container_logger`: the name and parameters of Mesos' LogrotateContainerLogger, which is built in, or the short
//! forms of Tepui: `sandbox`, `logrotate:max_stdout_size=1MB`.

use std::collections::BTreeMap;

use agent_server::{ContainerLogger, set_options, set_size};

use super::oversubscription::{LOGROTATE, Modules};
use crate::commands::CommandError;

/// Reads the flag. Without it, outputs are rotated at the default size.
///
/// # Errors
///
/// Fails if the logger or one of its parameters is unknown, or if a value cannot be read.
pub fn container_logger(flag: Option<&str>, modules: &Modules) -> Result<ContainerLogger, CommandError> {
    let wrong = |reason: String| CommandError::message(format!("--container_logger: {reason}"));
    let parameters: BTreeMap<String, String> = match flag.map(|flag| flag.split_once(':').unwrap_or((flag, ""))) {
        None => return Ok(ContainerLogger::default()),
        Some(("sandbox", "")) => return Ok(ContainerLogger::unbounded()),
        Some((LOGROTATE, "")) => modules.parameters(LOGROTATE),
        Some(("logrotate", list)) => {
            let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
            let pairs = list.split(',').filter(|part| !part.is_empty()).map(pair).collect::<Option<_>>();
            pairs.ok_or_else(|| wrong(format!("'{list}': expected name=value,name=value")))?
        }
        Some(_) => {
            return Err(wrong(format!(
                "expected sandbox (nothing is rotated), logrotate:max_stdout_size=10MB or {LOGROTATE}"
            )));
        }
    };
    let mut logger = ContainerLogger::default();
    for (key, value) in &parameters {
        let outcome = match key.as_str() {
            "max_stdout_size" => set_size(&mut logger.stdout, value),
            "max_stderr_size" => set_size(&mut logger.stderr, value),
            "logrotate_stdout_options" => set_options(&mut logger.stdout, value),
            "logrotate_stderr_options" => set_options(&mut logger.stderr, value),
            "environment_variable_prefix" => {
                logger.environment_variable_prefix = Some(value.clone()).filter(|prefix| !prefix.is_empty());
                Ok(())
            }
            // These parameters belong to the programs that rotate in Mesos.
            "launcher_dir" | "logrotate_path" | "libprocess_num_worker_threads" => Ok(()),
            other => return Err(wrong(format!("unknown parameter '{other}'"))),
        };
        outcome.map_err(|reason| wrong(format!("{key}: {reason}")))?;
    }
    Ok(logger)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULES: &str = r#"{"libraries":[{"file":"liblogrotate_container_logger.so","modules":[
        {"name":"org_apache_mesos_LogrotateContainerLogger","parameters":[
            {"key":"max_stdout_size","value":"1GB"},{"key":"logrotate_stderr_options","value":"rotate 9\ncompress"},
            {"key":"logrotate_path","value":"/usr/sbin/logrotate"}]}]}]}"#;

    fn check(flag: Option<&str>, expect: Result<[Option<(u64, u32)>; 2], &str>) {
        let modules = Modules::parse(Some(MODULES)).unwrap();
        let bounds = |rotation: Option<containerizer::Rotation>| rotation.map(|r| (r.max_bytes, r.max_files));
        match (container_logger(flag, &modules), expect) {
            (Ok(found), Ok(expect)) => assert_eq!([bounds(found.stdout), bounds(found.stderr)], expect, "{flag:?}"),
            (Err(failure), Err(part)) => assert!(failure.to_string().contains(part), "{flag:?}: {failure}"),
            (found, _) => panic!("{flag:?}: {:?}", found.map_err(|failure| failure.to_string())),
        }
    }

    #[test]
    fn loggers_have_the_names_of_mesos_and_ours() {
        const MB: u64 = 1 << 20;
        check(None, Ok([Some((10 * MB, 4)), Some((10 * MB, 4))]));
        check(Some("sandbox"), Ok([None, None]));
        check(Some(LOGROTATE), Ok([Some((1024 * MB, 4)), Some((10 * MB, 9))]));
        check(Some("logrotate"), Ok([Some((10 * MB, 4)), Some((10 * MB, 4))]));
        check(
            Some("logrotate:max_stderr_size=1MB,logrotate_stdout_options=rotate 1"),
            Ok([Some((10 * MB, 1)), Some((MB, 4))]),
        );
        check(Some("com_example_Logger"), Err("expected sandbox"));
        check(Some("logrotate:max_stdout_size=1KB"), Err("max_stdout_size: expected at least 4096B"));
        check(Some("logrotate:max_size=1MB"), Err("unknown parameter 'max_size'"));
        check(Some("logrotate:x"), Err("name=value"));
    }
}
