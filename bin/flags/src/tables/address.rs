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
            advertise_ip: Option<Ipv4Addr> => "The address that peers are told to use, if it differs from --ip.";
            advertise_port: Option<u16>, in PEER_PORT =>
                "The port that peers are told to use, if it differs from --port.";
            hostname: Option<String> =>
                "The name that is shown to users and frameworks and used in redirects; they must be able to resolve it. Without it, the name is found from the address.";
            hostname_lookup: bool = "true" => "Look up the host name; otherwise the address is used as name.";
            domain: Option<Json> =>
                "The region and zone of this master or agent (DomainInfo). An agent with a domain needs a master with a domain.";
        }
    }
}
