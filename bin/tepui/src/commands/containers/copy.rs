//! `tepui cp` copies files between this machine and the container of a task. The files travel as an archive, which `tar`
//! writes or reads in the container.

use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use messages::v1;
use std::io::Write;
use tepui_client::OutputPiece;

use super::archive;
use super::exec::{command, exit_code};
use super::relay::read_stdin;
use super::session::Session;
use super::target::TaskContainer;
use crate::batch::signalled;
use crate::commands::cli::{CommandError, Target};
use crate::output;
use crate::signals::Cancel;

/// The bytes of an archive that are sent at once.
const CHUNK: usize = 64 << 10;
/// The maximum of tar's messages that is shown, in bytes.
const MAX_COMPLAINT: usize = 2000;

/// The name of stdin and stdout.
const STREAM: &str = "-";

#[derive(clap::Args)]
#[command(after_help = "\
A path in a task is written TASK:PATH; a relative one begins in its sandbox. A
directory is copied with all that is in it. A link is copied as it is; links in a
directory are left out of what comes from a task. In the place of a path of this
machine, - is an archive of tar on stdin or stdout. The container needs `tar`.

Examples:
  tepui cp web.1:core .                      A file of the sandbox to here
  tepui cp web.1:/etc/nginx conf             A directory, under a new name
  tepui cp nginx.conf web.1:/etc/nginx/      A file into a directory of the task
  tepui cp web.1:/var/log - | gzip > l.tgz   An archive, which may also have links
  tepui cp - web.1:/srv < files.tar          The files of an archive into a directory")]
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
        (Some(from), None) if args.to == STREAM => to_stdout(&args.target, &from).await,
        (None, Some(to)) if args.from == STREAM => from_stdin(&args.target, &to).await,
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
    let mut archive = tempfile::tempfile().map_err(io("make a temporary file"))?;
    let copied = with_session(&container, &words, async |session| {
        while let Some(bytes) = session.stdout().await? {
            archive.write_all(&bytes).map_err(io("write a temporary file"))?;
        }
        Ok(())
    });
    if let Some(code) = copied.await? {
        return Ok(code);
    }
    archive.seek(SeekFrom::Start(0)).map_err(io("read a temporary file"))?;
    let left_out = archive::unpack(archive, name, &place).map_err(io(format!("write {}", place.display())))?;
    for name in left_out {
        output::write_stderr(format_args!("tepui: {name} is neither a file nor a directory, and was left out"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes what `tar` writes in the container to stdout.
async fn to_stdout(target: &Target, from: &InTask<'_>) -> Result<ExitCode, CommandError> {
    if std::io::stdout().is_terminal() {
        return Err(CommandError::message(
            "an archive is not for a terminal: direct the output to a file or a program",
        ));
    }
    let (directory, name) = split(from.path).ok_or_else(|| no_name(from.path))?;
    let container = TaskContainer::find(&target.master, from.task).await?;
    let words = ["tar", "-C", directory, "-cf", "-", "--", name].map(str::to_owned);
    let copied = with_session(&container, &words, async |session| {
        while let Some(bytes) = session.stdout().await? {
            output::exact(&bytes);
            if output::is_closed() {
                return Err(CommandError::message("nobody reads the archive any more"));
            }
        }
        Ok(())
    });
    Ok(copied.await?.unwrap_or(ExitCode::SUCCESS))
}

/// Writes the files of an archive on stdin into a directory of the container.
async fn from_stdin(target: &Target, to: &InTask<'_>) -> Result<ExitCode, CommandError> {
    if std::io::stdin().is_terminal() {
        return Err(CommandError::message("stdin is a terminal: direct an archive of tar to it"));
    }
    let container = TaskContainer::find(&target.master, to.task).await?;
    let directory = if to.path.is_empty() { "." } else { to.path };
    let mut stdin = read_stdin();
    unpack_in(&container, directory, async move || Ok(stdin.recv().await.unwrap_or_default())).await
}

/// Runs `tar` in a directory of the container, with the pieces of an archive as its input. An empty piece ends it.
async fn unpack_in(
    container: &TaskContainer,
    directory: &str,
    mut next: impl AsyncFnMut() -> Result<Vec<u8>, CommandError>,
) -> Result<ExitCode, CommandError> {
    let words = ["tar", "-C", directory, "-xf", "-"].map(str::to_owned);
    let copied = with_session(container, &words, async |session| {
        let input = container.agent.attach_input(session.id().clone()).await?;
        let send = async {
            loop {
                let piece = next().await?;
                let is_last = piece.is_empty();
                // If the container takes no more of it, tar prints the reason.
                if input.write(piece).await.is_err() || is_last {
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
        let mut send = std::pin::pin!(send);
        let mut receive = std::pin::pin!(receive);
        // Input and output must not wait for each other; the end of the output is that of tar.
        tokio::select! {
            received = &mut receive => received,
            sent = &mut send => {
                sent?;
                receive.await
            }
        }
    });
    Ok(copied.await?.unwrap_or(ExitCode::SUCCESS))
}

async fn to_task(target: &Target, from: &Path, to: &InTask<'_>) -> Result<ExitCode, CommandError> {
    let shown = from.display().to_string();
    // A link has the name that was given, and `.` that of the directory.
    let own = match from.file_name() {
        Some(name) => name.to_owned(),
        None => {
            let own = from.canonicalize().map_err(io(format!("read {shown}")))?;
            own.file_name().ok_or_else(|| no_name(&shown))?.to_owned()
        }
    };
    let own = own.to_string_lossy().into_owned();
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
    let next = async move || {
        let mut buffer = vec![0; CHUNK];
        let length = archive.read(&mut buffer).map_err(io("read a temporary file"))?;
        buffer.truncate(length);
        Ok(buffer)
    };
    unpack_in(&container, directory, next).await
}

/// Runs a program in the container of a task while `copy` reads its output. Returns the exit code if the program has failed or a
/// signal has ended it, after printing the program's messages.
async fn with_session(
    container: &TaskContainer,
    words: &[String],
    copy: impl AsyncFnOnce(&mut Tar) -> Result<(), CommandError>,
) -> Result<Option<ExitCode>, CommandError> {
    let mut cancel = Cancel::listen();
    let session = Session::start(container, command(words), None).await?;
    let mut tar = Tar { session, complaints: Vec::new() };
    let copied = tokio::select! {
        copied = copy(&mut tar) => copied.map(|()| None),
        signal = cancel.next() => Ok(Some(signal)),
    };
    match copied {
        Ok(None) => tar.finish().await,
        Ok(Some(signal)) => {
            tar.session.abandon().await;
            Ok(Some(ExitCode::from(signalled(signal))))
        }
        Err(error) => {
            tar.session.abandon().await;
            Err(error)
        }
    }
}

/// The program `tar` in the container of a task, whose stderr is kept.
struct Tar {
    session: Session,
    complaints: Vec<u8>,
}

impl Tar {
    fn id(&self) -> &v1::ContainerId {
        &self.session.id
    }

    /// Returns the next bytes of stdout; `None` at its end.
    async fn stdout(&mut self) -> Result<Option<Vec<u8>>, CommandError> {
        loop {
            match self.session.output.next().await? {
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
        let end = self.session.finish().await?;
        if end.exit_status == Some(0) {
            return Ok(None);
        }
        let complaints = String::from_utf8_lossy(&self.complaints);
        output::write_stderr_lines(&complaints);
        if is_missing(end.exit_status, &complaints) {
            output::write_stderr_lines(NO_TAR);
        }
        Ok(Some(exit_code(&end)))
    }
}

/// What to do where the container has no `tar`.
const NO_TAR: &str = "tepui: the container has no program `tar`, which writes and reads the files there\n\
     what to do: put tar (or busybox) into its image, or copy through the sandbox: `tepui logs --file NAME TASK` reads a file of it";

/// Returns whether a program has ended since there is no `tar`: with the status of a shell for a program that is missing, or of
/// the agent's launcher for one that it cannot execute (`No such file or directory`).
fn is_missing(status: Option<i32>, complaints: &str) -> bool {
    let code = status.map(|status| status >> 8 & 0xff);
    code == Some(127) || matches!(code, Some(126) | None) && complaints.contains("No such file or directory")
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
