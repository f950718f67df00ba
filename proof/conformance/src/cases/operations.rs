//! Operations on resources: feedback, volumes, and the messages of refusals.

use messages::internal::{AcknowledgeOperationStatusMessage, ApplyOperationMessage};
use messages::v1::OperationState;
use serde_json::{Value, json};

use crate::case_error::Checked;
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::http::Request;
use crate::scheduler::{Scheduler, framework, scalar, with};
use crate::suite::{Case, Need};
use crate::world::{SOON, World};

pub const CASES: &[Case] = &[
    Case {
        id: "2.9a",
        checks: "an operation with an id: applied, UPDATE_OPERATION_STATUS, reconciled, acknowledged, forgotten",
        needs: &[Need::Reserve],
        run: feedback,
    },
    Case {
        id: "2.9b",
        checks: "operations that cannot be done: OPERATION_ERROR with the reason, the malformed ones first",
        needs: &[Need::Reserve],
        run: reasons,
    },
    Case {
        id: "2.9c",
        checks: "RESERVE, CREATE, GROW_VOLUME, SHRINK_VOLUME, DESTROY, UNRESERVE in one or several calls of ACCEPT",
        needs: &[Need::Reserve],
        run: volumes_by_scheduler,
    },
    Case {
        id: "4.1e",
        checks: "the operator's calls for reservations and volumes: 202, each applied and acknowledged by the master",
        needs: &[Need::Reserve],
        run: volumes_by_operator,
    },
    Case {
        id: "4.1f",
        checks: "what the operator's calls are refused with: 400 and 409 with their words; offers are rescinded",
        needs: &[Need::Reserve],
        run: refused_to_operators,
    },
    Case {
        id: "4.3p",
        checks: "/create-volumes, /destroy-volumes, /unreserve: 202, 400 and 409 as forms",
        needs: &[Need::Reserve],
        run: volumes_by_form,
    },
];

fn refining(world: &World) -> Value {
    let capabilities = json!([{"type": "MULTI_ROLE"}, {"type": "RESERVATION_REFINEMENT"}]);
    with(framework(world), json!({"capabilities": capabilities}))
}

fn reserved(role: &str, name: &str, amount: f64) -> Value {
    with(scalar(name, amount), json!({"reservations": [{"type": "DYNAMIC", "role": role}]}))
}

fn volume(role: &str, megabytes: f64, id: &str) -> Value {
    let volume = json!({"container_path": "data", "mode": "RW"});
    with(reserved(role, "disk", megabytes), json!({"disk": {"persistence": {"id": id}, "volume": volume}}))
}

fn operation(id: &str, kind: &str, body: Value) -> Value {
    with(json!({"type": kind, "id": {"value": id}}), body)
}

fn apply(agent: &FakeAgent) -> Checked<ApplyOperationMessage> {
    Ok(agent.peer.expect("mesos.internal.ApplyOperationMessage", SOON)?.1)
}

fn acknowledgement(agent: &FakeAgent) -> Checked<AcknowledgeOperationStatusMessage> {
    Ok(agent.peer.expect("mesos.internal.AcknowledgeOperationStatusMessage", SOON)?.1)
}

fn status_of(scheduler: &mut Scheduler, id: &str) -> Checked<Value> {
    let about = |event: &Value| event["update_operation_status"]["status"]["operation_id"]["value"] == id;
    let event = scheduler.events.expect_that("UPDATE_OPERATION_STATUS", SOON, about)?;
    Ok(event["update_operation_status"]["status"].clone())
}

