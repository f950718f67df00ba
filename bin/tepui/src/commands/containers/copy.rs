//! `tepui cp` copies files between this machine and the container of a task. The files travel as an archive, which `tar`
//! writes or reads in the container.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use messages::v1;
use std::io::Write;
use tepui_client::OutputPiece;

use super::archive;
use super::exec::{command, exit_code, with_advice};
use super::target::TaskContainer;
use crate::commands::cli::{CommandError, Target};
use crate::output;

/// The bytes of an archive that are sent at once.
const CHUNK: usize = 64 << 10;
/// The maximum of tar's messages that is shown, in bytes.
const MAX_COMPLAINT: usize = 2000;

#[derive(clap::Args)]
#[command(after_help = "\
A path in a task is written TASK:PATH; a relative one begins in its sandbox. A
directory is copied with all that is in it. Links are copied to a task as they
are, and are left out of what comes from a task. The container needs `tar`.

Examples:
  tepui cp web.1:core .                      A file of the sandbox to here
  tepui cp web.1:/etc/nginx conf             A directory, under a new name
  tepui cp nginx.conf web.1:/etc/nginx/      A file into a directory of the task")]
pub struct Copy {
    #[command(flatten)]
    target: Target,
    /// The file or directory to copy: a path of this machine, or TASK:PATH
    from: String,
    /// The target: TASK:PATH or a path of this machine
    to: String,
}

/// A path of a task.
struct InTask<'a> {
    task: &'a str,
    path: &'a str,
}

/// Splits `TASK:PATH`. A path of this machine that has a colon is written with a `./` before it.
fn in_task(given: &str) -> Option<InTask<'_>> {
    let (task, path) = given.split_once(':')?;
    let is_path = task.is_empty() || task.starts_with('.') || task.starts_with('/');
    if is_path { None } else { Some(InTask { task, path }) }
}

/// Copies in the direction that the arguments say.
///
/// # Errors
///
/// Fails if neither or both of the arguments name a task, and if a file cannot be read or written.
pub async fn copy(args: Copy) -> Result<ExitCode, CommandError> {
    match (in_task(&args.from), in_task(&args.to)) {
        (Some(from), None) => from_task(&args.target, &from, Path::new(&args.to)).await,
        (None, Some(to)) => to_task(&args.target, Path::new(&args.from), &to).await,
        (Some(_), Some(_)) => {
            Err(CommandError::message("a copy from a task to a task goes through this machine: copy twice"))
        }
        (None, None) => Err(CommandError::message("neither path is in a task; write TASK:PATH")),
    }
}

/// Returns the directory and the last name of a path.
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_end_matches('/');
    let (directory, name) = match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None => (".", path),
    };
    if matches!(name, "" | "." | "..") { None } else { Some((directory, name)) }
}

fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> CommandError {
    let doing = doing.into();
    move |source| CommandError::Io { doing, source }
}

fn no_name(path: &str) -> CommandError {
    CommandError::message(format!("'{path}' has no name to copy; end it with the name of a file or directory"))
}

