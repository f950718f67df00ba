//! Tasks that cannot be launched, and Mesos' reasons.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::case_error::{Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::scheduler::{Scheduler, framework, scalar, task, with};
use crate::suite::Case;
use crate::world::{SOON, World};

pub const CASES: &[Case] = &[
    Case {
        id: "2.8a",
        checks: "each rule for a task is refused with TASK_ERROR, REASON_TASK_INVALID and Mesos' words",
        needs: &[],
        run: tasks,
    },
    Case { id: "2.8b", checks: "so is each rule for a custom executor", needs: &[], run: executors },
    Case { id: "2.8c", checks: "so is each rule for a task group, for every task in it", needs: &[], run: groups },
    Case { id: "2.8d", checks: "a task id in use is refused", needs: &[], run: duplicate_id },
];

/// One operation of an ACCEPT, its tasks, and the reason why all of them are refused. A reason that ends in `…` is a
/// prefix.
struct Refusal {
    operation: Value,
    tasks: Vec<String>,
    reason: String,
}

/// Puts all operations into one ACCEPT. A refused operation leaves the whole offer to the next one.
fn check_refusals(scheduler: &mut Scheduler, agent: &FakeAgent, code: &str, refusals: &[Refusal]) -> Checked {
    let offer = scheduler.offer_of(agent.id())?;
    let operations: Vec<&Value> = refusals.iter().map(|refusal| &refusal.operation).collect();
    scheduler.accept(&[&offer], json!(operations))?;
    let expected: Vec<(&str, &str)> = refusals
        .iter()
        .flat_map(|refusal| refusal.tasks.iter().map(|id| (id.as_str(), refusal.reason.as_str())))
        .collect();
    // Malformed resources are reported first, so the order of the answers is not that of the operations.
    let mut answers = BTreeMap::new();
    while expected.iter().any(|(id, _)| !answers.contains_key(*id)) {
        let event = scheduler.events.expect("UPDATE", SOON)?;
        let status = event["update"]["status"].clone();
        answers.insert(status["task_id"]["value"].as_str().unwrap_or_default().to_owned(), status);
    }
    for (id, reason) in expected {
        check_refusal(&answers[id], code, reason).during(reason)?;
    }
    Ok(())
}

fn check_refusal(status: &Value, code: &str, reason: &str) -> Checked {
    check::equal_at(status, "/state", "TASK_ERROR")?;
    check::equal_at(status, "/reason", code)?;
    let message = check::text_at(status, "/message")?;
    match reason.strip_suffix('…') {
        Some(beginning) => check::starts("message", beginning, message),
        None => check::equal("message", reason, message),
    }
}

fn launch(task: &Value, reason: &str) -> Refusal {
    Refusal {
        operation: json!({"type": "LAUNCH", "launch": {"task_infos": [task]}}),
        tasks: vec![task["task_id"]["value"].as_str().unwrap_or_default().to_owned()],
        reason: reason.to_owned(),
    }
}

fn check_launches(world: &World, base: impl Fn(&str, &FakeAgent) -> Value, table: &[(Value, &str)]) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let refusal =
        |(changes, reason): &(Value, &str)| launch(&with(base(&world.fresh("task"), &agent), changes.clone()), reason);
    let refusals: Vec<Refusal> = table.iter().map(refusal).collect();
    check_refusals(&mut scheduler, &agent, "REASON_TASK_INVALID", &refusals)
}

