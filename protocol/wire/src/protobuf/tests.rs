use messages::internal::{ExitedExecutorMessage, StatusUpdateMessage};
use messages::schema::{ALL_MESSAGES, HasDescriptor};
use messages::v1::scheduler::Call;
use messages::v1::{FrameworkInfo, Offer, TaskStatus};

use super::scan::{put_bytes, put_varint};
use super::*;
use crate::Limits;

/// Encoded bytes, written field by field.
#[derive(Default, Clone)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn varint(mut self, number: u32, value: u64) -> Self {
        put_varint(u64::from(number) << 3, &mut self.0);
        put_varint(value, &mut self.0);
        self
    }

    fn bytes(mut self, number: u32, bytes: &[u8]) -> Self {
        put_bytes(number, bytes, &mut self.0);
        self
    }

    fn double(mut self, number: u32, value: f64) -> Self {
        put_varint(u64::from(number) << 3 | 1, &mut self.0);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn message(self, number: u32, inner: Bytes) -> Self {
        self.bytes(number, &inner.0)
    }
}

fn id(value: &str) -> Bytes {
    Bytes::default().bytes(1, value.as_bytes())
}

fn check<T: HasDescriptor + PartialEq + std::fmt::Debug>(given: &Bytes, expect: Result<T, &str>) {
    let result = decode::<T>(&given.0, &Limits::default());
    assert_eq!(result.map_err(|error| error.to_string()), expect.map_err(str::to_owned));
}

#[test]
fn required_fields_must_be_present_at_every_level() {
    check::<FrameworkInfo>(&Bytes::default(), Err("missing required fields: user, name"));
    check::<Call>(
        &Bytes::default().varint(2, 1).message(3, Bytes::default().message(1, Bytes::default())),
        Err("missing required fields: subscribe.framework_info.user, subscribe.framework_info.name"),
    );
    // The fields of the message itself come first, then those of its sub-messages by number; elements are numbered.
    check::<Offer>(
        &Bytes::default()
            .message(5, Bytes::default().bytes(1, b"cpus"))
            .message(5, Bytes::default().varint(2, 0))
            .message(1, Bytes::default()),
        Err(
            "missing required fields: framework_id, agent_id, hostname, id.value, resources[0].type, resources[1].name",
        ),
    );
}

