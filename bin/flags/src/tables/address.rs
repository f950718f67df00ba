//! The flags for the addresses of masters and agents.

use std::net::Ipv4Addr;

use super::limits::PEER_PORT;
use crate::macros::flags;
use crate::value::Json;

flags! {
    /// The address, the host name and the domain of a master or an agent.
    AddressFlags {
        "Address and name" {
            ip: Option<Ipv4Addr> =>
                "The address to listen on; peers must be able to reach it. Without it, the address of the host name.";
            ip_discovery_command: Option<String> =>
                "A command that prints the address to listen on; not together with --ip.";
            advertise_ip: Option<Ipv4Addr> => "The address peers are told to use, when it differs from --ip.";
            advertise_port: Option<u16>, in PEER_PORT =>
                "The port peers are told to use, when it differs from --port.";
            hostname: Option<String> =>
                "The name shown to people and frameworks and used in redirects; it must resolve for them. Without it, found from the address.";
            hostname_lookup: bool = "true" => "Look the host name up; otherwise the address serves as name.";
            domain: Option<Json> =>
                "The region and zone of this master or agent (DomainInfo). An agent with one needs a master with one.";
        }
    }
}
