//! Finds the process that uses a port, and a port that is free, from /proc (proc_pid_net(5), proc_pid_fd(5)). Only root
//! sees the processes of other users.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;

/// State of a socket in /proc/net/tcp (`TCP_LISTEN` of include/net/tcp_states.h).
const LISTEN: &str = "0A";
/// The number of ports after the used one that are tried.
const TRIED: u16 = 100;

/// A process that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub pid: u32,
    /// The command line, shortened.
    pub command: String,
}

/// Returns a sentence about a port that is in use: which process uses it, and what to do.
pub fn taken(address: SocketAddrV4) -> String {
    sentence(address, holder(address), next_free(*address.ip(), address.port(), 1))
}

/// Like [`taken`], for a program that needs `count` consecutive ports from `first` on.
pub fn taken_of_row(address: SocketAddrV4, first: u16, count: u16) -> String {
    sentence(address, holder(address), next_free(*address.ip(), first, count))
}

fn sentence(address: SocketAddrV4, holder: Option<Holder>, free: Option<u16>) -> String {
    let who = match holder {
        Some(Holder { pid, command }) => format!("'{command}' (process {pid}) listens there"),
        None => "another program listens there (as root its name would be known)".to_owned(),
    };
    let next = match free {
        Some(port) => format!("stop it, or take the next free port: --port={port}"),
        None => "stop it, or choose another --port".to_owned(),
    };
    format!("{address} is in use: {who}; {next}")
}

/// Returns the first port after `taken` from which `count` consecutive ports are free.
pub fn next_free(ip: Ipv4Addr, taken: u16, count: u16) -> Option<u16> {
    let after = taken.checked_add(1)?..=taken.saturating_add(TRIED);
    let is_free = |port: u16| TcpListener::bind((ip, port)).is_ok();
    after.into_iter().find(|port| (0..count).all(|more| port.checked_add(more).is_some_and(is_free)))
}

/// Returns the process that listens at this address, or at the port of all addresses.
pub fn holder(address: SocketAddrV4) -> Option<Holder> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    let sockets: BTreeSet<u64> =
        listening(&read("tcp"), address).chain(listening6(&read("tcp6"), address.port())).collect();
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids: Vec<u32> = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // A child process of the one that listens may have inherited the socket.
    pids.sort_unstable();
    let pid = pids.into_iter().find(|pid| has_one_of(&sockets, &Path::new("/proc").join(pid.to_string())))?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Holder { pid, command: command(&line) })
}

/// Returns the inodes of sockets in the format of /proc/net/tcp: `sl local_address rem_address st … inode`. Addresses
/// are in the byte order of the machine.
fn listening(table: &str, address: SocketAddrV4) -> impl Iterator<Item = u64> + '_ {
    let ip = u32::from_ne_bytes(address.ip().octets());
    table.lines().filter_map(move |line| {
        let (host, inode) = listener(line, address.port())?;
        let host = u32::from_str_radix(host, 16).ok()?;
        (host == ip || host == 0 || ip == 0).then_some(inode)
    })
}

/// Returns the inodes of IPv6 sockets with an unspecified address, which also serve IPv4.
fn listening6(table: &str, port: u16) -> impl Iterator<Item = u64> + '_ {
    table.lines().filter_map(move |line| {
        let (host, inode) = listener(line, port)?;
        host.bytes().all(|digit| digit == b'0').then_some(inode)
    })
}

/// Returns host and inode if the line describes a socket that listens at the port.
fn listener(line: &str, port: u16) -> Option<(&str, u64)> {
    let mut fields = line.split_whitespace();
    let (host, own) = fields.nth(1)?.split_once(':')?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    (state == LISTEN && u16::from_str_radix(own, 16).ok()? == port).then_some((host, inode))
}

fn has_one_of(sockets: &BTreeSet<u64>, process: &Path) -> bool {
    let descriptors = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let mut links = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.any(|link| {
        let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
        inode.is_some_and(|inode: u64| sockets.contains(&inode))
    })
}

/// Returns program and arguments, which are separated by zero bytes.
fn command(line: &[u8]) -> String {
    const SHOWN: usize = 80;
    let text = String::from_utf8_lossy(line).trim_end_matches('\0').replace('\0', " ");
    let text = if text.is_empty() { "a program without a name" } else { text.as_str() };
    crate::table::shorten(&model::visible(text), SHOWN).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:13BA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 00000000:13BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:13BA 0100007F:8888 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_that_listen_are_found() {
        let check = |address: &str, expect: &[u64]| {
            let found: Vec<u64> = listening(TABLE, address.parse().unwrap()).collect();
            assert_eq!(found, expect, "{address}");
        };
        check("127.0.0.1:5050", &[111]);
        check("10.0.0.1:5050", &[]);
        check("0.0.0.0:5050", &[111]);
        check("10.0.0.1:5051", &[222]);
        check("127.0.0.1:5052", &[]);
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let holder = holder(address).unwrap();
        assert_eq!(holder.pid, std::process::id());
        let free = next_free(Ipv4Addr::LOCALHOST, port, 1).unwrap();
        assert!(free > port);
        let said = taken(address);
        assert!(said.contains(&format!("(process {}) listens there; stop it, or", holder.pid)), "{said}");
    }

    #[test]
    fn unknown_details_are_omitted() {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5050);
        assert_eq!(
            sentence(address, None, None),
            "127.0.0.1:5050 is in use: another program listens there (as root its name would be known); stop it, or \
             choose another --port"
        );
        assert_eq!(command(b"/usr/bin/x\0--flag\0\x1b[2J\0"), "/usr/bin/x --flag \\x1b[2J");
        assert_eq!(command(b""), "a program without a name");
    }
}