fn feedback(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, refining(world))?;
    let role = scheduler.role().to_owned();
    let offer = scheduler.offer_of(agent.id())?;
    let reserve = json!({"reserve": {"resources": [reserved(&role, "cpus", 1.0)]}});
    scheduler.accept(&[&offer], json!([operation("op", "RESERVE", reserve)]))?;
    let applied = apply(&agent)?;
    check::equal("framework", Some(scheduler.id()), applied.framework_id.as_ref().map(|id| id.value.as_str()))?;
    let asked = json!({"reconcile_operations": {"operations": []}});
    scheduler.accepted("RECONCILE_OPERATIONS", asked.clone())?;
    let pending = status_of(&mut scheduler, "op")?;
    check::equal_at(&pending, "/state", "OPERATION_PENDING")?;
    check::equal_at(&pending, "/agent_id/value", agent.id())?;
    check::absent_at(&pending, "/uuid")?;

    let uuid = agent.report(&applied, OperationState::OperationFinished)?;
    let finished = status_of(&mut scheduler, "op")?;
    check::equal_at(&finished, "/state", "OPERATION_FINISHED")?;
    check::holds("status", "a uuid", finished.get("uuid").is_some(), &finished)?;
    let acknowledge = json!({
        "agent_id": {"value": agent.id()},
        "operation_id": {"value": "op"},
        "uuid": finished["uuid"]["value"],
    });
    scheduler.accepted("ACKNOWLEDGE_OPERATION_STATUS", json!({"acknowledge_operation_status": acknowledge}))?;
    let acknowledged = acknowledgement(&agent)?;
    check::equal("acknowledged", &uuid, &acknowledged.status_uuid.value)?;
    check::equal("operation", &applied.operation_uuid, &acknowledged.operation_uuid)?;

    let operations = json!([
        {"operation_id": {"value": "op"}, "agent_id": {"value": agent.id()}},
        {"operation_id": {"value": "lost"}, "agent_id": {"value": "nowhere"}},
        {"operation_id": {"value": "bare"}},
    ]);
    scheduler.accepted("RECONCILE_OPERATIONS", json!({"reconcile_operations": {"operations": operations}}))?;
    for (id, message) in [
        ("op", "Reconciliation: Operation is unknown"),
        ("lost", "Reconciliation: Both operation and agent are unknown"),
        ("bare", "Reconciliation: Operation is unknown and no 'agent_id' was provided"),
    ] {
        let status = status_of(&mut scheduler, id)?;
        check::equal_at(&status, "/state", "OPERATION_UNKNOWN")?;
        check::equal_at(&status, "/message", message)?;
    }
    Ok(())
}

