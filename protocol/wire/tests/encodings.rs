//! The small codecs: RecordIO, `Accept`, content types, the v0 call.

// Clippy recognises test functions as tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use messages::v1::scheduler::Call;
use messages::v1::scheduler::call::{Kill, Subscribe, Type};
use messages::v1::{FrameworkId, FrameworkInfo, TaskId};
use wire::recordio::{self, Decoder, RecordError};
use wire::{ContentType, DecodeError, Limits, accept, v0};

fn records(stream: &[u8], limit: usize) -> (Vec<String>, Result<bool, RecordError>) {
    let run = |chunk: usize| {
        let mut decoder = Decoder::new(limit);
        let result = stream.chunks(chunk).try_for_each(|part| decoder.push(part));
        let records = std::iter::from_fn(|| decoder.next_record().map(|r| String::from_utf8(r).unwrap())).collect();
        (records, result.map(|()| decoder.is_at_boundary()))
    };
    let whole = run(stream.len().max(1));
    for chunk in [1, 2, 3, 7] {
        assert_eq!(run(chunk), whole, "in chunks of {chunk}");
    }
    whole
}

#[test]
fn records_begin_with_their_length() {
    let check = |stream: &str, expect: &[&str], end: Result<bool, RecordError>| {
        let expect = expect.iter().map(|r| (*r).to_owned()).collect();
        assert_eq!(records(stream.as_bytes(), 100), (expect, end), "{stream}");
    };
    check("", &[], Ok(true));
    check("3\nabc0\n5\n12\n45", &["abc", "", "12\n45"], Ok(true));
    check("3\nabc4\nab", &["abc"], Ok(false));
    check("3", &[], Ok(false));
    check("100\n", &[], Ok(false));
    check("101\n", &[], Err(RecordError::TooLong { length: 101, limit: 100 }));
    for stream in ["\n", "x\n", "-1\n", " 1\n", "1 \n", "99999999999999999999\n", &"1".repeat(30)] {
        check(stream, &[], Err(RecordError::BadLength));
    }
    check("1\na?\n", &["a"], Err(RecordError::BadLength));
}

#[test]
fn framing_errors_are_final() {
    let mut decoder = Decoder::new(100);
    assert_eq!(decoder.push(b"x\n"), Err(RecordError::BadLength));
    assert_eq!(decoder.push(b"1\na"), Err(RecordError::BadLength));
    assert_eq!(decoder.next_record(), None);
}

#[test]
fn encoded_records_are_decoded() {
    let mut stream = Vec::new();
    for record in ["", "a", "{\"type\":\"HEARTBEAT\"}"] {
        recordio::encode(record.as_bytes(), &mut stream);
    }
    assert_eq!(stream, b"0\n1\na20\n{\"type\":\"HEARTBEAT\"}");
    assert_eq!(records(&stream, 100).0, ["", "a", "{\"type\":\"HEARTBEAT\"}"]);
}

#[test]
fn json_is_preferred() {
    use ContentType::{Json, Protobuf};
    for (header, expect) in [
        (None, Some(Json)),
        (Some("*/*"), Some(Json)),
        (Some("application/*"), Some(Json)),
        (Some("application/json"), Some(Json)),
        (Some("Application/JSON"), Some(Json)),
        (Some("application/x-protobuf"), Some(Protobuf)),
        (Some("application/x-protobuf, application/json"), Some(Json)),
        (Some("application/x-protobuf;q=1.0, application/json;q=0.1"), Some(Json)),
        (Some("application/json;q=0"), None),
        (Some("application/json;q=0.0, application/x-protobuf"), Some(Protobuf)),
        (Some("application/json;q=0, */*"), Some(Protobuf)),
        (Some("application/* ; q = 0 , */*"), None),
        (Some("text/html, application/xhtml+xml, */*;q=0.8"), Some(Json)),
        (Some("application/json;q=abc"), None),
        (Some("application/json;charset=utf-8"), Some(Json)),
        (Some("foo"), None),
        (Some(""), None),
        (Some("text/*"), None),
    ] {
        assert_eq!(accept::negotiate(header), expect, "{header:?}");
    }
}

