//! `--resources` and `--attributes`, in both forms of the former, and how resources are printed.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::*;
use resources::{Resources, attributes};

#[track_caller]
fn parses(text: &str, default_role: &str, shown: &str) {
    assert_eq!(
        Resources::parse(text, default_role).map(|resources| resources.to_string()),
        Ok(shown.to_owned()),
        "{text}"
    );
}

#[track_caller]
fn refuses(text: &str, reason: &str) {
    let error = Resources::parse(text, "*").map_err(|error| error.to_string());
    assert_eq!(error, Err(reason.to_owned()), "{text}");
}

#[test]
fn the_short_form_is_parsed() {
    parses("", "*", "{}");
    parses(";;", "*", "{}");
    parses(
        "cpus:45.55;ports:[10000-20000, 30000-50000];disks:{sda1}",
        "*",
        "cpus:45.55; ports:[10000-20000, 30000-50000]; disks:{sda1}",
    );
    parses(
        "cpus(role1):2;mem(role1):3",
        "*",
        "cpus(reservations: [(STATIC,role1)]):2; mem(reservations: [(STATIC,role1)]):3",
    );
    parses(
        "cpus:2.5;ports(role2):[0-100]",
        "role1",
        "cpus(reservations: [(STATIC,role1)]):2.5; ports(reservations: [(STATIC,role2)]):[0-100]",
    );
    parses(" cpus ( role1 ) : 2 ", "*", "cpus(reservations: [(STATIC,role1)]):2");
    parses("cpus(*):1", "role1", "cpus:1");
    parses("cpus:1;cpus:2", "*", "cpus:3");
    parses("cpus:0;gpus:0;ports:[];disks:{}", "*", "{}");
    parses("ports:[3-4,1-2,9-9]", "*", "ports:[1-4, 9-9]");
    parses("mem:1e3", "*", "mem:1000");
    parses("cpus(eng/web):1", "*", "cpus(reservations: [(STATIC,eng/web)]):1");
}

#[test]
fn invalid_short_forms_are_refused() {
    refuses("cpus", "Bad value for resources, missing or extra ':' in cpus");
    refuses("cpus(role1)", "Bad value for resources, missing or extra ':' in cpus(role1)");
    refuses("cpus:1:2", "Bad value for resources, missing or extra ':' in cpus:1:2");
    refuses("cpus(role1:1", "Bad value for resources, mismatched parentheses in cpus(role1:1");
    refuses("cpus)(role1:1", "Bad value for resources, mismatched parentheses in cpus)(role1:1");
    refuses("cpus)(role1):1", "Bad value for resources, mismatched parentheses in cpus)(role1):1");
    refuses("cpus:two", "Bad type for resource cpus value two type TEXT");
    refuses("cpus:-1", "Bad type for resource cpus value -1 type TEXT");
    refuses("cpus:inf", "Bad type for resource cpus value inf type TEXT");
    refuses("cpus:nan", "Bad type for resource cpus value nan type TEXT");
    refuses("cpus: ", "Failed to parse resource cpus value   error Expecting non-empty string");
    refuses("ports:[1-2", "Failed to parse resource ports value [1-2 error Mismatched brackets");
    refuses("ports:[1-2-3]", "Failed to parse resource ports value [1-2-3] error Expecting one or more \"ranges\"");
    refuses("ports:[a-b]", "Failed to parse resource ports value [a-b] error Expecting non-negative integers in 'a'");
    refuses("ports:[9-1]", "Failed to parse resource ports value [9-1] error inverted range 9-1");
    refuses("ports:x[1-2]", "Failed to parse resource ports value x[1-2] error Unexpected '[' found");
    refuses("disks:x{a}", "Failed to parse resource disks value x{a} error Unexpected '{' found");
    refuses("cpus:1e-310", "Failed to parse resource cpus value 1e-310 error Subnormal values not supported");
    refuses("cpus:0.00001", "Invalid scalar resource: value <= 0");
    refuses("cpus:1e13", "Invalid scalar resource: value > 1e12");
    refuses("disks:{a,a}", "Invalid set resource: duplicated elements");
    refuses(":1", "Bad value for resources, missing or extra ':' in :1");
    refuses("(r):1", "Empty resource name");
    refuses("cpus(a/):1", "Role 'a/' cannot end with a slash");
    refuses(
        "foo(role1):1;foo(role2):[0-1]",
        "Resources with the same name ('foo') but different types are not allowed",
    );
}

