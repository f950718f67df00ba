//! Properties of every message type and every decoder.

// Clippy recognises test functions as tests, but not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod random;

use messages::schema::{ALL_MESSAGES, HasDescriptor, MessageDescriptor};
use messages::{internal, v1};
use proptest::prelude::*;
use wire::libprocess::{EnvelopeLimits, RequestDecoder, ResponseSkipper, encode_message, parse_path};
use wire::{Limits, json, recordio, v0};

use random::message;

fn to_json(desc: &MessageDescriptor, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    json::write_bytes(desc, bytes, &mut out);
    out
}

/// Returns the text for readable failures.
fn lossy(text: Vec<u8>) -> String {
    String::from_utf8_lossy(&text).into_owned()
}

/// A message that is decoded from protobuf, printed and read again is the same message; encoded, it has the same bytes.
fn round_trips<T: HasDescriptor + PartialEq + std::fmt::Debug>(entropy: &[u8]) -> Result<(), TestCaseError> {
    let limits = Limits::default();
    let bytes = message(T::desc(), entropy);
    let decoded: T = wire::decode(&bytes, &limits).unwrap();
    let encoded = wire::encode(&decoded);
    prop_assert_eq!(&wire::decode::<T>(&encoded, &limits).unwrap(), &decoded);
    let text = json::encode(&decoded);
    let parsed: serde_json::Value = serde_json::from_slice(&text).unwrap();
    prop_assert!(parsed.is_object() && !text.contains(&b'\n'));
    prop_assert_eq!(&to_json(T::desc(), &encoded), &text);
    // Printing makes defaults explicit, so reading and printing must preserve the text, but not the presence of fields.
    let read: T = json::decode(&text, &limits).unwrap();
    prop_assert_eq!(lossy(json::encode(&read)), lossy(text));
    Ok(())
}

macro_rules! round_trip {
    ($($ty:ty),* $(,)?) => {
        fn every_type_round_trips(entropy: &[u8]) -> Result<(), TestCaseError> {
            $(round_trips::<$ty>(entropy)?;)*
            Ok(())
        }
    };
}

