//! The master's interface to agents: libprocess messages, registration, pings and agent removal.

use std::time::{Duration, Instant};

use messages::internal::{
    ExitedExecutorMessage, PingSlaveMessage, ReregisterSlaveMessage, SlaveRegisteredMessage, SlaveReregisteredMessage,
};
use messages::v1::{
    AgentId, ExecutorId, FrameworkId, FrameworkInfo, Resource, Task, TaskId, TaskState, resource, value,
};
use serde_json::json;

use crate::case_error::{Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::http::{Connection, Request, fetch_raw};
use crate::peer::Pings;
use crate::scheduler::{Scheduler, framework, partition_aware, task, with};
use crate::suite::{Case, Need};
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "13.36",
        checks: "a libprocess message is 202 when its process exists, even if nobody knows it, and 404 if not",
        needs: &[],
        run: envelope,
    },
    Case {
        id: "13.37",
        checks: "a registering agent is answered on a new connection with an id and pinged at once",
        needs: &[],
        run: registration,
    },
    Case {
        id: "13.37b",
        checks: "an agent is pinged every 15 s and becomes unreachable when it answers none for 75 s",
        needs: &[Need::Slow],
        run: unreachable,
    },
    Case {
        id: "13.37c",
        checks: "an agent that asks again is told the same id",
        needs: &[],
        run: registration_repeated,
    },
    Case {
        id: "13.38",
        checks: "an agent with an id the master does not know is taken back with it",
        needs: &[],
        run: reregistration,
    },
    Case {
        id: "13.38b",
        checks: "an agent older than 1.0 or of no known version is not registered",
        needs: &[],
        run: old_versions,
    },
    Case {
        id: "13.38c",
        checks: "tasks an agent brings back are known: their framework is recovered, its scheduler may reconcile",
        needs: &[],
        run: recovered_tasks,
    },
    Case {
        id: "13.38d",
        checks: "an agent that brings back what makes no sense is not taken back",
        needs: &[],
        run: senseless_reregistration,
    },
    Case {
        id: "5.8g",
        checks: "the end of an executor is told as FAILURE with its status",
        needs: &[],
        run: exited_executor,
    },
    Case {
        id: "5.8e",
        checks: "an agent that unregisters is gone: its offers are rescinded, its tasks lost, FAILURE is told",
        needs: &[],
        run: unregistration,
    },
    Case {
        id: "5.8f",
        checks: "an agent that loses its connection is no longer offered; re-registering brings it back",
        needs: &[],
        run: disconnection,
    },
];

const REREGISTER: &str = "mesos.internal.ReregisterSlaveMessage";