fn reasons(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, refining(world))?;
    let role = scheduler.role().to_owned();
    let offer = scheduler.offer_of(agent.id())?;
    let reserve = |resources: Value| json!({"reserve": {"resources": resources}});
    let create = |volume: Value| json!({"create": {"volumes": [volume]}});
    let shared = with(volume(&role, 10.0, "v"), json!({"shared": {}}));
    let unnamed = with(scalar("", 1.0), json!({}));
    let on = format!("; on agent {} at {} ({})", agent.id(), agent.peer.pid, agent.info.hostname);
    let exchanged = json!({"reserve": {
        "resources": [reserved(&role, "cpus", 1.0)],
        "source": [reserved(&role, "cpus", 1.0)],
    }});
    let disk = format!("disk(allocated: {role})(reservations: [(DYNAMIC,{role})])");
    let malformed = "Operation attempted with invalid resources: ";
    let tries = [
        (
            "nothing",
            operation("nothing", "RESERVE", reserve(json!([]))),
            format!("Invalid resources: The resources have multiple resource providers: {on}"),
        ),
        (
            "plain",
            operation("plain", "RESERVE", reserve(json!([scalar("cpus", 1.0)]))),
            format!("Resource cpus(allocated: {role}):1 is not dynamically reserved{on}"),
        ),
        (
            "role",
            operation("role", "RESERVE", reserve(json!([reserved("other", "cpus", 1.0)]))),
            format!(
                "A reserve operation was attempted for a resource with role 'other', but the resource was allocated to role '{role}'{on}"
            ),
        ),
        (
            "volume",
            operation("volume", "UNRESERVE", json!({"unreserve": {"resources": [volume(&role, 10.0, "v")]}})),
            format!(
                "A dynamically reserved persistent volume {disk}[v:data]:10 cannot be unreserved directly. Please destroy the persistent volume first then unreserve the resource{on}"
            ),
        ),
        (
            "disk",
            operation("disk", "CREATE", create(reserved(&role, "disk", 10.0))),
            format!("Not a persistent volume: Resource {disk}:10 does not have DiskInfo{on}"),
        ),
        (
            "shared",
            operation("shared", "CREATE", create(shared)),
            format!(
                "Create volume operation for '{disk}[v:data]<SHARED>:10' has been attempted by framework '{}' with no SHARED_RESOURCES capability{on}",
                scheduler.id()
            ),
        ),
        (
            "absent",
            operation("absent", "DESTROY", json!({"destroy": {"volumes": [volume(&role, 10.0, "v")]}})),
            format!("Persistent volumes not found{on}"),
        ),
        (
            "zero",
            operation(
                "zero",
                "SHRINK_VOLUME",
                json!({"shrink_volume": {"volume": volume(&role, 10.0, "v"), "subtract": {"value": 0}}}),
            ),
            format!("Value of 'ShrinkVolume.subtract' must be greater than zero{on}"),
        ),
        (
            "all",
            operation(
                "all",
                "SHRINK_VOLUME",
                json!({"shrink_volume": {"volume": volume(&role, 10.0, "v"), "subtract": {"value": 10}}}),
            ),
            format!("Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'{on}"),
        ),
        (
            "other",
            operation(
                "other",
                "GROW_VOLUME",
                json!({"grow_volume": {"volume": volume(&role, 10.0, "v"), "addition": scalar("disk", 1.0)}}),
            ),
            format!("Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields{on}"),
        ),
        (
            "raw",
            operation(
                "raw",
                "CREATE_DISK",
                json!({"create_disk": {"source": scalar("disk", 1.0), "target_type": "MOUNT"}}),
            ),
            format!("'source' is not managed by a resource provider{on}"),
        ),
        (
            "unnamed",
            operation("unnamed", "RESERVE", reserve(json!([unnamed]))),
            format!("{malformed}Resource ':1' is invalid: Empty resource name"),
        ),
        (
            "source",
            operation("source", "RESERVE", exchanged),
            format!("{malformed}Reservation updates are not yet implemented for the scheduler API."),
        ),
        (
            "empty",
            operation("empty", "CREATE", json!({})),
            format!("{malformed}A CREATE offer operation must have the Offer.Operation.create field set."),
        ),
    ];
    let operations: Vec<&Value> = tries.iter().map(|(_, operation, _)| operation).collect();
    scheduler.accept(&[&offer], json!(operations))?;
    let malformed_first = tries.iter().skip(11).chain(tries.iter().take(11));
    for (id, _, reason) in malformed_first {
        let status = status_of(&mut scheduler, id)?;
        check::equal_at(&status, "/state", "OPERATION_ERROR")?;
        check::equal_at(&status, "/message", reason.as_str())?;
    }
    Ok(())
}

fn volumes_by_scheduler(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, refining(world))?;
    let role = scheduler.role().to_owned();
    let step = |scheduler: &mut Scheduler, operations: Value, disks: &[(&str, f64)]| -> Checked {
        let offer = scheduler.offer_of(agent.id())?;
        scheduler.accept(&[&offer], operations.clone())?;
        for _ in operations.as_array().into_iter().flatten() {
            apply(&agent)?;
        }
        let expected: Vec<(String, f64)> = disks.iter().map(|(id, size)| ((*id).to_owned(), *size)).collect();
        let mut found = Vec::new();
        let mut offers = Vec::new();
        // Mesos may make two offers: one of what the operation made, and one of what was not used.
        loop {
            let offer = scheduler.offer_of(agent.id())?;
            add_reserved_disks(&mut found, &offer, &role)?;
            offers.push(offer["id"].clone());
            if found == expected || offers.len() >= 3 {
                break;
            }
        }
        let decline = json!({"offer_ids": offers, "filters": {"refuse_seconds": 0}});
        scheduler.accepted("DECLINE", json!({"decline": decline}))?;
        check::equal("reserved disks", expected, found)
    };
    let of = |kind: &str, body: Value| with(json!({"type": kind}), body);
    let made = json!([
        of("RESERVE", json!({"reserve": {"resources": [reserved(&role, "disk", 300.0)]}})),
        of("CREATE", json!({"create": {"volumes": [volume(&role, 100.0, "v")]}})),
    ]);
    step(&mut scheduler, made, &[("-", 200.0), ("v", 100.0)])?;
    // The operation takes the whole offer, because Mesos 1.11 loses as much of the remainder as SHRINK_VOLUME frees.
    let grow = json!({"volume": volume(&role, 100.0, "v"), "addition": reserved(&role, "disk", 200.0)});
    step(&mut scheduler, json!([of("GROW_VOLUME", json!({"grow_volume": grow}))]), &[("v", 300.0)])?;
    let shrink = json!({"volume": volume(&role, 300.0, "v"), "subtract": {"value": 30}});
    step(&mut scheduler, json!([of("SHRINK_VOLUME", json!({"shrink_volume": shrink}))]), &[("-", 30.0), ("v", 270.0)])?;
    let undone = json!([
        of("DESTROY", json!({"destroy": {"volumes": [volume(&role, 270.0, "v")]}})),
        of("UNRESERVE", json!({"unreserve": {"resources": [reserved(&role, "disk", 300.0)]}})),
    ]);
    step(&mut scheduler, undone, &[])
}

