//! Tests of the JSON reader and writer. The expected texts were taken from a C++ master, unless a comment says
//! otherwise.

use messages::schema::HasDescriptor;
use messages::v1::scheduler::Call;
use messages::v1::{self, FrameworkInfo, Offer, TaskInfo};

use super::*;
use crate::Limits;

fn json<T: HasDescriptor>(message: &T) -> String {
    String::from_utf8(encode(message)).unwrap()
}

/// Reads the text as a scheduler call, and expects what the call prints as, or an error.
fn check(text: &str, expect: Result<&str, &str>) {
    let result = decode::<Call>(text.as_bytes(), &Limits::default());
    let printed = result.as_ref().map(json).map_err(|error| error.to_string());
    assert_eq!(printed.as_deref().map_err(|e| e.as_str()), expect, "{text}");
}

fn subscribe(fields: &str) -> String {
    format!(r#"{{"type":"SUBSCRIBE","subscribe":{{"framework_info":{{"user":"u","name":"n"{fields}}}}}}}"#)
}

/// Reads `fields` in a `FrameworkInfo` as [`check`] does; the defaults of `FrameworkInfo` are removed from what is
/// printed.
fn check_info(fields: &str, expect: Result<&str, &str>) {
    let result = decode::<Call>(subscribe(fields).as_bytes(), &Limits::default());
    let printed = result.map_err(|error| error.to_string()).map(|call| {
        let info = json(&call.subscribe.unwrap().framework_info);
        info.strip_prefix(r#"{"user":"u","name":"n""#).unwrap().strip_suffix('}').unwrap().to_owned()
    });
    assert_eq!(printed.as_deref().map_err(|e| e.as_str()), expect, "{fields}");
}

const DEFAULTS: &str = r#","failover_timeout":0.0,"checkpoint":false"#;

#[test]
fn the_root_must_be_an_object() {
    for text in ["[]", "1", "null", "\"x\""] {
        check(text, Err("Expecting a JSON object"));
    }
}

#[test]
fn invalid_json_and_other_values_have_different_errors() {
    let not_json = |text: &str, expect: &str| {
        let error = decode::<Call>(text.as_bytes(), &Limits::default()).unwrap_err();
        assert_eq!(error, JsonError::NotJson(expect.to_owned()), "{text}");
    };
    not_json("", "syntax error at line 1 near: ");
    not_json("{", "syntax error at line 1 near: ");
    not_json("{\"a\":\n\n x}", "syntax error at line 3 near: x}");
    not_json("{} x", "Parsed JSON included non-whitespace trailing characters: x");
    // Tepui differs: C++ accepts numbers that JSON does not allow.
    not_json(r#"{"a":01}"#, "syntax error at line 1 near: 1}");
    not_json(r#"{"a":NaN}"#, "syntax error at line 1 near: NaN}");
}

#[test]
fn enums_are_written_as_names() {
    check(r#"{"type":"TEARDOWN"}"#, Ok(r#"{"type":"TEARDOWN"}"#));
    check(r#"{"type":"teardown"}"#, Ok("{}"));
    check(r#"{"type":"NONSENSE"}"#, Ok("{}"));
    check(r#"{"type":null}"#, Ok("{}"));
    check(r#"{"type":1}"#, Err("Not expecting a JSON number for field 'type'"));
    check(r#"{"accept":{"operations":[{"type":"NEW"}]}}"#, Ok(r#"{"accept":{"operations":[{}]}}"#));
    let resource = r#"{"accept":{"operations":[{"reserve":{"resources":[{"name":"cpus","type":"FOO"}]}}]}}"#;
    check(resource, Err("Failed to find enum for 'FOO'"));
}

#[test]
fn the_last_value_of_a_repeated_name_is_used() {
    check(r#"{"type":"TEARDOWN","type":"NONSENSE"}"#, Ok("{}"));
    check(r#"{"type":"NONSENSE","type":"TEARDOWN"}"#, Ok(r#"{"type":"TEARDOWN"}"#));
    check(r#"{"type":"KILL","type":"REVIVE","type":"TEARDOWN"}"#, Ok(r#"{"type":"TEARDOWN"}"#));
}

#[test]
fn missing_fields_are_listed() {
    check(
        r#"{"type":"SUBSCRIBE","subscribe":{"framework_info":{}}}"#,
        Err("Missing required fields: subscribe.framework_info.user, subscribe.framework_info.name"),
    );
    check(r#"{"subscribe":{}}"#, Err("Missing required fields: subscribe.framework_info"));
    check(
        r#"{"accept":{"offer_ids":[{},{"value":"1"}],"operations":[{"launch":{"task_infos":
            [{"name":"a","resources":[{"name":"cpus"}]}]}}]}}"#,
        Err("Missing required fields: accept.offer_ids[0].value, accept.operations[0].launch.task_infos[0].task_id, \
             accept.operations[0].launch.task_infos[0].agent_id, \
             accept.operations[0].launch.task_infos[0].resources[0].type"),
    );
}

#[test]
fn unknown_fields_are_ignored() {
    check(r#"{"type":"TEARDOWN","what":{"ever":[1,{"a":null}]}}"#, Ok(r#"{"type":"TEARDOWN"}"#));
}

#[test]
fn a_single_value_is_read_as_an_array() {
    check_info(
        r#","roles":"r","capabilities":{"type":"MULTI_ROLE"}"#,
        Ok(&format!(r#"{DEFAULTS},"roles":["r"],"capabilities":[{{"type":"MULTI_ROLE"}}]"#)),
    );
    check_info(r#","roles":[["a"],[null,"b"]]"#, Ok(&format!(r#"{DEFAULTS},"roles":["a","b"]"#)));
    check_info(r#","roles":[]"#, Ok(DEFAULTS));
    check_info(r#","principal":["a"]"#, Err("Not expecting a JSON array for field 'principal'"));
}

#[test]
fn other_values_are_not_converted_to_strings() {
    check_info(r#","principal":5"#, Err("Not expecting a JSON number for field 'principal'"));
    check_info(r#","principal":true"#, Err("Not expecting a JSON boolean for field 'principal'"));
    check_info(r#","principal":{}"#, Err("Not expecting a JSON object for field 'principal'"));
    check(r#"{"framework_id":"x"}"#, Err("Not expecting a JSON string for field 'framework_id'"));
}

#[test]
fn scalars_can_be_strings() {
    check_info(r#","checkpoint":"true""#, Ok(r#","failover_timeout":0.0,"checkpoint":true"#));
    check_info(r#","failover_timeout":"1.5""#, Ok(r#","failover_timeout":1.5,"checkpoint":false"#));
    check_info(r#","failover_timeout":"5000000000""#, Ok(r#","failover_timeout":5000000000.0,"checkpoint":false"#));
    check_info(r#","checkpoint":1"#, Err("Not expecting a JSON number for field 'checkpoint'"));
    check_info(
        r#","checkpoint":"yes""#,
        Err("Failed to parse 'yes' as a JSON boolean for field 'checkpoint': syntax error at line 1 near: yes"),
    );
    check_info(
        r#","failover_timeout":"x""#,
        Err("Failed to parse 'x' as a JSON number for field 'failover_timeout': syntax error at line 1 near: x"),
    );
    check_info(
        r#","failover_timeout":"1 2""#,
        Err("Failed to parse '1 2' as a JSON number for field 'failover_timeout': \
             Parsed JSON included non-whitespace trailing characters: 2"),
    );
}

#[test]
fn infinite_doubles_are_written_as_strings() {
    for name in ["Infinity", "-Infinity", "NaN"] {
        let field = format!(r#","failover_timeout":"{name}""#);
        check_info(&field, Ok(&format!(r#"{field},"checkpoint":false"#)));
    }
}

/// Tepui differs: C++ casts, so that a too large number becomes another number.
#[test]
fn integers_out_of_range_are_refused() {
    let port = |value: &str| {
        let text = format!(r#"{{"hostname":"h","port":{value}}}"#);
        decode::<v1::AgentInfo>(text.as_bytes(), &Limits::default())
            .map(|info| info.port.unwrap())
            .map_err(|e| e.to_string())
    };
    assert_eq!(port("2147483647"), Ok(i32::MAX));
    assert_eq!(port("-2147483648"), Ok(i32::MIN));
    assert_eq!(port("\"5051\""), Ok(5051));
    assert_eq!(port("5051.9"), Ok(5051), "a fraction is cut off, as in C++");
    for value in ["2147483648", "-2147483649", "1e300", "-1e300", "18446744073709551616"] {
        assert_eq!(port(value), Err("The number for field 'port' is out of range".to_owned()), "{value}");
    }
}

#[test]
fn bytes_are_base64() {
    let uuid = |text: &str| {
        let body =
            format!(r#"{{"acknowledge":{{"agent_id":{{"value":"a"}},"task_id":{{"value":"t"}},"uuid":"{text}"}}}}"#);
        decode::<Call>(body.as_bytes(), &Limits::default())
            .map(|call| call.acknowledge.unwrap().uuid)
            .map_err(|e| e.to_string())
    };
    assert_eq!(uuid("AQID"), Ok(vec![1, 2, 3]));
    assert_eq!(uuid("AQI="), Ok(vec![1, 2]));
    assert_eq!(uuid("AQI"), Ok(vec![1, 2]));
    assert_eq!(uuid("AQ I\\n="), Ok(vec![1, 2]));
    assert_eq!(uuid("AQI=AQID"), Ok(vec![1, 2]));
    assert_eq!(uuid("AQIDA"), Ok(vec![1, 2, 3]));
    assert_eq!(uuid(""), Ok(vec![]));
    assert_eq!(uuid("@@"), Err("Failed to base64 decode bytes field 'uuid': Invalid character '@'".to_owned()));
}

#[test]
fn maps_are_written_as_objects() {
    let limits = Limits::default();
    let text = r#"{"name":"t","task_id":{"value":"t"},"agent_id":{"value":"a"},"limits":{"cpus":{"value":2.5},"mem":{"value":1.0}}}"#;
    let task: TaskInfo = decode(text.as_bytes(), &limits).unwrap();
    assert_eq!(task.limits["cpus"].value, 2.5);
    assert_eq!(json(&task), text);
    for value in ["null", "{}"] {
        let error = decode::<TaskInfo>(text.replace(r#"{"value":2.5}"#, value).as_bytes(), &limits).unwrap_err();
        assert_eq!(error.to_string(), "Missing required fields: limits[0].value.value");
    }
}

#[test]
fn durations_are_written_as_seconds_and_nanoseconds() {
    let check = |given: &str, expect: &str| {
        let text = format!(r#"{{"agent_id":{{"value":"a"}},"max_grace_period":{given},"mark_gone":false}}"#);
        let drain: v1::master::call::DrainAgent = decode(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(json(&drain), text.replace(given, expect));
    };
    check(r#"{"seconds":5,"nanos":7}"#, r#"{"seconds":5,"nanos":7}"#);
    check(r#"{"seconds":"-5"}"#, r#"{"seconds":-5}"#);
    // proto3 has no presence: zero means absence.
    check(r#"{"seconds":0}"#, "{}");
}

#[test]
fn explicit_defaults_are_printed_unless_deprecated() {
    let info = FrameworkInfo { user: "u".into(), name: "n".into(), ..FrameworkInfo::default() };
    // `role` has the default `*`, but is deprecated.
    assert_eq!(json(&info), r#"{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false}"#);
    #[allow(deprecated)]
    let info = FrameworkInfo { role: Some("*".into()), ..info };
    assert_eq!(json(&info), r#"{"user":"u","name":"n","failover_timeout":0.0,"checkpoint":false,"role":"*"}"#);
}

#[test]
fn required_fields_are_printed_even_when_empty() {
    assert_eq!(
        json(&Offer::default()),
        r#"{"id":{"value":""},"framework_id":{"value":""},"agent_id":{"value":""},"hostname":""}"#
    );
}

#[test]
fn strings_are_escaped_as_rapidjson_does() {
    let mut out = Vec::new();
    write_string("a\"b\\c/d\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}ü€😀", &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), r#""a\"b\\c/d\b\f\n\r\t\u0001\u001F"#.to_owned() + "\u{7f}ü€😀\"");
}

#[test]
fn doubles_are_printed_as_by_rapidjson() {
    for (value, expect) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (15.0, "15.0"),
        (-3.0, "-3.0"),
        (0.1, "0.1"),
        (0.30000000000000004, "0.30000000000000004"),
        (1234567890.123, "1234567890.123"),
        (1e5, "100000.0"),
        (1234.5e3, "1234500.0"),
        (9007199254740993.0, "9007199254740992.0"),
        (1e20, "100000000000000000000.0"),
        (123456789012345680000.0, "123456789012345680000.0"),
        (1e21, "1e21"),
        (1e22, "1e22"),
        (1.5e300, "1.5e300"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (1.25e-9, "1.25e-9"),
        (-1.5e-9, "-1.5e-9"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e308"),
    ] {
        let mut out = Vec::new();
        write_f64(value, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }
}

/// CVE-2018-11793: a C++ master before 1.7.1 crashes on the second text.
#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| format!(r#"{{"x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    check(&nested(150), Ok("{}"));
    for levels in [200, 100_000] {
        let error = decode::<Call>(nested(levels).as_bytes(), &Limits::default()).unwrap_err();
        assert!(error.to_string().starts_with("nested too deep"), "{error}");
    }
    let objects = format!("{}1{}", r#"{"x":"#.repeat(100_000), "}".repeat(100_000));
    assert!(matches!(decode::<Call>(objects.as_bytes(), &Limits::default()), Err(JsonError::NotJson(_))));
}

#[test]
fn values_and_bytes_are_bounded() {
    let limits = Limits { max_bytes: 100, max_elements: 10, ..Limits::default() };
    let error = |text: &str| decode::<Call>(text.as_bytes(), &limits).unwrap_err().to_string();
    assert!(error(r#"{"x":[1,2,3,4,5,6,7,8,9]}"#).starts_with("too many values"));
    assert_eq!(error(&" ".repeat(101)), "101 bytes are more than the limit of 100");
}

/// Encoded entities come from this program, but a mistake in it must not lead to invalid JSON.
#[test]
fn malformed_bytes_are_still_written_as_json() {
    let desc = v1::ContainerId::desc();
    let print = |bytes: &[u8]| {
        let mut out = Vec::new();
        write_bytes(desc, bytes, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(print(b""), "{}");
    assert_eq!(print(b"\x0a\x01\xff"), "{\"value\":\"\u{fffd}\"}");
    assert_eq!(print(b"\x0a\x01a\x0a\x01b"), r#"{"value":"b"}"#, "the last one wins");
    assert_eq!(
        print(b"\x12\x03\x0a\x01a\x12\x05\x12\x03\x0a\x01b"),
        r#"{"parent":{"value":"a","parent":{"value":"b"}}}"#,
        "messages are merged"
    );
    assert_eq!(print(b"\x0a\x01a\x12\x7f"), r#"{"value":"a"}"#, "nothing after damage");
}

#[test]
fn lists_of_messages_are_read() {
    use messages::v1::MachineId;
    let read = |text: &str| {
        let list = super::decode_list::<MachineId>(text.as_bytes(), &Limits::default());
        list.map(|ids| ids.iter().map(|id| id.hostname().to_owned()).collect::<Vec<_>>()).map_err(|e| e.to_string())
    };
    assert_eq!(read("[]"), Ok(vec![]));
    assert_eq!(read(r#" [{"hostname":"a"},{"hostname":"b"}]"#), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(read("{}"), Err("Unexpected JSON type parsed".to_owned()));
    assert_eq!(read("[1]"), Err("Expecting a JSON object".to_owned()));
    assert!(read(r#"[{"hostname":5}]"#).is_err());
    assert!(read("[]]").is_err());
}
