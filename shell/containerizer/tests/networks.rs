//! Containers in networks of their own (CNI), with the plugins of Debian and with plugins that misbehave. Each test has a
//! network namespace of its own. It needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is the failure of a test")]

mod common;

use std::fs;
use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Host, id, until};
use containerizer::{
    Event, JoinedNetwork, Launch, Launcher, Nesting, NetworkRequest, PortMapping, Requests, SealedProgram,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::network::{ADDRESS, isolated};
use testkit::process::is_alive;

/// A host whose containers can join networks.
struct Networks {
    host: Host,
}

impl Networks {
    fn new(plugins: &str) -> Self {
        let host = Host::configured(Launcher::Linux, &["network/cni"], |config, directory| {
            fs::create_dir(directory.join("configs")).unwrap();
            config.networks.directories = Some((directory.join("configs"), plugins.to_owned()));
            config.networks.root = directory.join("run/isolators/network/cni");
            config.networks.plugin_timeout = Duration::from_secs(10);
        });
        Networks { host: host.unwrap() }
    }

    fn path(&self) -> &Path {
        self.host.directory.path()
    }

    fn configure(&self, file: &str, config: &Value) {
        fs::write(self.path().join("configs").join(file), config.to_string()).unwrap();
    }

    /// Returns the configuration of a bridge with addresses of 10.`number`.0.0/16.
    fn bridge(&self, number: u8) -> Value {
        json!({
            "type": "bridge", "bridge": format!("cni{number}"), "isGateway": true,
            "ipam": {
                "type": "host-local", "dataDir": self.path().join("leases"), "subnet": format!("10.{number}.0.0/16"),
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        })
    }

    fn shell(&self, name: &str, command: &str, networks: &[NetworkRequest]) -> Launch {
        let requests = Requests { networks: networks.to_vec(), ..Requests::default() };
        let mut launch = Launch { requests, ..self.host.shell(name, command) };
        launch.environment = vec![("PATH".into(), "/usr/sbin:/usr/bin:/sbin:/bin".into())];
        launch
    }

    /// Starts a container and returns the networks that it has joined.
    fn start(&self, launch: Launch) -> (u32, Vec<JoinedNetwork>) {
        let id = launch.id.clone();
        self.host.containerizer().launch(launch).unwrap();
        match self.host.event() {
            Event::Launched { id: launched, pid, networks } if launched == id => (pid, networks),
            event => panic!("instead of a launch: {event:?}"),
        }
    }

    /// Starts a container that must not start, and returns the reason.
    fn refused(&self, launch: Launch) -> String {
        self.host.containerizer().launch(launch).unwrap();
        match self.host.event() {
            Event::LaunchFailed { reason, .. } => reason,
            event => panic!("instead of a failure: {event:?}"),
        }
    }

    /// Returns the directory with the state of a container.
    fn state(&self, name: &str) -> PathBuf {
        self.host.config.networks.root.join(name)
    }

    fn leases(&self, network: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path().join("leases").join(network)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("10.")).collect()
    }

    fn end(&self, name: &str) {
        self.host.containerizer().destroy(&id(name)).unwrap();
        self.host.exited(name);
    }
}

fn request(name: &str) -> NetworkRequest {
    NetworkRequest {
        name: name.to_owned(),
        network_info: json!({ "name": name, "labels": { "labels": [{ "key": "tier", "value": "db" }] } }).to_string(),
        port_mappings: Vec::new(),
        addresses: Vec::new(),
    }
}

fn addresses(networks: &[JoinedNetwork]) -> Vec<Vec<String>> {
    networks.iter().map(|joined| joined.addresses.iter().map(IpAddr::to_string).collect()).collect()
}

fn kill(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    until(|| (!is_alive(pid)).then_some(()));
}

/// Returns the interfaces of the machine, which is the namespace of the test.
fn interfaces() -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    table.lines().skip(2).map(|line| line.split(':').next().unwrap().trim().to_owned()).collect()
}

