//! `--network` and `--publish`: the networks of a task and its ports, as docker writes them.

use messages::v1;

/// A port of the agent that leads to one of the container.
pub type Publish = v1::network_info::PortMapping;

/// The maximum number of ports of one `--publish`.
const MAX_PORTS: u32 = 1000;

/// Reads `HOST:CONTAINER[/PROTOCOL]`; both may be ranges of the same length.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn publish(text: &str) -> Result<Vec<Publish>, String> {
    let expected = || format!("'{text}' is no port mapping; write e.g. 8080:80, 8080:80/udp or 8000-8009:9000-9009");
    let (ports, protocol) = match text.split_once('/') {
        None => (text, "tcp"),
        Some((ports, protocol @ ("tcp" | "udp"))) => (ports, protocol),
        Some((_, other)) => return Err(format!("'{other}' is no protocol; write tcp or udp")),
    };
    let (host, container) = match ports.split(':').collect::<Vec<_>>().as_slice() {
        [host, container] => (range(host).ok_or_else(expected)?, range(container).ok_or_else(expected)?),
        [_] => return Err(format!("'{text}' has no port of the agent; write e.g. 31080:{ports}")),
        [_, _, _] => {
            return Err(format!("'{text}' has an address, and a task gets ports of its agent; write e.g. 8080:80"));
        }
        _ => return Err(expected()),
    };
    let count = host.1 - host.0 + 1;
    if count != container.1 - container.0 + 1 || count > MAX_PORTS {
        return Err(format!("'{text}' needs ranges of the same length, of at most {MAX_PORTS} ports"));
    }
    let mapping = |index: u32| Publish {
        host_port: host.0 + index,
        container_port: container.0 + index,
        protocol: Some(protocol.to_owned()),
    };
    Ok((0..count).map(mapping).collect())
}

fn range(text: &str) -> Option<(u32, u32)> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).map(u32::from);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    (first <= last).then_some((first, last))
}

/// Returns the networks of a task. The name `host` stands for the network of the agent, which a task has without any.
///
/// # Errors
///
/// Returns what is wrong with the combination.
pub fn network_infos(networks: &[String], ports: &[Publish]) -> Result<Vec<v1::NetworkInfo>, String> {
    if let Some(name) = networks.iter().find(|name| matches!(name.as_str(), "none" | "")) {
        return Err(format!("'{name}': no message of Mesos carries it; name a network of the agents"));
    }
    if networks.iter().any(|name| name == "host") && networks.len() > 1 {
        return Err("'host': the network of the agent is the only one then; leave out the others".to_owned());
    }
    if let Some(name) =
        networks.iter().enumerate().find_map(|(at, name)| networks.get(..at)?.contains(name).then_some(name))
    {
        return Err(format!("'{name}' is given twice"));
    }
    let named = networks.iter().filter(|name| *name != "host");
    let mut infos: Vec<_> =
        named.map(|name| v1::NetworkInfo { name: Some(name.clone()), ..v1::NetworkInfo::default() }).collect();
    match (infos.first_mut(), ports.is_empty()) {
        (_, true) => {}
        (Some(first), false) => first.port_mappings = ports.to_vec(),
        (None, false) => {
            return Err("a port needs a network: a task in the network of its agent has the agent's ports".to_owned());
        }
    }
    Ok(infos)
}

/// Returns the ports of the agent as a resource, which a task has to have for a mapping; `None` for no ports.
pub fn port_resource(ports: &[Publish]) -> Option<v1::Resource> {
    let mut numbers: Vec<u64> = ports.iter().map(|port| u64::from(port.host_port)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let range = |port: u64| v1::value::Range { begin: port, end: port };
    let range = numbers.into_iter().map(range).collect::<Vec<_>>();
    (!range.is_empty()).then(|| v1::Resource {
        name: "ports".to_owned(),
        r#type: v1::value::Type::Ranges.into(),
        ranges: Some(Box::new(v1::value::Ranges { range })),
        ..v1::Resource::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        let check = |given: &str, expect: Result<&[(u32, u32, &str)], &str>| match (publish(given), expect) {
            (Ok(ports), Ok(expect)) => {
                let shown = |port: &Publish| (port.host_port, port.container_port, port.protocol.clone().unwrap());
                let expect: Vec<_> =
                    expect.iter().map(|(host, container, p)| (*host, *container, (*p).to_owned())).collect();
                assert_eq!(ports.iter().map(shown).collect::<Vec<_>>(), expect, "{given}");
            }
            (Err(error), Err(expect)) => assert!(error.contains(expect), "{given}: {error}"),
            (read, expect) => panic!("{given}: {read:?}, expected {expect:?}"),
        };
        check("8080:80", Ok(&[(8080, 80, "tcp")]));
        check("53:53/udp", Ok(&[(53, 53, "udp")]));
        check("8000-8001:90-91", Ok(&[(8000, 90, "tcp"), (8001, 91, "tcp")]));
        check("80", Err("no port of the agent; write e.g. 31080:80"));
        check("127.0.0.1:8080:80", Err("has an address"));
        check("8080:80/sctp", Err("'sctp' is no protocol"));
        check("1-2000:1-2000", Err("at most 1000 ports"));
        check("1-3:1-2", Err("ranges of the same length"));
        for wrong in ["", ":80", "80:", "0:80", "70000:80", "a:b", "2-1:2-1", "1:2:3:4"] {
            assert!(publish(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ports_belong_to_the_first_network() {
        let ports = publish("8080:80").unwrap();
        let check = |names: &[&str], ports: &[Publish], expect: Result<&[(&str, usize)], &str>| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            match (network_infos(&names, ports), expect) {
                (Ok(infos), Ok(expect)) => {
                    let shown: Vec<_> =
                        infos.iter().map(|it| (it.name.as_deref().unwrap(), it.port_mappings.len())).collect();
                    assert_eq!(shown, expect);
                }
                (Err(error), Err(expect)) => assert!(error.contains(expect), "{error}"),
                (found, expect) => panic!("{found:?}, expected {expect:?}"),
            }
        };
        check(&[], &[], Ok(&[]));
        check(&["host"], &[], Ok(&[]));
        check(&["a", "b"], &ports, Ok(&[("a", 1), ("b", 0)]));
        check(&[], &ports, Err("a port needs a network"));
        check(&["host"], &ports, Err("a port needs a network"));
        check(&["host", "a"], &[], Err("leave out the others"));
        check(&["a", "a"], &[], Err("given twice"));
        check(&["none"], &[], Err("no message of Mesos"));
        assert!(port_resource(&[]).is_none());
        let ranges = port_resource(&publish("8000-8001:1-2").unwrap()).unwrap().ranges.unwrap();
        assert_eq!(ranges.range.len(), 2);
    }
}