async fn from_task(target: &Target, from: &InTask<'_>, to: &Path) -> Result<ExitCode, CommandError> {
    let (directory, name) = split(from.path).ok_or_else(|| no_name(from.path))?;
    let place: PathBuf = if to.is_dir() { to.join(name) } else { to.to_owned() };
    let container = TaskContainer::find(&target.master, from.task).await?;
    let words = ["tar", "-C", directory, "-cf", "-", "--", name].map(str::to_owned);
    let mut session = Session::start(&container, &words).await?;
    let mut archive = tempfile::tempfile().map_err(io("make a temporary file"))?;
    while let Some(bytes) = session.stdout().await? {
        archive.write_all(&bytes).map_err(io("write a temporary file"))?;
    }
    let code = session.finish().await?;
    if let Some(code) = code {
        return Ok(code);
    }
    archive.seek(SeekFrom::Start(0)).map_err(io("read a temporary file"))?;
    let left_out = archive::unpack(archive, name, &place).map_err(io(format!("write {}", place.display())))?;
    for name in left_out {
        output::write_stderr(format_args!("tepui: {name} is neither a file nor a directory, and was left out"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn to_task(target: &Target, from: &Path, to: &InTask<'_>) -> Result<ExitCode, CommandError> {
    let shown = from.display().to_string();
    let own = from.canonicalize().map_err(io(format!("read {shown}")))?;
    let own = own.file_name().ok_or_else(|| no_name(&shown))?.to_string_lossy().into_owned();
    // A path that ends with a slash, or that has no name, is a directory to copy into.
    let (directory, name) = match split(to.path) {
        Some(parts) if !to.path.ends_with('/') => parts,
        _ if to.path.is_empty() => (".", own.as_str()),
        _ => (to.path, own.as_str()),
    };
    let mut archive = tempfile::tempfile().map_err(io("make a temporary file"))?;
    archive::pack(from, name, &archive).map_err(io(format!("read {shown}")))?;
    archive.seek(SeekFrom::Start(0)).map_err(io("read a temporary file"))?;
    let container = TaskContainer::find(&target.master, to.task).await?;
    let words = ["tar", "-C", directory, "-xf", "-"].map(str::to_owned);
    let mut session = Session::start(&container, &words).await?;
    let input = container.agent.attach_input(session.id.clone()).await?;
    let send = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = archive.read(&mut buffer).map_err(io("read a temporary file"))?;
            // An empty write ends the input. If the container takes no more of it, tar prints the reason.
            if input.write(buffer[..length].to_vec()).await.is_err() || length == 0 {
                break;
            }
        }
        // A refusal of the input shows as an archive that ends too early.
        let _ = input.finish().await;
        Ok::<(), CommandError>(())
    };
    let receive = async {
        while session.stdout().await?.is_some() {}
        Ok::<(), CommandError>(())
    };
    let send = tokio::spawn(send);
    receive.await?;
    send.abort();
    Ok(session.finish().await?.unwrap_or(ExitCode::SUCCESS))
}

/// A program in the container of a task, whose stderr is kept.
struct Session<'a> {
    container: &'a TaskContainer,
    id: v1::ContainerId,
    output: tepui_client::ContainerOutput,
    complaints: Vec<u8>,
}

impl<'a> Session<'a> {
    async fn start(container: &'a TaskContainer, words: &[String]) -> Result<Self, CommandError> {
        let id = container.new_nested();
        let launched = container.agent.launch_session(id.clone(), command(words), None).await;
        Ok(Session { container, id, output: launched.map_err(with_advice)?, complaints: Vec::new() })
    }

    /// Returns the next bytes of stdout; `None` at its end.
    async fn stdout(&mut self) -> Result<Option<Vec<u8>>, CommandError> {
        loop {
            match self.output.next().await? {
                Some(OutputPiece::Stdout(bytes)) => return Ok(Some(bytes)),
                Some(OutputPiece::Stderr(bytes)) if self.complaints.len() < MAX_COMPLAINT => {
                    self.complaints.extend_from_slice(&bytes);
                }
                Some(OutputPiece::Stderr(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// Returns the exit code if the program has failed, after printing its messages.
    async fn finish(self) -> Result<Option<ExitCode>, CommandError> {
        let end = self.container.agent.wait_container(self.id).await?;
        if end.exit_status == Some(0) {
            return Ok(None);
        }
        output::write_stderr_lines(&String::from_utf8_lossy(&self.complaints));
        Ok(Some(exit_code(&end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_and_remote_paths_are_distinguished() {
        let check = |given: &str, expect: Option<(&str, &str)>| {
            assert_eq!(in_task(given).map(|it| (it.task, it.path)), expect, "{given}");
        };
        check("web.1:core", Some(("web.1", "core")));
        check("0003/web.1:/etc/x", Some(("0003/web.1", "/etc/x")));
        check("t:", Some(("t", "")));
        check("core", None);
        check("./a:b", None);
        check("/a:b", None);
        check(":x", None);
    }

    #[test]
    fn the_last_name_is_what_is_copied() {
        let check = |path: &str, expect: Option<(&str, &str)>| assert_eq!(split(path), expect, "{path}");
        check("a", Some((".", "a")));
        check("a/b/", Some(("a", "b")));
        check("/etc", Some(("/", "etc")));
        check("/etc/nginx", Some(("/etc", "nginx")));
        for path in ["", "/", ".", "a/..", "a/."] {
            check(path, None);
        }
    }
}