#[test]
fn a_container_joins_its_networks_and_leaves_them() {
    isolated(|plugins| {
        let mut networks = Networks::new(plugins.to_str().unwrap());
        let mut first = networks.bridge(91);
        first["name"] = json!("front");
        first["dns"] = json!({ "nameservers": ["10.91.0.53"], "search": ["front.example"] });
        networks.configure("front.conf", &first);
        let mut second = networks.bridge(92);
        (second["name"], second["cniVersion"]) = (json!("back"), json!("1.0.0"));
        networks.configure("back.conf", &second);

        let script = "ip -o -4 addr; cat /etc/hosts /etc/hostname /etc/resolv.conf; hostname; echo $LIBPROCESS_IP \
                      $MESOS_CONTAINER_IP; readlink /proc/self/ns/net; echo over; exec sleep 1000";
        let (pid, joined) = networks.start(networks.shell("web-1", script, &[request("front"), request("back")]));
        assert_eq!(addresses(&joined), [["10.91.0.2"], ["10.92.0.2"]]);
        let seen = until(|| Some(networks.host.read("web-1", "stdout")).filter(|text| text.contains("over\n")));
        for line in ["lo    inet 127.0.0.1/8", "eth0    inet 10.91.0.2/16", "eth1    inet 10.92.0.2/16"] {
            assert!(seen.contains(line), "{line}: {seen}");
        }
        let names = "127.0.0.1 localhost\n10.91.0.2 web-1\nweb-1\nsearch front.example\nnameserver 10.91.0.53\nweb-1\n\
                     0.0.0.0 10.91.0.2\n";
        assert!(seen.contains(names), "{seen}");
        let usage = networks.host.containerizer().usage(&id("web-1")).unwrap();
        assert!(usage.network.is_some());

        // A nested container has the network and the host name of its parent, also after a restart of the agent.
        networks.host.restart();
        assert_eq!(addresses(&networks.host.containerizer().networks(&id("web-1"))), [["10.91.0.2"], ["10.92.0.2"]]);
        let recovered = networks.host.containerizer().recovered();
        assert_eq!(recovered.networks[&id("web-1")], joined);
        let nested = id("web-1").child("debug").unwrap();
        for session in [false, true] {
            let sandbox = networks.host.sandbox(if session { "session" } else { "nested" });
            let mut launch = networks.shell("x", "hostname; readlink /proc/self/ns/net; grep -c web-1 /etc/hosts", &[]);
            launch.id = nested.clone();
            launch.working_directory = sandbox.clone();
            launch.stdout = containerizer::Output::File { path: sandbox.join("stdout"), rotation: None };
            launch.stderr = containerizer::Output::File { path: sandbox.join("stderr"), rotation: None };
            launch.nesting = Some(Nesting { session, ..Nesting::default() });
            launch.init = init();
            let (_, joined) = networks.start(launch);
            assert_eq!(addresses(&joined), [["10.91.0.2"], ["10.92.0.2"]]);
            networks.host.exited("web-1.debug");
            let seen_inside = fs::read_to_string(sandbox.join("stdout")).unwrap();
            let namespace = seen.lines().find(|line| line.starts_with("net:[")).unwrap();
            assert_eq!(seen_inside, format!("web-1\n{namespace}\n1\n"), "session: {session}");
            networks.host.containerizer().remove(&nested).unwrap();
        }

        assert_eq!(
            (networks.leases("front"), networks.leases("back")),
            (vec!["10.91.0.2".into()], vec!["10.92.0.2".into()])
        );
        assert!(interfaces().iter().any(|name| name.starts_with("veth")), "{:?}", interfaces());
        kill(pid);
        networks.host.exited("web-1");
        assert_eq!(networks.leases("front"), Vec::<String>::new());
        assert!(!networks.state("web-1").exists());
        assert!(!interfaces().iter().any(|name| name.starts_with("veth")), "{:?}", interfaces());
    });
}

/// The init of the test program of this crate has no use here: a program that keeps the status is enough.
fn init() -> Option<containerizer::Init> {
    let program = SealedProgram::copy_of(Path::new("/bin/sh")).unwrap();
    // The arguments are the descriptor for the status, the program, and its arguments with `argv[0]`.
    let script = "fd=$1; program=$2; shift 3; \"$program\" \"$@\"; eval \"printf %s $(($? << 8)) >&$fd\"";
    let argv = ["sh", "-c", script, "init"].map(Into::into).to_vec();
    Some(containerizer::Init { program: std::sync::Arc::new(program), argv })
}