/// Adds the reserved disks of an offer by persistence id, with `-` for those that are no volumes.
fn add_reserved_disks(disks: &mut Vec<(String, f64)>, offer: &Value, role: &str) -> Checked {
    for disk in check::array_at(offer, "/resources")? {
        if disk["name"] != "disk" || disk["reservations"][0]["role"] != role {
            continue;
        }
        let id = disk["disk"]["persistence"]["id"].as_str().unwrap_or("-");
        let size = disk["scalar"]["value"].as_f64().unwrap_or_default();
        match disks.iter_mut().find(|(known, _)| known == id) {
            Some((_, sum)) => *sum += size,
            None => disks.push((id.to_owned(), size)),
        }
    }
    disks.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(())
}

fn call(kind: &str, body: Value) -> Value {
    json!({"type": kind, (kind.to_lowercase()): body})
}

fn volumes_by_operator(world: &World) -> Checked {
    let mut agent = FakeAgent::register(world)?;
    let role = world.fresh("role");
    let id = json!({"value": agent.id()});
    let disk = [reserved(&role, "disk", 300.0)];
    let calls = [
        call("RESERVE_RESOURCES", json!({"agent_id": id, "resources": disk})),
        call("CREATE_VOLUMES", json!({"agent_id": id, "volumes": [volume(&role, 100.0, "v")]})),
        call(
            "GROW_VOLUME",
            json!({"agent_id": id, "volume": volume(&role, 100.0, "v"), "addition": reserved(&role, "disk", 50.0)}),
        ),
        call("SHRINK_VOLUME", json!({"agent_id": id, "volume": volume(&role, 150.0, "v"), "subtract": {"value": 30}})),
        call("DESTROY_VOLUMES", json!({"agent_id": id, "volumes": [volume(&role, 120.0, "v")]})),
        call("UNRESERVE_RESOURCES", json!({"agent_id": id, "resources": disk})),
    ];
    for call in calls {
        world.operator(&call)?.expect(202)?.expect_body("")?;
        let applied = apply(&agent)?;
        check::equal("framework", None, applied.framework_id.clone())?;
        let uuid = agent.report(&applied, OperationState::OperationFinished)?;
        check::equal("acknowledged", uuid, acknowledgement(&agent)?.status_uuid.value)?;
    }
    let operations = world.operator(&json!({"type": "GET_OPERATIONS"}))?.expect(200)?.json()?;
    let own = |operation: &Value| operation["agent_id"]["value"] == agent.id();
    let left = operations["get_operations"]["operations"].as_array().is_some_and(|all| all.iter().any(own));
    check::holds("GET_OPERATIONS", "none of this agent", !left, &operations)
}

