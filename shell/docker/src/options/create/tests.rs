//! The bodies of whole containers.

use std::sync::LazyLock;

use messages::v1;
use serde_json::{Value, json};
use v1::container_info::docker_info::{Network, PortMapping};

use super::*;

fn resources() -> Vec<v1::Resource> {
    let scalar = |name: &str, value| v1::Resource {
        name: name.into(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value }),
        allocation_info: Some(v1::resource::AllocationInfo { role: Some("dev".into()) }),
        ..Default::default()
    };
    let range = v1::value::Range { begin: 31000, end: 31009 };
    let ports = v1::Resource {
        name: "ports".into(),
        r#type: v1::value::Type::Ranges as i32,
        ranges: Some(Box::new(v1::value::Ranges { range: vec![range] })),
        ..Default::default()
    };
    vec![scalar("cpus", 1.0), scalar("mem", 64.0), ports]
}

fn container(fill: impl FnOnce(&mut v1::ContainerInfo, &mut v1::container_info::DockerInfo)) -> v1::ContainerInfo {
    let mut docker = v1::container_info::DockerInfo { image: "busybox".into(), ..Default::default() };
    let mut container = v1::ContainerInfo { r#type: v1::container_info::Type::Docker as i32, ..Default::default() };
    fill(&mut container, &mut docker);
    v1::ContainerInfo { docker: Some(Box::new(docker)), ..container }
}

static RESOURCES: LazyLock<Vec<v1::Resource>> = LazyLock::new(resources);

fn created_with<'a>(
    container: &'a v1::ContainerInfo,
    command: &'a v1::CommandInfo,
    change: impl FnOnce(&mut ContainerRequest<'a>),
) -> Result<CreatedOptions, String> {
    let mut request = ContainerRequest {
        name: "mesos-c",
        container,
        command,
        environment: &[],
        sandbox: Path::new("/sandbox"),
        mapped: Path::new("/mnt/mesos/sandbox"),
        resources: &RESOURCES,
        limits: &[],
        cfs: false,
        limit_swap: false,
        volumes: &[],
        user: None,
        dns: None,
        total_memory: 1 << 30,
    };
    change(&mut request);
    create(&request).map_err(|error| error.to_string())
}

fn created(container: &v1::ContainerInfo) -> Result<Value, String> {
    let command = v1::CommandInfo { value: Some("true".into()), ..Default::default() };
    created_with(container, &command, |_| {}).map(|created| created.body)
}

fn network(
    network: Network,
    fill: impl FnOnce(&mut v1::ContainerInfo, &mut v1::container_info::DockerInfo),
) -> v1::ContainerInfo {
    container(|container, docker| {
        docker.network = Some(network as i32);
        fill(container, docker);
    })
}

#[test]
fn a_plain_task_is_the_one_of_mesos() {
    let expect = json!({
        "Image": "busybox:latest",
        "AttachStdout": true,
        "AttachStderr": true,
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", "true"],
        "Env": ["MESOS_SANDBOX=/mnt/mesos/sandbox", "MESOS_CONTAINER_NAME=mesos-c", "MESOS_ALLOCATION_ROLE=dev"],
        "HostConfig": {
            "NetworkMode": "host",
            "Binds": ["/sandbox:/mnt/mesos/sandbox:rw"],
            "CpuShares": 1024,
            "Memory": 64 << 20,
        },
    });
    assert_eq!(created(&container(|_, _| {})), Ok(expect));
}

#[test]
fn a_command_is_that_of_the_task_or_of_the_image() {
    let check = |command: v1::CommandInfo, entrypoint: Value, cmd: Value| {
        let body = created_with(&container(|_, _| {}), &command, |_| {}).unwrap().body;
        assert_eq!((&body["Entrypoint"], &body["Cmd"]), (&entrypoint, &cmd));
    };
    let program = |value: Option<&str>, arguments: &[&str]| v1::CommandInfo {
        shell: Some(false),
        value: value.map(str::to_owned),
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        ..Default::default()
    };
    check(program(None, &[]), Value::Null, Value::Null);
    check(program(Some("ls"), &["-l"]), Value::Null, json!(["ls", "-l"]));
    check(program(None, &["-l"]), Value::Null, json!(["-l"]));
    let none = v1::CommandInfo::default();
    let refused = created_with(&container(|_, _| {}), &none, |_| {});
    assert_eq!(refused, Err("Shell specified but no command value provided".to_owned()));
}

#[test]
fn variables_of_the_command_replace_those_of_the_agent() {
    let variable = |name: &str, value: &str| v1::environment::Variable {
        name: name.into(),
        value: Some(value.into()),
        ..Default::default()
    };
    let environment = v1::Environment { variables: vec![variable("A", "task"), variable("MESOS_SANDBOX", "wrong")] };
    let command =
        v1::CommandInfo { value: Some("true".into()), environment: Some(Box::new(environment)), ..Default::default() };
    let given = [("A".to_owned(), "agent".to_owned()), ("B".to_owned(), "agent".to_owned())];
    let created = created_with(&container(|_, _| {}), &command, |request| request.environment = &given).unwrap();
    let expect = [
        "B=agent",
        "A=task",
        "MESOS_SANDBOX=/mnt/mesos/sandbox",
        "MESOS_CONTAINER_NAME=mesos-c",
        "MESOS_ALLOCATION_ROLE=dev",
    ];
    assert_eq!(created.body["Env"], json!(expect));
}

#[test]
fn volumes_are_mounted_as_mesos_mounts_them() {
    let volume = |host: &str, inside: &str, mode: v1::volume::Mode| v1::Volume {
        mode: mode as i32,
        container_path: inside.into(),
        host_path: Some(host.into()),
        ..Default::default()
    };
    let check = |volume: v1::Volume, expect: Result<&str, &str>| {
        let body = created(&container(|container, _| container.volumes = vec![volume]));
        match expect {
            Ok(bind) => assert_eq!(body.unwrap()["HostConfig"]["Binds"][0], json!(bind)),
            Err(text) => assert_eq!(body, Err(text.to_owned())),
        }
    };
    let (rw, ro) = (v1::volume::Mode::Rw, v1::volume::Mode::Ro);
    check(volume("/data", "/d", ro), Ok("/data:/d:ro"));
    check(volume("/data", "d", rw), Ok("/data:/mnt/mesos/sandbox/d:rw"));
    check(volume("in/it", "/d", rw), Ok("/sandbox/in/it:/d:rw"));
    check(volume("a", "b", rw), Err("Both host_path 'a' and container_path 'b' of a volume are relative"));
    check(volume("../../etc", "/d", rw), Err("the volume at '/d': its path leaves the sandbox"));
    check(volume("/a:b", "/d", rw), Err("the volume at '/d' has a ':' in its path, which Docker cannot mount"));
    check(
        v1::Volume { container_path: "/d".into(), mode: rw as i32, ..Default::default() },
        Err("Host path or volume source is required"),
    );
    let persistent = [PersistentVolume {
        source: Path::new("/w/volumes/roles/dev/v1"),
        container_path: Path::new("data"),
        read_only: false,
    }];
    let command = v1::CommandInfo { value: Some("true".into()), ..Default::default() };
    let created = created_with(&container(|_, _| {}), &command, |request| request.volumes = &persistent).unwrap();
    let expect = ["/sandbox:/mnt/mesos/sandbox:rw", "/w/volumes/roles/dev/v1:/mnt/mesos/sandbox/data:rw"];
    assert_eq!(created.body["HostConfig"]["Binds"], json!(expect));
}

#[test]
#[expect(deprecated, reason = "frameworks still set it")]
fn volumes_of_drivers_have_one_driver() {
    let volume = |driver: Option<&str>| v1::Volume {
        mode: v1::volume::Mode::Rw as i32,
        container_path: "/d".into(),
        source: Some(Box::new(v1::volume::Source {
            r#type: Some(v1::volume::source::Type::DockerVolume as i32),
            docker_volume: Some(Box::new(v1::volume::source::DockerVolume {
                name: "v".into(),
                driver: driver.map(str::to_owned),
                ..Default::default()
            })),
            ..Default::default()
        })),
        ..Default::default()
    };
    let check = |volumes: Vec<v1::Volume>, driver: Option<&str>| {
        created(&container(|container, docker| {
            container.volumes = volumes;
            docker.volume_driver = driver.map(str::to_owned);
        }))
    };
    let body = check(vec![volume(Some("a"))], None).unwrap();
    let expect = json!({ "Type": "volume", "Source": "v", "Target": "/d", "ReadOnly": false,
        "VolumeOptions": { "DriverConfig": { "Name": "a", "Options": {} } } });
    assert_eq!(body["HostConfig"]["Mounts"][0], expect);
    assert_eq!(
        check(vec![volume(Some("a")), volume(Some("b"))], None),
        Err("Only one volume driver is supported".to_owned())
    );
    assert_eq!(
        check(vec![volume(Some("a"))], Some("b")),
        Err("Only one volume driver per task is supported".to_owned())
    );
    assert_eq!(check(vec![], Some("b")).unwrap()["HostConfig"]["VolumeDriver"], json!("b"));
    let named = v1::Volume {
        mode: v1::volume::Mode::Ro as i32,
        container_path: "/d".into(),
        host_path: Some("volume-name".into()),
        ..Default::default()
    };
    assert_eq!(check(vec![named], Some("b")).unwrap()["HostConfig"]["Binds"][0], json!("volume-name:/d:ro"));
}

#[test]
fn networks_have_the_rules_of_mesos() {
    let mapping = |host_port| PortMapping { host_port, container_port: 80, protocol: Some("TCP".into()) };
    let body = created(&network(Network::Bridge, |_, docker| docker.port_mappings = vec![mapping(31005)])).unwrap();
    assert_eq!(body["HostConfig"]["PortBindings"]["80/tcp"], json!([{ "HostIp": "", "HostPort": "31005" }]));
    assert_eq!(body["ExposedPorts"], json!({ "80/tcp": {} }));
    let check = |container: v1::ContainerInfo, expect: &str| assert_eq!(created(&container), Err(expect.to_owned()));
    check(
        network(Network::Host, |_, docker| docker.port_mappings = vec![mapping(31005)]),
        "Port mappings are only supported for bridge and user-defined networks",
    );
    check(
        network(Network::Bridge, |_, docker| docker.port_mappings = vec![mapping(80)]),
        "Port [80] not included in resources",
    );
    check(network(Network::User, |_, _| {}), "No network info found in container info");
    let info = |name: Option<&str>| v1::NetworkInfo { name: name.map(str::to_owned), ..Default::default() };
    check(
        network(Network::User, |container, _| container.network_infos = vec![info(None)]),
        "No network name found in network info",
    );
    check(
        network(Network::User, |container, _| container.network_infos = vec![info(Some("a")), info(Some("b"))]),
        "Only a single network can be defined in Docker run",
    );
    check(
        network(Network::Host, |container, _| container.hostname = Some("h".into())),
        "Unable to set hostname with host network mode",
    );
    check(
        network(Network::Bridge, |container, _| container.network_infos = vec![info(Some("net"))]),
        "'network_infos' names a network, which a container has with the network USER of 'docker' only",
    );
    let user = network(Network::User, |container, _| container.network_infos = vec![info(Some("net"))]);
    assert_eq!(created(&user).unwrap()["HostConfig"]["NetworkMode"], json!("net"));
    let named = network(Network::None, |container, _| container.hostname = Some("h".into()));
    let body = created(&named).unwrap();
    assert_eq!((&body["Hostname"], &body["HostConfig"]["NetworkMode"]), (&json!("h"), &json!("none")));
}

#[test]
fn name_servers_are_the_operators_unless_a_parameter_names_some() {
    let dns = json!({ "docker": [
        { "network_mode": "BRIDGE", "dns": { "nameservers": ["1.1.1.1"], "search": ["a"], "options": ["b"] } },
        { "network_mode": "USER", "dns": { "nameservers": ["2.2.2.2"] } },
        { "network_mode": "USER", "network_name": "net", "dns": { "nameservers": ["3.3.3.3"] } },
    ] });
    let command = v1::CommandInfo { value: Some("true".into()), ..Default::default() };
    let check = |container: v1::ContainerInfo, expect: Value| {
        let body = created_with(&container, &command, |request| request.dns = Some(&dns)).unwrap().body;
        assert_eq!(body["HostConfig"]["Dns"], expect);
    };
    let user = |name: &str| {
        let info = v1::NetworkInfo { name: Some(name.to_owned()), ..Default::default() };
        network(Network::User, |container, _| container.network_infos = vec![info])
    };
    check(network(Network::Bridge, |_, _| {}), json!(["1.1.1.1"]));
    check(user("net"), json!(["3.3.3.3"]));
    check(user("other"), json!(["2.2.2.2"]));
    check(network(Network::Host, |_, _| {}), Value::Null);
    let own = v1::Parameter { key: "dns".into(), value: "9.9.9.9".into() };
    check(network(Network::Bridge, |_, docker| docker.parameters = vec![own]), json!(["9.9.9.9"]));
}

#[test]
fn what_linux_info_asks_for_is_carried_out_or_refused() {
    let linux = |info: v1::LinuxInfo| container(|container, _| container.linux_info = Some(Box::new(info)));
    let raw = v1::capability_info::Capability::NetRaw as i32;
    let capabilities = Some(Box::new(v1::CapabilityInfo { capabilities: vec![raw] }));
    let body =
        created(&linux(v1::LinuxInfo { effective_capabilities: capabilities.clone(), ..Default::default() })).unwrap();
    assert_eq!((&body["HostConfig"]["CapDrop"], &body["HostConfig"]["CapAdd"]), (&json!(["ALL"]), &json!(["NET_RAW"])));
    let bounding = v1::LinuxInfo { bounding_capabilities: capabilities, ..Default::default() };
    assert!(created(&linux(bounding)).unwrap_err().contains("bounding_capabilities"));
    let private = v1::LinuxInfo {
        ipc_mode: Some(v1::linux_info::IpcMode::Private as i32),
        shm_size: Some(16),
        ..Default::default()
    };
    let body = created(&linux(private)).unwrap();
    assert_eq!((&body["HostConfig"]["IpcMode"], &body["HostConfig"]["ShmSize"]), (&json!("private"), &json!(16 << 20)));
    let limit = v1::r_limit_info::RLimit {
        r#type: Some(v1::r_limit_info::r_limit::Type::RlmtNofile as i32),
        hard: None,
        soft: None,
    };
    let limited =
        container(|container, _| container.rlimit_info = Some(Box::new(v1::RLimitInfo { rlimits: vec![limit] })));
    let body = created(&limited).unwrap();
    assert_eq!(body["HostConfig"]["Ulimits"], json!([{ "Name": "nofile", "Soft": -1, "Hard": -1 }]));
}

#[test]
fn parameters_come_last() {
    let parameter = |key: &str, value: &str| v1::Parameter { key: key.into(), value: value.into() };
    let given = container(|_, docker| {
        docker.privileged = Some(true);
        docker.parameters = vec![parameter("memory", "1g"), parameter("rm", "true"), parameter("tty", "true")];
    });
    let command = v1::CommandInfo { value: Some("true".into()), ..Default::default() };
    let created = created_with(&given, &command, |request| request.user = Some((7, 8))).unwrap();
    assert_eq!(created.body["HostConfig"]["Memory"], json!(1 << 30));
    assert_eq!(created.body["HostConfig"]["Privileged"], json!(true));
    assert_eq!(created.body["User"], json!("7:8"));
    assert!(created.remove && created.terminal);
}
