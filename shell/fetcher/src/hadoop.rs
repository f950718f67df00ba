//! Copies files of other schemes (`hdfs://`, `s3a://`, `gs://` …) with the Hadoop client of the machine, as Mesos does
//! (`src/hdfs/hdfs.cpp`): `hadoop fs -copyToLocal URI FILE`.
//!
//! The client runs as the task's user. It gets a fresh directory of the sandbox, since a path that it resolves itself
//! could lead through a link of an earlier archive.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::error::Reason;
use crate::plan::Plan;
use crate::sandbox::Sandbox;
use crate::temporary_directory::TemporaryDirectory;

/// The name of the copied file in its directory.
const COPY: &str = "file";

/// The file that the client writes its messages to.
const MESSAGES: &str = "messages";

/// The maximum of the end of the client's messages that becomes part of the error, in bytes.
const MESSAGE_BYTES: u64 = 1024;

const INTERVAL: Duration = Duration::from_millis(50);

/// Returns whether a URI has a scheme that the Hadoop client may know.
pub(crate) fn is_scheme(scheme: &str) -> bool {
    let mut characters = scheme.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|character| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.'))
}

/// A copied file, which is removed with its directory unless it is moved.
pub(crate) struct Copied<'s> {
    directory: TemporaryDirectory<'s>,
    /// The file, opened for reading.
    pub file: File,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Copied<'_> {
    /// Moves the file to a path of the sandbox.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn move_to(self, path: &crate::sandbox_path::SandboxPath) -> io::Result<()> {
        self.directory.move_file(COPY, path)
    }
}

/// Copies a file into a fresh directory of the sandbox.
///
/// # Errors
/// Returns [`Reason`] if the client cannot be started or fails, the file is too large, or the fetch is cancelled.
pub(crate) fn copy<'s>(uri: &str, plan: &Plan, sandbox: &'s Sandbox) -> Result<Copied<'s>, Reason> {
    let directory = sandbox.temporary_directory().map_err(Reason::Temporary)?;
    let messages = directory.create(MESSAGES).map_err(Reason::Temporary)?;
    let output = messages.try_clone().map_err(Reason::Temporary)?;
    let program = program(plan);
    let mut command = Command::new(&program);
    command.args(["fs", "-copyToLocal", uri]).arg(plan.sandbox.join(directory.name()).join(COPY));
    command.current_dir(&plan.sandbox).stdin(Stdio::null()).stdout(output).stderr(messages);
    // Its processes are ended together.
    command.process_group(0);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_the_agent(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    if let Some(home) = &plan.hadoop_home {
        command.env("HADOOP_HOME", home);
    }
    let child = command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => {
            let scheme = uri.split_once("://").map_or(uri, |(scheme, _)| scheme).to_owned();
            Reason::NoHadoop { scheme, program: program.display().to_string() }
        }
        _ => Reason::Hadoop { message: format!("cannot start '{}': {source}", program.display()) },
    })?;
    wait(child, plan, &directory)?;
    let file = directory.open(COPY).map_err(|error| Reason::Hadoop {
        message: format!("the Hadoop client succeeded and has not written a regular file: {error}"),
    })?;
    let bytes = file.metadata().map_err(Reason::Read)?.len();
    if bytes > plan.limits.file_bytes {
        return Err(Reason::TooLarge(plan.limits.file_bytes));
    }
    Ok(Copied { directory, file, bytes })
}

/// Returns the client: that of `--hadoop_home`, that of `HADOOP_HOME`, or the one on the path.
fn program(plan: &Plan) -> PathBuf {
    let home = plan.hadoop_home.clone().or_else(|| std::env::var_os("HADOOP_HOME").map(PathBuf::from));
    match home.filter(|home| !home.as_os_str().is_empty()) {
        Some(home) => home.join("bin/hadoop"),
        None => PathBuf::from(OsString::from("hadoop")),
    }
}

/// Returns whether a variable configures the agent. Mesos does not give these to its fetcher either.
fn is_of_the_agent(name: &str) -> bool {
    name.starts_with("MESOS_") || name.starts_with("LIBPROCESS_")
}

fn wait(mut child: Child, plan: &Plan, directory: &TemporaryDirectory<'_>) -> Result<(), Reason> {
    loop {
        let ended = match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let said = last_messages(directory).unwrap_or_default();
                let message = format!("the Hadoop client failed ({status}): {}", said.trim());
                return Err(Reason::Hadoop { message });
            }
            Ok(None) if plan.cancelled.load(Ordering::Relaxed) => Reason::Cancelled,
            // The client writes to a file of a similar name first.
            Ok(None) if directory.size() > plan.limits.file_bytes => Reason::TooLarge(plan.limits.file_bytes),
            Ok(None) => {
                std::thread::sleep(INTERVAL);
                continue;
            }
            Err(source) => Reason::Hadoop { message: format!("cannot wait for the Hadoop client: {source}") },
        };
        end(&mut child);
        return Err(ended);
    }
}

/// Kills the client and the processes that it has started.
fn end(child: &mut Child) {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // The processes may have ended by themselves.
    let _ = group.map(|group| rustix::process::kill_process_group(group, Signal::KILL));
    let _ = child.wait();
}

fn last_messages(directory: &TemporaryDirectory<'_>) -> io::Result<String> {
    let mut file = directory.open(MESSAGES)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MESSAGE_BYTES)))?;
    let mut text = Vec::new();
    file.take(MESSAGE_BYTES).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
