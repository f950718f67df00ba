//! Flags of masters and agents: `--help` is true, and flags whose effect only a process can show have it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod processes;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use processes::{Agent, Master};
use testkit::http::get_blocking;
use testkit::scratch::free_port;
use testkit::wait::{TIMEOUT, until};

#[test]
fn every_supported_flag_is_read() {
    /// The places where flags become options, and readers of the list of all flags.
    const READERS: [&str; 3] = ["bin/tepui/src", "core/views/src/master", "core/views/src/metrics"];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sources: String = READERS.iter().map(|folder| text_below(&crates.join(folder))).collect();
    let is_read = |name: &str| {
        let reads_field = |(at, field): (usize, &str)| {
            let before = sources[..at].chars().next_back();
            let after = sources[at + field.len()..].chars().next();
            let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !in_word(after) && (field.starts_with('.') || !in_word(before))
        };
        // A read is `flags.name`, `"name"` of the list, or a name in a pattern.
        [format!(".{name}"), format!("\"{name}\""), format!(" {name},")]
            .iter()
            .any(|text| sources.match_indices(text.as_str()).any(reads_field))
    };
    for definition in flags::DEFINITIONS {
        let supported = definition.flags().filter(|flag| flag.support == flags::Support::Supported);
        let unread: Vec<&str> = supported.map(|flag| flag.name).filter(|name| !is_read(name)).collect();
        assert!(unread.is_empty(), "{} accepts flags that nobody reads: {unread:?}", definition.program);
    }
}

/// Returns a value at one end of its bounds for every flag that has bounds.
fn extremes(definition: flags::Definition, end: usize, except: &[&str]) -> Vec<String> {
    let flags = definition.flags().filter(|flag| flag.support == flags::Support::Supported);
    let value = |flag: &flags::Flag| Some(format!("--{}={}", flag.name, flags::extremes(flag)?[end]));
    flags.filter(|flag| !except.contains(&flag.name)).filter_map(value).collect()
}

/// Returns the processor time in hundredths of a second.
fn cpu(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// All flags are set at once: an accepted value must neither overflow nor keep a processor busy.
#[test]
fn clusters_work_with_the_minimum_and_maximum_of_every_flag() {
    use flags::Program as _;
    /// Flags that say where a process is found or how long the disk of this test may take.
    const EXCEPT: [&str; 3] = ["port", "advertise_port", "registry_fetch_timeout"];
    for end in 0..2 {
        let arguments = extremes(flags::MasterFlags::DEFINITION, end, &EXCEPT);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let master = Master::with(tempfile::tempdir().unwrap(), free_port(), &arguments);
        let mut arguments = extremes(flags::AgentFlags::DEFINITION, end, &EXCEPT);
        // The mean of a minute is longer than this test waits.
        arguments.retain(|argument| end == 0 || !argument.starts_with("--registration_backoff_factor="));
        arguments.push("--resource_estimator=fixed:cpus:1".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let agent = Agent::with(&format!("127.0.0.1:{}", master.port), &arguments);
        until("the agent is registered", || (master.agents().len() == 1).then_some(()));
        let pids = [master.child.id(), agent.child.id()];
        let before = pids.map(cpu);
        // The processor time of this interval is counted.
        std::thread::sleep(Duration::from_secs(3));
        for ((pid, before), name) in pids.into_iter().zip(before).zip(["master", "agent"]) {
            let used = cpu(pid) - before;
            assert!(used < 150, "the {name} with {} values uses {used} % of 3 s", ["least", "greatest"][end]);
        }
        assert_eq!(master.agents().len(), 1, "it stays registered");
    }
}

#[test]
fn values_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let bytes = std::ffi::OsStr::from_bytes(b"--work_dir=\xff");
    for program in ["master", "agent", "local", "mesos-execute"] {
        let output = Command::new(env!("CARGO_BIN_EXE_tepui")).arg(program).arg(bytes).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains("is not UTF-8"), "{program}: {said}");
    }
    let other = std::ffi::OsStr::from_bytes(b"\xff");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tepui"));
    let output = command.args(["master", "--port=x"]).env("SOMETHING", other).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("invalid value 'x' for '--port'"), "a variable of others is not looked at: {said}");
}

fn text_below(folder: &Path) -> String {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| if path.is_dir() { text_below(&path) } else { std::fs::read_to_string(path).unwrap() };
    paths.map(text).collect()
}

#[test]
fn ip_discovery_and_the_served_log_file_work() {
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut child = Command::new(env!("CARGO_BIN_EXE_tepui"))
        .args(["master", "--quiet", "--ip_discovery_command=echo ' 127.0.0.1 '", &format!("--port={port}")])
        .arg(format!("--log_dir={}/logs", directory.path().display()))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let log = until("its log is served", || {
        get_blocking(port, "/files/read?path=/master/log&offset=0").filter(|answer| answer.body.contains("listens on"))
    });
    let written = std::fs::read_to_string(directory.path().join("logs/mesos-master.INFO")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(log.status, 200);
    assert!(written.contains(&format!("master listens on 127.0.0.1:{port}")), "{written}");
}

#[test]
fn a_failed_ip_discovery_ends_the_start() {
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

/// Subscribes and reads until there are offers. Returns the event as text.
fn first_offers(port: u16, name: &str, capability: &str) -> (BufReader<TcpStream>, String) {
    let info = format!(
        r#"{{"user":"root","name":"{name}","roles":["*"],"capabilities":[{{"type":"{capability}"}},{{"type":"MULTI_ROLE"}}]}}"#
    );
    let body = format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{info}}}}}"#);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
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

/// As in Mesos, the master does not answer the agent.
#[test]
fn an_agent_logs_that_it_was_refused() {
    let check = |master_flags: &[&str], agent_flags: &[&str], expect: &str| {
        let master = Master::with(tempfile::tempdir().unwrap(), free_port(), master_flags);
        let agent_flags = [agent_flags, &["--registration_backoff_factor=10ms"]].concat();
        let agent = Agent::with(&format!("127.0.0.1:{}", master.port), &agent_flags);
        until(expect, || agent.log().contains(expect).then_some(()));
    };
    check(&[], &[&domain("here", "z1")], "it refuses this agent because of its --domain");
    check(&[&domain("here", "z1"), "--require_agent_domain"], &[], "as a master with --require_agent_domain does");
}

/// There are two agents, one of them in the region of the master. A framework that is not REGION_AWARE is offered only
/// that one; one that is REGION_AWARE is offered the rest.
#[test]
fn agents_of_other_regions_are_offered_to_region_aware_frameworks() {
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

/// A variable that is no text is not taken for one that is not set.
#[test]
fn variables_that_are_not_utf8_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let check = |arguments: &[&str], variable: &str| {
        let program = env!("CARGO_BIN_EXE_tepui");
        let value = std::ffi::OsStr::from_bytes(b"true\xff");
        let output = Command::new(program).args(arguments).env(variable, value).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(variable), "{arguments:?}: {stderr}");
    };
    let port = format!("--port={}", free_port());
    check(&["master", "--ip=127.0.0.1", &port], "LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH");
    check(&["master", "--ip=127.0.0.1", &port], "MESOS_CLUSTER");
    let work_dir = tempfile::tempdir().unwrap();
    let work_dir = format!("--work_dir={}", work_dir.path().display());
    let agent = ["agent", "--master=127.0.0.1:1", "--ip=127.0.0.1", &port, &work_dir];
    check(&agent, "LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH");
    check(&[], "TEPUI_MASTER");
}