#[test]
fn a_port_of_the_agent_leads_to_the_container() {
    isolated(|plugins| {
        let networks = Networks::new(plugins.to_str().unwrap());
        let portmap = json!({ "type": "portmap", "capabilities": { "portMappings": true } });
        networks.configure(
            "list.conflist",
            &json!({ "name": "list", "cniVersion": "0.4.0", "plugins": [networks.bridge(91), portmap] }),
        );
        // The configuration that Mesos' documentation gives for its own plugin.
        networks.configure(
            "mesos.conf",
            &json!({ "name": "mesos", "type": "mesos-cni-port-mapper", "chain": "MESOS-TEST-PORT-MAPPER",
                "excludeDevices": ["cni92"], "delegate": networks.bridge(92) }),
        );
        let listen = "import socket; s = socket.create_server(('', 80)); open('ready', 'w').write('\\n')\nwhile True: c = s.accept()[0]; c.sendall(b'hello from the container'); c.close()";
        for (network, port) in [("list", 31001), ("mesos", 31002)] {
            let mapping = PortMapping { host_port: port, container_port: 80, udp: false };
            let asked = NetworkRequest { port_mappings: vec![mapping], ..request(network) };
            networks.start(networks.shell(network, &format!("exec python3 -c \"{listen}\""), &[asked]));
            networks.host.read(network, "ready");
            let mut text = String::new();
            let connection =
                TcpStream::connect_timeout(&format!("{ADDRESS}:{port}").parse().unwrap(), Duration::from_secs(5));
            connection.unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello from the container", "{network}");
            networks.end(network);
            let refused =
                TcpStream::connect_timeout(&format!("{ADDRESS}:{port}").parse().unwrap(), Duration::from_secs(5));
            assert!(refused.is_err(), "{network}");
            assert!(!networks.state(network).exists());
        }
        // What a network cannot do, it says.
        let mut plain = networks.bridge(93);
        plain["name"] = json!("plain");
        networks.configure("plain.conf", &plain);
        let mapping = PortMapping { host_port: 31003, container_port: 80, udp: false };
        let asked = NetworkRequest { port_mappings: vec![mapping], ..request("plain") };
        let reason = networks.refused(networks.shell("x", "true", &[asked]));
        assert!(reason.contains("the CNI network 'plain' maps no ports"), "{reason}");
        assert!(!networks.state("x").exists());
    });
}

