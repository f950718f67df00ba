//! Launches: a case gives a task (or a group) and an offer, and expects Mesos' reason ("" if it can be launched).

#![allow(clippy::unwrap_used)]

use messages::v1::environment::{Variable, variable};
use messages::v1::{self, *};
use resources::Resources;
use validation::task::{Context, LaunchAgent, TaskIdUse};
use validation::{ValidationError, executor, task};

const VALID: &str = "";

fn allocated(name: &str, kind: value::Type) -> Resource {
    Resource {
        name: name.into(),
        r#type: kind as i32,
        allocation_info: Some(resource::AllocationInfo { role: Some("a".into()) }),
        ..Default::default()
    }
}

fn scalar(name: &str, value: f64) -> Resource {
    Resource { scalar: Some(value::Scalar { value }), ..allocated(name, value::Type::Scalar) }
}

fn ports(begin: u64, end: u64) -> Resource {
    let ranges = value::Ranges { range: vec![value::Range { begin, end }] };
    Resource { ranges: Some(Box::new(ranges)), ..allocated("ports", value::Type::Ranges) }
}

fn offer() -> Vec<Resource> {
    vec![scalar("cpus", 4.0), scalar("mem", 1024.0), scalar("disk", 1024.0), ports(31000, 31010)]
}

fn shell(command: &str) -> Option<Box<CommandInfo>> {
    Some(Box::new(CommandInfo { value: Some(command.into()), ..Default::default() }))
}

fn task(id: &str) -> TaskInfo {
    TaskInfo {
        name: id.into(),
        task_id: TaskId { value: id.into() },
        agent_id: AgentId { value: "s1".into() },
        resources: vec![scalar("cpus", 1.0), scalar("mem", 32.0)],
        command: shell("true"),
        ..Default::default()
    }
}

fn custom_executor(id: &str) -> ExecutorInfo {
    ExecutorInfo {
        executor_id: ExecutorId { value: id.into() },
        framework_id: Some(FrameworkId { value: "f".into() }),
        resources: vec![scalar("cpus", 0.1), scalar("mem", 32.0)],
        command: shell("executor"),
        ..Default::default()
    }
}

fn with_executor(executor: ExecutorInfo) -> TaskInfo {
    TaskInfo { command: None, executor: Some(Box::new(executor)), ..task("t") }
}

/// Runs a check with the state of every test: framework `f` has an offer of agent `s1`, a task `running`, a task
/// `unreachable` and an executor `known` there.
fn validate_with<T>(limits: bool, validate: impl Fn(&Context) -> T) -> T {
    let offered = Resources::from_proto(&offer()).unwrap();
    let known = custom_executor("known");
    validate(&Context {
        framework_id: "f",
        agent: LaunchAgent { id: "s1", task_resource_limits: limits },
        offered: &offered,
        task_id_use: &|id| match id {
            "running" => Some(TaskIdUse::Running),
            "unreachable" => Some(TaskIdUse::Unreachable),
            _ => None,
        },
        running_executor: &|id| (id == "known").then_some(&known),
        share_cgroups_under: &|id| (id == "known").then_some(true),
    })
}

#[track_caller]
fn check(task: TaskInfo, reason: &str) {
    let validate = validate_with(true, |context| task::validate(&task, context));
    assert_eq!(validate.err().as_ref().map_or("", ValidationError::reason), reason);
}

#[test]
fn task_ids_must_be_new_and_the_agent_that_of_the_offer() {
    check(task("t"), VALID);
    check(task(""), "ID must not be empty");
    check(task("a/b"), "'a/b' contains invalid characters");
    check(task("running"), "Task has duplicate ID: running");
    check(task("unreachable"), "Task reuses the ID of an unreachable task: unreachable");
    check(
        TaskInfo { agent_id: AgentId { value: "s2".into() }, ..task("t") },
        "Task uses invalid agent s2 while agent s1 is expected",
    );
}