fn envelope(world: &World) -> Checked {
    let message = |target: &str, headers: &str, body: &str| {
        let length = body.len();
        let text = format!("POST {target} HTTP/1.1\r\nHost: m\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        fetch_raw(world.master, text.as_bytes())
    };
    let from = "Libprocess-From: fake(1)@127.0.0.1:1\r\n";
    let agent = "User-Agent: libprocess/fake(1)@127.0.0.1:1\r\n";
    for (what, target, headers, body, status) in [
        ("an unknown message", "/master/mesos.internal.NoSuchMessage", from, "", 202),
        ("a message for agents", "/master/mesos.internal.PingSlaveMessage", from, "\x08\x01", 202),
        ("a body that is no protobuf", "/master/mesos.internal.RegisterSlaveMessage", from, "\u{7f}xxxx", 202),
        ("only a User-Agent", "/master/mesos.internal.PongSlaveMessage", agent, "", 202),
        ("a percent-encoded process", "/m%61ster/mesos.internal.PongSlaveMessage", from, "", 202),
        ("a process that does not exist", "/nobody/x", from, "", 404),
    ] {
        message(target, headers, body)?.expect(status).during(what)?;
    }
    let mut connection = Connection::open(world.master)?;
    for (path, status) in [("/master/x", 202), ("/nobody/x", 404), ("/master/y", 202)] {
        let request = Request::post(path).header("Libprocess-From", "fake(1)@127.0.0.1:1");
        connection.write(&request.to_bytes(world.master))?;
        connection.read_response(false)?.expect(status).during("on one connection")?;
    }
    Ok(())
}

fn registration(world: &World) -> Checked {
    let mut agent = FakeAgent::unregistered(world, Pings::Answered)?;
    agent.peer.send("mesos.internal.RegisterSlaveMessage", &agent.registration())?;
    let (from, answer) = agent.peer.expect::<SlaveRegisteredMessage>("mesos.internal.SlaveRegisteredMessage", SOON)?;
    check::equal("sender", "master", &*from.id)?;
    let timeout = answer.connection.and_then(|connection| connection.total_ping_timeout_seconds);
    check::equal("total_ping_timeout_seconds", Some(75.0), timeout)?;
    let master_id = world.get_json("/state")?["id"].as_str().unwrap_or_default().to_owned();
    check::starts("agent id", &format!("{master_id}-S"), &answer.slave_id.value)?;
    let (observer, ping) =
        agent.peer.expect::<PingSlaveMessage>("mesos.internal.PingSlaveMessage", Duration::from_secs(3))?;
    check::equal("connected", true, ping.connected)?;
    check::starts("sender of pings", "slave-observer(", &observer.id)?;
    agent.info.id = Some(answer.slave_id);
    agent.unregister()
}

fn unreachable(world: &World) -> Checked {
    let mut agent = FakeAgent::register_with(world, Pings::Ignored)?;
    let begun = Instant::now();
    let ping = || agent.peer.expect::<PingSlaveMessage>("mesos.internal.PingSlaveMessage", Duration::from_secs(20));
    ping()?;
    ping()?;
    let between = begun.elapsed().as_secs_f64();
    check::holds("time between pings", "about 15 s", (13.0..17.5).contains(&between), between)?;
    let metric =
        |name: &str| Ok::<_, crate::case_error::CaseError>(world.get_json("/metrics/snapshot")?[name].as_f64());
    let before = metric("master/slave_unreachable_completed")?;
    let gone = |deadline: Instant| {
        while Instant::now() < deadline {
            let slaves = world.get_json(&format!("/slaves?slave_id={}", agent.id()))?;
            if check::array_at(&slaves, "/slaves")?.is_empty() {
                return Ok::<_, crate::case_error::CaseError>(true);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(false)
    };
    check::holds("agent", "unreachable after 75 s", gone(begun + Duration::from_secs(95))?, "still registered")?;
    let waited = begun.elapsed().as_secs_f64();
    check::holds("time until unreachable", "about 75 s", (70.0..90.0).contains(&waited), waited)?;
    check::equal(
        "slave_unreachable_completed",
        before.map(|n| n + 1.0),
        metric("master/slave_unreachable_completed")?,
    )?;
    agent.mark_removed();
    Ok(())
}

fn registration_repeated(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    agent.peer.send("mesos.internal.RegisterSlaveMessage", &agent.registration())?;
    let (_, again) = agent.peer.expect::<SlaveRegisteredMessage>("mesos.internal.SlaveRegisteredMessage", SOON)?;
    check::equal("agent id", agent.id(), &again.slave_id.value)
}

fn reregistration(world: &World) -> Checked {
    let mut agent = FakeAgent::unregistered(world, Pings::Answered)?;
    let id = world.fresh("agent");
    agent.info.id = Some(AgentId { value: id.clone() });
    agent.peer.send("mesos.internal.ReregisterSlaveMessage", &agent.reregistration())?;
    let (_, answer) = agent.peer.expect::<SlaveReregisteredMessage>("mesos.internal.SlaveReregisteredMessage", SOON)?;
    check::equal("agent id", &id, &answer.slave_id.value)?;
    agent.unregister()
}

/// Returns an agent with an id of its own choice that reports a task of a framework that the master does not know.
fn returning(world: &World) -> Checked<(FakeAgent, ReregisterSlaveMessage, FrameworkInfo)> {
    use messages::v1::framework_info::{Capability, capability};
    let mut agent = FakeAgent::unregistered(world, Pings::Answered)?;
    agent.info.id = Some(AgentId { value: world.fresh("agent") });
    let info = FrameworkInfo {
        user: "root".into(),
        name: world.fresh("conformance"),
        id: Some(FrameworkId { value: world.fresh("framework") }),
        failover_timeout: Some(1000.0),
        roles: vec![world.fresh("role")],
        capabilities: [capability::Type::MultiRole, capability::Type::PartitionAware]
            .map(|kind| Capability { r#type: Some(kind as i32) })
            .to_vec(),
        ..Default::default()
    };
    let task = Task {
        name: "task".into(),
        task_id: TaskId { value: world.fresh("task") },
        framework_id: info.id.clone().unwrap_or_default(),
        agent_id: agent.agent_id(),
        state: TaskState::TaskRunning as i32,
        resources: vec![Resource {
            name: "cpus".into(),
            r#type: value::Type::Scalar as i32,
            scalar: Some(value::Scalar { value: 1.5 }),
            allocation_info: Some(resource::AllocationInfo { role: info.roles.first().cloned() }),
            ..Default::default()
        }],
        ..Default::default()
    };
    let message =
        ReregisterSlaveMessage { frameworks: vec![info.clone()], tasks: vec![task], ..agent.reregistration() };
    Ok((agent, message, info))
}

fn recovered_tasks(world: &World) -> Checked {
    let (mut agent, message, info) = returning(world)?;
    agent.peer.send(REREGISTER, &message)?;
    agent.peer.expect::<SlaveReregisteredMessage>("mesos.internal.SlaveReregisteredMessage", SOON)?;
    let (framework_id, task_id) = (&message.tasks[0].framework_id.value, &message.tasks[0].task_id.value);
    let frameworks = world.get_json(&format!("/frameworks?framework_id={framework_id}"))?;
    check::equal_at(&frameworks, "/frameworks/0/recovered", true)?;
    check::equal_at(&frameworks, "/frameworks/0/active", false)?;
    let slaves = world.get_json(&format!("/slaves?slave_id={}", agent.id()))?;
    check::equal_at(&slaves, "/slaves/0/used_resources/cpus", 1.5)?;

    let capabilities = json!([{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}]);
    let again = json!({
        "user": info.user, "name": info.name, "id": {"value": framework_id}, "roles": info.roles,
        "failover_timeout": 1000, "capabilities": capabilities,
    });
    let mut scheduler = Scheduler::subscribe(world, again)?;
    let offer = scheduler.offer_of(agent.id())?;
    let cpus = check::array_at(&offer, "/resources")?.iter().find(|r| r["name"] == "cpus").cloned();
    check::equal("cpus left", json!(2.5), cpus.unwrap_or_default()["scalar"]["value"].clone())?;
    scheduler.accepted("RECONCILE", json!({"reconcile": {"tasks": []}}))?;
    let status = scheduler.update_of(task_id)?;
    check::equal_at(&status, "/state", "TASK_RUNNING")?;
    scheduler.accepted("KILL", json!({"kill": {"task_id": {"value": task_id}}}))?;
    agent.peer.expect_raw("mesos.internal.KillTaskMessage", SOON)?;
    scheduler.accepted("TEARDOWN", json!({}))?;
    scheduler.mark_removed();
    agent.unregister()
}

fn senseless_reregistration(world: &World) -> Checked {
    type Spoil = fn(&mut ReregisterSlaveMessage);
    let spoil: [(&str, Spoil); 5] = [
        ("a task of another agent", |m| m.tasks[0].agent_id.value = "other".into()),
        ("a task of no framework", |m| m.frameworks.clear()),
        ("a task id that is none", |m| m.tasks[0].task_id.value = "a/b".into()),
        ("a framework told twice", |m| m.frameworks.push(m.frameworks[0].clone())),
        ("resources that are none", |m| m.tasks[0].resources[0].scalar = None),
    ];
    for (what, spoil) in spoil {
        let (mut agent, mut message, _) = returning(world)?;
        spoil(&mut message);
        agent.peer.send(REREGISTER, &message)?;
        agent.peer.expect_none("mesos.internal.SlaveReregisteredMessage", Duration::from_millis(400)).during(what)?;
    }
    world.get("/health")?.expect(200).map(drop)
}

fn exited_executor(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let (id, executor) = (world.fresh("task"), world.fresh("executor"));
    let info = json!({"executor_id": {"value": executor}, "command": {"value": "x"}});
    scheduler.launch(&offer, &with(task(&id, agent.id()), json!({"command": null, "executor": info})))?;
    agent.expect_run_task()?;
    let exited = ExitedExecutorMessage {
        slave_id: agent.agent_id(),
        framework_id: FrameworkId { value: scheduler.id().to_owned() },
        executor_id: ExecutorId { value: executor.clone() },
        status: 9,
    };
    agent.peer.send("mesos.internal.ExitedExecutorMessage", &exited)?;
    let event = scheduler.events.expect("FAILURE", SOON)?;
    check::equal_at(&event, "/failure/agent_id/value", agent.id())?;
    check::equal_at(&event, "/failure/executor_id/value", executor)?;
    check::equal_at(&event, "/failure/status", 9)
}

fn old_versions(world: &World) -> Checked {
    for version in [None, Some("0.28.2"), Some("none")] {
        let mut agent = FakeAgent::unregistered(world, Pings::Answered)?;
        let mut registration = agent.registration();
        registration.version = version.map(str::to_owned);
        agent.peer.send("mesos.internal.RegisterSlaveMessage", &registration)?;
        agent.peer.expect_none("mesos.internal.SlaveRegisteredMessage", Duration::from_millis(600))?;
    }
    Ok(())
}

fn unregistration(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, partition_aware(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    scheduler.launch(&offer, &task(&id, agent.id()))?;
    agent.expect_run_task()?;
    let rest = scheduler.offer_of(agent.id())?;
    agent.unregister()?;
    // The order of these three messages is not promised.
    let agent_id = agent.id().to_owned();
    let (mut rescinded, mut lost, mut failed) = (false, None, false);
    let deadline = Instant::now() + SOON;
    while !(rescinded && lost.is_some() && failed) {
        let event = scheduler.events.next_any(deadline)?.unwrap_or_default();
        match event["type"].as_str() {
            Some("RESCIND") => rescinded |= event["rescind"]["offer_id"] == rest["id"],
            Some("UPDATE") => lost = Some(event["update"]["status"].clone()),
            Some("FAILURE") => failed |= event["failure"]["agent_id"]["value"] == agent_id.as_str(),
            Some(_) => {}
            None => {
                let got = format!("rescinded {rescinded}, update {lost:?}, failure {failed}");
                return check::holds("events", "RESCIND, UPDATE and FAILURE", false, got);
            }
        }
    }
    let status = lost.unwrap_or_default();
    check::equal_at(&status, "/task_id/value", id.as_str())?;
    // The state is LOST even for partition aware frameworks (MESOS-9545).
    check::equal_at(&status, "/state", "TASK_LOST")?;
    check::equal_at(&status, "/reason", "REASON_AGENT_REMOVED")
}

fn disconnection(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let (id, info) = (agent.agent_id(), agent.info.clone());
    let mut agent = agent;
    agent.mark_removed();
    drop(agent);
    let active = |expected: bool| {
        eventually(&format!("active: {expected}"), || {
            let slaves = world.get_json(&format!("/slaves?slave_id={}", id.value))?;
            Ok((slaves["slaves"][0]["active"] == json!(expected)).then_some(()))
        })
    };
    active(false)?;
    let mut again = FakeAgent::unregistered(world, Pings::Answered)?;
    again.info = messages::v1::AgentInfo { port: again.info.port, ..info };
    again.peer.send("mesos.internal.ReregisterSlaveMessage", &again.reregistration())?;
    again.peer.expect::<SlaveReregisteredMessage>("mesos.internal.SlaveReregisteredMessage", SOON)?;
    active(true)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    scheduler.offer_of(again.id())?;
    again.peer.expect_none("mesos.internal.ShutdownMessage", Duration::from_millis(100))?;
    again.unregister()
}
