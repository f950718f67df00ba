//! What the programs have in common: reading flags, finding out addresses and names.

use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::process::ExitCode;

use flags::{Definition, Parsed};
use server::Running;

use crate::commands::{Failure, fail};
use crate::output;
use crate::signals;

/// Reads flags; answers `--help`, `--version` and mistakes itself.
pub fn parse_or_exit(definition: &'static Definition, arguments: Vec<String>) -> Result<Parsed, ExitCode> {
    match flags::parse(definition, arguments, std::env::vars()) {
        Ok(flags) if flags.help => {
            output::print(flags::help(definition));
            Err(ExitCode::SUCCESS)
        }
        Ok(flags) if flags.version => {
            output::line(format!("tepui {}", env!("CARGO_PKG_VERSION")));
            Err(ExitCode::SUCCESS)
        }
        Ok(flags) => Ok(flags),
        Err(error) => Err(fail(&error)),
    }
}

/// Runs a server's future on all cores until it ends.
pub fn serve(future: impl Future<Output = Result<ExitCode, Failure>>) -> ExitCode {
    let runtime = server::runtime();
    match runtime {
        Ok(runtime) => match runtime.block_on(future) {
            Ok(code) => code,
            Err(failure) => fail(&failure),
        },
        Err(source) => fail(&Failure::Io { doing: "start the runtime".to_owned(), source }),
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
            eprintln!("tepui: {reason}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// `--ip`, or the address of this machine's name as Mesos finds it.
pub fn ip(flags: &Parsed) -> Result<Ipv4Addr, Failure> {
    if let Some(given) = flags.get("ip") {
        return given.parse().map_err(|_| Failure::said(format!("--ip={given} is not an IPv4 address")));
    }
    let name = machine_name();
    let found = (name.as_str(), 0).to_socket_addrs().ok().and_then(|mut all| {
        all.find_map(|a| match a.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        })
    });
    found.ok_or_else(|| Failure::said(format!("the name of this machine, '{name}', has no IPv4 address; give --ip")))
}

pub fn advertised_ip(flags: &Parsed) -> Result<Option<Ipv4Addr>, Failure> {
    let parse = |given: &str| {
        given.parse().map_err(|_| Failure::said(format!("--advertise_ip={given} is not an IPv4 address")))
    };
    flags.get("advertise_ip").map(parse).transpose()
}

pub fn port(flags: &Parsed, name: &str) -> Result<Option<u16>, Failure> {
    let parse = |port: u64| u16::try_from(port).map_err(|_| Failure::said(format!("--{name}={port} is above 65535")));
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