#[test]
fn the_json_form_is_parsed() {
    let text = r#"[
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 45.55}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 1024}, "role": "role2"},
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}, {"begin": 5, "end": 9}]}},
        {"name": "pandas", "type": "SET", "set": {"item": ["pan_pan", "lun_lun"]}, "role": "*"},
        {"name": "disk", "type": "SCALAR", "scalar": {"value": 2048},
         "reservations": [{"type": "STATIC", "role": "role3"}],
         "disk": {"source": {"type": "MOUNT", "mount": {"root": "/mnt/data"}}}}
    ]"#;
    parses(
        text,
        "role1",
        "cpus(reservations: [(STATIC,role1)]):45.55; mem(reservations: [(STATIC,role2)]):1024; \
         disk(reservations: [(STATIC,role3)])[MOUNT:/mnt/data]:2048; \
         ports(reservations: [(STATIC,role1)]):[1-2, 5-9]; pandas:{lun_lun, pan_pan}",
    );
    parses("[]", "*", "{}");
}

#[test]
fn invalid_json_forms_are_refused() {
    let one = |rest: &str| format!(r#"[{{"name": "cpus", "type": "SCALAR", "scalar": {{"value": 1}}{rest}}}]"#);
    refuses(
        &one(r#", "revocable": {}"#),
        "Revocable resources cannot be specified at the command line; do not include a 'revocable' key in the resources JSON",
    );
    refuses(
        &one(r#", "reservations": [{"type": "DYNAMIC", "role": "a"}]"#),
        "Dynamic reservations cannot be specified at the command line; do not include a reservation with DYNAMIC type in the resources JSON",
    );
    refuses(
        r#"[{"name": "disk", "type": "SCALAR", "scalar": {"value": 1}, "disk": {"persistence": {"id": "p"}}}]"#,
        "Persistent volumes cannot be specified at the command line",
    );
    refuses(r#"[{"name": "", "type": "SCALAR", "scalar": {"value": 1}}]"#, "Empty resource name");
    refuses(r#"[{"name": "cpus", "type": "SCALAR", "scalar": {"value": -1}}]"#, "Invalid scalar resource: value <= 0");
    refuses(
        r#"[{"name": "pandas", "type": "SET", "set": {"item": ["a", "a"]}}]"#,
        "Invalid set resource: duplicated elements",
    );
    refuses(
        r#"[{"name": "p", "type": "SCALAR", "scalar": {"value": 1}}, {"name": "p", "type": "SET", "set": {"item": ["a"]}}]"#,
        "Resources with the same name ('p') but different types are not allowed",
    );
    for text in [
        r#"[[{"name": "cpus"}]]"#,
        r#"[{"name": "cpus", "scalar": {"value": 1}}]"#,
        r#"[{"name": "cpus", "type": "FLOATINGPOINT", "scalar": {"value": 1}}]"#,
    ] {
        let error = Resources::parse(text, "*").map_err(|error| error.to_string());
        assert!(
            error.as_ref().is_err_and(|text| text.starts_with("Some JSON resources were not formatted properly: ")),
            "{error:?}"
        );
    }
    // A text that is no JSON array is read as the short form.
    for text in [&one("")[1..], &format!("{}x", one("")), &one("").replace('}', "]")] {
        assert!(Resources::parse(text, "*").is_err(), "{text}");
    }
}

#[track_caller]
fn prints(resources: Resources, shown: &str) {
    assert_eq!(resources.to_string(), shown);
}

#[test]
fn resources_are_printed_as_in_mesos() {
    let disk = || proto("disk(alice):1");
    let alice = "disk(reservations: [(STATIC,alice)])";
    prints(parse("disk:1"), "disk:1");
    prints(disk().alone(), &format!("{alice}:1"));
    prints(disk().allocated_to("role").alone(), "disk(allocated: role)(reservations: [(STATIC,alice)]):1");
    prints(disk().revocable().alone(), &format!("{alice}{{REV}}:1"));
    prints(disk().persistent("hadoop").alone(), &format!("{alice}[hadoop:path]:1"));
    prints(disk().persistent("hadoop").revocable().alone(), &format!("{alice}[hadoop:path]{{REV}}:1"));
    let hosted = || {
        disk().persistent("hadoop").with(|resource| {
            let volume = resource.disk.as_mut().unwrap().volume.as_mut().unwrap();
            volume.container_path = "/data".to_owned();
            volume.host_path = Some("/hdfs".to_owned());
        })
    };
    prints(hosted().alone(), &format!("{alice}[hadoop:/hdfs:/data:rw]:1"));
    prints(hosted().sourced(mount("/mnt1")).alone(), &format!("{alice}[MOUNT:/mnt1,hadoop:/hdfs:/data:rw]:1"));
    prints(hosted().sourced(path("/mnt2")).alone(), &format!("{alice}[PATH:/mnt2,hadoop:/hdfs:/data:rw]:1"));
    let refined = by("hdfs-p", dynamic("alice/refined"));
    prints(
        hosted().reserved(refined.clone()).alone(),
        "disk(reservations: [(STATIC,alice),(DYNAMIC,alice/refined,hdfs-p)])[hadoop:/hdfs:/data:rw]:1",
    );
    prints(
        hosted().reserved(labelled(&[("bar", None), ("foo", Some("x"))], refined)).alone(),
        "disk(reservations: [(STATIC,alice),(DYNAMIC,alice/refined,hdfs-p,{bar, foo: x})])[hadoop:/hdfs:/data:rw]:1",
    );
}

#[test]
fn scalars_are_printed_as_in_mesos() {
    for (given, shown) in [
        ("1.234", "cpus:1.234"),
        ("1.2345", "cpus:1.235"),
        ("1.2344", "cpus:1.234"),
        ("1.10", "cpus:1.1"),
        ("1.05", "cpus:1.05"),
        ("0.001", "cpus:0.001"),
        ("1000001", "cpus:1000001"),
        ("99999999999.9994", "cpus:99999999999.999"),
    ] {
        prints(parse(&format!("cpus:{given}")), shown);
    }
}

/// Returns name, type (0 scalar, 1 ranges, 3 text) and value of each attribute.
fn shown(text: &str) -> Result<Vec<(String, i32, String)>, String> {
    let attributes = attributes::parse(text).map_err(|error| error.to_string())?;
    let value = |attribute: &messages::v1::Attribute| match attribute {
        messages::v1::Attribute { scalar: Some(scalar), .. } => scalar.value.to_string(),
        messages::v1::Attribute { ranges: Some(ranges), .. } => {
            format!("{:?}", ranges.range.iter().map(|range| (range.begin, range.end)).collect::<Vec<_>>())
        }
        messages::v1::Attribute { text: Some(text), .. } => text.value.clone(),
        other => format!("{other:?}"),
    };
    Ok(attributes.iter().map(|attribute| (attribute.name.clone(), attribute.r#type, value(attribute))).collect())
}

#[test]
fn attributes_are_texts_scalars_and_ranges() {
    let of = |name: &str, kind, value: &str| (name.to_owned(), kind, value.to_owned());
    assert_eq!(
        shown("rack:abc;zone:west;level:10;keys:[1000-1500]"),
        Ok(vec![of("rack", 3, "abc"), of("zone", 3, "west"), of("level", 0, "10"), of("keys", 1, "[(1000, 1500)]")])
    );
    assert_eq!(shown(""), Ok(vec![]));
    // Only the first colon divides name and value, and the order is kept.
    assert_eq!(shown("url:http://x:80\nb:-1"), Ok(vec![of("url", 3, "http://x:80"), of("b", 3, "-1")]));
}

#[test]
fn invalid_attributes_are_refused() {
    for (text, reason) in [
        ("rack", "Invalid attribute key:value pair 'rack'"),
        (":x", "Invalid attribute key:value pair ':x'"),
        ("rack:", "Invalid attribute key:value pair 'rack:'"),
        ("set:{a}", "Bad type for attribute set text {a} type SET"),
        ("keys:[1-", "Failed to parse attribute keys text [1- error Mismatched brackets"),
    ] {
        assert_eq!(shown(text), Err(reason.to_owned()));
    }
}
