//! One run of a plugin: a program of the operator, which may never answer, or answer without end.
//!
//! The input is a locked file. The plugin has it as its standard input, so that the lock lasts as long as the plugin: the
//! next agent waits for a plugin of one that was killed, before it runs another one for the same interface.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// The maximum of what a plugin answers, in bytes.
const MAX_OUTPUT: usize = 1 << 20;
/// The part of the standard error that is kept, in bytes.
const MAX_ERROR: usize = 4096;
/// The part of an output that a message shows, in characters.
const MAX_SHOWN: usize = 1000;
/// The pause between attempts to lock the input, which only a plugin of an earlier agent holds.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// A run of a plugin.
#[derive(Debug)]
pub(crate) struct PluginRun<'a> {
    /// The program.
    pub program: &'a Path,
    /// The whole environment.
    pub environment: Vec<(&'static str, String)>,
    /// The standard input, written to the file.
    pub input: &'a [u8],
    /// The file for the input.
    pub input_file: &'a Path,
    /// The time after which the plugin is killed.
    pub timeout: Duration,
}

/// The reason for which a plugin has not done its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginError {
    #[error("cannot write its input: {0}")]
    Input(#[source] io::Error),
    #[error("a run of an earlier agent has not ended")]
    Busy,
    #[error("cannot be started: {0}")]
    Start(#[source] io::Error),
    #[error("cannot be waited for: {0}")]
    Wait(#[source] io::Error),
    #[error("did not end within {0:?} and was killed")]
    Timeout(Duration),
    #[error("wrote more than {MAX_OUTPUT} bytes and was killed")]
    TooMuchOutput,
    #[error("failed ({status}): stdout='{stdout}', stderr='{stderr}'")]
    Failed { status: ExitStatus, stdout: String, stderr: String },
}

impl PluginRun<'_> {
    /// Runs the plugin and returns its standard output.
    ///
    /// # Errors
    /// Returns [`PluginError`]. No process of the plugin's group is left then.
    pub(crate) fn run(&self) -> Result<Vec<u8>, PluginError> {
        let deadline = Instant::now() + self.timeout;
        let input = self.locked_input(deadline)?;
        let mut child = Command::new(self.program)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(PluginError::Start)?;
        let ended = communicate(&mut child, deadline);
        if !matches!(ended, Ok(Some(_))) {
            kill(&mut child);
        }
        let (stdout, stderr) = match ended {
            Err(Overflow::Output) => return Err(PluginError::TooMuchOutput),
            Err(Overflow::System(error)) => return Err(PluginError::Wait(error)),
            Ok(None) => return Err(PluginError::Timeout(self.timeout)),
            Ok(Some(outputs)) => outputs,
        };
        let status = child.wait().map_err(PluginError::Wait)?;
        if status.success() {
            return Ok(stdout);
        }
        Err(PluginError::Failed { status, stdout: shown(&stdout), stderr: shown(&stderr) })
    }

    fn locked_input(&self, deadline: Instant) -> Result<File, PluginError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(self.input_file).map_err(PluginError::Input)?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(LOCK_PAUSE),
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(PluginError::Busy),
                Err(errno) => return Err(PluginError::Input(errno.into())),
            }
        }
        let written = file.set_len(0).and_then(|()| file.write_all(self.input)).and_then(|()| file.rewind());
        written.map_err(PluginError::Input)?;
        Ok(file)
    }
}

/// The standard output and the beginning of the standard error.
type Outputs = (Vec<u8>, Vec<u8>);

enum Overflow {
    Output,
    System(io::Error),
}

impl From<io::Error> for Overflow {
    fn from(error: io::Error) -> Self {
        Overflow::System(error)
    }
}

impl From<rustix::io::Errno> for Overflow {
    fn from(errno: rustix::io::Errno) -> Self {
        Overflow::System(errno.into())
    }
}

/// Reads the outputs until the plugin ends. Returns `None` at the deadline.
fn communicate(child: &mut Child, deadline: Instant) -> Result<Option<Outputs>, Overflow> {
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Overflow::System(io::ErrorKind::BrokenPipe.into()));
    };
    for fd in [stdout.as_fd(), stderr.as_fd()] {
        rustix::fs::fcntl_setfl(fd, OFlags::NONBLOCK)?;
    }
    let pidfd = pidfd_open(pid(child)?, PidfdFlags::empty())?;
    let (mut answer, mut errors) = (Vec::new(), Vec::new());
    let mut open = [true, true];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let mut descriptors = vec![PollFd::new(&pidfd, PollFlags::IN)];
        if open[0] {
            descriptors.push(PollFd::new(&stdout, PollFlags::IN));
        }
        if open[1] {
            descriptors.push(PollFd::new(&stderr, PollFlags::IN));
        }
        let timeout = Timespec::try_from(left).map_err(|_| Overflow::System(io::ErrorKind::InvalidInput.into()))?;
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        // What it has written before its end is in the pipes.
        let has_ended = descriptors.first().is_some_and(|pidfd| pidfd.revents().contains(PollFlags::IN));
        if open[0] {
            open[0] = drain(&mut stdout, &mut answer, MAX_OUTPUT + 1)?;
        }
        if open[1] {
            open[1] = drain(&mut stderr, &mut errors, MAX_ERROR)?;
        }
        if answer.len() > MAX_OUTPUT {
            return Err(Overflow::Output);
        }
        if has_ended {
            return Ok(Some((answer, errors)));
        }
    }
}

