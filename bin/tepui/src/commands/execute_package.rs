//! `mesos-execute --package`: copies a file into HDFS, from which the agent fetches it.

use std::path::Path;

use flags::ExecuteFlags;
use tokio::process::Command;

use super::cli::CommandError;
use crate::output;

/// Copies the package to `/<user>/<its name>` and returns its URI; `None` if there is no package.
///
/// # Errors
///
/// Fails with a sentence that says what to do: the file or the client is missing, or the package is there already.
pub async fn upload(flags: &ExecuteFlags) -> Result<Option<String>, CommandError> {
    let Some(package) = &flags.package else { return Ok(None) };
    let name = Path::new(package).file_name().and_then(|name| name.to_str());
    let name = name.filter(|_| Path::new(package).is_file());
    let name = name.ok_or_else(|| CommandError::message(format!("--package={package}: there is no such file")))?;
    let path = format!("/{}/{name}", crate::user::current());
    if hadoop(flags, &["-test", "-e", &path]).await?.status.success() {
        if !flags.overwrite {
            let exists = format!("HDFS file '{path}' already exists (see --overwrite)");
            return Err(CommandError::message(exists));
        }
        succeeded(hadoop(flags, &["-rm", &path]).await?)?;
    }
    succeeded(hadoop(flags, &["-copyFromLocal", package, &path]).await?)?;
    output::line(format!("Copied '{package}' to '{path}'"));
    Ok(Some(format!("hdfs://{}{path}", flags.hdfs)))
}

async fn hadoop(flags: &ExecuteFlags, arguments: &[&str]) -> Result<std::process::Output, CommandError> {
    let program = &flags.hadoop;
    let output = Command::new(program).arg("fs").args(arguments).stdin(std::process::Stdio::null()).output().await;
    output.map_err(|error| {
        CommandError::message(format!("cannot run the Hadoop client '{program}': {error}; --hadoop names another one"))
    })
}

fn succeeded(output: std::process::Output) -> Result<(), CommandError> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(CommandError::message(format!("the Hadoop client failed ({}): {}", output.status, said.trim())))
}
