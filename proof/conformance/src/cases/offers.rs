//! Offers: their contents, declining, suppressing and accepting them; tasks that a simulated agent runs.

use std::time::Duration;

use messages::internal::{
    ExecutorToFrameworkMessage, FrameworkToExecutorMessage, KillTaskMessage, RunTaskGroupMessage,
    ShutdownFrameworkMessage, StatusUpdateAcknowledgementMessage,
};
use messages::v1::{ExecutorId, FrameworkId, TaskState};
use serde_json::{Value, json};

use crate::case_error::{Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::scheduler::{Scheduler, framework, partition_aware, scalar, task, with};
use crate::suite::Case;
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "2.13a",
        checks: "an offer names agent, host, url and the role it is allocated to, as do its resources",
        needs: &[],
        run: contents,
    },
    Case {
        id: "2.13b",
        checks: "a framework without MULTI_ROLE sees no allocation in offers, and sees the role of old",
        needs: &[],
        run: single_role,
    },
    Case {
        id: "13.20",
        checks: "a launch on an unknown offer is TASK_DROPPED, or TASK_LOST, with REASON_INVALID_OFFERS and no uuid",
        needs: &[],
        run: unknown_offer,
    },
    Case {
        id: "2.7a",
        checks: "an offer named twice makes the whole ACCEPT invalid, and is offered again",
        needs: &[],
        run: repeated_offer,
    },
    Case {
        id: "13.21",
        checks: "a task larger than its offer is TASK_ERROR, and the offer comes again",
        needs: &[],
        run: too_large,
    },
    Case {
        id: "13.22",
        checks: "a declined offer comes back at once, or after its filter; REVIVE clears filters",
        needs: &[],
        run: decline,
    },
    Case { id: "13.23", checks: "a suppressed role gets no offers until REVIVE", needs: &[], run: suppress },
    Case { id: "2.7b", checks: "what a launch leaves of its offer is offered again", needs: &[], run: rest_is_offered },
    Case {
        id: "2.7c",
        checks: "an ACCEPT without operations declines: its filter holds until REVIVE",
        needs: &[],
        run: accept_nothing,
    },
    Case {
        id: "2.8e",
        checks: "what a scheduler leaves out is filled in: a health check's type, an executor's framework id",
        needs: &[],
        run: filled_in,
    },
    Case {
        id: "2.11c",
        checks: "roles suppressed in SUBSCRIBE get no offers until REVIVE",
        needs: &[],
        run: suppressed_from_the_start,
    },
    Case {
        id: "2.12d",
        checks: "on failover the offers are offered again to the new scheduler",
        needs: &[],
        run: offers_after_failover,
    },
    Case {
        id: "5.8a",
        checks: "a launched task reaches the agent; updates reach the scheduler; acknowledgements reach the agent",
        needs: &[],
        run: life_of_a_task,
    },
    Case {
        id: "5.8b",
        checks: "KILL, MESSAGE and executor messages are forwarded between scheduler and agent",
        needs: &[],
        run: messages,
    },
    Case { id: "5.8c", checks: "a task group reaches the agent as one message", needs: &[], run: task_group },
    Case {
        id: "5.8d",
        checks: "TEARDOWN tells the agents to shut the framework down",
        needs: &[],
        run: teardown_reaches_agents,
    },
];

fn contents(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let role = scheduler.role().to_owned();
    check::equal_at(&offer, "/framework_id/value", scheduler.id())?;
    check::equal_at(&offer, "/hostname", agent.info.hostname.as_str())?;
    check::equal_at(&offer, "/allocation_info/role", role.as_str())?;
    let port = agent.peer.pid.address.port();
    check::equal_at(
        &offer,
        "/url",
        json!({
            "scheme": "http",
            "address": {"hostname": agent.info.hostname, "ip": "127.0.0.1", "port": port},
            "path": "/slave(1)",
        }),
    )?;
    let master_id = world.get_json("/state")?["id"].as_str().unwrap_or_default().to_owned();
    check::starts("offer id", &format!("{master_id}-O"), check::text_at(&offer, "/id/value")?)?;
    check::starts("agent id", &format!("{master_id}-S"), agent.id())?;
    let resources = check::array_at(&offer, "/resources")?;
    let amount = |name: &str| resources.iter().find(|r| r["name"] == name).cloned().unwrap_or_default();
    let allocated = json!({"role": role});
    check::equal(
        "cpus",
        json!({"name": "cpus", "type": "SCALAR", "scalar": {"value": 4.0}, "allocation_info": allocated, "role": "*"}),
        with_role(amount("cpus")),
    )?;
    check::equal("ports", json!([{"begin": 31000, "end": 31009}]), amount("ports")["ranges"]["range"].clone())
}