fn refused_to_operators(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let mut scheduler = Scheduler::subscribe(world, refining(world))?;
    let role = world.fresh("role");
    let id = json!({"value": agent.id()});
    let text = format!("{} at {} ({})", agent.id(), agent.peer.pid, agent.info.hostname);
    let reserve =
        |agent: &Value, resources: Value| call("RESERVE_RESOURCES", json!({"agent_id": agent, "resources": resources}));
    let bad = |call: &Value, body: &str| world.operator(call)?.expect(400)?.expect_body(body).map(drop);
    let cpus = reserved(&role, "cpus", 1.0);
    bad(&reserve(&json!({"value": "nowhere"}), json!([cpus])), "No agent found with specified ID")?;
    bad(
        &reserve(&id, json!([scalar("cpus", 1.0)])),
        &format!("Invalid RESERVE operation on agent {text}: Resource cpus:1 is not dynamically reserved"),
    )?;
    let allocated = with(cpus.clone(), json!({"allocation_info": {"role": role}}));
    bad(
        &reserve(&id, json!([allocated])),
        &format!(
            "Invalid RESERVE operation on agent {text}: A reserve operation was attempted with an allocated resource, \
             but the operator API only allows reservations to be made to unallocated resources"
        ),
    )?;
    bad(
        &call("UNRESERVE_RESOURCES", json!({"agent_id": id, "resources": [scalar("cpus", 1.0)]})),
        "Invalid UNRESERVE operation: Resource cpus:1 is not dynamically reserved",
    )?;
    bad(
        &call("CREATE_VOLUMES", json!({"agent_id": id, "volumes": [reserved(&role, "disk", 1.0)]})),
        &format!(
            "Invalid CREATE operation on agent {text}: Not a persistent volume: Resource disk(reservations: \
             [(DYNAMIC,{role})]):1 does not have DiskInfo"
        ),
    )?;
    bad(
        &call("DESTROY_VOLUMES", json!({"agent_id": id, "volumes": [volume(&role, 1.0, "v")]})),
        "Invalid DESTROY operation: Persistent volumes not found",
    )?;
    // An offer that contributes to the reservation is rescinded even if it is not enough.
    let offer = scheduler.offer_of(agent.id())?;
    let much = world.operator(&reserve(&id, json!([reserved(&role, "cpus", 100.0)])))?.expect(409)?;
    check::contains("409", "does not contain cpus:100", &much.text())?;
    let rescinded = scheduler.events.expect("RESCIND", SOON)?;
    check::equal_at(&rescinded, "/rescind/offer_id/value", offer["id"]["value"].clone())
}

fn volumes_by_form(world: &World) -> Checked {
    let agent = FakeAgent::register(world)?;
    let role = world.fresh("role");
    let post = |path: &str, field: &str, resources: &Value| {
        let text = resources.to_string().replace('%', "%25").replace('&', "%26").replace('+', "%2B");
        world.send(Request::post(path).form(&format!("slaveId={}&{field}={text}", agent.id())))
    };
    let disk = json!([reserved(&role, "disk", 100.0)]);
    let whole = json!([volume(&role, 100.0, "v")]);
    for (path, field) in [("/create-volumes", "volumes"), ("/destroy-volumes", "volumes"), ("/unreserve", "resources")]
    {
        let send = |form: &str| world.send(Request::post(path).form(form));
        world.get(path)?.expect(405)?.expect_header("Allow", "POST")?;
        send("x=y")?.expect(400)?.expect_body("Missing 'slaveId' query parameter in the request body")?;
        send("slaveId=a")?
            .expect(400)?
            .expect_body(&format!("Missing '{field}' query parameter in the request body"))?;
        let unreadable = send(&format!("slaveId=a&{field}={{"))?.expect(400)?.text();
        check::starts(
            "400",
            &format!("Error in parsing '{field}' query parameter in the request body: "),
            &unreadable,
        )?;
        send(&format!("slaveId=a&{field}=[]"))?.expect(400)?.expect_body("No agent found with specified ID")?;
    }
    post("/reserve", "resources", &disk)?.expect(202)?.expect_body("")?;
    post("/create-volumes", "volumes", &whole)?.expect(202)?.expect_body("")?;
    let twice = post("/create-volumes", "volumes", &whole)?.expect(400)?;
    check::contains("400", "Persistence ID 'v' is not unique", &twice.text())?;
    let other = json!([volume(&role, 100.0, "w")]);
    let conflict = post("/create-volumes", "volumes", &other)?.expect(409)?;
    check::contains("409", "does not contain disk", &conflict.text())?;
    post("/destroy-volumes", "volumes", &whole)?.expect(202)?.expect_body("")?;
    post("/unreserve", "resources", &disk)?.expect(202)?.expect_body("")?;
    let conflict = post("/unreserve", "resources", &disk)?.expect(409)?;
    check::contains("409", "does not contain disk", &conflict.text())
}
