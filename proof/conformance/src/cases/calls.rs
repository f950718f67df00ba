//! Single calls: those that are refused before any state is read, and those that are silently accepted.
//!
//! A call of type UNKNOWN of a subscribed framework is left out, because a master of Mesos 1.11 aborts on it.

use serde_json::json;

use crate::case_error::{Checked, During};
use crate::check;
use crate::http::Request;
use crate::scheduler::{PATH, Scheduler, framework, with};
use crate::suite::Case;
use crate::world::World;

pub const CASES: &[Case] = &[
    Case {
        id: "2.6c",
        checks: "every call but SUBSCRIBE needs framework_id and the part of its type",
        needs: &[],
        run: missing_parts,
    },
    Case {
        id: "2.6d",
        checks: "framework_id must be told twice and equal in SUBSCRIBE and UPDATE_FRAMEWORK",
        needs: &[],
        run: ids_differ,
    },
    Case { id: "13.15", checks: "ACKNOWLEDGE with a uuid that is none is 400", needs: &[], run: malformed_uuid },
    Case {
        id: "2.11a",
        checks: "calls about what does not exist are 202 and change nothing",
        needs: &[],
        run: silently_accepted,
    },
    Case {
        id: "2.11b",
        checks: "UPDATE_FRAMEWORK is 200 and replaces roles; user, checkpoint and principal cannot change",
        needs: &[],
        run: update_framework,
    },
    Case {
        id: "2.2b",
        checks: "only SUBSCRIBE looks at Accept: other calls never answer 406",
        needs: &[],
        run: accept_is_for_subscribe,
    },
];

const PARTS: &[(&str, &str)] = &[
    ("ACCEPT", "accept"),
    ("DECLINE", "decline"),
    ("ACCEPT_INVERSE_OFFERS", "accept_inverse_offers"),
    ("DECLINE_INVERSE_OFFERS", "decline_inverse_offers"),
    ("KILL", "kill"),
    ("SHUTDOWN", "shutdown"),
    ("ACKNOWLEDGE", "acknowledge"),
    ("ACKNOWLEDGE_OPERATION_STATUS", "acknowledge_operation_status"),
    ("RECONCILE", "reconcile"),
    ("RECONCILE_OPERATIONS", "reconcile_operations"),
    ("MESSAGE", "message"),
    ("REQUEST", "request"),
    ("UPDATE_FRAMEWORK", "update_framework"),
];

fn missing_parts(world: &World) -> Checked {
    let refused = |call: serde_json::Value, part: &str| {
        let answer = world.send(Request::post(PATH).json(&call))?.expect(400)?;
        answer.expect_body(&format!("Failed to validate scheduler::Call: Expecting '{part}' to be present")).map(drop)
    };
    refused(json!({"type": "SUBSCRIBE"}), "subscribe")?;
    for (kind, part) in PARTS {
        refused(json!({"type": kind}), "framework_id").during(kind)?;
        refused(json!({"type": kind, "framework_id": {"value": "f"}}), part).during(kind)?;
    }
    for kind in ["TEARDOWN", "REVIVE", "SUPPRESS"] {
        refused(json!({"type": kind}), "framework_id").during(kind)?;
    }
    Ok(())
}

fn ids_differ(world: &World) -> Checked {
    for (id, part, info) in [
        ("a", "subscribe", json!({"user": "u", "name": "n"})),
        ("a", "subscribe", json!({"user": "u", "name": "n", "id": {"value": "b"}})),
        ("a", "update_framework", json!({"user": "u", "name": "n", "id": {"value": "b"}})),
    ] {
        let call = json!({
            "type": part.to_uppercase(),
            "framework_id": {"value": id},
            part: {"framework_info": info},
        });
        let reason =
            format!("Failed to validate scheduler::Call: 'framework_id' differs from '{part}.framework_info.id'");
        world.send(Request::post(PATH).json(&call))?.expect(400)?.expect_body(&reason)?;
    }
    Ok(())
}