/// Adds the role, which is printed or left out depending on the framework's capabilities and has no meaning here.
fn with_role(resource: Value) -> Value {
    with(json!({"role": "*"}), resource)
}

fn single_role(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let info = json!({"user": "root", "name": world.fresh("old"), "role": world.fresh("role")});
    let mut scheduler = Scheduler::subscribe(world, info)?;
    let offer = scheduler.offer_of(agent.id())?;
    check::absent_at(&offer, "/allocation_info")?;
    for resource in check::array_at(&offer, "/resources")? {
        check::absent_at(resource, "/allocation_info")?;
        check::equal_at(resource, "/role", "*")?;
    }
    Ok(())
}

fn unknown_offer(world: &World) -> Checked {
    for (info, state) in [(framework(world), "TASK_LOST"), (partition_aware(world), "TASK_DROPPED")] {
        let mut scheduler = Scheduler::subscribe(world, info)?;
        let id = world.fresh("task");
        scheduler.launch(&json!({"id": {"value": "nowhere"}}), &task(&id, "nobody"))?;
        let status = scheduler.update_of(&id)?;
        check::equal_at(&status, "/state", state)?;
        check::equal_at(&status, "/reason", "REASON_INVALID_OFFERS")?;
        check::equal_at(&status, "/source", "SOURCE_MASTER")?;
        check::equal_at(&status, "/message", "Task launched with invalid offers: Offer nowhere is no longer valid")?;
        check::absent_at(&status, "/uuid")?;
    }
    Ok(())
}