#[test]
fn durations_must_not_be_negative() {
    let nanoseconds = |nanoseconds| Some(DurationInfo { nanoseconds });
    let policy = |grace| Some(Box::new(KillPolicy { grace_period: nanoseconds(grace) }));
    check(TaskInfo { kill_policy: policy(0), ..task("t") }, VALID);
    check(TaskInfo { kill_policy: policy(-1), ..task("t") }, "Task's 'kill_policy.grace_period' must be non-negative");
    check(
        TaskInfo { max_completion_time: nanoseconds(-1), ..task("t") },
        "Task's `max_completion_time` must be non-negative",
    );
    check(
        with_executor(ExecutorInfo { shutdown_grace_period: nanoseconds(-1), ..custom_executor("e") }),
        "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
    );
}

#[test]
fn checks_are_validated() {
    let check_info = |info: CheckInfo, reason: &str| {
        let reason = if reason.is_empty() { String::new() } else { format!("Task uses invalid check: {reason}") };
        check(TaskInfo { check: Some(Box::new(info)), ..task("t") }, &reason);
    };
    let of = |kind: check_info::Type| CheckInfo { r#type: Some(kind as i32), ..Default::default() };
    let http = |path: &str| CheckInfo {
        http: Some(check_info::Http { port: 80, path: Some(path.into()) }),
        ..of(check_info::Type::Http)
    };
    let command = |command| CheckInfo {
        command: Some(Box::new(check_info::Command { command })),
        ..of(check_info::Type::Command)
    };
    check_info(CheckInfo::default(), "CheckInfo must specify 'type'");
    check_info(of(check_info::Type::Command), "Expecting 'command' to be set for COMMAND check");
    check_info(of(check_info::Type::Http), "Expecting 'http' to be set for HTTP check");
    check_info(of(check_info::Type::Tcp), "Expecting 'tcp' to be set for TCP check");
    check_info(of(check_info::Type::Unknown), "'UNKNOWN' is not a valid check type");
    check_info(http("/ok"), "");
    check_info(http("no"), "The path 'no' of HTTP check must start with '/'");
    check_info(command(*shell("true").unwrap()), "");
    check_info(command(CommandInfo::default()), "Command check must contain 'shell command'");
    check_info(
        command(CommandInfo { shell: Some(false), ..Default::default() }),
        "Command check must contain 'executable path'",
    );
    check_info(CheckInfo { delay_seconds: Some(-1.0), ..http("/") }, "Expecting 'delay_seconds' to be non-negative");
}

#[test]
fn health_checks_are_validated() {
    let check_info = |info: HealthCheck, reason: &str| {
        let reason =
            if reason.is_empty() { String::new() } else { format!("Task uses invalid health check: {reason}") };
        check(TaskInfo { health_check: Some(Box::new(info)), ..task("t") }, &reason);
    };
    let of = |kind: health_check::Type| HealthCheck { r#type: Some(kind as i32), ..Default::default() };
    let http = |scheme: &str, path: &str| HealthCheck {
        http: Some(Box::new(health_check::HttpCheckInfo {
            port: 80,
            scheme: Some(scheme.into()),
            path: Some(path.into()),
            ..Default::default()
        })),
        ..of(health_check::Type::Http)
    };
    check_info(HealthCheck::default(), "HealthCheck must specify 'type'");
    check_info(of(health_check::Type::Command), "Expecting 'command' to be set for COMMAND health check");
    check_info(of(health_check::Type::Http), "Expecting 'http' to be set for HTTP health check");
    check_info(of(health_check::Type::Tcp), "Expecting 'tcp' to be set for TCP health check");
    check_info(http("https", "/ok"), "");
    check_info(http("ftp", "/ok"), "Unsupported HTTP health check scheme: 'ftp'");
    check_info(http("http", "no"), "The path 'no' of HTTP health check must start with '/'");
    check_info(
        HealthCheck { grace_period_seconds: Some(-0.5), ..http("http", "/") },
        "Expecting 'grace_period_seconds' to be non-negative",
    );
}

#[test]
fn resources_must_be_valid_and_of_one_role() {
    let of = |resources: Vec<Resource>| TaskInfo { resources, ..task("t") };
    check(of(vec![]), "Task uses no resources");
    check(
        of(vec![scalar("cpus", -1.0)]),
        "Task uses invalid resources: Invalid resources: Resource 'cpus(allocated: a):-1' is invalid: Invalid scalar \
         resource: value <= 0",
    );
    check(
        of(vec![scalar("gpus", 0.5)]),
        "Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
    );
    check(of(vec![scalar("cpus", 1.0), scalar("gpus", 0.0)]), VALID);
    check(
        of(vec![Resource { allocation_info: None, ..scalar("cpus", 1.0) }]),
        "Invalid task resources: The resources are not allocated to a role",
    );
    let of_b = Some(resource::AllocationInfo { role: Some("b".into()) });
    check(
        of(vec![scalar("cpus", 1.0), Resource { allocation_info: of_b, ..scalar("mem", 32.0) }]),
        "Invalid task resources: The resources have multiple allocation roles ('b' and 'a') but only one \
         allocation role is allowed",
    );
    let revocable = Resource { revocable: Some(resource::RevocableInfo {}), ..scalar("cpus", 1.0) };
    check(
        of(vec![scalar("cpus", 1.0), revocable]),
        "Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at \
         the same time",
    );
}

#[test]
fn disks_are_validated() {
    let disk = |disk: resource::DiskInfo| Resource { disk: Some(Box::new(disk)), ..scalar("disk", 10.0) };
    let volume = |host_path: Option<&str>| {
        Some(Box::new(Volume {
            container_path: "data".into(),
            host_path: host_path.map(str::to_owned),
            mode: volume::Mode::Rw as i32,
            ..Default::default()
        }))
    };
    let persistence = |id: &str| Some(resource::disk_info::Persistence { id: id.into(), principal: None });
    let reserved = |mut resource: Resource| {
        resource.reservations = vec![resource::ReservationInfo {
            r#type: Some(resource::reservation_info::Type::Dynamic as i32),
            role: Some("a".into()),
            ..Default::default()
        }];
        resource
    };
    let check_disk = |resource: Resource, reason: &str| {
        check(
            TaskInfo { resources: vec![resource], ..task("t") },
            &format!("Task uses invalid resources: Invalid DiskInfo: {reason}"),
        );
    };
    check_disk(disk(resource::DiskInfo::default()), "DiskInfo is set but empty");
    check_disk(
        disk(resource::DiskInfo { volume: volume(None), ..Default::default() }),
        "Non-persistent volume not supported",
    );
    check_disk(
        disk(resource::DiskInfo { persistence: persistence("p"), volume: volume(None), ..Default::default() }),
        "Persistent volumes cannot be created from unreserved resources",
    );
    check_disk(
        reserved(disk(resource::DiskInfo { persistence: persistence("p"), ..Default::default() })),
        "Expecting 'volume' to be set for persistent volume",
    );
    check_disk(
        reserved(disk(resource::DiskInfo {
            persistence: persistence("p"),
            volume: volume(Some("/etc")),
            ..Default::default()
        })),
        "Expecting 'host_path' to be unset for persistent volume",
    );
    let good = |id: &str| {
        reserved(disk(resource::DiskInfo { persistence: persistence(id), volume: volume(None), ..Default::default() }))
    };
    check_disk(good("a/b"), "Invalid persistence ID for persistent volume: 'a/b' contains invalid characters");
    check(
        TaskInfo { resources: vec![good("p"), good("p")], ..task("t") },
        "Task uses duplicate persistence ID: Persistence ID 'p' is not unique",
    );
}

#[test]
fn environments_are_validated() {
    let check_variable = |variable: Variable, reason: &str| {
        let environment = Environment { variables: vec![variable] };
        let command = CommandInfo { environment: Some(Box::new(environment)), ..*shell("true").unwrap() };
        let reason =
            if reason.is_empty() { String::new() } else { format!("Task's `CommandInfo` is invalid: {reason}") };
        check(TaskInfo { command: Some(Box::new(command)), ..task("t") }, &reason);
    };
    let secret = |kind: secret::Type, reference: bool, value: Option<&[u8]>| {
        Some(Box::new(Secret {
            r#type: Some(kind as i32),
            reference: reference.then(|| secret::Reference { name: "r".into(), key: None }),
            value: value.map(|data| secret::Value { data: data.to_vec() }),
        }))
    };
    let of = |kind: variable::Type| Variable { name: "V".into(), r#type: Some(kind as i32), ..Default::default() };
    let plain = Variable { r#type: None, value: Some("x".into()), ..of(variable::Type::Value) };
    let hidden = of(variable::Type::Secret);
    check_variable(plain.clone(), "");
    check_variable(
        Variable { value: None, ..plain.clone() },
        "Environment variable 'V' of type 'VALUE' must have a value set",
    );
    check_variable(
        Variable { secret: secret(secret::Type::Value, false, Some(b"x")), ..plain },
        "Environment variable 'V' of type 'VALUE' must not have a secret set",
    );
    check_variable(of(variable::Type::Unknown), "Environment variable of type 'UNKNOWN' is not allowed");
    check_variable(hidden.clone(), "Environment variable 'V' of type 'SECRET' must have a secret set");
    let with = |secret| Variable { secret, ..hidden.clone() };
    check_variable(with(secret(secret::Type::Value, false, Some(b"x"))), "");
    check_variable(with(secret(secret::Type::Reference, true, None)), "");
    check_variable(
        with(secret(secret::Type::Reference, false, None)),
        "Environment variable 'V' specifies an invalid secret: Secret of type REFERENCE must have the 'reference' \
         field set",
    );
    check_variable(
        with(secret(secret::Type::Reference, true, Some(b"x"))),
        "Environment variable 'V' specifies an invalid secret: Secret 'r' of type REFERENCE must not have the \
         'value' field set",
    );
    check_variable(
        with(secret(secret::Type::Value, true, Some(b"x"))),
        "Environment variable 'V' specifies an invalid secret: Secret of type VALUE must not have the 'reference' \
         field set",
    );
    check_variable(
        with(secret(secret::Type::Value, false, Some(b"a\0b"))),
        "Environment variable 'V' specifies a secret containing null bytes, which is not allowed in the environment",
    );
}

#[test]
fn containers_are_validated() {
    let check_container = |container: ContainerInfo, reason: &str| {
        let reason =
            if reason.is_empty() { String::new() } else { format!("Task's `ContainerInfo` is invalid: {reason}") };
        check(TaskInfo { container: Some(Box::new(container)), ..task("t") }, &reason);
    };
    let mesos = ContainerInfo { r#type: container_info::Type::Mesos as i32, ..Default::default() };
    let volumes = |volume: Volume| ContainerInfo { volumes: vec![volume], ..mesos.clone() };
    let docker = |docker: Option<container_info::DockerInfo>| ContainerInfo {
        r#type: container_info::Type::Docker as i32,
        docker: docker.map(Box::new),
        ..Default::default()
    };
    // Frameworks often send these two without an image.
    check_container(mesos.clone(), "");
    check_container(docker(Some(Default::default())), "");
    check_container(docker(None), "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo");
    let named = Parameter { key: "name".into(), value: "mine".into() };
    check_container(
        docker(Some(container_info::DockerInfo { parameters: vec![named], ..Default::default() })),
        "Parameter in DockerInfo must not be 'name'",
    );
    check_container(
        volumes(Volume::default()),
        "Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'",
    );
    for (kind, reason) in [
        (volume::source::Type::Unknown, "'source.type' is unknown"),
        (volume::source::Type::DockerVolume, "'source.docker_volume' is not set for DOCKER_VOLUME volume"),
        (volume::source::Type::HostPath, "'source.host_path' is not set for HOST_PATH volume"),
        (volume::source::Type::SandboxPath, "'source.sandbox_path' is not set for SANDBOX_PATH volume"),
        (volume::source::Type::Secret, "'source.secret' is not set for SECRET volume"),
        (volume::source::Type::CsiVolume, "'source.csi_volume' is not set for CSI volume"),
    ] {
        let source = v1::volume::Source { r#type: Some(kind as i32), ..Default::default() };
        check_container(
            volumes(Volume { source: Some(Box::new(source)), ..Default::default() }),
            &format!("Invalid volume: {reason}"),
        );
    }
}

#[test]
fn limits_must_be_at_least_the_request() {
    let limited = |limits: &[(&str, f64)]| TaskInfo {
        limits: limits.iter().map(|(name, value)| (name.to_string(), value::Scalar { value: *value })).collect(),
        ..task("t")
    };
    check(limited(&[("cpus", 1.0), ("mem", f64::INFINITY)]), VALID);
    check(limited(&[("disk", 1.0)]), "Only cpus and mem may be included in a task's resource limits");
    check(limited(&[("cpus", 0.9)]), "The cpu limit must be greater than or equal to the cpu request");
    check(limited(&[("mem", 31.0)]), "The memory limit must be greater than or equal to the memory request");
    check(
        TaskInfo { resources: vec![scalar("mem", 32.0)], ..limited(&[("cpus", 1.0)]) },
        "When a CPU limit is specified, a CPU request must also be specified",
    );
    let old_agent = validate_with(false, |context| task::validate(&limited(&[("cpus", 1.0)]), context));
    assert_eq!(old_agent.unwrap_err().reason(), "Agent is not capable of handling task resource limits");
}

#[test]
fn a_task_requires_either_command_or_executor() {
    let reason = "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present";
    check(TaskInfo { command: None, ..task("t") }, reason);
    check(TaskInfo { command: shell("true"), ..with_executor(custom_executor("e")) }, reason);
    check(with_executor(custom_executor("e")), VALID);
}

#[test]
fn executors_must_be_custom_and_of_the_framework() {
    use executor_info::Type;
    let check_executor = |executor: ExecutorInfo, reason: &str| check(with_executor(executor), reason);
    let base = || custom_executor("e");
    let of = |kind: Type| ExecutorInfo { r#type: Some(kind as i32), ..base() };
    check_executor(of(Type::Custom), VALID);
    check_executor(of(Type::Default), "'ExecutorInfo.command' must not be set for 'DEFAULT' executor");
    check_executor(ExecutorInfo { command: None, ..of(Type::Default) }, "'ExecutorInfo.type' must be 'CUSTOM'");
    check_executor(
        ExecutorInfo { command: None, ..of(Type::Custom) },
        "'ExecutorInfo.command' must be set for 'CUSTOM' executor",
    );
    check_executor(ExecutorInfo { command: None, ..base() }, "'ExecutorInfo.command' must be set");
    check_executor(custom_executor("a/b"), "'a/b' contains invalid characters");
    check_executor(ExecutorInfo { framework_id: None, ..base() }, "'ExecutorInfo.framework_id' must be set");
    check_executor(
        ExecutorInfo { framework_id: Some(FrameworkId { value: "g".into() }), ..base() },
        "ExecutorInfo has an invalid FrameworkID (Actual: g vs Expected: f)",
    );
    let sharing = LinuxInfo { share_cgroups: Some(true), ..Default::default() };
    let container = ContainerInfo {
        r#type: container_info::Type::Mesos as i32,
        linux_info: Some(Box::new(sharing)),
        ..Default::default()
    };
    check_executor(
        ExecutorInfo { container: Some(Box::new(container)), ..base() },
        "The 'share_cgroups' field cannot be set to 'true' on executor containers",
    );
}

#[test]
fn a_known_executor_must_be_unchanged() {
    check(with_executor(custom_executor("known")), VALID);
    let other = ExecutorInfo { name: Some("renamed".into()), ..custom_executor("known") };
    let validate = validate_with(true, |context| task::validate(&with_executor(other.clone()), context));
    let reason = validate.unwrap_err().to_string();
    assert!(
        reason.starts_with("ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n---"),
        "{reason}"
    );
    assert!(reason.contains("These fields differ: name;") && !reason.contains("Some("), "{reason}");
}

#[test]
fn the_order_of_variables_does_not_change_an_executor() {
    let variable = |name: &str| Variable { name: name.into(), value: Some("x".into()), ..Default::default() };
    let of = |names: [&str; 2]| {
        let environment = Environment { variables: names.map(variable).to_vec() };
        let command = CommandInfo { environment: Some(Box::new(environment)), ..*shell("executor").unwrap() };
        ExecutorInfo { command: Some(Box::new(command)), ..custom_executor("e") }
    };
    assert!(executor::same(&of(["A", "B"]), &of(["B", "A"])));
    assert!(!executor::same(&of(["A", "B"]), &of(["A", "C"])));
}

#[test]
fn task_and_executor_must_fit_into_the_offer_together() {
    let of = |task_cpus: f64, executor_cpus: f64, id: &str| TaskInfo {
        resources: vec![scalar("cpus", task_cpus)],
        ..with_executor(ExecutorInfo { resources: vec![scalar("cpus", executor_cpus)], ..custom_executor(id) })
    };
    check(of(3.0, 1.0, "e"), VALID);
    let validate = validate_with(true, |context| task::validate(&of(3.5, 1.0, "e"), context));
    let reason = validate.unwrap_err().to_string();
    assert!(
        reason.starts_with(
            "Total resources cpus(allocated: a):4.5 required by task and its executor is more than available "
        ),
        "{reason}"
    );
    // The executor runs already, so only the task needs resources.
    let known =
        |cpus: f64| TaskInfo { resources: vec![scalar("cpus", cpus)], ..with_executor(custom_executor("known")) };
    check(known(4.0), VALID);
}

#[test]
fn ports_must_not_be_used_twice() {
    let of = |task: Resource, executor: Resource| TaskInfo {
        resources: vec![scalar("cpus", 1.0), task],
        ..with_executor(ExecutorInfo { resources: vec![executor], ..custom_executor("e") })
    };
    check(of(ports(31000, 31001), ports(31002, 31003)), VALID);
    let twice = of(ports(31000, 31002), ports(31002, 31003));
    let validate = validate_with(true, |context| task::validate(&twice, context));
    let reason = validate.unwrap_err().to_string();
    assert!(reason.starts_with("There are overlapping resources in the task resources "), "{reason}");
}

mod forms {
    use messages::v1::offer::Operation;
    use messages::v1::offer::operation::{Launch, Reserve, Type};

    use super::*;

    fn operation(kind: Type) -> Operation {
        Operation { r#type: Some(kind as i32), ..Default::default() }
    }

    #[track_caller]
    fn check_form(operation: Operation, reason: &str) {
        let validate = validation::operation::validate_syntax(&operation);
        assert_eq!(validate.err().as_ref().map_or("", ValidationError::reason), reason);
    }

    #[test]
    fn an_operation_requires_the_field_of_its_type() {
        check_form(Operation::default(), "Unknown offer operation");
        for (kind, reason) in [
            (Type::Launch, "A LAUNCH offer operation must have the Offer.Operation.launch field set."),
            (Type::LaunchGroup, "A LAUNCH_GROUP offer operation must have the Offer.Operation.launch_group field set."),
            (Type::Reserve, "A RESERVE offer operation must have the Offer.Operation.reserve field set."),
            (Type::Unreserve, "An UNRESERVE offer operation must have the Offer.Operation.unreserve field set."),
            (Type::Create, "A CREATE offer operation must have the Offer.Operation.create field set."),
            (Type::Destroy, "A DESTROY offer operation must have the Offer.Operation.destroy field set."),
            (Type::GrowVolume, "A GROW_VOLUME operation must have the Offer.Operation.grow_volume field set"),
            (
                Type::ShrinkVolume,
                "A SHRINK_VOLUME offer operation must have the Offer.Operation.shrink_volume field set",
            ),
            (Type::CreateDisk, "A CREATE_DISK offer operation must have the Offer.Operation.create_disk field set."),
            (Type::DestroyDisk, "A DESTROY_DISK offer operation must have the Offer.Operation.destroy_disk field set."),
        ] {
            check_form(operation(kind), reason);
        }
    }

    #[test]
    fn an_invalid_resource_refuses_the_operation() {
        let cpus = |value| Resource { allocation_info: None, ..scalar("cpus", value) };
        let launch = |resources: Vec<Resource>, executor: Vec<Resource>| Operation {
            launch: Some(Box::new(Launch {
                task_infos: vec![TaskInfo {
                    resources,
                    ..with_executor(ExecutorInfo { resources: executor, ..custom_executor("e") })
                }],
            })),
            ..operation(Type::Launch)
        };
        let reason = |value: &str| format!("Resource 'cpus:{value}' is invalid: Invalid scalar resource: value <= 0");
        check_form(launch(vec![cpus(1.0)], vec![cpus(0.0)]), VALID);
        check_form(launch(vec![cpus(-1.0)], vec![]), &reason("-1"));
        // Mesos prints the rounded amount, 0.
        check_form(launch(vec![cpus(0.0001)], vec![]), &reason("0.0001"));
        check_form(launch(vec![cpus(1.0)], vec![cpus(-2.0)]), &reason("-2"));
        let reserve = Reserve { resources: vec![], source: vec![cpus(-1.0)] };
        check_form(Operation { reserve: Some(Box::new(reserve)), ..operation(Type::Reserve) }, &reason("-1"));
    }
}

mod groups {
    use super::*;

    fn default_executor(id: &str) -> ExecutorInfo {
        ExecutorInfo {
            r#type: Some(executor_info::Type::Default as i32),
            command: None,
            resources: vec![scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 32.0)],
            ..custom_executor(id)
        }
    }

    fn member(id: &str, executor: &ExecutorInfo) -> TaskInfo {
        TaskInfo { executor: Some(Box::new(executor.clone())), ..task(id) }
    }

    #[track_caller]
    fn check_group(tasks: Vec<TaskInfo>, executor: ExecutorInfo, reason: &str) {
        let group = TaskGroupInfo { tasks };
        let validate = validate_with(true, |context| task::validate_group(&group, &executor, context));
        assert_eq!(validate.err().as_ref().map_or("", ValidationError::reason), reason);
    }

    #[track_caller]
    fn check_executor(executor: ExecutorInfo, reason: &str) {
        check_group(vec![member("t1", &executor), member("t2", &executor)], executor, reason);
    }

    #[track_caller]
    fn check_member(change: impl Fn(TaskInfo) -> TaskInfo, reason: &str) {
        let executor = default_executor("e");
        check_group(vec![change(member("t1", &executor))], executor, reason);
    }

    #[test]
    fn a_valid_task_group_is_accepted() {
        check_executor(default_executor("e"), VALID);
    }

    #[test]
    fn the_invalid_task_of_a_group_is_named() {
        check_member(|task| TaskInfo { resources: vec![], ..task }, "Task 't1' is invalid: Task uses no resources");
        check_member(
            |task| TaskInfo { executor: None, ..task },
            "Task 't1' is invalid: 'TaskInfo.executor' must be set",
        );
        let docker = |task| TaskInfo {
            container: Some(Box::new(ContainerInfo {
                r#type: container_info::Type::Docker as i32,
                docker: Some(Default::default()),
                ..Default::default()
            })),
            ..task
        };
        check_member(docker, "Task 't1' is invalid: Docker ContainerInfo is not supported on the task");
        check_member(
            |task| TaskInfo { limits: [("cpus".to_owned(), value::Scalar { value: 2.0 })].into(), ..task },
            "Task 't1' is invalid: Resource limits may only be set for tasks within a task group when the \
             'share_cgroups' field is set to 'false'.",
        );
    }

    #[test]
    fn the_executor_of_a_group_requires_type_and_resources() {
        let base = || default_executor("e");
        let with = |resources| ExecutorInfo { resources, ..base() };
        check_executor(ExecutorInfo { r#type: None, command: shell("x"), ..base() }, "'ExecutorInfo.type' must be set");
        check_executor(
            with(vec![scalar("mem", 32.0), scalar("disk", 32.0)]),
            "Executor 'e' uses less CPUs (None) than the minimum required (0.01)",
        );
        check_executor(
            with(vec![scalar("cpus", 0.1), scalar("mem", 31.0), scalar("disk", 32.0)]),
            "Executor 'e' uses less memory (31MB) than the minimum required (32MB)",
        );
        check_executor(with(vec![scalar("cpus", 0.1), scalar("mem", 32.0)]), "Executor 'e' uses no disk");
        let mut other = base();
        other.name = Some("other".into());
        check_group(
            vec![member("t1", &base())],
            other,
            "The `ExecutorInfo` of task 't1' is different from executor 'e'",
        );
    }

    #[test]
    fn all_tasks_of_an_executor_must_agree_on_share_cgroups() {
        let sharing = |task: TaskInfo, share: bool| TaskInfo {
            container: Some(Box::new(ContainerInfo {
                r#type: container_info::Type::Mesos as i32,
                linux_info: Some(Box::new(LinuxInfo { share_cgroups: Some(share), ..Default::default() })),
                ..Default::default()
            })),
            ..task
        };
        let reason = "If set, the value of 'share_cgroups' must be the same for all tasks in each task group and \
                      under a single executor";
        let executor = default_executor("e");
        let pair =
            |first, second| vec![sharing(member("t1", &executor), first), sharing(member("t2", &executor), second)];
        check_group(pair(false, false), executor.clone(), VALID);
        check_group(pair(true, false), executor.clone(), reason);
        check(sharing(task("t"), false), "Only tasks in a task group may have 'share_cgroups' set to 'false'");
    }
}
