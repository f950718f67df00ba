//! Malformed and hostile input, including the six CVEs as far as they show on the wire. The master must answer or close
//! the connection, and must go on working.

use std::time::Duration;

use serde_json::json;

use crate::case_error::{CaseError, Checked, During};
use crate::check;
use crate::fake_agent::FakeAgent;
use crate::http::{Connection, RESPONSE_TIMEOUT, Request, fetch, fetch_raw};
use crate::peer::Pings;
use crate::scheduler::{PATH, Scheduler, framework};
use crate::suite::Case;
use crate::world::World;

pub const CASES: &[Case] = &[
    Case {
        id: "B5.1",
        checks: "CVE-2017-7687: a malformed percent-encoding in the path does no harm",
        needs: &[],
        run: malformed_paths,
    },
    Case {
        id: "B5.2",
        checks: "CVE-2017-9790: a libprocess message with an empty path does no harm",
        needs: &[],
        run: empty_message_paths,
    },
    Case {
        id: "B5.3",
        checks: "CVE-2018-1330: malformed JSON is 400, chunked requests with trailers do no harm",
        needs: &[],
        run: malformed_json_and_trailers,
    },
    Case {
        id: "B5.4",
        checks: "CVE-2018-11793: JSON nested a hundred thousand deep is refused",
        needs: &[],
        run: deep_json,
    },
    Case {
        id: "B5.5",
        checks: "CVE-2018-8023: an executor token that is none gives no access (only where tokens are on)",
        needs: &[],
        run: forged_token,
    },
    Case { id: "B6.1", checks: "what is no HTTP is answered 400 or hung up on", needs: &[], run: no_http },
    Case { id: "B6.2", checks: "a request that ends in the middle leaves nothing behind", needs: &[], run: truncated },
    Case { id: "B6.3", checks: "a half-closed connection is still answered", needs: &[], run: half_closed },
    Case { id: "B6.4", checks: "wrong types in JSON are 400 and named", needs: &[], run: wrong_types },
    Case { id: "B6.5", checks: "a protobuf cut short or deeply nested is 400", needs: &[], run: bad_protobuf },
    Case {
        id: "B6.6",
        checks: "a registering agent whose resources make no sense is not registered",
        needs: &[],
        run: lying_agent,
    },
    Case { id: "B6.7", checks: "a thousand idle connections do not keep others out", needs: &[], run: idle },
    Case {
        id: "B6.8",
        checks: "a subscriber that reads nothing does not hold up anybody else",
        needs: &[],
        run: slow_reader,
    },
    Case { id: "B6.9", checks: "headers without end are not collected for ever", needs: &[], run: endless_headers },
];

/// Sends bytes for which any status but 5xx, or the end of the connection, is a correct answer.
fn survives(world: &World, bytes: &[u8]) -> Checked {
    match fetch_raw(world.master, bytes) {
        Ok(response) => check::holds("status", "below 500", response.status < 501, response.status)?,
        // A master may close the connection without an answer, or wait for more.
        Err(CaseError::Io { .. } | CaseError::Timeout { .. } | CaseError::Unexpected { .. }) => {}
        Err(skip) => return Err(skip),
    }
    alive(world)
}

fn alive(world: &World) -> Checked {
    world.get("/health")?.expect(200).during("the master afterwards").map(drop)
}