#[test]
fn content_types_are_compared_exactly() {
    assert_eq!(ContentType::from_header("application/json"), Some(ContentType::Json));
    assert_eq!(ContentType::from_header("application/x-protobuf"), Some(ContentType::Protobuf));
    for other in ["application/json; charset=utf-8", "Application/JSON", "application/json ", "text/plain", ""] {
        assert_eq!(ContentType::from_header(other), None, "{other}");
    }
}

/// Every combination of headers of an agent's API is answered as by Mesos.
#[test]
fn invalid_bodies_are_refused_with_the_messages_of_mesos() {
    let error = |content_type, body: &[u8]| {
        wire::decode_as::<Call>(content_type, body, &Limits::default()).unwrap_err().to_string()
    };
    assert_eq!(error(ContentType::Protobuf, b"\xff"), "Failed to parse body into Call protobuf");
    assert_eq!(error(ContentType::Protobuf, b"\x1a\x00"), "Failed to parse body into Call protobuf");
    assert_eq!(error(ContentType::Json, b""), "Failed to parse body into JSON: syntax error at line 1 near: ");
    assert_eq!(error(ContentType::Json, b"[]"), "Failed to convert JSON into Call protobuf: Expecting a JSON object");
    let call = Call { r#type: Some(Type::Teardown.into()), ..Call::default() };
    for content_type in [ContentType::Json, ContentType::Protobuf] {
        let body = wire::encode_as(content_type, &call);
        assert_eq!(wire::decode_as::<Call>(content_type, &body, &Limits::default()).unwrap(), call);
    }
}

fn subscribe() -> Call {
    Call {
        r#type: Some(Type::Subscribe.into()),
        framework_id: Some(FrameworkId { value: "F".into() }),
        subscribe: Some(Box::new(Subscribe {
            framework_info: FrameworkInfo { user: "u".into(), name: "n".into(), ..FrameworkInfo::default() },
            suppressed_roles: vec!["a".into(), "b".into()],
            offer_constraints: Some(Box::default()),
        })),
        ..Call::default()
    }
}

#[test]
fn v0_subscribe_is_renumbered() {
    let limits = Limits::default();
    for force in [true, false] {
        let bytes = v0::encode_scheduler_call(&subscribe(), force);
        assert_eq!(v0::decode_scheduler_call(&bytes, &limits), Ok((subscribe(), force)));

        // The table of v0 reads the same bytes in the same way.
        let call: messages::mesos::scheduler::Call = wire::decode(&bytes, &limits).unwrap();
        let subscribe = call.subscribe.unwrap();
        assert_eq!(subscribe.force, force.then_some(true));
        assert_eq!(subscribe.suppressed_roles, ["a", "b"]);
        assert!(subscribe.offer_constraints.is_some());
    }
}

#[test]
fn other_v0_calls_are_read_as_v1() {
    let kill = Kill { task_id: TaskId { value: "t".into() }, agent_id: None, kill_policy: None };
    let call = Call { r#type: Some(Type::Kill.into()), kill: Some(Box::new(kill)), ..Call::default() };
    let bytes = v0::encode_scheduler_call(&call, false);
    assert_eq!(bytes, wire::encode(&call));
    assert_eq!(v0::decode_scheduler_call(&bytes, &Limits::default()), Ok((call, false)));
}

#[test]
fn v0_calls_are_checked() {
    let limits = Limits { max_bytes: 1000, ..Limits::default() };
    assert_eq!(
        v0::decode_scheduler_call(b"\x1a\x02\x10\x01", &limits),
        Err(DecodeError::MissingRequired("subscribe.framework_info".into()))
    );
    assert_eq!(v0::decode_scheduler_call(b"\x1a\x05\x10", &limits), Err(DecodeError::Truncated));
    assert_eq!(v0::decode_scheduler_call(b"\x1a\x01\x10", &limits), Err(DecodeError::Truncated));
    assert!(matches!(v0::decode_scheduler_call(&[0; 1001], &limits), Err(DecodeError::TooLarge { .. })));
}
