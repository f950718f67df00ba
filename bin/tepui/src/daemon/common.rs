//! What the programs have in common: reading flags, finding out addresses and names.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::process::{ExitCode, Stdio};

use edge::Running;
use edge::libprocess::message::SenderCheck;
use flags::{Definition, Parsed};
use messages::v1;

use crate::commands::{CommandError, fail, printed};
use crate::output;
use crate::signals;

/// Reads flags; answers `--help`, `--version` and mistakes itself.
pub fn parse_or_exit(definition: &'static Definition, arguments: Vec<String>) -> Result<Parsed, ExitCode> {
    match flags::parse(definition, arguments, std::env::vars()) {
        Ok(flags) if flags.help => {
            output::print(flags::help(definition));
            Err(printed())
        }
        Ok(flags) if flags.version => {
            output::line(format!("tepui {}", env!("CARGO_PKG_VERSION")));
            Err(printed())
        }
        Ok(flags) => Ok(flags),
        Err(error) => Err(fail(&error)),
    }
}

/// Runs a server's future on all cores until it ends.
pub fn serve(future: impl Future<Output = Result<ExitCode, CommandError>>) -> ExitCode {
    let runtime = edge::runtime();
    match runtime {
        Ok(runtime) => match runtime.block_on(future) {
            Ok(code) => code,
            Err(failure) => fail(&failure),
        },
        Err(source) => fail(&CommandError::Io { doing: "start the runtime".to_owned(), source }),
    }
}

/// Waits until the server ends by itself or a signal ends it.
pub async fn until_end(running: Running) -> ExitCode {
    let ended = tokio::select! {
        ended = running.wait() => ended,
        () = signals::terminate() => running.shutdown().await,
        () = signals::leave() => {
            running.unregister();
            // A second signal means: now.
            tokio::select! {
                ended = running.wait() => ended,
                () = signals::terminate() => running.shutdown().await,
            }
        }
    };
    match ended.reason {
        Some(reason) => {
            output::write_stderr_lines(&format!("tepui: {reason}"));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// `--ip`, what `--ip_discovery_command` prints, or the address of this machine's name as Mesos finds it.
pub fn ip(flags: &Parsed) -> Result<Ipv4Addr, CommandError> {
    if let Some(command) = flags.get("ip_discovery_command") {
        if flags.is_set("ip") {
            return Err(CommandError::message("Only one of `--ip` or `--ip_discovery_command` should be specified"));
        }
        return discovered(command);
    }
    if let Some(given) = flags.get("ip") {
        return given.parse().map_err(|_| CommandError::message(format!("--ip={given} is not an IPv4 address")));
    }
    let name = machine_name();
    let found = (name.as_str(), 0).to_socket_addrs().ok().and_then(|mut all| {
        all.find_map(|a| match a.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        })
    });
    found.ok_or_else(|| {
        CommandError::message(format!("the name of this machine, '{name}', has no IPv4 address; give --ip"))
    })
}

fn discovered(command: &str) -> Result<Ipv4Addr, CommandError> {
    let failed = |why: String| CommandError::message(format!("--ip_discovery_command: '{command}' {why}"));
    let output = std::process::Command::new("/bin/sh").args(["-c", command]).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(format!("cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("has failed: {}", output.status)));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let printed = printed.trim();
    printed.parse().map_err(|_| failed(format!("prints '{printed}', which is not an IPv4 address")))
}

/// `LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH`: whether messages must come from the address of their sender.
pub fn sender_check() -> Result<SenderCheck, CommandError> {
    const NAME: &str = "LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH";
    match std::env::var(NAME).as_deref() {
        Err(_) | Ok("" | "false" | "0") => Ok(SenderCheck::None),
        Ok("true" | "1") => Ok(SenderCheck::PeerAddress),
        Ok(other) => Err(CommandError::message(format!("{NAME}={other} is neither true nor false"))),
    }
}

/// `--domain`: a `DomainInfo` in JSON.
pub fn domain(flags: &Parsed) -> Result<Option<v1::DomainInfo>, CommandError> {
    let decode = |text: &str| {
        wire::decode_as(wire::ContentType::Json, text.as_bytes(), &wire::Limits::default())
            .map_err(|error| CommandError::message(format!("--domain: {error}")))
    };
    flags.get("domain").map(decode).transpose()
}

pub fn advertised_ip(flags: &Parsed) -> Result<Option<Ipv4Addr>, CommandError> {
    let parse = |given: &str| {
        given.parse().map_err(|_| CommandError::message(format!("--advertise_ip={given} is not an IPv4 address")))
    };
    flags.get("advertise_ip").map(parse).transpose()
}

pub fn port(flags: &Parsed, name: &str) -> Result<Option<u16>, CommandError> {
    let parse =
        |port: u64| u16::try_from(port).map_err(|_| CommandError::message(format!("--{name}={port} is above 65535")));
    flags.integer(name).map(parse).transpose()
}

/// `--hostname`; else the machine's own name if `ip` is its address; else the address itself.
pub fn hostname(flags: &Parsed, ip: Ipv4Addr) -> String {
    if let Some(given) = flags.get("hostname") {
        return given.to_owned();
    }
    if ip.is_loopback() || !flags.bool("hostname_lookup") {
        return ip.to_string();
    }
    let name = machine_name();
    let resolves = (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut all| all.any(|a| a.ip() == IpAddr::V4(ip)));
    if resolves { name } else { ip.to_string() }
}

fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
