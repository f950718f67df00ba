//! The answers to reconciliation requests of schedulers.

use messages::v1::TaskState;
use serde_json::{Value, json};

use crate::case_error::{Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::scheduler::{Scheduler, framework, partition_aware, task};
use crate::suite::Case;
use crate::world::World;
use std::time::Duration;

pub const CASES: &[Case] = &[
    Case {
        id: "13.16",
        checks: "an unknown task without agent is TASK_UNKNOWN, or TASK_LOST to frameworks that are not PARTITION_AWARE",
        needs: &[],
        run: unknown_task,
    },
    Case {
        id: "13.17",
        checks: "implicit reconciliation tells each task once, with its latest state and no uuid",
        needs: &[],
        run: implicit,
    },
    Case {
        id: "13.18",
        checks: "an unknown task on a registered agent is TASK_GONE or TASK_LOST",
        needs: &[],
        run: unknown_task_on_agent,
    },
    Case {
        id: "13.19",
        checks: "KILL of an unknown task is answered as reconciliation is",
        needs: &[],
        run: kill_unknown,
    },
    Case { id: "2.10a", checks: "an unknown task on an unknown agent is TASK_UNKNOWN", needs: &[], run: unknown_agent },
    Case {
        id: "2.10b",
        checks: "explicit reconciliation of a known task tells its latest state",
        needs: &[],
        run: explicit,
    },
    Case { id: "2.10c", checks: "an unknown operation is OPERATION_UNKNOWN", needs: &[], run: operations },
];

/// Returns `(framework, state of an unknown task, state of a task of an agent that is gone)`.
fn kinds(world: &World) -> [(Value, &'static str, &'static str); 2] {
    [(framework(world), "TASK_LOST", "TASK_LOST"), (partition_aware(world), "TASK_UNKNOWN", "TASK_GONE")]
}

fn reconcile(scheduler: &Scheduler, tasks: Value) -> Checked {
    scheduler.accepted("RECONCILE", json!({"reconcile": {"tasks": tasks}}))
}

fn check_answer(status: &Value, state: &str) -> Checked {
    check::equal_at(status, "/state", state)?;
    check::equal_at(status, "/reason", "REASON_RECONCILIATION")?;
    check::equal_at(status, "/source", "SOURCE_MASTER")?;
    check::absent_at(status, "/uuid")
}

fn unknown_task(world: &World) -> Checked {
    for (info, unknown, _) in kinds(world) {
        let mut scheduler = Scheduler::subscribe(world, info)?;
        let id = world.fresh("task");
        reconcile(&scheduler, json!([{"task_id": {"value": id}}]))?;
        let status = scheduler.update_of(&id)?;
        check_answer(&status, unknown)?;
        check::equal_at(&status, "/message", "Reconciliation: Task is unknown")?;
    }
    Ok(())
}

/// Returns a framework with one task that an agent reports as running.
fn running(world: &World, agent: &mut FakeAgent) -> Checked<(Scheduler, String)> {
    let mut scheduler = Scheduler::subscribe(world, partition_aware(world))?;
    let id = world.fresh("task");
    let offer = scheduler.offer_of(agent.id())?;
    scheduler.launch(&offer, &task(&id, agent.id()))?;
    agent.expect_run_task()?;
    agent.update(scheduler.id(), &id, TaskState::TaskRunning)?;
    let status = scheduler.update_of(&id)?;
    scheduler.acknowledge(&status)?;
    Ok((scheduler, id))
}

fn implicit(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let (mut scheduler, id) = running(world, &mut agent)?;
    reconcile(&scheduler, json!([]))?;
    let status = scheduler.update_of(&id)?;
    check_answer(&status, "TASK_RUNNING")?;
    check::equal_at(&status, "/message", "Reconciliation: Latest task state")?;
    check::equal_at(&status, "/agent_id/value", agent.id())?;
    scheduler.events.expect_none("UPDATE", Duration::from_millis(500)).during("after the one answer")
}

fn explicit(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let (mut scheduler, id) = running(world, &mut agent)?;
    reconcile(&scheduler, json!([{"task_id": {"value": id}}]))?;
    check_answer(&scheduler.update_of(&id)?, "TASK_RUNNING")
}

fn unknown_task_on_agent(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    for (info, _, gone) in kinds(world) {
        let mut scheduler = Scheduler::subscribe(world, info)?;
        let id = world.fresh("task");
        reconcile(&scheduler, json!([{"task_id": {"value": id}, "agent_id": {"value": agent.id()}}]))?;
        let status = scheduler.update_of(&id)?;
        check_answer(&status, gone)?;
        check::equal_at(&status, "/message", "Reconciliation: Task is unknown to the agent")?;
    }
    Ok(())
}

fn unknown_agent(world: &World) -> Checked {
    for (info, unknown, _) in kinds(world) {
        let mut scheduler = Scheduler::subscribe(world, info)?;
        let id = world.fresh("task");
        reconcile(&scheduler, json!([{"task_id": {"value": id}, "agent_id": {"value": "nobody"}}]))?;
        check_answer(&scheduler.update_of(&id)?, unknown)?;
    }
    Ok(())
}

fn kill_unknown(world: &World) -> Checked {
    for (info, unknown, _) in kinds(world) {
        let mut scheduler = Scheduler::subscribe(world, info)?;
        let id = world.fresh("task");
        scheduler.accepted("KILL", json!({"kill": {"task_id": {"value": id}}}))?;
        check_answer(&scheduler.update_of(&id)?, unknown)?;
    }
    Ok(())
}

fn operations(world: &World) -> Checked {
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    let operation = json!({"operation_id": {"value": "nothing"}, "agent_id": {"value": "nobody"}});
    scheduler.accepted("RECONCILE_OPERATIONS", json!({"reconcile_operations": {"operations": [operation]}}))?;
    let event = scheduler.events.expect("UPDATE_OPERATION_STATUS", crate::world::SOON)?;
    check::equal_at(&event, "/update_operation_status/status/state", "OPERATION_UNKNOWN")?;
    check::equal_at(&event, "/update_operation_status/status/operation_id/value", "nothing")
}