fn tasks(world: &World) -> Checked {
    let one = |resource: Value| json!({"resources": [resource]});
    let cpus = |changes: Value| with(scalar("cpus", 0.1), changes);
    let disk = |disk: Value| one(with(scalar("disk", 10.0), json!({"disk": disk})));
    let variable = |variable: Value| json!({"command": {"value": "x", "environment": {"variables": [variable]}}});
    let volume = |volume: Value| json!({"container": {"type": "MESOS", "volumes": [volume]}});
    let table: Vec<(Value, &str)> = vec![
        (json!({"task_id": {"value": "a/b"}}), "'a/b' contains invalid characters"),
        (json!({"task_id": {"value": ".."}}), "'..' is disallowed"),
        (json!({"agent_id": {"value": "other"}}), "Task uses invalid agent other while agent …"),
        (
            json!({"kill_policy": {"grace_period": {"nanoseconds": -1}}}),
            "Task's 'kill_policy.grace_period' must be non-negative",
        ),
        (json!({"max_completion_time": {"nanoseconds": -1}}), "Task's `max_completion_time` must be non-negative"),
        (json!({"check": {}}), "Task uses invalid check: CheckInfo must specify 'type'"),
        (
            json!({"check": {"type": "COMMAND"}}),
            "Task uses invalid check: Expecting 'command' to be set for COMMAND check",
        ),
        (
            json!({"check": {"type": "HTTP", "http": {"port": 1, "path": "x"}}}),
            "Task uses invalid check: The path 'x' of HTTP check must start with '/'",
        ),
        (
            json!({"check": {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": -1}}),
            "Task uses invalid check: Expecting 'delay_seconds' to be non-negative",
        ),
        (json!({"health_check": {}}), "Task uses invalid health check: HealthCheck must specify 'type'"),
        (
            json!({"health_check": {"type": "COMMAND", "command": {}}}),
            "Task uses invalid health check: Command health check must contain 'shell command'",
        ),
        (
            json!({"health_check": {"type": "HTTP", "http": {"port": 1, "scheme": "ftp"}}}),
            "Task uses invalid health check: Unsupported HTTP health check scheme: 'ftp'",
        ),
        (json!({"resources": []}), "Task uses no resources"),
        (one(scalar("cpus", -1.0)), "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0"),
        (
            one(json!({"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 5, "end": 1}]}})),
            "Resource 'ports:[5-1]' is invalid: Invalid ranges resource: begin > end",
        ),
        (one(cpus(json!({"shared": {}}))), "Resource 'cpus<SHARED>:0.1' is invalid: Resource cpus cannot be shared"),
        (
            one(scalar("gpus", 0.5)),
            "Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
        ),
        (disk(json!({})), "Task uses invalid resources: Invalid DiskInfo: DiskInfo is set but empty"),
        (
            disk(json!({"persistence": {"id": "p"}, "volume": {"container_path": "x", "mode": "RW"}})),
            "Task uses invalid resources: Invalid DiskInfo: Persistent volumes cannot be created from unreserved resources",
        ),
        (
            json!({"resources": [cpus(json!({})), cpus(json!({"revocable": {}}))]}),
            "Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at the same time",
        ),
        (
            one(cpus(json!({"allocation_info": {"role": "other"}}))),
            "Total resources cpus(allocated: other):0.1 required by task and its executor is more than available …",
        ),
        (
            variable(json!({"name": "V"})),
            "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'VALUE' must have a value set",
        ),
        (
            variable(json!({"name": "V", "type": "SECRET"})),
            "Task's `CommandInfo` is invalid: Environment variable 'V' of type 'SECRET' must have a secret set",
        ),
        (
            variable(json!({"name": "V", "type": "SECRET", "secret": {"type": "VALUE"}})),
            "Task's `CommandInfo` is invalid: Environment variable 'V' specifies an invalid secret: Secret of type VALUE must have the 'value' field set",
        ),
        (
            volume(json!({"container_path": "x", "mode": "RW"})),
            "Task's `ContainerInfo` is invalid: Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'",
        ),
        (
            volume(json!({"container_path": "x", "mode": "RW", "source": {"type": "SANDBOX_PATH"}})),
            "Task's `ContainerInfo` is invalid: Invalid volume: 'source.sandbox_path' is not set for SANDBOX_PATH volume",
        ),
        (
            json!({"container": {"type": "DOCKER"}}),
            "Task's `ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo",
        ),
        (json!({"limits": {"disk": {"value": 1}}}), "Only cpus and mem may be included in a task's resource limits"),
        (
            json!({"limits": {"cpus": {"value": 0.01}}}),
            "The cpu limit must be greater than or equal to the cpu request",
        ),
        (
            json!({"limits": {"mem": {"value": 1}}}),
            "The memory limit must be greater than or equal to the memory request",
        ),
        (
            json!({"command": null}),
            "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
        ),
        (
            json!({"container": {"type": "MESOS", "linux_info": {"share_cgroups": false}}}),
            "Only tasks in a task group may have 'share_cgroups' set to 'false'",
        ),
    ];
    check_launches(world, |id, agent| task(id, agent.id()), &table)
}

fn executors(world: &World) -> Checked {
    let executor = |changes: Value| json!({"executor": with(json!({"executor_id": {"value": "e"}, "command": {"value": "x"}}), changes)});
    let ports = |begin: u64, end: u64| json!({"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": begin, "end": end}]}});
    let overlapping =
        with(executor(json!({"resources": [ports(31001, 31002)]})), json!({"resources": [ports(31000, 31001)]}));
    let table: Vec<(Value, &str)> = vec![
        (executor(json!({"type": "DEFAULT"})), "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"),
        (
            json!({"executor": {"executor_id": {"value": "e"}, "type": "DEFAULT"}}),
            "'ExecutorInfo.type' must be 'CUSTOM'",
        ),
        (
            json!({"executor": {"executor_id": {"value": "e"}, "type": "CUSTOM"}}),
            "'ExecutorInfo.command' must be set for 'CUSTOM' executor",
        ),
        (executor(json!({"executor_id": {"value": "a/b"}})), "'a/b' contains invalid characters"),
        (
            executor(json!({"shutdown_grace_period": {"nanoseconds": -1}})),
            "ExecutorInfo's 'shutdown_grace_period' must be non-negative",
        ),
        (
            executor(json!({"framework_id": {"value": "other"}})),
            "ExecutorInfo has an invalid FrameworkID (Actual: other vs Expected: …",
        ),
        (
            executor(json!({"resources": [scalar("cpus", -2.0)]})),
            "Resource 'cpus:-2' is invalid: Invalid scalar resource: value <= 0",
        ),
        (
            executor(json!({"container": {"type": "MESOS", "linux_info": {"share_cgroups": true}}})),
            "The 'share_cgroups' field cannot be set to 'true' on executor containers",
        ),
        (overlapping, "There are overlapping resources in the task resources …"),
    ];
    check_launches(world, |id, agent| with(task(id, agent.id()), json!({"command": null})), &table)
}

fn groups(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let enough = json!([scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 10.0)]);
    let executor = json!({
        "executor_id": {"value": "e"},
        "type": "DEFAULT",
        "framework_id": scheduler.info["id"],
        "resources": enough,
    });
    let table: Vec<(Value, Value, &str)> = vec![
        (json!({"type": null}), json!({}), "'ExecutorInfo.type' must be set"),
        (json!({"framework_id": null}), json!({}), "'ExecutorInfo.framework_id' must be set"),
        (json!({"resources": []}), json!({}), "Executor 'e' uses less CPUs (None) than the minimum required (0.01)"),
        (
            json!({"resources": [scalar("cpus", 0.1), scalar("mem", 31.0)]}),
            json!({}),
            "Executor 'e' uses less memory (31MB) than the minimum required (32MB)",
        ),
        (json!({"resources": [scalar("cpus", 0.1), scalar("mem", 32.0)]}), json!({}), "Executor 'e' uses no disk"),
        (
            json!({}),
            json!({"limits": {"cpus": {"value": 5}}}),
            "Task 'TASK' is invalid: Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to 'false'.",
        ),
        (
            json!({}),
            json!({"container": {"type": "DOCKER", "docker": {"image": "x"}}}),
            "Task 'TASK' is invalid: Docker ContainerInfo is not supported on the task",
        ),
        (
            json!({}),
            json!({"executor": with(executor.clone(), json!({"name": "other"}))}),
            "The `ExecutorInfo` of task 'TASK' is different from executor 'e'",
        ),
        (json!({}), json!({"resources": [scalar("cpus", 50.0)]}), "Total resources …"),
    ];
    let refusal = |(executor_changes, task_changes, reason): (Value, Value, &str)| {
        let (bad, good) = (world.fresh("bad"), world.fresh("good"));
        let tasks = [with(task(&bad, agent.id()), task_changes), task(&good, agent.id())];
        let group = json!({"executor": with(executor.clone(), executor_changes), "task_group": {"tasks": tasks}});
        Refusal {
            operation: json!({"type": "LAUNCH_GROUP", "launch_group": group}),
            reason: reason.replace("TASK", &bad),
            tasks: vec![bad, good],
        }
    };
    let refusals: Vec<Refusal> = table.into_iter().map(refusal).collect();
    check_refusals(&mut scheduler, &agent, "REASON_TASK_GROUP_INVALID", &refusals)
}

fn duplicate_id(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let id = world.fresh("task");
    let offer = scheduler.offer_of(agent.id())?;
    scheduler.launch(&offer, &task(&id, agent.id()))?;
    let again = launch(&task(&id, agent.id()), &format!("Task has duplicate ID: {id}"));
    check_refusals(&mut scheduler, &agent, "REASON_TASK_INVALID", &[again])
}