fn malformed_paths(world: &World) -> Checked {
    for path in ["/%", "/%z", "/%zz/state", "/master/%e", "/%2", "/master%", "/files/read?path=%zz"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n");
        survives(world, request.as_bytes()).during(path)?;
        let message = format!(
            "POST {path} HTTP/1.1\r\nHost: m\r\nLibprocess-From: x@127.0.0.1:1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        survives(world, message.as_bytes()).during(path)?;
    }
    Ok(())
}

fn empty_message_paths(world: &World) -> Checked {
    for path in ["/", "//", "/master", "/master/", "*"] {
        let message = format!(
            "POST {path} HTTP/1.1\r\nHost: m\r\nUser-Agent: libprocess/x@127.0.0.1:1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        survives(world, message.as_bytes()).during(path)?;
    }
    Ok(())
}

fn malformed_json_and_trailers(world: &World) -> Checked {
    for body in ["{\"", "{\"type\":\"\\u12\"}", "\u{0}", "[[[[", "{\"type\":1e999}", "{\"a\":\"\\ud800\"}", "nul"] {
        world.send(Request::post("/api/v1").text(body))?.expect(400).during(body)?;
    }
    let head =
        "POST /api/v1 HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = r#"{"type":"GET_HEALTH"}"#;
    let plain = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    fetch_raw(world.master, plain.as_bytes())?.expect(200)?;
    let trailers = format!("{head}{:x}\r\n{body}\r\n0\r\nX-Trailer: 1\r\n\r\n", body.len());
    survives(world, trailers.as_bytes())
}

fn deep_json(world: &World) -> Checked {
    for depth in [1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let body = format!("{{\"type\":\"GET_HEALTH\",\"x\":{}1{}}}", open.repeat(depth), close.repeat(depth));
            let answer = world.send(Request::post("/api/v1").text(&body))?;
            check::holds("status", "an answer", answer.status == 400 || answer.status == 200, answer.status)?;
        }
    }
    alive(world)
}

fn forged_token(world: &World) -> Checked {
    let agent = world.agent()?;
    let call = json!({"type": "HEARTBEAT", "framework_id": {"value": "f"}, "executor_id": {"value": "e"}});
    let request = |token: &str| Request::post("/api/v1/executor").json(&call).header("Authorization", token);
    if fetch(agent, &Request::post("/api/v1/executor").json(&call))?.status == 202 {
        return Err(CaseError::Skip("the agent does not authenticate executors".into()));
    }
    for token in ["Bearer x", "Bearer a.b.c", "Bearer ..", "Basic eDp5"] {
        fetch(agent, &request(token))?.expect(401).during(token)?;
    }
    Ok(())
}

fn no_http(world: &World) -> Checked {
    for bytes in [
        &b"\r\n\r\n"[..],
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /state HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello",
        b"POST /api/v1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1 HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /api/v1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /state HTTP/1.1\r\nno colon here\r\n\r\n",
    ] {
        let mut connection = Connection::open(world.master)?;
        // The rest of what is sent is reset if the master closes the connection early.
        let _ = connection.write(bytes);
        let _ = connection.finish_writing();
        let over = connection.ends_within(RESPONSE_TIMEOUT)?;
        check::holds("connection", "an end", over, String::from_utf8_lossy(bytes))?;
        alive(world)?;
    }
    Ok(())
}

fn truncated(world: &World) -> Checked {
    let whole = Request::post("/api/v1").json(&json!({"type": "GET_HEALTH"})).to_bytes(world.master);
    for length in [1, 10, 40, whole.len() - 1] {
        let mut connection = Connection::open(world.master)?;
        connection.write(&whole[..length])?;
        drop(connection);
        alive(world)?;
    }
    Ok(())
}

fn half_closed(world: &World) -> Checked {
    let mut connection = Connection::open(world.master)?;
    connection.write(&Request::get("/version").to_bytes(world.master))?;
    connection.finish_writing()?;
    match connection.read_response(false) {
        Ok(response) => response.expect(200).map(drop),
        // libprocess may notice the end of the connection before it answers.
        Err(CaseError::Unexpected { .. } | CaseError::Io { .. }) => alive(world),
        Err(other) => Err(other),
    }
}

fn wrong_types(world: &World) -> Checked {
    for (body, reason) in [
        (
            r#"{"type":"TEARDOWN","framework_id":"f"}"#,
            "Failed to convert JSON into Call protobuf: Not expecting a JSON string for field 'framework_id'",
        ),
        (
            r#"{"type":"TEARDOWN","framework_id":7}"#,
            "Failed to convert JSON into Call protobuf: Not expecting a JSON number for field 'framework_id'",
        ),
        (
            r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":5,"name":"n"}}}"#,
            "Failed to convert JSON into Call protobuf: Not expecting a JSON number for field 'user'",
        ),
        (
            r#"{"type":{"a":1}}"#,
            "Failed to convert JSON into Call protobuf: Not expecting a JSON object for field 'type'",
        ),
        (
            r#"{"type":"KILL","kill":{"task_id":{"value":{}}}}"#,
            "Failed to convert JSON into Call protobuf: Not expecting a JSON object for field 'value'",
        ),
        (
            r#"{"type":"KILL","kill":{}}"#,
            "Failed to convert JSON into Call protobuf: Missing required fields: kill.task_id",
        ),
    ] {
        let answer = world.send(Request::post(PATH).text(body))?.expect(400).during(body)?;
        answer.expect_body(reason).during(body)?;
    }
    Ok(())
}

fn bad_protobuf(world: &World) -> Checked {
    let cut = [0x0a, 0x10, b'x'];
    let deep = (0..2_000).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut outer = vec![0x22];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        outer
    });
    for body in [cut.to_vec(), vec![0xff; 40], vec![0x08], deep] {
        let answer = world.send(Request::post(PATH).body("application/x-protobuf", body))?;
        check::equal("status", 400, answer.status)?;
    }
    alive(world)
}

fn lying_agent(world: &World) -> Checked {
    use messages::v1::{Resource, value};
    let resource = |name: &str, scalar: Option<f64>| Resource {
        name: name.into(),
        r#type: value::Type::Scalar as i32,
        scalar: scalar.map(|value| value::Scalar { value }),
        ..Default::default()
    };
    for lie in [resource("cpus", Some(-1.0)), resource("cpus", None), resource("", Some(1.0))] {
        let mut agent = FakeAgent::unregistered(world, Pings::Answered)?;
        agent.info.resources.push(lie);
        agent.peer.send("mesos.internal.RegisterSlaveMessage", &agent.registration())?;
        agent.peer.expect_none("mesos.internal.SlaveRegisteredMessage", Duration::from_millis(600))?;
    }
    alive(world)
}

fn idle(world: &World) -> Checked {
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        match Connection::open(world.master) {
            Ok(connection) => idle.push(connection),
            // A master may refuse further connections.
            Err(_) => break,
        }
    }
    alive(world)
}

fn slow_reader(world: &World) -> Checked {
    let subscribe = Request::post("/api/v1").accept("application/json").json(&json!({"type": "SUBSCRIBE"}));
    let mut deaf = Connection::open(world.master)?;
    deaf.write(&subscribe.to_bytes(world.master))?;
    let agent = FakeAgent::register(world)?;
    for _ in 0..5 {
        let mut scheduler = Scheduler::subscribe(world, framework(world))?;
        scheduler.offer_of(agent.id())?;
    }
    alive(world)
}

fn endless_headers(world: &World) -> Checked {
    let mut connection = Connection::open(world.master)?;
    connection.write(b"GET /state HTTP/1.1\r\nHost: m\r\n")?;
    let line = format!("X-Filler: {}\r\n", "x".repeat(8_000));
    for _ in 0..64 {
        // A master may close the connection at its limit.
        if connection.write(line.as_bytes()).is_err() {
            return alive(world);
        }
    }
    let _ = connection.write(b"\r\n");
    let _ = connection.ends_within(Duration::from_secs(1))?;
    alive(world)
}
