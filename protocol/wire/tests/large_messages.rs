//! Messages as large as real clusters send them pass the bounds on decoded messages, as protobuf and as JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use messages::schema::HasDescriptor;
use messages::{internal, v1};
use prost::Message as _;
use wire::{ContentType, Limits};

fn scalar(name: &str, value: f64) -> v1::Resource {
    v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value }),
        allocation_info: Some(v1::resource::AllocationInfo { role: Some("r".to_owned()) }),
        ..Default::default()
    }
}

/// Returns the shortest possible task, which takes the most memory for each byte on the wire.
fn task(i: usize) -> v1::TaskInfo {
    v1::TaskInfo {
        name: "t".to_owned(),
        task_id: v1::TaskId { value: i.to_string() },
        agent_id: v1::AgentId { value: "S".to_owned() },
        resources: vec![scalar("cpus", 0.1), scalar("mem", 1.0)],
        command: Some(Box::new(v1::CommandInfo { value: Some("x".to_owned()), ..Default::default() })),
        ..Default::default()
    }
}

/// Decodes the message in both encodings and complains if one of them is refused.
fn check<M: HasDescriptor + prost::Message + Default + PartialEq>(what: &str, message: &M) {
    for content_type in [ContentType::Protobuf, ContentType::Json] {
        let bytes = wire::encode_as(content_type, message);
        match wire::decode_as::<M>(content_type, &bytes, &Limits::default()) {
            // JSON contains defaults as well.
            Ok(decoded) => assert!(
                content_type == ContentType::Json || decoded == *message,
                "{what} as {content_type:?} has changed"
            ),
            Err(error) => panic!("{what}: {} bytes as {content_type:?} are refused: {error}", bytes.len()),
        }
    }
}

#[test]
fn an_accept_with_ten_thousand_launches_is_accepted() {
    let launch = |tasks: Vec<v1::TaskInfo>| v1::offer::Operation {
        r#type: Some(v1::offer::operation::Type::Launch as i32),
        launch: Some(Box::new(v1::offer::operation::Launch { task_infos: tasks })),
        ..Default::default()
    };
    let call = |operations| v1::scheduler::Call {
        framework_id: Some(v1::FrameworkId { value: "F".to_owned() }),
        r#type: Some(v1::scheduler::call::Type::Accept as i32),
        accept: Some(Box::new(v1::scheduler::call::Accept {
            offer_ids: vec![v1::OfferId { value: "O".to_owned() }],
            operations,
            filters: None,
        })),
        ..Default::default()
    };
    check("one LAUNCH of all", &call(vec![launch((0..10_000).map(task).collect())]));
    check("a LAUNCH for each", &call((0..10_000).map(|i| launch(vec![task(i)])).collect()));
}

#[test]
fn an_agent_with_five_thousand_tasks_reregisters() {
    let status = |i: usize| v1::TaskStatus {
        task_id: v1::TaskId { value: i.to_string() },
        state: v1::TaskState::TaskRunning as i32,
        ..Default::default()
    };
    let task = |i: usize| v1::Task {
        name: "t".to_owned(),
        task_id: v1::TaskId { value: i.to_string() },
        framework_id: v1::FrameworkId { value: "F".to_owned() },
        agent_id: v1::AgentId { value: "S".to_owned() },
        state: v1::TaskState::TaskRunning as i32,
        resources: vec![scalar("cpus", 0.1), scalar("mem", 1.0)],
        statuses: vec![status(i), status(i)],
        ..Default::default()
    };
    let executor = |i: usize| v1::ExecutorInfo {
        executor_id: v1::ExecutorId { value: i.to_string() },
        framework_id: Some(v1::FrameworkId { value: "F".to_owned() }),
        ..Default::default()
    };
    let message = internal::ReregisterSlaveMessage {
        slave: v1::AgentInfo { hostname: "h".to_owned(), ..Default::default() },
        tasks: (0..5_000).map(task).collect(),
        executor_infos: (0..5_000).map(executor).collect(),
        ..Default::default()
    };
    check("a ReregisterSlaveMessage", &message);
    let message = messages::Message::from(message);
    let taken = wire::decode_message(message.name(), &message.encode_to_vec(), &Limits::default());
    assert!(taken.unwrap() == message);
}

/// Pods of thousands of containers with short descriptions are accepted.
#[test]
fn a_task_group_of_two_megabytes_is_accepted() {
    let variables = |i: usize| v1::environment::Variable {
        name: format!("V{i}"),
        value: Some("v".to_owned()),
        ..Default::default()
    };
    let label = |i: usize| v1::Label { key: i.to_string(), value: Some("v".to_owned()) };
    let port = |i: usize| v1::Port { number: i as u32, ..Default::default() };
    let rich = |i: usize| {
        let mut task = task(i);
        task.labels = Some(Box::new(v1::Labels { labels: (0..8).map(label).collect() }));
        task.discovery = Some(Box::new(v1::DiscoveryInfo {
            ports: Some(Box::new(v1::Ports { ports: (0..4).map(port).collect() })),
            ..Default::default()
        }));
        let environment = v1::Environment { variables: (0..8).map(variables).collect() };
        task.command.as_mut().unwrap().environment = Some(Box::new(environment));
        task.health_check = Some(Box::new(v1::HealthCheck {
            r#type: Some(v1::health_check::Type::Tcp as i32),
            tcp: Some(v1::health_check::TcpCheckInfo { port: 1, protocol: None }),
            ..Default::default()
        }));
        task
    };
    let tasks: Vec<v1::TaskInfo> = (0..).map(rich).take(9_000).collect();
    let group = v1::offer::operation::LaunchGroup {
        executor: v1::ExecutorInfo {
            executor_id: v1::ExecutorId { value: "e".to_owned() },
            r#type: Some(v1::executor_info::Type::Default as i32),
            ..Default::default()
        },
        task_group: v1::TaskGroupInfo { tasks },
    };
    assert!(group.encoded_len() > 2 << 20, "{}", group.encoded_len());
    check("a task group", &group);
}