round_trip!(
    v1::scheduler::Call,
    v1::scheduler::Event,
    v1::executor::Call,
    v1::executor::Event,
    v1::master::Call,
    v1::master::Response,
    v1::master::Event,
    v1::agent::Call,
    v1::agent::Response,
    v1::TaskInfo,
    v1::Task,
    v1::Offer,
    v1::Resource,
    v1::FrameworkInfo,
    v1::ContainerInfo,
    internal::RunTaskMessage,
    internal::RegisterSlaveMessage,
    internal::ReregisterSlaveMessage,
    internal::UpdateSlaveMessage,
    internal::StatusUpdateMessage,
    internal::ApplyOperationMessage,
    internal::Registry,
    messages::mesos::scheduler::Call,
);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_round_trip(entropy in proptest::collection::vec(any::<u8>(), 0..600)) {
        every_type_round_trips(&entropy)?;
    }

    /// Every message that exists is written and read through the tables.
    #[test]
    fn json_of_every_message_reads_back(entropy in proptest::collection::vec(any::<u8>(), 0..300)) {
        for desc in ALL_MESSAGES {
            let text = to_json(desc, &message(desc, &entropy));
            let bytes = json::read_bytes(desc, &text, &Limits::default());
            let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}: {}", desc.name, String::from_utf8_lossy(&text)));
            prop_assert_eq!(lossy(to_json(desc, &bytes)), lossy(text));
        }
    }

    /// Bytes that the check accepts are read by `prost` as by the tables: the JSON of the bytes is the JSON of the
    /// message.
    #[test]
    fn damaged_messages_are_refused_or_decoded(
        entropy in proptest::collection::vec(any::<u8>(), 0..300),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = message(v1::scheduler::Call::desc(), &entropy);
        for (index, byte) in damage {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let _ = to_json(v1::scheduler::Call::desc(), &bytes);
        let _ = v0::decode_scheduler_call(&bytes, &Limits::default());
        if let Ok(call) = wire::decode::<v1::scheduler::Call>(&bytes, &Limits::default()) {
            prop_assert_eq!(json::decode::<v1::scheduler::Call>(&json::encode(&call), &Limits::default()).is_ok(), true);
        }
    }

    #[test]
    fn v0_calls_round_trip(entropy in proptest::collection::vec(any::<u8>(), 0..300), force: bool) {
        let call: v1::scheduler::Call =
            wire::decode(&message(v1::scheduler::Call::desc(), &entropy), &Limits::default()).unwrap();
        let expect = (call.clone(), force && call.subscribe.is_some());
        let bytes = v0::encode_scheduler_call(&call, force);
        prop_assert_eq!(v0::decode_scheduler_call(&bytes, &Limits::default()), Ok(expect));
    }

    #[test]
    fn doubles_read_back_exactly(value: f64) {
        let mut text = Vec::new();
        json::write_f64(value, &mut text);
        let text = String::from_utf8(text).unwrap();
        if value.is_finite() {
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
            prop_assert!(text.contains(['.', 'e']));
        }
        let body = format!(r#"{{"value":{text}}}"#);
        let scalar: v1::value::Scalar = json::decode(body.as_bytes(), &Limits::default()).unwrap();
        prop_assert!(scalar.value == value || value.is_nan() && scalar.value.is_nan());
    }

    #[test]
    fn strings_read_back_exactly(text: String) {
        let mut out = Vec::new();
        json::write_string(&text, &mut out);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn records_are_decoded_from_any_chunks(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..10),
        cuts in proptest::collection::vec(1usize..20, 1..50),
    ) {
        let mut stream = Vec::new();
        payloads.iter().for_each(|payload| recordio::encode(payload, &mut stream));
        let mut decoder = recordio::Decoder::new(50);
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle().take(stream.len()) {
            let (part, tail) = rest.split_at(rest.len().min(*cut));
            decoder.push(part).unwrap();
            rest = tail;
        }
        prop_assert!(decoder.is_at_boundary());
        prop_assert_eq!(std::iter::from_fn(|| decoder.next_record()).collect::<Vec<_>>(), payloads);
    }

    #[test]
    fn envelopes_are_decoded_from_any_chunks(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..6),
        id in "[a-z]{1,8}(\\([0-9]{1,4}\\))?",
        cuts in proptest::collection::vec(1usize..200, 1..50),
    ) {
        let from = ids::Upid::new(&id, "1.2.3.4:5".parse().unwrap());
        let to = ids::Upid::new(id.to_uppercase(), "5.6.7.8:9".parse().unwrap());
        let mut stream = Vec::new();
        bodies.iter().for_each(|body| encode_message(&from, &to, "a.b", body, &mut stream));
        let mut decoder = RequestDecoder::new(EnvelopeLimits::default());
        let mut received = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle().take(stream.len()) {
            let (part, tail) = rest.split_at(rest.len().min(*cut));
            decoder.push(part);
            rest = tail;
            while let Some(message) = decoder.next_message().unwrap() {
                prop_assert_eq!((&message.from, message.to.as_str(), message.name.as_str()), (&from, &*to.id, "a.b"));
                received.push(message.body.to_vec());
            }
        }
        prop_assert_eq!(received, bodies);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_panic_a_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let limits = Limits { max_bytes: 200, max_depth: 5, max_elements: 50, ..Limits::default() };
        let _ = wire::decode::<v1::master::Call>(&bytes, &limits);
        let _ = wire::decode_message("mesos.internal.RunTaskMessage", &bytes, &limits);
        let _ = v0::decode_scheduler_call(&bytes, &limits);
        let _ = json::decode::<v1::master::Call>(&bytes, &limits);
        for desc in ALL_MESSAGES {
            serde_json::from_slice::<serde_json::Value>(&to_json(desc, &bytes)).unwrap();
        }
        let mut records = recordio::Decoder::new(100);
        let _ = records.push(&bytes);
        let mut requests = RequestDecoder::new(EnvelopeLimits { max_head: 100, max_body: 100 });
        requests.push(&bytes);
        while let Ok(Some(_)) = requests.next_message() {}
        let _ = ResponseSkipper::new().push(&bytes);
    }

    /// Text that is nearly valid reaches deeper than noise.
    #[test]
    fn no_text_panics_a_decoder(
        text in r#"(POST|GET|HTTP/1.1) ?(/[a-z%0-9()]{0,9}){0,3} ?(HTTP/1.1|200 OK)?(\r\n(Transfer-Encoding: chunked|Content-Length: [0-9]{1,3}|Libprocess-From: a@1.2.3.4:5|User-Agent: libprocess/.{0,5}|.{0,9})){0,4}(\r\n){0,2}[0-9a-f]{0,2}(\r\n)?.{0,20}"#,
        json_text in r#"\{?("(type|accept|subscribe|framework_info|x)":|\{|\}|\[|\]|,|[0-9.e-]{1,9}|"[A-Z]{0,9}"|true|null){0,30}"#,
        path in "/?[a-z%0-9+/]{0,20}",
    ) {
        let mut requests = RequestDecoder::new(EnvelopeLimits::default());
        requests.push(text.as_bytes());
        while let Ok(Some(_)) = requests.next_message() {}
        let _ = ResponseSkipper::new().push(text.as_bytes());
        let _ = json::decode::<v1::scheduler::Call>(json_text.as_bytes(), &Limits::default());
        let _ = parse_path(&path);
    }
}
