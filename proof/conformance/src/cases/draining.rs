//! Draining agents: DRAIN_AGENT until DRAINED, then REACTIVATE_AGENT or removal.

use messages::internal::{DrainSlaveMessage, ShutdownMessage, SlaveReregisteredMessage};
use messages::v1::TaskState;
use serde_json::{Value, json};

use crate::case_error::Checked;
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::http::Response;
use crate::scheduler::{Scheduler, partition_aware, task};
use crate::suite::{Case, Need};
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "7.1",
        checks: "DRAIN_AGENT: offers rescinded, the agent told, told again when it registers, DRAINED after its last task",
        needs: &[Need::Drain],
        run: drain,
    },
    Case {
        id: "7.2",
        checks: "DRAIN_AGENT with mark_gone of an empty agent: told to drain, to shut down, and gone",
        needs: &[Need::Drain],
        run: drain_away,
    },
];

const DRAIN: &str = "mesos.internal.DrainSlaveMessage";

fn call(world: &World, kind: &str, mut body: Value, id: &str) -> Checked<Response> {
    body["agent_id"] = json!({"value": id});
    world.operator(&json!({"type": kind, kind.to_lowercase(): body}))
}

fn shown(world: &World, id: &str) -> Checked<Value> {
    Ok(world.get_json(&format!("/slaves?slave_id={id}"))?["slaves"][0].clone())
}

fn drain(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, partition_aware(world))?;
    let offer = scheduler.offer_of(agent.id())?;
    let id = world.fresh("task");
    scheduler.launch(&offer, &task(&id, agent.id()))?;
    agent.expect_run_task()?;
    agent.update(scheduler.id(), &id, TaskState::TaskRunning)?;
    let status = scheduler.update_of(&id)?;
    scheduler.acknowledge(&status)?;
    let period = json!({"max_grace_period": {"seconds": 90}});
    call(world, "DRAIN_AGENT", period, agent.id())?.expect(200)?;
    let (_, told) = agent.peer.expect::<DrainSlaveMessage>(DRAIN, SOON)?;
    let nanoseconds = told.config.max_grace_period.map(|period| period.nanoseconds);
    check::equal("the grace period told", Some(90_000_000_000), nanoseconds)?;
    check::equal("mark_gone told", false, told.config.mark_gone())?;
    call(world, "REACTIVATE_AGENT", json!({}), agent.id())?
        .expect(400)?
        .expect_body("Agent is still in the DRAINING state")?;
    let slave = shown(world, agent.id())?;
    check::equal_at(&slave, "/deactivated", true)?;
    check::equal_at(&slave, "/active", false)?;
    check::equal_at(&slave, "/drain_info/state", "DRAINING")?;
    check::at(&slave, "/estimated_drain_start_time_seconds")?;

    agent.peer.send("mesos.internal.ReregisterSlaveMessage", &agent.reregistration())?;
    agent.peer.expect::<SlaveReregisteredMessage>("mesos.internal.SlaveReregisteredMessage", SOON)?;
    agent.peer.expect::<DrainSlaveMessage>(DRAIN, SOON)?;

    agent.update(scheduler.id(), &id, TaskState::TaskKilled)?;
    let status = scheduler.update_of(&id)?;
    scheduler.acknowledge(&status)?;
    eventually("the agent DRAINED", || {
        Ok((shown(world, agent.id())?["drain_info"]["state"] == "DRAINED").then_some(()))
    })?;
    call(world, "REACTIVATE_AGENT", json!({}), agent.id())?.expect(200)?;
    scheduler.offer_of(agent.id())?;
    check::absent_at(&shown(world, agent.id())?, "/drain_info")
}

fn drain_away(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    agent.mark_removed();
    call(world, "DRAIN_AGENT", json!({"mark_gone": true}), agent.id())?.expect(200)?;
    let (_, told) = agent.peer.expect::<DrainSlaveMessage>(DRAIN, SOON)?;
    check::equal("mark_gone told", true, told.config.mark_gone())?;
    let (_, end) = agent.peer.expect::<ShutdownMessage>("mesos.internal.ShutdownMessage", SOON)?;
    check::equal("the reason", Some("Agent has been marked gone"), end.message.as_deref())?;
    agent.peer.send("mesos.internal.ReregisterSlaveMessage", &agent.reregistration())?;
    agent.peer.expect::<ShutdownMessage>("mesos.internal.ShutdownMessage", SOON)?;
    call(world, "DRAIN_AGENT", json!({}), agent.id())?.expect(400)?.expect_body("Unknown agent")?;
    call(world, "MARK_AGENT_GONE", json!({}), agent.id())?.expect(200).map(drop)
}
