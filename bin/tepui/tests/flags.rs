//! Flags of masters and agents: what `--help` promises, and what those do that need a process to show it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use processes::{Agent, Master, free_port, get, until};

#[test]
fn what_help_promises_is_read_by_somebody() {
    /// Where flags become options, and readers that look at the list of all flags.
    const READERS: [&str; 3] = ["bin/tepui/src", "core/views/src/master", "core/views/src/metrics"];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources: String = READERS.iter().map(|folder| text_below(&crates.join(folder))).collect();
    for definition in [&flags::MASTER, &flags::AGENT, &flags::LOCAL, &flags::EXECUTE] {
        let unread = definition.flags().filter(|flag| {
            flag.support == flags::Support::Supported && !sources.contains(&format!("\"{}\"", flag.name))
        });
        let unread: Vec<&str> = unread.map(|flag| flag.name).collect();
        assert!(unread.is_empty(), "{} accepts flags that nobody reads: {unread:?}", definition.program);
    }
}

fn text_below(folder: &Path) -> String {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| if path.is_dir() { text_below(&path) } else { std::fs::read_to_string(path).unwrap() };
    paths.map(text).collect()
}

#[test]
fn an_address_is_discovered_and_the_log_is_a_file_that_is_served() {
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut child = Command::new(env!("CARGO_BIN_EXE_tepui"))
        .args(["master", "--quiet", "--ip_discovery_command=echo ' 127.0.0.1 '", &format!("--port={port}")])
        .arg(format!("--log_dir={}/logs", directory.path().display()))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let log = until("its log is served", || {
        get(port, "/files/read?path=/master/log&offset=0").filter(|answer| answer.body.contains("listens on"))
    });
    let written = std::fs::read_to_string(directory.path().join("logs/mesos-master.INFO")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(log.status, 200);
    assert!(written.contains(&format!("master listens on 127.0.0.1:{port}")), "{written}");
}

#[test]
fn an_address_that_cannot_be_discovered_ends_the_start() {
    let check = |flags: &[&str], expect: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_tepui")).arg("master").args(flags).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expect), "{flags:?}: {said}");
    };
    check(&["--ip_discovery_command=false"], "'false' has failed: exit status: 1");
    check(&["--ip_discovery_command=echo here"], "'echo here' prints 'here', which is not an IPv4 address");
    let both = "Only one of `--ip` or `--ip_discovery_command` should be specified";
    check(&["--ip_discovery_command=echo 127.0.0.1", "--ip=127.0.0.1"], both);
}

fn domain(region: &str, zone: &str) -> String {
    format!(r#"--domain={{"fault_domain":{{"region":{{"name":"{region}"}},"zone":{{"name":"{zone}"}}}}}}"#)
}

/// Subscribes and reads until there are offers: the event, as text.
fn first_offers(port: u16, name: &str, capability: &str) -> (BufReader<TcpStream>, String) {
    let info = format!(
        r#"{{"user":"root","name":"{name}","roles":["*"],"capabilities":[{{"type":"{capability}"}},{{"type":"MULTI_ROLE"}}]}}"#
    );
    let body = format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{info}}}}}"#);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(processes::TIMEOUT)).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /api/v1/scheduler HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("\"OFFERS\"") {
        line.clear();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "the stream ended");
    }
    (reader, line)
}

/// Two agents, one in the region of the master. A framework that does not know regions is offered that one only; what is
/// left goes to one that does.
#[test]
fn agents_of_other_regions_are_offered_to_those_who_know_regions() {
    let master = Master::with(tempfile::tempdir().unwrap(), free_port(), &[&domain("here", "z1")]);
    let address = format!("127.0.0.1:{}", master.port);
    let _near = Agent::with(&address, &[&domain("here", "z2")]);
    let _far = Agent::with(&address, &[&domain("there", "z1")]);
    until("both are registered", || (master.agents().len() == 2).then_some(()));
    let state = master.get("/state").unwrap().body;
    for (region, zone) in [("here", "z1"), ("here", "z2"), ("there", "z1")] {
        let shown =
            format!(r#""domain":{{"fault_domain":{{"region":{{"name":"{region}"}},"zone":{{"name":"{zone}"}}}}}}"#);
        assert!(state.contains(&shown), "{shown} is not in {state}");
    }

    let (_plain, offers) = first_offers(master.port, "plain", "PARTITION_AWARE");
    assert!(offers.contains(r#""name":"here""#) && !offers.contains(r#""name":"there""#), "{offers}");
    let (_aware, offers) = first_offers(master.port, "aware", "REGION_AWARE");
    assert!(offers.contains(r#""name":"there""#) && !offers.contains(r#""name":"here""#), "{offers}");
}
