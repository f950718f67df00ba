//! Replaces values that rightly differ between two masters: generated ids, times and addresses.

use serde_json::Value;

/// Replaces every such value by its kind, so that the rest can be compared.
pub fn normalise(value: &mut Value) {
    normalise_named("", value);
}

fn normalise_named(name: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| normalise_named(name, value)),
        Value::Array(items) => {
            items.iter_mut().for_each(|item| normalise_named(name, item));
            // Lists of resources, capabilities, attributes and the like are sets.
            items.sort_by_cached_key(Value::to_string);
        }
        _ if is_time(name) => *value = "<time>".into(),
        Value::Number(_) if name == "port" => *value = "<port>".into(),
        // 0 and 0.0 are the same number; how it is printed is checked by other cases.
        Value::Number(number) => {
            if let Some(float) = number.as_f64() {
                *value = float.into();
            }
        }
        Value::String(text) => {
            *text = if matches!(name, "uuid" | "resource_version_uuid") { "<uuid>".into() } else { normal_text(text) };
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn is_time(name: &str) -> bool {
    name == "timestamp" || name == "nanoseconds" || name.ends_with("_time")
}

/// Ids are `<uuid of the master>-<letter><number>`; addresses are `<ip>:<port>`.
fn normal_text(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = after_uuid(rest) {
            normal.push_str("<uuid>");
            rest = after;
            if let Some((kind, after)) = after_number_of_id(rest) {
                normal.push_str(kind);
                normal.push('N');
                rest = after;
            }
        } else if let Some(after) = rest.strip_prefix("127.0.0.1:") {
            normal.push_str("<address>");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        } else {
            let mut characters = rest.chars();
            normal.extend(characters.next());
            rest = characters.as_str();
        }
    }
    normal
}

fn after_uuid(text: &str) -> Option<&str> {
    const LENGTH: usize = 36;
    let (head, after) = text.split_at_checked(LENGTH)?;
    uuid::Uuid::try_parse(head).ok().map(|_| after)
}

/// Splits `-S12`, `-O3` or `-0001` into what precedes the number and what follows it.
fn after_number_of_id(text: &str) -> Option<(&str, &str)> {
    let digits_at = text.find(|c: char| c.is_ascii_digit())?;
    let (kind, digits) = text.split_at(digits_at);
    let after = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    matches!(kind, "-" | "-S" | "-O").then_some((kind, after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(mut given: Value, expected: Value) {
        normalise(&mut given);
        assert_eq!(given, expected);
    }

    #[test]
    fn minted_ids_keep_their_form() {
        let id = "4af771ed-8c11-4957-a6c2-35146c8befc9";
        for (given, expected) in [
            (format!("{id}-S12"), "<uuid>-SN"),
            (format!("{id}-0001"), "<uuid>-N"),
            (format!("Offer {id}-O7 is no longer valid"), "Offer <uuid>-ON is no longer valid"),
            (id.to_owned(), "<uuid>"),
            (format!("{id}-x"), "<uuid>-x"),
            ("slave(1)@127.0.0.1:5051".to_owned(), "slave(1)@<address>"),
            ("ünï".to_owned(), "ünï"),
        ] {
            check(json!(given), json!(expected));
        }
    }

    #[test]
    fn times_ports_and_uuids_are_normalized() {
        check(
            json!({"timestamp": 1.5, "port": 5050, "uuid": "abc=", "start_time": 1, "cpus": 1}),
            json!({"timestamp": "<time>", "port": "<port>", "uuid": "<uuid>", "start_time": "<time>", "cpus": 1.0}),
        );
    }

    #[test]
    fn the_order_in_sets_does_not_matter() {
        check(json!([{"name": "mem"}, {"name": "cpus"}]), json!([{"name": "cpus"}, {"name": "mem"}]));
    }
}