fn malformed_uuid(world: &World) -> Checked {
    for uuid in ["YWJj", "", "AAAAAAAAAAAAAAAAAAAAAA=="] {
        let acknowledge = json!({"agent_id": {"value": "a"}, "task_id": {"value": "t"}, "uuid": uuid});
        let call = json!({"type": "ACKNOWLEDGE", "framework_id": {"value": "f"}, "acknowledge": acknowledge});
        world
            .send(Request::post(PATH).json(&call))?
            .expect(400)?
            .expect_body("Failed to validate scheduler::Call: Not a valid UUID")
            .during(uuid)?;
    }
    Ok(())
}

fn silently_accepted(world: &World) -> Checked {
    let scheduler = Scheduler::subscribe(world, framework(world))?;
    let nobody = json!({"value": "nobody"});
    let uuid = "ASNFZ4mrTe+BI0VniavN7w==";
    for (kind, body) in [
        ("DECLINE", json!({"decline": {"offer_ids": [nobody]}})),
        ("DECLINE", json!({"decline": {"offer_ids": [], "filters": {"refuse_seconds": 4294967295u32}}})),
        ("REVIVE", json!({"revive": {"roles": ["not ours"]}})),
        ("SUPPRESS", json!({"suppress": {"roles": ["not-ours"]}})),
        ("SHUTDOWN", json!({"shutdown": {"executor_id": nobody, "agent_id": nobody}})),
        ("MESSAGE", json!({"message": {"agent_id": nobody, "executor_id": nobody, "data": "aGk="}})),
        ("REQUEST", json!({"request": {"requests": []}})),
        ("ACKNOWLEDGE", json!({"acknowledge": {"agent_id": nobody, "task_id": nobody, "uuid": uuid}})),
        ("ACCEPT_INVERSE_OFFERS", json!({"accept_inverse_offers": {"inverse_offer_ids": [nobody]}})),
        ("DECLINE_INVERSE_OFFERS", json!({"decline_inverse_offers": {"inverse_offer_ids": [nobody]}})),
        ("ACCEPT", json!({"accept": {"offer_ids": [nobody], "operations": []}})),
    ] {
        scheduler.accepted(kind, body).during(kind)?;
    }
    Ok(())
}

fn update_framework(world: &World) -> Checked {
    let info = with(framework(world), json!({"principal": "ann", "checkpoint": true}));
    let scheduler = Scheduler::subscribe(world, info)?;
    let update = |changes: serde_json::Value| {
        let info = with(scheduler.info.clone(), changes);
        scheduler.call("UPDATE_FRAMEWORK", json!({"update_framework": {"framework_info": info}}))
    };
    let role = world.fresh("role");
    update(json!({"roles": [role], "name": "renamed"}))?.expect(200)?.expect_body("")?;
    let frameworks = world.get_json(&format!("/frameworks?framework_id={}", scheduler.id()))?;
    check::equal_at(&frameworks, "/frameworks/0/roles/0", role)?;
    check::equal_at(&frameworks, "/frameworks/0/name", "renamed")?;
    for (changes, reason) in [
        (json!({"principal": "eve"}), "Changing framework's principal is not allowed."),
        (
            json!({"user": "eve"}),
            "Updating 'FrameworkInfo.user' is unsupported; attempted to update from 'root' to 'eve'",
        ),
        (
            json!({"checkpoint": false}),
            "Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to update from 'true' to 'false'",
        ),
        (json!({"roles": ["/x"]}), "'FrameworkInfo.roles' contains invalid role: Role '/x' cannot start with a slash"),
    ] {
        update(changes)?.expect(400)?.expect_body_containing(reason)?;
    }
    Ok(())
}

fn accept_is_for_subscribe(world: &World) -> Checked {
    let scheduler = Scheduler::subscribe(world, framework(world))?;
    let request = scheduler.request("REVIVE", json!({})).header("Mesos-Stream-Id", &scheduler.stream_id);
    world.send(request.accept("text/html"))?.expect(202).map(drop)
}