fn repeated_offer(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, partition_aware(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    let launch = json!([{"type": "LAUNCH", "launch": {"task_infos": [task(&id, agent.id())]}}]);
    scheduler.accept(&[&offer, &offer], launch)?;
    let status = scheduler.update_of(&id)?;
    check::equal_at(&status, "/state", "TASK_DROPPED")?;
    check::contains("message", "Duplicate offer ", check::text_at(&status, "/message")?)?;
    scheduler.offer_of(agent.id()).map(drop)
}

fn too_large(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    let huge = with(task(&id, agent.id()), json!({"resources": [scalar("cpus", 100.0)]}));
    scheduler.launch(&offer, &huge)?;
    let status = scheduler.update_of(&id)?;
    check::equal_at(&status, "/state", "TASK_ERROR")?;
    check::equal_at(&status, "/reason", "REASON_TASK_INVALID")?;
    check::equal_at(&status, "/source", "SOURCE_MASTER")?;
    let start = format!(
        "Total resources cpus(allocated: {}):100 required by task and its executor is more than available ",
        scheduler.role()
    );
    check::starts("message", &start, check::text_at(&status, "/message")?)?;
    scheduler.offer_of(agent.id()).map(drop)
}

fn decline(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let decline = |scheduler: &Scheduler, offer: &Value, seconds: f64| {
        let filters = json!({"refuse_seconds": seconds});
        scheduler.accepted("DECLINE", json!({"decline": {"offer_ids": [offer["id"]], "filters": filters}}))
    };
    let first = scheduler.offer_of(agent.id())?;
    decline(&scheduler, &first, 0.0)?;
    let second = scheduler.offer_of(agent.id()).during("after refuse_seconds 0")?;
    check::holds("offer id", "a new one", first["id"] != second["id"], &second["id"])?;
    decline(&scheduler, &second, 1000.0)?;
    scheduler.no_offer_of(agent.id(), Duration::from_millis(2500)).during("after refuse_seconds 1000")?;
    scheduler.accepted("REVIVE", json!({}))?;
    scheduler.offer_of(agent.id()).during("after REVIVE").map(drop)
}

fn suppress(world: &World) -> Checked {
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    scheduler.accepted("SUPPRESS", json!({}))?;
    let agent = FakeAgent::register(world)?;
    scheduler.no_offer_of(agent.id(), Duration::from_millis(2500))?;
    scheduler.accepted("REVIVE", json!({}))?;
    scheduler.offer_of(agent.id()).map(drop)
}

fn rest_is_offered(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    scheduler.launch(&offer, &with(task(&id, agent.id()), json!({"resources": [scalar("cpus", 1.5)]})))?;
    let rest = scheduler.offer_of(agent.id())?;
    let cpus = check::array_at(&rest, "/resources")?.iter().find(|r| r["name"] == "cpus").cloned();
    check::equal("cpus left", json!(2.5), cpus.unwrap_or_default()["scalar"]["value"].clone())
}

fn accept_nothing(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let accept = json!({"offer_ids": [offer["id"]], "operations": [], "filters": {"refuse_seconds": 1000}});
    scheduler.accepted("ACCEPT", json!({"accept": accept}))?;
    scheduler.no_offer_of(agent.id(), Duration::from_millis(2500))?;
    scheduler.accepted("REVIVE", json!({"revive": {"roles": [scheduler.role()]}}))?;
    scheduler.offer_of(agent.id()).map(drop)
}

fn filled_in(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let executor = json!({"executor_id": {"value": "e"}, "command": {"value": "x"}});
    let changes = json!({
        "command": null,
        "executor": executor,
        "health_check": {"command": {"value": "true"}},
    });
    scheduler.launch(&offer, &with(task(&world.fresh("task"), agent.id()), changes))?;
    let run = agent.expect_run_task()?;
    let check_type = run.task.health_check.map(|check| check.r#type());
    check::equal("type of the health check", Some(messages::v1::health_check::Type::Command), check_type)?;
    let framework_id = run.task.executor.and_then(|executor| executor.framework_id).map(|id| id.value);
    check::equal("framework of the executor", Some(scheduler.id()), framework_id.as_deref())?;
    let allocated: Vec<_> =
        run.task.resources.iter().filter_map(|r| r.allocation_info.as_ref()?.role.as_deref()).collect();
    check::equal("roles of the task's resources", vec![scheduler.role(); 2], allocated)
}

fn suppressed_from_the_start(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let info = framework(world);
    let mut call = crate::scheduler::subscribe_call(&info);
    call["subscribe"]["suppressed_roles"] = info["roles"].clone();
    let mut scheduler = Scheduler::subscribe_with(world, info, &call)?;
    scheduler.no_offer_of(agent.id(), Duration::from_millis(2000))?;
    scheduler.accepted("REVIVE", json!({}))?;
    scheduler.offer_of(agent.id()).map(drop)
}

fn offers_after_failover(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut old = Scheduler::subscribe(world, with(framework(world), json!({"failover_timeout": 1000})))?;
    let first = old.offer_of(agent.id())?;
    let mut new = Scheduler::subscribe(world, old.info.clone())?;
    old.mark_removed();
    let second = new.offer_of(agent.id())?;
    check::holds("offer id", "a new one", first["id"] != second["id"], &second["id"])
}

/// Launches a task and waits until the agent is asked to run it. Returns the task id.
fn launched(world: &World, scheduler: &mut Scheduler, agent: &FakeAgent) -> Checked<String> {
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    scheduler.launch(&offer, &task(&id, agent.id()))?;
    let run = agent.expect_run_task()?;
    check::equal("task of RunTaskMessage", &id, &run.task.task_id.value)?;
    check::equal(
        "framework of RunTaskMessage",
        scheduler.id(),
        run.framework.id.map(|id| id.value).unwrap_or_default().as_str(),
    )?;
    Ok(id)
}

fn life_of_a_task(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let id = launched(world, &mut scheduler, &agent)?;
    let framework = scheduler.id().to_owned();
    for (state, name) in [(TaskState::TaskRunning, "TASK_RUNNING"), (TaskState::TaskFinished, "TASK_FINISHED")] {
        let uuid = agent.update(&framework, &id, state)?;
        let status = scheduler.update_of(&id)?;
        check::equal_at(&status, "/state", name)?;
        check::equal_at(&status, "/source", "SOURCE_EXECUTOR")?;
        check::equal_at(&status, "/agent_id/value", agent.id())?;
        check::equal_at(&status, "/executor_id/value", id.as_str())?;
        check::holds("uuid", "base64", status["uuid"].as_str().is_some_and(|uuid| uuid.len() == 24), &status["uuid"])?;
        let state_of = |world: &World| {
            let tasks = world.get_json(&format!("/tasks?framework_id={framework}&task_id={id}"))?;
            Ok(tasks["tasks"][0]["state"].as_str().map(str::to_owned))
        };
        check::equal("state in /tasks", Some(name.to_owned()), state_of(world)?)?;
        scheduler.acknowledge(&status)?;
        let (_, acknowledged) = agent
            .peer
            .expect::<StatusUpdateAcknowledgementMessage>("mesos.internal.StatusUpdateAcknowledgementMessage", SOON)?;
        check::equal("acknowledged uuid", uuid, acknowledged.uuid)?;
    }
    eventually("the task among the completed ones", || {
        let state = world.get_json("/state")?;
        let frameworks = check::array_at(&state, "/frameworks")?;
        let own = frameworks.iter().find(|f| f["id"] == framework.as_str()).cloned().unwrap_or_default();
        Ok((own["completed_tasks"][0]["id"] == id.as_str()).then_some(()))
    })
}

fn messages(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let id = launched(world, &mut scheduler, &agent)?;
    let framework = scheduler.id().to_owned();
    agent.update(&framework, &id, TaskState::TaskRunning)?;
    scheduler.update_of(&id)?;

    let agent_id = json!({"value": agent.id()});
    let message = json!({"agent_id": agent_id, "executor_id": {"value": id}, "data": "aGVsbG8="});
    scheduler.accepted("MESSAGE", json!({"message": message}))?;
    let (_, forwarded) =
        agent.peer.expect::<FrameworkToExecutorMessage>("mesos.internal.FrameworkToExecutorMessage", SOON)?;
    check::equal("data", b"hello".to_vec(), forwarded.data)?;

    let reply = ExecutorToFrameworkMessage {
        slave_id: agent.agent_id(),
        framework_id: FrameworkId { value: framework },
        executor_id: ExecutorId { value: id.clone() },
        data: b"world".to_vec(),
    };
    agent.peer.send("mesos.internal.ExecutorToFrameworkMessage", &reply)?;
    let event = scheduler.events.expect("MESSAGE", SOON)?;
    check::equal_at(&event, "/message/data", "d29ybGQ=")?;

    let kill = json!({"kill": {"task_id": {"value": id}, "agent_id": agent_id}});
    scheduler.accepted("KILL", kill)?;
    let (_, kill) = agent.peer.expect::<KillTaskMessage>("mesos.internal.KillTaskMessage", SOON)?;
    check::equal("killed task", id, kill.task_id.value)
}

fn task_group(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let ids = [world.fresh("pod"), world.fresh("pod")];
    let executor = json!({
        "type": "DEFAULT",
        "executor_id": {"value": world.fresh("executor")},
        "framework_id": scheduler.info["id"],
        "resources": [scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 10.0)],
    });
    let tasks: Vec<Value> = ids.iter().map(|id| task(id, agent.id())).collect();
    scheduler.accept(
        &[&offer],
        json!([{"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": {"tasks": tasks}}}]),
    )?;
    let (_, run) = agent.peer.expect::<RunTaskGroupMessage>("mesos.internal.RunTaskGroupMessage", SOON)?;
    let got: Vec<String> = run.task_group.tasks.into_iter().map(|task| task.task_id.value).collect();
    check::equal("tasks of the group", ids.to_vec(), got)
}

fn teardown_reaches_agents(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    launched(world, &mut scheduler, &agent)?;
    scheduler.accepted("TEARDOWN", json!({}))?;
    let (_, shutdown) =
        agent.peer.expect::<ShutdownFrameworkMessage>("mesos.internal.ShutdownFrameworkMessage", SOON)?;
    check::equal("framework", scheduler.id(), &shutdown.framework_id.value)?;
    scheduler.mark_removed();
    Ok(())
}
