//! Subscription, refusals of it, failover and teardown.

use std::time::Duration;

use serde_json::{Value, json};

use crate::case_error::{Checked, During};
use crate::check;
use crate::events::EventStream;
use crate::http::Request;
use crate::scheduler::{PATH, Scheduler, framework, subscribe_call, subscribe_request, with};
use crate::suite::Case;
use crate::world::{SOON, World, eventually};

pub const CASES: &[Case] = &[
    Case {
        id: "13.09",
        checks: "a subscription with a bad role is 200, an ERROR that names it, and the end of the stream",
        needs: &[],
        run: bad_role,
    },
    Case {
        id: "2.6a",
        checks: "each rule for FrameworkInfo is refused with Mesos' words",
        needs: &[],
        run: framework_rules,
    },
    Case {
        id: "2.6b",
        checks: "suppressed roles and offer constraints must be about roles of the framework",
        needs: &[],
        run: foreign_roles,
    },
    Case {
        id: "13.10",
        checks: "TEARDOWN without or with a wrong Mesos-Stream-Id is 400 and changes nothing",
        needs: &[],
        run: teardown_on_wrong_stream,
    },
    Case {
        id: "13.11",
        checks: "TEARDOWN is 202, ends the stream, completes the framework; its id cannot come back",
        needs: &[],
        run: teardown,
    },
    Case { id: "13.12", checks: "a call of an unknown framework is 400", needs: &[], run: unknown_framework },
    Case { id: "13.13", checks: "a call of a disconnected framework is 403", needs: &[], run: call_while_disconnected },
    Case {
        id: "13.14",
        checks: "a second SUBSCRIBE takes over: new stream id, ERROR and end on the old stream, 400 for its calls",
        needs: &[],
        run: failover,
    },
    Case {
        id: "2.12a",
        checks: "a framework without failover timeout is removed as soon as it disconnects",
        needs: &[],
        run: no_failover_timeout,
    },
    Case {
        id: "2.12b",
        checks: "a resubscription keeps user and checkpoint, takes a new name, refuses a new principal",
        needs: &[],
        run: immutable_fields,
    },
    Case { id: "2.12c", checks: "an id nobody has had may be used by a new framework", needs: &[], run: chosen_id },
];

/// Subscribes, and expects an ERROR event and the end of the stream.
fn refused(world: &World, call: &Value, reason: &str) -> Checked {
    let mut stream = EventStream::open(world.master, &Request::post(PATH).accept("application/json").json(call))?;
    check::equal("status", 200, stream.head.status)?;
    let event = stream.expect("ERROR", SOON)?;
    check::equal_at(&event, "/error/message", reason)?;
    stream.expect_end(SOON)
}

fn bad_role(world: &World) -> Checked {
    let call = subscribe_call(&with(framework(world), json!({"roles": ["/bad"]})));
    refused(world, &call, "'FrameworkInfo.roles' contains invalid role: Role '/bad' cannot start with a slash")
}

fn framework_rules(world: &World) -> Checked {
    let quantities = |quantities: Value| json!({"a": {"min_allocatable_resources": {"quantities": [quantities]}}});
    for (changes, reason) in [
        (json!({"role": "x"}), "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"),
        (
            json!({"capabilities": []}),
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
        ),
        (json!({"roles": ["a", "b", "a"]}), "'FrameworkInfo.roles' contains duplicate items: { a }"),
        (json!({"roles": [""]}), "'FrameworkInfo.roles' contains invalid role: Role names cannot be the empty string"),
        (
            json!({"roles": ["a b"]}),
            "'FrameworkInfo.roles' contains invalid role: Role component 'a b' is invalid because it contains \
             backspace or whitespace",
        ),
        (
            json!({"roles": ["a/-b"]}),
            "'FrameworkInfo.roles' contains invalid role: Role component '-b' is invalid because it starts with a dash",
        ),
        (
            json!({"roles": ["a/../b"]}),
            "'FrameworkInfo.roles' contains invalid role: Role 'a/../b' cannot include '..' as a component",
        ),
        (
            json!({"roles": ["a//b"]}),
            "'FrameworkInfo.roles' contains invalid role: Role 'a//b' cannot contain two adjacent slashes",
        ),
        (
            json!({"capabilities": [], "roles": [], "role": "a/*"}),
            "'FrameworkInfo.role' is not a valid role: Role 'a/*' cannot include '*' as a component",
        ),
        (json!({"id": {"value": ".."}}), "'..' is disallowed"),
        (json!({"id": {"value": "a/b"}}), "'a/b' contains invalid characters"),
        (json!({"id": {"value": "x".repeat(256)}}), "ID must not be greater than 255 characters"),
        (json!({"failover_timeout": 1e20}), "The framework failover_timeout (1e+20) is invalid"),
        (json!({"offer_filters": quantities(json!({}))}), "Resource quantities must contain at least one quantity"),
        (
            json!({"offer_filters": quantities(json!({"quantities": {"cpus": {"value": -1}}}))}),
            "Invalid resource quantity for 'cpus': Negative values not supported",
        ),
    ] {
        let call = subscribe_call(&with(framework(world), changes));
        refused(world, &call, reason).during(reason)?;
    }
    Ok(())
}

fn foreign_roles(world: &World) -> Checked {
    let info = with(framework(world), json!({"roles": ["a", "b"]}));
    let mut call = subscribe_call(&info);
    call["subscribe"]["suppressed_roles"] = json!(["a", "z"]);
    refused(world, &call, "Suppressed role 'z' is not contained in the list of roles")?;

    let mut call = subscribe_call(&info);
    call["subscribe"]["offer_constraints"] = json!({"role_constraints": {"z": {"groups": [{}]}}});
    let mut stream = EventStream::open(world.master, &Request::post(PATH).accept("application/json").json(&call))?;
    let event = stream.expect("ERROR", SOON)?;
    check::holds("reason", "one that tells", !check::text_at(&event, "/error/message")?.is_empty(), &event)?;
    stream.expect_end(SOON)
}