/// A plugin that writes what it is told, and does what files beside it say.
const FAKE: &str = r#"#!/bin/sh
dir=$(dirname "$0")
input=$(cat)
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME ${CNI_NETNS##*/}" >>"$dir/log"
echo "$input" >"$dir/input.$CNI_COMMAND"
if [ -e "$dir/$CNI_COMMAND.sh" ]; then . "$dir/$CNI_COMMAND.sh"; fi
[ "$CNI_COMMAND" = DEL ] || echo '{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.9.9.9/24"}]}'
"#;

struct Fake {
    networks: Networks,
    directory: PathBuf,
}

impl Fake {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap().keep();
        let networks = Networks::new(directory.to_str().unwrap());
        let program = directory.join("fake");
        fs::write(&program, FAKE).unwrap();
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        networks.configure("fake.conf", &json!({ "name": "fake", "type": "fake", "cniVersion": "0.4.0" }));
        networks.configure("other.conf", &json!({ "name": "other", "type": "fake", "cniVersion": "0.4.0" }));
        Fake { networks, directory }
    }

    /// Makes the plugin do something else at a command.
    fn set(&self, command: &str, script: &str) {
        fs::write(self.directory.join(format!("{command}.sh")), script).unwrap();
    }

    fn unset(&self, command: &str) {
        fs::remove_file(self.directory.join(format!("{command}.sh"))).unwrap();
    }

    /// Returns the calls of the plugin so far, and forgets them.
    fn calls(&self) -> String {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let _ = fs::remove_file(self.directory.join("log"));
        log
    }

    fn shell(&self, name: &str) -> Launch {
        self.networks.shell(name, "exec sleep 1000", &[request("fake")])
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn a_plugin_is_told_what_mesos_tells_it() {
    isolated(|_| {
        let fake = Fake::new();
        let (_, joined) =
            fake.networks.start(fake.networks.shell("c1", "exec sleep 1000", &[request("fake"), request("other")]));
        assert_eq!(addresses(&joined), [["10.9.9.9"], ["10.9.9.9"]]);
        assert_eq!(fake.calls(), "ADD c1 eth0 ns\nADD c1 eth1 ns\n");
        let read = |name: &str| -> Value {
            serde_json::from_str(&fs::read_to_string(fake.directory.join(name)).unwrap()).unwrap()
        };
        let told = &read("input.ADD")["args"]["org.apache.mesos"]["network_info"];
        assert_eq!(*told, serde_json::from_str::<Value>(&request("other").network_info).unwrap());
        assert!(fake.networks.state("c1").join("other/network.conf").exists());
        assert!(fake.networks.state("c1").join("other/eth1/network.info").exists());
        fake.networks.end("c1");
        assert_eq!(fake.calls(), "DEL c1 eth1 ns\nDEL c1 eth0 ns\n");
        // Since version 0.4.0, DEL has the answer to ADD.
        assert_eq!(read("input.DEL")["prevResult"]["ips"][0]["address"], "10.9.9.9/24");
    });
}

#[test]
fn a_network_that_cannot_be_joined_refuses_the_container() {
    isolated(|_| {
        let fake = Fake::new();
        let networks = &fake.networks;
        let twice = networks.shell("c", "true", &[request("fake"), request("fake")]);
        assert_eq!(networks.refused(twice), "Attempted to join CNI network 'fake' multiple times");
        assert_eq!(networks.refused(networks.shell("c", "true", &[request("none")])), "Unknown CNI network 'none'");
        assert_eq!(fake.calls(), "");

        let check = |script: &str, expect: &str| {
            fake.set("ADD", script);
            let reason = networks.refused(fake.shell("c"));
            assert!(reason.contains(expect), "{script}: {reason}");
            // What the plugin may have done is undone.
            assert_eq!(fake.calls(), "ADD c eth0 ns\nDEL c eth0 ns\n");
            assert!(!networks.state("c").exists(), "{script}");
        };
        check(
            r#"echo '{"code":11,"msg":"no address is left"}'; echo details >&2; exit 1"#,
            r#"failed to attach container c to CNI network 'fake': it failed (exit status: 1): stdout='{"code":11,"msg":"no address is left"}', stderr='details'"#,
        );
        let parse = "Failed to parse the output of the CNI plugin";
        check(
            "exit 0",
            &format!("{parse} '{}/fake' for CNI network 'fake': it is not a JSON", fake.directory.display()),
        );
        check(
            r#"echo '{"ips":[{"address":"10.0.0.1"}]}'; exit 0"#,
            "'ips[0].address' must be an address with the length",
        );
        check(r#"echo '{"ips":"x"}'; exit 0"#, "'ips' must be a list");
        check("exec yes", "wrote more than 1048576 bytes and was killed");
        check("kill -9 $$", "(signal: 9 (SIGKILL))");

        // The second network fails, and the first one is left again.
        fake.set("ADD", r#"[ $CNI_IFNAME = eth0 ] || exit 1"#);
        networks.refused(networks.shell("c", "true", &[request("fake"), request("other")]));
        assert_eq!(fake.calls(), "ADD c eth0 ns\nADD c eth1 ns\nDEL c eth1 ns\nDEL c eth0 ns\n");

        let wanted = containerizer::AddressRequest::Address("10.9.9.8".parse().unwrap());
        fake.unset("ADD");
        let asked = NetworkRequest { addresses: vec![wanted], ..request("fake") };
        let reason = networks.refused(networks.shell("c", "true", &[asked]));
        assert!(reason.contains("'fake' did not give the address that was asked for: 10.9.9.8"), "{reason}");
    });
}

#[test]
fn a_plugin_that_does_not_end_delays_only_its_container() {
    isolated(|_| {
        let mut fake = Fake::new();
        fake.networks.host.config.networks.plugin_timeout = Duration::from_millis(500);
        fake.networks.host.restart();
        fake.set("ADD", "sleep 1000");
        fake.networks.host.containerizer().launch(fake.shell("stalled")).unwrap();
        until(|| fake.directory.join("log").exists().then_some(()));
        // A container without networks starts meanwhile.
        fake.networks.start(fake.networks.host.shell("plain", "exec sleep 1000"));
        match fake.networks.host.event() {
            Event::LaunchFailed { reason, .. } => {
                assert!(reason.contains("did not end within 500ms and was killed"), "{reason}")
            }
            event => panic!("{event:?}"),
        }
        fake.networks.end("plain");
    });
}

#[test]
fn what_cannot_be_detached_is_kept_for_the_next_agent() {
    isolated(|_| {
        let mut fake = Fake::new();
        fake.networks.start(fake.shell("c1"));
        fake.set("DEL", "echo broken >&2; exit 1");
        // The end is reported all the same.
        fake.networks.end("c1");
        assert!(fake.calls().starts_with("ADD c1 eth0 ns\nDEL c1 eth0 ns\n"));
        assert!(fake.networks.state("c1").join("fake/network.conf").exists());
        assert!(fake.networks.state("c1").join("ns").exists());
        fake.unset("DEL");
        fake.networks.host.restart();
        until(|| (!fake.networks.state("c1").exists()).then_some(()));
        assert!(fake.calls().ends_with("DEL c1 eth0 ns\n"));
    });
}

#[test]
fn a_container_has_the_addresses_of_both_families() {
    isolated(|_| {
        let fake = Fake::new();
        let both = r#"{"cniVersion":"1.0.0","ips":[{"address":"10.9.9.9/24"},{"address":"fd00::9/64"}]}"#;
        fake.set("ADD", &format!("echo '{both}'; exit 0"));
        let (_, joined) = fake.networks.start(fake.shell("c1"));
        assert_eq!(addresses(&joined), [["10.9.9.9", "fd00::9"]]);
        let hosts = fs::read_to_string(fake.networks.state("c1").join("hosts")).unwrap();
        assert_eq!(hosts, "127.0.0.1 localhost\n::1 localhost\n10.9.9.9 c1\nfd00::9 c1\n");
        fake.networks.end("c1");
    });
}

#[test]
fn what_cannot_be_detached_is_tried_again() {
    isolated(|_| {
        let fake = Fake::new();
        fake.networks.start(fake.shell("c1"));
        fake.set("DEL", "echo broken >&2; exit 1");
        fake.networks.end("c1");
        assert!(fake.networks.state("c1").join("fake/network.conf").exists());
        // It fails once more, after a second, and succeeds two seconds later.
        until(|| (fake.calls() == "DEL c1 eth0 ns\n").then_some(()));
        fake.unset("DEL");
        until(|| (!fake.networks.state("c1").exists()).then_some(()));
    });
}

#[test]
fn a_container_that_ends_without_an_agent_is_detached_by_the_next_one() {
    isolated(|_| {
        let mut fake = Fake::new();
        let (pid, _) = fake.networks.start(fake.shell("ended"));
        let (lost, _) = fake.networks.start(fake.shell("lost"));
        fake.networks.start(fake.shell("runs"));
        fake.networks.host.containerizer = None;
        kill(pid);
        kill(lost);
        fs::remove_dir_all(fake.networks.path().join("run/containers/lost")).unwrap();
        // A configuration that is gone does not matter: what the container was attached with is kept.
        fs::remove_file(fake.networks.path().join("configs/fake.conf")).unwrap();
        fake.calls();
        fake.networks.host.restart();
        until(|| (!fake.networks.state("lost").exists()).then_some(()));
        assert!(!fake.networks.state("ended").exists());
        let mut calls: Vec<String> = fake.calls().lines().map(str::to_owned).collect();
        calls.sort();
        assert_eq!(calls, ["DEL ended eth0 ns", "DEL lost eth0 ns"]);
        assert_eq!(addresses(&fake.networks.host.containerizer().networks(&id("runs"))), [["10.9.9.9"]]);
        fake.networks.end("runs");
        assert_eq!(fake.calls(), "DEL runs eth0 ns\n");
    });
}

#[test]
fn a_nested_container_can_have_networks_of_its_own() {
    isolated(|_| {
        let fake = Fake::new();
        let host = &fake.networks.host;
        fake.networks.start(host.shell("parent", "exec sleep 1000"));
        let child = id("parent").child("child").unwrap();
        let mut launch = fake.networks.shell("x", "hostname >name; exec sleep 1000", &[request("fake")]);
        let sandbox = launch.working_directory.clone();
        launch.stdout = containerizer::Output::Discard;
        launch.stderr = containerizer::Output::Discard;
        (launch.id, launch.nesting, launch.init) = (child.clone(), Some(Nesting::default()), init());
        let (_, joined) = fake.networks.start(launch);
        assert_eq!(addresses(&joined), [["10.9.9.9"]]);
        assert_eq!(fake.calls(), "ADD parent.child eth0 ns\n");
        let name = until(|| fs::read_to_string(sandbox.join("name")).ok().filter(|name| name.ends_with('\n')));
        assert_eq!(name, "child\n");
        assert_eq!(host.containerizer().networks(&id("parent")), []);
        // It ends with its parent.
        host.containerizer().destroy(&id("parent")).unwrap();
        host.exited("parent.child");
        host.exited("parent");
        assert_eq!(fake.calls(), "DEL parent.child eth0 ns\n");
    });
}
