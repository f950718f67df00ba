//! Methods, content types, accepted types and bodies of the scheduler API, in the order in which they are checked.

use std::time::{Duration, Instant};

use messages::v1::scheduler::{Call, call};
use serde_json::json;

use crate::case_error::{CaseError, Checked, During};
use crate::check;
use crate::events::EventStream;
use crate::http::Request;
use crate::scheduler::{PATH, framework, subscribe_call, subscribe_request};
use crate::suite::{Case, Need};
use crate::world::{SOON, World};

pub const CASES: &[Case] = &[
    Case {
        id: "13.01",
        checks: "a subscription is a chunked stream with a Mesos-Stream-Id; SUBSCRIBED comes first, then HEARTBEAT",
        needs: &[],
        run: first_events,
    },
    Case { id: "13.01b", checks: "a HEARTBEAT comes about every 15 s", needs: &[Need::Slow], run: heartbeats },
    Case { id: "13.03", checks: "a call without Content-Type is 400", needs: &[], run: no_content_type },
    Case {
        id: "13.04",
        checks: "a body that is no JSON, or not of the call's shape, is 400 and says which",
        needs: &[],
        run: malformed_json,
    },
    Case {
        id: "13.05",
        checks: "content types are compared exactly: anything but the two names is 415",
        needs: &[],
        run: content_types,
    },
    Case { id: "13.06", checks: "any method but POST is 405 and names POST", needs: &[], run: methods },
    Case {
        id: "13.07",
        checks: "SUBSCRIBE honours Accept: JSON unless excluded, 406 when neither type is allowed",
        needs: &[],
        run: accept,
    },
    Case {
        id: "13.07b",
        checks: "a protobuf call may ask for JSON events and the other way round",
        needs: &[],
        run: mixed_encodings,
    },
    Case { id: "13.08", checks: "SUBSCRIBE with a Mesos-Stream-Id is 400", needs: &[], run: stream_id_on_subscribe },
    Case {
        id: "2.4a",
        checks: "JSON is read leniently: unknown fields, strings for numbers, one object for an array",
        needs: &[],
        run: lenient_json,
    },
    Case {
        id: "2.4b",
        checks: "JSON is written with snake case names, enum names, numbers for 64 bits and explicit defaults",
        needs: &[],
        run: written_json,
    },
    Case {
        id: "2.4c",
        checks: "each record is one line of JSON, as line-oriented clients need",
        needs: &[],
        run: one_line_records,
    },
];

fn first_events(world: &World) -> Checked {
    let mut stream = EventStream::open(world.master, &subscribe_request(&framework(world)))?;
    check::equal("status", 200, stream.head.status)?;
    let head = stream.head.clone();
    let head = head.expect_header("Content-Type", "application/json")?.expect_header("Transfer-Encoding", "chunked")?;
    let stream_id = head.header("Mesos-Stream-Id").unwrap_or_default();
    check::holds("Mesos-Stream-Id", "a UUID", uuid::Uuid::parse_str(stream_id).is_ok(), stream_id)?;

    let soon = || Instant::now() + Duration::from_secs(3);
    let first = stream.next_any(soon())?.ok_or_else(|| CaseError::unexpected("stream", "SUBSCRIBED", "nothing"))?;
    check::equal_at(&first, "/type", "SUBSCRIBED")?;
    check::equal_at(&first, "/subscribed/heartbeat_interval_seconds", 15.0)?;
    let master = world.get_json("/state")?;
    let master_id = check::text_at(&master, "/id")?;
    let id = check::text_at(&first, "/subscribed/framework_id/value")?;
    let number = id.strip_prefix(master_id).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    let four_digits = number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    check::holds("framework id", "<master id>-<at least four digits>", four_digits, id)?;
    check::equal_at(&first, "/subscribed/master_info/id", master_id)?;
    check::equal_at(&first, "/subscribed/master_info/port", world.master.port())?;

    let second = stream.next_any(soon())?.ok_or_else(|| CaseError::unexpected("stream", "HEARTBEAT", "nothing"))?;
    check::equal_at(&second, "/type", "HEARTBEAT")
}

fn heartbeats(world: &World) -> Checked {
    let mut stream = EventStream::open(world.master, &subscribe_request(&framework(world)))?;
    stream.expect("HEARTBEAT", SOON)?;
    let begun = Instant::now();
    stream.expect("HEARTBEAT", Duration::from_secs(20))?;
    let waited = begun.elapsed().as_secs_f64();
    check::holds("time between heartbeats", "about 15 s", (13.0..17.5).contains(&waited), waited)
}

fn no_content_type(world: &World) -> Checked {
    let body = subscribe_call(&framework(world)).to_string();
    world
        .send(Request::post(PATH).body("", body))?
        .expect(400)?
        .expect_body("Expecting 'Content-Type' to be present")
        .map(drop)
}

