//! The parts that masters and agents share: addresses, names, and running until they end.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::process::{ExitCode, Stdio};

use edge::Running;
use edge::libprocess::message::SenderCheck;
use flags::{AddressFlags, Json};
use messages::v1;

use crate::commands::{CommandError, fail};
use crate::output;
use crate::signals;

/// Runs a server's future on all cores until it ends, and returns the exit code of the program.
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
            // A second signal ends the server at once.
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

/// Returns `--ip`, the output of `--ip_discovery_command`, or the address of this machine's name, as in Mesos.
///
/// # Errors
///
/// Fails if both flags are given, if the command does not print an address, or if the name has none.
pub fn ip(flags: &AddressFlags) -> Result<Ipv4Addr, CommandError> {
    match (flags.ip, &flags.ip_discovery_command) {
        (Some(_), Some(_)) => {
            return Err(CommandError::message("Only one of `--ip` or `--ip_discovery_command` should be specified"));
        }
        (None, Some(command)) => return discovered(command),
        (Some(ip), None) => return Ok(ip),
        (None, None) => {}
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
    let failed = |problem: String| CommandError::message(format!("--ip_discovery_command: '{command}' {problem}"));
    let output = std::process::Command::new("/bin/sh").args(["-c", command]).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| failed(format!("cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("has failed: {}", output.status)));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let printed = printed.trim();
    printed.parse().map_err(|_| failed(format!("prints '{printed}', which is not an IPv4 address")))
}

/// Reads `LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH`: whether messages must come from the address of their sender.
pub fn sender_check() -> Result<SenderCheck, CommandError> {
    const NAME: &str = "LIBPROCESS_REQUIRE_PEER_ADDRESS_IP_MATCH";
    let value = std::env::var_os(NAME).unwrap_or_default();
    // A value that is no text is neither.
    match value.to_str() {
        Some("" | "false" | "0") => Ok(SenderCheck::None),
        Some("true" | "1") => Ok(SenderCheck::PeerAddress),
        _ => Err(CommandError::message(format!("{NAME}={} is neither true nor false", value.to_string_lossy()))),
    }
}

/// Reads `--domain`, a `DomainInfo` in JSON.
///
/// # Errors
///
/// Fails for other JSON, and for a domain without a fault domain (as in Mesos).
pub fn domain(flags: &AddressFlags) -> Result<Option<v1::DomainInfo>, CommandError> {
    let Some(Json(text)) = &flags.domain else { return Ok(None) };
    let domain: v1::DomainInfo = wire::decode_as(wire::ContentType::Json, text.as_bytes(), &wire::Limits::default())
        .map_err(|error| CommandError::message(format!("--domain: {error}")))?;
    if domain.fault_domain.is_none() {
        let expected = r#"{"fault_domain":{"region":{"name":"R"},"zone":{"name":"Z"}}}"#;
        return Err(CommandError::message(format!("`domain` must define `fault_domain`, e.g. --domain='{expected}'")));
    }
    Ok(Some(domain))
}

/// Returns `--hostname`, the machine's own name if `ip` is its address, or the address itself.
pub fn hostname(flags: &AddressFlags, ip: Ipv4Addr) -> String {
    if let Some(given) = &flags.hostname {
        return given.clone();
    }
    if ip.is_loopback() || !flags.hostname_lookup {
        return ip.to_string();
    }
    let name = machine_name();
    let resolves = (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut all| all.any(|a| a.ip() == IpAddr::V4(ip)));
    if resolves { name } else { ip.to_string() }
}

fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
