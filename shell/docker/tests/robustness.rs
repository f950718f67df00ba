//! Whatever a daemon or a framework sends, nothing panics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use docker::{ContainerRequest, Inspection, LogStream, Pull, container_id, create, parse_list, qualified};
use messages::v1;
use proptest::prelude::*;

/// Returns bytes that are often nearly JSON of Docker.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        "\"Id\":",
        "\"State\":",
        "\"Running\":true",
        "\"Pid\":-1",
        "\"Pid\":99999999999",
        ",",
        "\"x\"",
        "\"Names\":",
        "\"Mounts\":null",
        "\"HostConfig\":",
        "\"Memory\":-1",
        "\"error\":",
        "\n",
        "null",
        "1e999",
    ]);
    let text = prop::collection::vec(words, 0..20).prop_map(|words| words.concat().into_bytes());
    prop_oneof![text, prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #[test]
    fn answers_of_a_daemon_can_be_anything(bytes in documents(), step in 1usize..20) {
        let _ = Inspection::parse(&bytes);
        let _ = parse_list(&bytes);
        let (mut stream, mut pull) = (LogStream::default(), Pull::default());
        for part in bytes.chunks(step) {
            let _ = stream.push(part, &mut |_, _| {});
            let _ = pull.push(part);
        }
        let _ = pull.finish();
        let text = String::from_utf8_lossy(&bytes);
        let _ = (container_id(&text), qualified(&text));
    }

    /// Every parameter is carried out, or refused with its name.
    #[test]
    fn parameters_can_be_anything(key in "[a-z-]{0,20}|memory|device|ulimit|publish|mount|health-interval|cpus", value in ".{0,40}") {
        let docker = v1::container_info::DockerInfo {
            image: "a".into(),
            parameters: vec![v1::Parameter { key: key.clone(), value }],
            ..Default::default()
        };
        let container = v1::ContainerInfo { docker: Some(Box::new(docker)), ..Default::default() };
        let command = v1::CommandInfo { value: Some("true".into()), ..Default::default() };
        let request = ContainerRequest {
            name: "mesos-c",
            container: &container,
            command: &command,
            environment: &[],
            sandbox: Path::new("/s"),
            mapped: Path::new("/m"),
            resources: &[],
            limits: &[],
            cfs: true,
            limit_swap: false,
            volumes: &[],
            user: None,
            dns: None,
            total_memory: 0,
        };
        if let Err(error) = create(&request) {
            let name = format!("'{key}'");
            prop_assert!(error.to_string().contains(&name), "{error}");
        }
    }
}
