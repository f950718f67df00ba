//! Tests a master whose registry cannot grow: it confirms no change, continues to serve, and catches up when there is
//! space again.
//!
//! A limit on the size of files stands for a full disk. The kernel sends SIGXFSZ along with the error; the signal is
//! ignored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod processes;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use processes::Master;
use testkit::scratch::free_port;
use testkit::wait::{TIMEOUT, until};

/// The number of roles in each request to `/weights`; some of the requests make the file grow.
const ROLES: usize = 2000;

/// Sends one request. Returns `None` if it is not answered within `timeout`.
fn put_weights(port: u16, round: usize, timeout: Duration) -> Option<String> {
    let weights: Vec<String> =
        (0..ROLES).map(|n| format!(r#"{{"role":"team-{round}-{n}-{}","weight":2}}"#, "x".repeat(100))).collect();
    let body = format!("[{}]", weights.join(","));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(timeout)).unwrap();
    let length = body.len();
    write!(stream, "PUT /weights HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Sets the soft limit, which may be raised again.
fn limit_files(master: &Master, size: &str) {
    let pid = master.child.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={size}:")]).status().unwrap().success());
}

fn rounds_known(master: &Master) -> usize {
    let answer = master.get("/weights").expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.matches("\"team-").count() % ROLES, 0, "half of a commit");
    answer.body.matches("\"team-").count() / ROLES
}

#[test]
fn confirmed_writes_survive_a_full_disk_and_others_wait() {
    let master = Master::ignoring("XFSZ", tempfile::tempdir().unwrap(), free_port(), &[]);
    let size = master.registry_size();
    limit_files(&master, &format!("{}", size + 200_000));
    let mut confirmed = 0;
    let unanswered = until("the disk is full", || {
        let answer = put_weights(master.port, confirmed, Duration::from_secs(2));
        match &answer {
            Some(answer) => {
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                confirmed += 1;
                None
            }
            None => Some(confirmed),
        }
    });
    assert!(master.log().contains("cannot write the registry, trying again"), "{}", master.log());
    assert_eq!(master.get("/health").unwrap().status, 200);
    assert_eq!(rounds_known(&master), confirmed, "not before it is durable");

    limit_files(&master, "unlimited");
    // The attempts are up to five seconds apart.
    until("it catches up", || (rounds_known(&master) > unanswered).then_some(()));
    let answer = put_weights(master.port, confirmed + 1, TIMEOUT).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let master = master.restart(&[]);
    assert_eq!(rounds_known(&master), confirmed + 2);
}

/// The disk of the log is often that of the registry, so the log fails as well, and this must not cause a panic.
#[test]
fn an_unwritable_log_ends_no_process() {
    let mut master = Master::with_full_log_disk(tempfile::tempdir().unwrap(), free_port());
    let answer = put_weights(master.port, 0, TIMEOUT).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(rounds_known(&master), 1);
    assert!(master.child.try_wait().unwrap().is_none());
}
