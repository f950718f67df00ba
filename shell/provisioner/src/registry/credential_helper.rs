//! Credential helpers: programs that know the credentials for registries (Docker's credential helper protocol).

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde::Deserialize;

use super::RegistryError;
use super::credentials::Login;

/// The time that a helper has for its answer. A helper of a cloud asks a server.
const DEADLINE: Duration = Duration::from_secs(60);
/// The interval in which a cancelled pull and the end of a helper are noticed.
const INTERVAL: Duration = Duration::from_millis(20);
/// The maximum of what a helper can print on one of its outputs, in bytes.
const MAX_OUTPUT: u64 = 64 * 1024;
/// The user name with which helpers mark the secret as an identity token.
const TOKEN_USER: &str = "<token>";

/// The answer of `docker-credential-NAME get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Runs `docker-credential-NAME get` for a server. A helper that has no credentials prints a message for that, which is no
/// error.
pub(super) fn ask(helper: &str, server: &str, cancelled: &AtomicBool) -> Result<Option<Login>, RegistryError> {
    let program = format!("docker-credential-{helper}");
    if helper.contains('/') {
        let problem = "the name of a credential helper has no '/'".to_owned();
        return Err(RegistryError::Credentials { place: program, problem });
    }
    run(&program, server, DEADLINE, cancelled)
}

fn run(
    program: &str,
    server: &str,
    deadline: Duration,
    cancelled: &AtomicBool,
) -> Result<Option<Login>, RegistryError> {
    let failed = |problem: String| RegistryError::Credentials { place: program.to_owned(), problem };
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // The processes that it starts end with it.
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("cannot run it: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input still gives an answer or an error of its own.
        let _ = input.write_all(server.as_bytes());
    }
    let outputs = (read(child.stdout.take()), read(child.stderr.take()));
    let answered = wait(&mut child, outputs, Instant::now() + deadline, cancelled);
    end(&mut child);
    let (status, stdout, stderr) = match answered {
        Ok(answer) => answer,
        Err(Unanswered::Cancelled) => return Err(RegistryError::Cancelled),
        Err(Unanswered::Late) => return Err(failed(format!("it does not answer within {} s", deadline.as_secs()))),
        Err(Unanswered::TooLong) => return Err(failed(format!("it prints more than {MAX_OUTPUT} bytes"))),
        Err(Unanswered::Failed(error)) => return Err(failed(error.to_string())),
    };
    if !status.success() {
        if stdout.contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(format!("{status}: {} {}", stdout.trim(), stderr.trim())));
    }
    let answer: HelperAnswer = serde_json::from_str(&stdout).map_err(|error| failed(error.to_string()))?;
    Ok(Some(match answer.username.as_str() {
        TOKEN_USER => Login::IdentityToken(answer.secret),
        _ => Login::Password { user: answer.username, password: answer.secret },
    }))
}

/// The reason for which there is no answer.
enum Unanswered {
    Cancelled,
    Late,
    TooLong,
    Failed(io::Error),
}

type Output = Receiver<io::Result<Option<String>>>;

/// Reads an output on a thread of its own. The result is `None` if it is too long; the rest is then not read.
fn read(output: Option<impl Read + Send + 'static>) -> Output {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = output.map_or(Ok(0), |output| output.take(MAX_OUTPUT + 1).read_to_end(&mut bytes));
        let fits = bytes.len() as u64 <= MAX_OUTPUT;
        // The receiver is gone after the deadline.
        let _ = sender.send(read.map(|_| fits.then(|| String::from_utf8_lossy(&bytes).into_owned())));
    });
    receiver
}

fn wait(
    child: &mut Child,
    (stdout, stderr): (Output, Output),
    deadline: Instant,
    cancelled: &AtomicBool,
) -> Result<(ExitStatus, String, String), Unanswered> {
    let pause = || match (cancelled.load(Ordering::Relaxed), Instant::now() > deadline) {
        (true, _) => Err(Unanswered::Cancelled),
        (_, true) => Err(Unanswered::Late),
        _ => Ok(()),
    };
    let text = |output: &Output| loop {
        match output.recv_timeout(INTERVAL) {
            Ok(Ok(Some(text))) => return Ok(text),
            Ok(Ok(None)) => return Err(Unanswered::TooLong),
            Ok(Err(error)) => return Err(Unanswered::Failed(error)),
            Err(_) => pause()?,
        }
    };
    let (stdout, stderr) = (text(&stdout)?, text(&stderr)?);
    loop {
        if let Some(status) = child.try_wait().map_err(Unanswered::Failed)? {
            return Ok((status, stdout, stderr));
        }
        pause()?;
        std::thread::sleep(INTERVAL);
    }
}

/// Ends a helper and the processes that it has started. They may have ended by themselves.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script as the helper.
    fn answer(script: &str, deadline: Duration, cancelled: bool) -> Result<Option<Login>, String> {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("docker-credential-test");
        // The program is written by another process, because one that is forked meanwhile would keep it open for writing.
        let mut write = Command::new("sh");
        write.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\"", "sh", script]).arg(&program);
        assert!(write.status().unwrap().success());
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let program = program.to_str().unwrap();
        run(program, "https://index.docker.io/v1/", deadline, &AtomicBool::new(cancelled))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_helper_is_asked_on_its_input() {
        let check = |script: &str, expect: Result<Option<Login>, &str>| {
            let given = answer(script, TIMEOUT, false);
            match (&given, &expect) {
                (Err(given), Err(expect)) => assert!(given.contains(expect), "{script}: {given}"),
                _ => assert!(given.is_ok() && given.ok() == expect.ok(), "{script}"),
            }
        };
        check(
            r#"[ "$1" = get ] && echo '{"ServerURL":"x","Username":"u","Secret":"'$(cat)'"}'"#,
            Ok(Some(Login::Password { user: "u".into(), password: "https://index.docker.io/v1/".into() })),
        );
        check(r#"echo '{"Username":"<token>","Secret":"t"}'"#, Ok(Some(Login::IdentityToken("t".into()))));
        check("echo credentials not found in native keychain; exit 1", Ok(None));
        check("echo of no use; echo locked >&2; exit 3", Err("exit status: 3: of no use locked"));
        check("echo no json", Err("expected"));
        check("while :; do echo 0123456789012345678901234567890123456789; done", Err("more than 65536 bytes"));
    }

    #[test]
    fn a_helper_that_hangs_does_not_hold_up_a_pull() {
        let begun = Instant::now();
        // Also a process that the helper has started has its outputs open.
        let hangs = "sleep 1000 & sleep 1000";
        let late = answer(hangs, Duration::from_millis(100), false).err().unwrap();
        assert!(late.contains("does not answer within"), "{late}");
        assert_eq!(answer(hangs, TIMEOUT, true).err().unwrap(), "cancelled");
        // It answers, but does not end.
        let late = answer("exec >&- 2>&-; sleep 1000", Duration::from_millis(100), false).err().unwrap();
        assert!(late.contains("does not answer within"), "{late}");
        assert!(begun.elapsed() < TIMEOUT, "{:?}", begun.elapsed());
    }

    const TIMEOUT: Duration = Duration::from_secs(60);
}
