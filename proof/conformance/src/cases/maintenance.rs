//! Maintenance, deactivating agents, and marking them gone.

use std::time::Duration;

use messages::internal::ShutdownMessage;
use messages::v1::TaskState;
use serde_json::{Value, json};

use crate::case_error::{Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::http::Request;
use crate::scheduler::{Scheduler, framework, partition_aware, task};
use crate::suite::{Case, Need};
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "13.29",
        checks: "a machine is scheduled, goes DOWN and UP, each only once and only when scheduled",
        needs: &[Need::Maintenance],
        run: schedule,
    },
    Case {
        id: "13.30",
        checks: "a scheduled agent's offers are rescinded and come back with their unavailability",
        needs: &[Need::Maintenance],
        run: unavailability,
    },
    Case {
        id: "13.30-inverse",
        checks: "a framework with a task on a scheduled agent is asked to leave; its answer shows in the status",
        needs: &[Need::Maintenance],
        run: inverse_offers,
    },
    Case {
        id: "13.33",
        checks: "MARK_AGENT_GONE: 404 unknown, 200, 200 again; the agent is told to shut down, its tasks are gone",
        needs: &[Need::Drain],
        run: mark_gone,
    },
    Case {
        id: "13.34",
        checks: "DEACTIVATE_AGENT stops offers, REACTIVATE_AGENT resumes them; unknown agents are 400",
        needs: &[Need::Drain],
        run: deactivate,
    },
];

fn window(machine: &Value) -> Value {
    let soon = json!({"start": {"nanoseconds": 1_893_456_000_000_000_000u64}, "duration": {"nanoseconds": 3_600_000_000_000u64}});
    json!({"windows": [{"machine_ids": [machine], "unavailability": soon}]})
}

fn schedule(world: &World) -> Checked {
    let machine = json!({"hostname": world.fresh("machine")});
    let machines = json!([machine]);
    let post = |path: &str, body: &Value| world.send(Request::post(path).json(body));
    let nothing = json!({"windows": []});
    post("/machine/down", &machines)?.expect(400)?.expect_body_containing("is not part of a maintenance schedule")?;
    post("/maintenance/schedule", &window(&machine))?.expect(200)?;
    let status = world.get_json("/maintenance/status")?;
    let draining = check::array_at(&status, "/draining_machines")?.iter().any(|m| m["id"] == machine);
    check::holds("/maintenance/status", "the machine DRAINING", draining, &status)?;
    post("/machine/down", &machines)?.expect(200)?;
    post("/machine/down", &machines)?.expect(400).during("down twice")?;
    post("/maintenance/schedule", &nothing)?.expect(400).during("unscheduling a machine that is down")?;
    post("/machine/up", &machines)?.expect(200)?;
    post("/machine/up", &machines)?.expect(400).during("up twice").map(drop)
}

fn unavailability(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    check::absent_at(&offer, "/unavailability")?;
    let machine = json!({"hostname": agent.info.hostname, "ip": "127.0.0.1"});
    world.send(Request::post("/maintenance/schedule").json(&window(&machine)))?.expect(200)?;
    let rescinded = |event: &Value| event["rescind"]["offer_id"] == offer["id"];
    scheduler.events.expect_that("RESCIND", SOON, rescinded)?;
    let again = scheduler.offer_of(agent.id())?;
    check::equal_at(&again, "/unavailability/duration/nanoseconds", 3_600_000_000_000u64)?;
    world.send(Request::post("/maintenance/schedule").json(&json!({"windows": []})))?.expect(200).map(drop)
}

fn inverse_offers(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    scheduler.launch(&offer, &task(&id, agent.id()))?;
    agent.expect_run_task()?;
    let machine = json!({"hostname": agent.info.hostname, "ip": "127.0.0.1"});
    world.send(Request::post("/maintenance/schedule").json(&window(&machine)))?.expect(200)?;
    let event = scheduler.events.expect("INVERSE_OFFERS", SOON)?;
    let inverse = &event["inverse_offers"]["inverse_offers"][0];
    check::equal_at(inverse, "/agent_id/value", agent.id())?;
    check::equal_at(inverse, "/unavailability/duration/nanoseconds", 3_600_000_000_000u64)?;
    let answer = json!({"accept_inverse_offers": {"inverse_offer_ids": [inverse["id"]]}});
    scheduler.accepted("ACCEPT_INVERSE_OFFERS", answer)?;
    eventually("the answer in the status", || {
        let status = world.get_json("/maintenance/status")?;
        let machines = check::array_at(&status, "/draining_machines")?;
        let own = machines.iter().find(|one| one["id"] == machine).cloned().unwrap_or_default();
        Ok((own["statuses"][0]["status"] == "ACCEPT").then_some(()))
    })?;
    world.send(Request::post("/maintenance/schedule").json(&json!({"windows": []})))?.expect(200).map(drop)
}

fn mark_gone(world: &World) -> Checked {
    let mark =
        |id: &str| world.operator(&json!({"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": id}}}));
    mark("nobody")?.expect(404)?;
    let mut agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, partition_aware(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    scheduler.launch(&offer, &task(&id, agent.id()))?;
    agent.expect_run_task()?;
    agent.update(scheduler.id(), &id, TaskState::TaskRunning)?;
    scheduler.update_of(&id)?;
    agent.mark_removed();
    mark(agent.id())?.expect(200)?;
    agent.peer.expect::<ShutdownMessage>("mesos.internal.ShutdownMessage", SOON)?;
    let gone = |event: &Value| event["update"]["status"]["state"] == "TASK_GONE_BY_OPERATOR";
    scheduler.events.expect_that("UPDATE", SOON, gone)?;
    mark(agent.id())?.expect(200).during("again").map(drop)
}

fn deactivate(world: &World) -> Checked {
    let call = |kind: &str, id: &str| {
        let part = kind.to_lowercase();
        world.operator(&json!({"type": kind, part: {"agent_id": {"value": id}}}))
    };
    call("DRAIN_AGENT", "nobody")?.expect(400)?.expect_body("Unknown agent")?;
    call("DEACTIVATE_AGENT", "nobody")?.expect(400)?.expect_body("Unknown agent")?;
    call("REACTIVATE_AGENT", "nobody")?.expect(400)?.expect_body("Agent is not deactivated")?;
    let agent = FakeAgent::register(world)?;
    call("DEACTIVATE_AGENT", agent.id())?.expect(200)?;
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    scheduler.no_offer_of(agent.id(), Duration::from_secs(2))?;
    call("REACTIVATE_AGENT", agent.id())?.expect(200)?;
    scheduler.offer_of(agent.id())?;
    call("REACTIVATE_AGENT", agent.id())?.expect(400)?.expect_body("Agent is not deactivated")?;
    eventually("the agent shown as active", || {
        let slaves = world.get_json(&format!("/slaves?slave_id={}", agent.id()))?;
        Ok((slaves["slaves"][0]["deactivated"] == false).then_some(()))
    })
}