/// Reads what is there, and keeps the first bytes up to a bound. Returns whether more may come.
fn drain(pipe: &mut impl Read, kept: &mut Vec<u8>, bound: usize) -> io::Result<bool> {
    let mut buffer = [0; 16 << 10];
    // A plugin that writes without end must not keep the reader from looking at the clock.
    for _ in 0..64 {
        match pipe.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => {
                let room = bound.saturating_sub(kept.len());
                kept.extend(buffer.iter().take(length.min(room)));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn pid(child: &Child) -> io::Result<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Kills the plugin with the plugins that it has started.
fn kill(child: &mut Child) {
    if let Ok(group) = pid(child) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// Returns the beginning of an output for a message.
fn shown(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let beginning: String = text.trim().chars().take(MAX_SHOWN).collect();
    model::visible(&beginning).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    struct Script {
        directory: tempfile::TempDir,
        program: PathBuf,
    }

    impl Script {
        fn new(text: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let program = directory.path().join("plugin");
            std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
            Script { directory, program }
        }

        fn run(&self, timeout: Duration) -> Result<String, PluginError> {
            let run = PluginRun {
                program: &self.program,
                environment: vec![("CNI_COMMAND", "ADD".to_owned()), ("PATH", "/usr/bin:/bin".to_owned())],
                input: b"the input",
                input_file: &self.input_file(),
                timeout,
            };
            run.run().map(|output| String::from_utf8(output).unwrap())
        }

        fn input_file(&self) -> PathBuf {
            self.directory.path().join("input")
        }
    }

    const ENOUGH: Duration = Duration::from_secs(20);

    #[test]
    fn a_plugin_gets_its_input_and_nothing_else() {
        let script = Script::new("cat; echo; env | grep -v -e PWD -e _= -e SHLVL | sort; ls /proc/self/fd | wc -l");
        let output = script.run(ENOUGH).unwrap();
        // What the program of the tests itself was given is no leak.
        let inherited =
            Command::new("sh").args(["-c", "ls /proc/self/fd | wc -l"]).stdin(Stdio::null()).output().unwrap();
        let inherited = String::from_utf8(inherited.stdout).unwrap();
        assert_eq!(output, format!("the input\nCNI_COMMAND=ADD\nPATH=/usr/bin:/bin\n{inherited}"));
    }

    #[test]
    fn a_plugin_that_fails_is_quoted() {
        let error = Script::new("echo '{\"code\":7}'; printf 'a\\033[31mb' >&2; exit 3").run(ENOUGH).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("failed (exit status: 3): stdout='{\"code\":7}', stderr='a"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn a_plugin_that_does_not_end_is_killed_with_its_children() {
        let script = Script::new("sleep 1000 & echo $! >\"${0%plugin}pid\"; wait");
        let error = script.run(Duration::from_millis(500)).unwrap_err();
        assert!(matches!(error, PluginError::Timeout(_)), "{error}");
        let pid = std::fs::read_to_string(script.directory.path().join("pid")).unwrap();
        // It is gone, or a zombie that its new parent has yet to reap.
        let stat = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        let has_ended = || (stat().is_empty() || stat().contains(") Z ")).then_some(());
        testkit::wait::until_within(ENOUGH, "the child has ended", has_ended);
    }

    #[test]
    fn an_answer_without_end_is_an_error() {
        let error = Script::new("exec yes").run(ENOUGH).unwrap_err();
        assert!(matches!(error, PluginError::TooMuchOutput), "{error}");
        // Errors without end are cut off.
        let error = Script::new("yes | head -c 3000000 >&2; exit 1").run(ENOUGH).unwrap_err();
        assert!(error.to_string().len() < 2 * MAX_SHOWN, "{error}");
    }

    #[test]
    fn a_child_that_keeps_the_pipes_open_delays_nothing() {
        let script = Script::new("(exec sleep 2) & echo done");
        assert_eq!(script.run(ENOUGH).unwrap(), "done\n");
    }

    #[test]
    fn a_plugin_waits_for_one_of_an_earlier_agent() {
        let script = Script::new("echo done");
        let earlier = File::create(script.input_file()).unwrap();
        flock(&earlier, FlockOperation::LockExclusive).unwrap();
        let error = script.run(Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, PluginError::Busy), "{error}");
        drop(earlier);
        assert_eq!(script.run(ENOUGH).unwrap(), "done\n");
    }
}