fn malformed_json(world: &World) -> Checked {
    for (body, answer) in [
        ("", "Failed to parse body into JSON: "),
        ("{\"type\":", "Failed to parse body into JSON: "),
        ("no json", "Failed to parse body into JSON: "),
        ("{} {}", "Failed to parse body into JSON: "),
        ("[1]", "Failed to convert JSON into Call protobuf: Expecting a JSON object"),
        (
            r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":{}}}}"#,
            "Failed to convert JSON into Call protobuf: Not expecting a JSON object for field 'name'",
        ),
        (
            r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u"}}}"#,
            "Failed to convert JSON into Call protobuf: Missing required fields: subscribe.framework_info.name",
        ),
        ("{}", "Failed to validate scheduler::Call: Expecting 'type' to be present"),
        (r#"{"type":"subscribe"}"#, "Failed to validate scheduler::Call: Expecting 'type' to be present"),
    ] {
        let response = world.send(Request::post(PATH).text(body))?.expect(400).during(body)?;
        check::starts("body", answer, &response.text()).during(body)?;
    }
    Ok(())
}

fn content_types(world: &World) -> Checked {
    let body = subscribe_call(&framework(world)).to_string();
    for kind in [
        "application/unknown",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
        "application/protobuf",
        "text/plain",
    ] {
        world
            .send(Request::post(PATH).body(kind, body.clone()))?
            .expect(415)
            .and_then(|answer| {
                answer.expect_body("Expecting 'Content-Type' of application/json or application/x-protobuf")
            })
            .during(kind)?;
    }
    Ok(())
}

fn methods(world: &World) -> Checked {
    for method in ["GET", "PUT", "DELETE"] {
        world
            .send(Request::new(method, PATH))?
            .expect(405)?
            .expect_header("Allow", "POST")?
            .expect_body(&format!("405 Method Not Allowed. Expecting one of {{ 'POST' }}, but received '{method}'."))?;
    }
    Ok(())
}

fn accept(world: &World) -> Checked {
    let subscribe = || Request::post(PATH).json(&subscribe_call(&framework(world)));
    for refused in ["foo", "text/html", "application/json;q=0, application/x-protobuf;q=0"] {
        world
            .send(subscribe().accept(refused))?
            .expect(406)
            .and_then(|r| r.expect_body("Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'"))
            .during(refused)?;
    }
    let answered = |request: Request, kind: &str| {
        let stream = EventStream::open(world.master, &request)?;
        stream.head.expect(200)?.expect_header("Content-Type", kind).map(drop)
    };
    answered(subscribe(), "application/json").during("no Accept")?;
    for (asked, kind) in [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/x-protobuf, application/json", "application/json"),
        ("application/x-protobuf", "application/x-protobuf"),
        ("application/json;q=0, application/x-protobuf", "application/x-protobuf"),
    ] {
        answered(subscribe().accept(asked), kind).during(asked)?;
    }
    Ok(())
}

fn mixed_encodings(world: &World) -> Checked {
    let info =
        messages::v1::FrameworkInfo { user: "root".into(), name: world.fresh("conformance"), ..Default::default() };
    let call = Call {
        r#type: Some(call::Type::Subscribe as i32),
        subscribe: Some(Box::new(call::Subscribe { framework_info: info, ..Default::default() })),
        ..Default::default()
    };
    let request = Request::post(PATH).protobuf(&call).accept("application/json");
    EventStream::open(world.master, &request)?.expect("SUBSCRIBED", SOON)?;

    let request = Request::post(PATH).json(&subscribe_call(&framework(world))).accept("application/x-protobuf");
    let mut stream = EventStream::open(world.master, &request)?;
    let record = stream.next_record(Instant::now() + SOON)?.unwrap_or_default();
    let event: messages::v1::scheduler::Event =
        prost::Message::decode(record.as_slice()).map_err(|e| CaseError::unexpected("record", "a protobuf", e))?;
    check::equal("first event", messages::v1::scheduler::event::Type::Subscribed, event.r#type())
}

fn stream_id_on_subscribe(world: &World) -> Checked {
    let request = subscribe_request(&framework(world)).header("Mesos-Stream-Id", &uuid::Uuid::new_v4().to_string());
    world
        .send(request)?
        .expect(400)?
        .expect_body("Subscribe calls should not include the 'Mesos-Stream-Id' header")
        .map(drop)
}

fn lenient_json(world: &World) -> Checked {
    for (what, info) in [
        ("an unknown field", json!({"user": "u", "name": "n", "unheard_of": {"of": [1, 2]}})),
        ("a string for a number", json!({"user": "u", "name": "n", "failover_timeout": "1.5"})),
        ("a string for a bool", json!({"user": "u", "name": "n", "checkpoint": "true"})),
        ("an object for an array", json!({"user": "u", "name": "n", "capabilities": {"type": "PARTITION_AWARE"}})),
        ("null for nothing", json!({"user": "u", "name": "n", "id": null, "principal": null})),
        ("an unknown enum name", json!({"user": "u", "name": "n", "capabilities": [{"type": "TELEPATHIC"}]})),
    ] {
        let call = json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}});
        let request = Request::post(PATH).accept("application/json").json(&call);
        let mut stream = EventStream::open(world.master, &request)?;
        stream.expect("SUBSCRIBED", SOON).during(what)?;
    }
    Ok(())
}

fn written_json(world: &World) -> Checked {
    let info = framework(world);
    let _stream = EventStream::open(world.master, &subscribe_request(&info))?;
    let state = world.operator(&json!({"type": "GET_FRAMEWORKS"}))?.expect(200)?.text();
    let own = state.find(info["name"].as_str().unwrap_or_default()).map(|at| &state[at.saturating_sub(200)..]);
    let own = own.ok_or_else(|| CaseError::unexpected("GET_FRAMEWORKS", "the framework", &state))?;
    for part in [
        r#""framework_info":{"#,
        r#""failover_timeout":0.0"#,
        r#""checkpoint":false"#,
        r#""capabilities":[{"type":"MULTI_ROLE"}]"#,
        r#""nanoseconds":1"#,
    ] {
        check::contains("GET_FRAMEWORKS", part, own)?;
    }
    Ok(())
}

fn one_line_records(world: &World) -> Checked {
    let mut stream = EventStream::open(world.master, &subscribe_request(&framework(world)))?;
    for _ in 0..2 {
        let record = stream.next_record(Instant::now() + SOON)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&record).into_owned();
        check::holds("record", "one line of JSON", text.starts_with('{') && !text.contains('\n'), &text)?;
    }
    Ok(())
}