fn teardown_on_wrong_stream(world: &World) -> Checked {
    let scheduler = Scheduler::subscribe(world, framework(world))?;
    world
        .send(scheduler.request("TEARDOWN", json!({})))?
        .expect(400)?
        .expect_body("All non-subscribe calls should include the 'Mesos-Stream-Id' header")?;
    let strange = uuid::Uuid::new_v4().to_string();
    world
        .send(scheduler.request("TEARDOWN", json!({})).header("Mesos-Stream-Id", &strange))?
        .expect(400)?
        .expect_body_containing("The stream ID ")?;
    world.send(scheduler.request("TEARDOWN", json!({})).header("Mesos-Stream-Id", "no uuid"))?.expect(400)?;
    let known = find(world, scheduler.id(), "frameworks")?;
    check::holds("framework", "still active", known.is_some_and(|f| f["active"] == true), "gone")
}

fn teardown(world: &World) -> Checked {
    let mut scheduler = Scheduler::subscribe(world, framework(world))?;
    scheduler.accepted("TEARDOWN", json!({}))?;
    scheduler.events.expect_end(SOON)?;
    scheduler.mark_removed();
    eventually("the framework among the completed ones", || find(world, scheduler.id(), "completed_frameworks"))?;
    refused(world, &subscribe_call(&scheduler.info), "Framework has been removed")
}

fn unknown_framework(world: &World) -> Checked {
    let call = json!({"type": "TEARDOWN", "framework_id": {"value": world.fresh("nobody")}});
    let request = Request::post(PATH).json(&call).header("Mesos-Stream-Id", &uuid::Uuid::new_v4().to_string());
    world.send(request)?.expect(400)?.expect_body("Framework cannot be found").map(drop)
}

fn call_while_disconnected(world: &World) -> Checked {
    let scheduler = Scheduler::subscribe(world, with(framework(world), json!({"failover_timeout": 1000})))?;
    let decline = scheduler.request("DECLINE", json!({"decline": {"offer_ids": []}}));
    let (info, stream_id) = scheduler.disconnect();
    let decline = decline.header("Mesos-Stream-Id", &stream_id);
    eventually("a 403", || {
        let answer = world.send(decline.clone())?;
        Ok((answer.status == 403).then_some(answer))
    })?
    .expect_body("Framework is not subscribed")?;
    // The framework remains for its failover timeout; subscribing again ends it.
    Scheduler::subscribe(world, info).map(drop)
}

fn failover(world: &World) -> Checked {
    let mut old = Scheduler::subscribe(world, with(framework(world), json!({"failover_timeout": 1000})))?;
    let new = Scheduler::subscribe(world, old.info.clone())?;
    check::equal("framework id", old.id(), new.id())?;
    check::holds("stream id", "a new one", old.stream_id != new.stream_id, &new.stream_id)?;
    let error = old.events.expect("ERROR", SOON)?;
    check::equal_at(&error, "/error/message", "Framework failed over")?;
    old.events.expect_end(SOON)?;
    old.call("REVIVE", json!({}))?.expect(400)?.expect_body_containing("The stream ID ")?;
    old.mark_removed();
    new.accepted("REVIVE", json!({}))
}

fn no_failover_timeout(world: &World) -> Checked {
    let scheduler = Scheduler::subscribe(world, framework(world))?;
    let (info, _) = scheduler.disconnect();
    let id = check::text_at(&info, "/id/value")?;
    eventually("the framework among the completed ones", || find(world, id, "completed_frameworks"))?;
    refused(world, &subscribe_call(&info), "Framework has been removed")
}

fn immutable_fields(world: &World) -> Checked {
    let info = with(framework(world), json!({"failover_timeout": 1000, "principal": "ann", "checkpoint": true}));
    let mut old = Scheduler::subscribe(world, info)?;
    let changed = with(old.info.clone(), json!({"user": "nobody", "checkpoint": false, "name": "renamed"}));
    let new = Scheduler::subscribe(world, changed)?;
    old.mark_removed();
    let shown = find(world, new.id(), "frameworks")?.unwrap_or_default();
    check::equal_at(&shown, "/user", "root")?;
    check::equal_at(&shown, "/checkpoint", true)?;
    check::equal_at(&shown, "/name", "renamed")?;
    let stranger = with(new.info.clone(), json!({"principal": "eve"}));
    refused(world, &subscribe_call(&stranger), "Changing framework's principal is not allowed.")
}

fn chosen_id(world: &World) -> Checked {
    let id = world.fresh("chosen");
    let info = with(framework(world), json!({"id": {"value": id}}));
    let mut stream = EventStream::open(world.master, &subscribe_request(&info))?;
    let event = stream.expect("SUBSCRIBED", SOON)?;
    check::equal_at(&event, "/subscribed/framework_id/value", id)?;
    stream.expect("HEARTBEAT", Duration::from_secs(3)).map(drop)
}

/// Returns the framework of this id from a list of `/frameworks`.
fn find(world: &World, id: &str, list: &str) -> Checked<Option<Value>> {
    let frameworks = world.get_json("/frameworks")?;
    Ok(check::array_at(&frameworks, &format!("/{list}"))?.iter().find(|framework| framework["id"] == id).cloned())
}