#[test]
fn unknown_enum_values_are_read_as_absent() {
    let call = Call { framework_id: Some(messages::v1::FrameworkId { value: "f".into() }), ..Call::default() };
    check(&Bytes::default().message(1, id("f")).varint(2, 77), Ok(call.clone()));
    check(&Bytes::default().varint(2, 77).message(1, id("f")), Ok(call.clone()));
    // A known value before it is kept.
    let known = Bytes::default().message(1, id("f")).varint(2, 5).varint(2, 77);
    check(&known, Ok(Call { r#type: Some(5), ..call }));
    check::<TaskStatus>(&Bytes::default().message(1, id("t")).varint(2, 999), Err("missing required fields: state"));
    // The field is below another message, whose length changes with it.
    let operation = Bytes::default().varint(1, 999);
    let accept = Bytes::default().message(1, id("o")).message(2, operation);
    let call: Call = decode(&Bytes::default().message(4, accept).0, &Limits::default()).unwrap();
    let accept = call.accept.unwrap();
    assert_eq!((accept.offer_ids.len(), accept.operations.len(), accept.operations[0].r#type), (1, 1, None));
}

#[test]
fn a_field_of_another_wire_type_is_ignored() {
    check(&Bytes::default().varint(1, 3).bytes(2, b"x").double(9, 1.0), Ok(Call::default()));
    check::<FrameworkInfo>(&Bytes::default().varint(1, 3).bytes(2, b"n"), Err("missing required fields: user"));
}

#[test]
fn unknown_fields_are_ignored() {
    check(&Bytes::default().varint(1000, 3).bytes(1001, b"x").double(1002, 1.0), Ok(Call::default()));
}

#[test]
fn malformed_bytes_are_refused() {
    for (bytes, expect) in [
        (&[0x0a][..], "the bytes end inside a field"),
        (&[0x0a, 5, 1], "the bytes end inside a field"),
        (&[0x11, 1, 2, 3], "the bytes end inside a field"),
        (&[0x80], "the bytes end inside a field"),
        (&[0x0b], "malformed: groups are not used by any Mesos message"),
        (&[0x0e], "malformed: unknown wire type"),
        (&[0x02, 0], "malformed: a field number is zero"),
        (&[0xff; 11], "malformed: a varint is too long"),
        (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "the bytes end inside a field"),
    ] {
        check::<Call>(&Bytes(bytes.to_vec()), Err(expect));
    }
}

#[test]
fn invalid_utf8_is_refused_by_prost() {
    let result = decode::<messages::v1::FrameworkId>(&Bytes::default().bytes(1, b"\xff").0, &Limits::default());
    assert!(matches!(result, Err(DecodeError::Prost(_))), "{result:?}");
}

#[test]
fn sizes_and_counts_are_bounded() {
    let limits = Limits { max_bytes: 40, max_depth: 2, max_elements: 8, ..Limits::default() };
    // ContainerID { value, parent: ContainerID }
    let nested = |levels: usize| (0..levels).fold(id("c"), |inner, _| id("c").message(2, inner));
    let decode = |bytes: &Bytes| decode::<messages::v1::ContainerId>(&bytes.0, &limits).map(drop);
    assert_eq!(decode(&nested(2)), Ok(()));
    assert_eq!(decode(&nested(3)), Err(DecodeError::TooDeep { limit: 2 }));
    assert_eq!(decode(&id(&"c".repeat(50))), Err(DecodeError::TooLarge { size: 52, limit: 40 }));
    let many = (0..9).fold(Bytes::default(), |bytes, _| bytes.varint(1000, 1));
    assert_eq!(decode(&many), Err(DecodeError::TooManyElements { limit: 8 }));
}

#[test]
fn nesting_is_bounded_for_any_limit() {
    let deep = (0..100_000).fold(Vec::new(), |inner: Vec<u8>, _| {
        // Beyond the first few bytes the lengths are wrong on purpose: only the depth that is reached matters.
        if inner.len() < 10_000 { Bytes::default().bytes(2, &inner).0 } else { inner }
    });
    let result = decode::<messages::v1::ContainerId>(&deep, &Limits::default());
    assert_eq!(result, Err(DecodeError::TooDeep { limit: 100 }));
}

#[test]
fn the_length_of_errors_is_bounded() {
    let operations = (0..100_000).fold(Bytes::default(), |bytes, _| bytes.message(1, Bytes::default()));
    let Err(DecodeError::MissingRequired(names)) =
        decode::<Call>(&Bytes::default().message(4, operations).0, &Limits::default())
    else {
        panic!("must be incomplete")
    };
    assert!(names.starts_with("accept.offer_ids[0].value, accept.offer_ids[1].value"), "{names}");
    assert!(names.len() < 5000, "{}", names.len());
}

#[test]
fn libprocess_messages_are_decoded_by_name() {
    let limits = Limits::default();
    let exited = ExitedExecutorMessage {
        slave_id: messages::v1::AgentId { value: "S".into() },
        framework_id: messages::v1::FrameworkId { value: "F".into() },
        executor_id: messages::v1::ExecutorId { value: "E".into() },
        status: -1,
    };
    let decoded = decode_message("mesos.internal.ExitedExecutorMessage", &encode(&exited), &limits);
    assert_eq!(decoded, Ok(exited.into()));

    let unknown = decode_message("mesos.internal.NoSuchMessage", b"", &limits);
    assert!(matches!(unknown, Err(DecodeError::UnknownMessage(_))), "{unknown:?}");

    let incomplete = decode_message("mesos.internal.StatusUpdateMessage", b"", &limits);
    assert_eq!(incomplete, Err(DecodeError::MissingRequired("update".into())));
    assert_eq!(decode::<StatusUpdateMessage>(b"", &limits).map(drop), incomplete.map(drop));
}

/// `prost` alone leaves the zero out, and a C++ master then refuses the call.
#[test]
fn map_values_require_their_fields() {
    let zero = messages::v1::value::Scalar { value: 0.0 };
    let task =
        messages::v1::TaskInfo { limits: [("cpus".to_owned(), zero)].into(), ..messages::v1::TaskInfo::default() };
    let launch = messages::v1::offer::operation::Launch { task_infos: vec![task.clone(), task] };
    let entry = b"\x0a\x04cpus\x12\x09\x09\0\0\0\0\0\0\0\0";
    let bytes = encode(&launch);
    assert_eq!(bytes.windows(entry.len()).filter(|window| window == entry).count(), 2);
    assert_eq!(decode(&bytes, &Limits::default()), Ok(launch.clone()));
    // An older version of Tepui may have left such bytes on a disk.
    let old = prost::Message::encode_to_vec(&launch);
    assert!(old.len() < bytes.len());
    assert_eq!(decode(&old, &Limits::default()), Ok(launch));
}

#[test]
fn every_message_fits_the_tables() {
    for desc in ALL_MESSAGES {
        assert!(desc.fields.len() <= 64, "{} has more fields than the set of seen fields holds", desc.name);
    }
}

/// An element of two bytes takes hundreds of bytes in memory, so a message that consists of such elements is refused.
#[test]
fn memory_is_bounded_by_bytes() {
    use messages::v1::offer::Operation;
    use messages::v1::scheduler::call::Accept;
    let check = |count: usize, is_fine: bool| {
        let accept = Accept { operations: vec![Operation::default(); count], ..Accept::default() };
        let decoded = crate::decode::<Accept>(&crate::encode(&accept), &Limits::default());
        assert_eq!(!matches!(decoded, Err(DecodeError::TooMuchMemory { .. })), is_fine, "{count}");
    };
    check(10, true);
    check(10_000, false);
}

#[test]
fn a_string_of_invalid_utf8_is_named() {
    use messages::v1::OfferId;
    let error = crate::decode::<OfferId>(&[0x0a, 2, 0xff, 0xfe], &Limits::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("OfferId.value") && text.contains("UTF-8"), "{text}");
}
