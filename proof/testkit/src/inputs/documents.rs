//! JSON documents of about [`FILL`] bytes.

use serde_json::{Value, json};

use super::cost::FILL;

/// Returns texts of about [`FILL`] bytes, each in place of a string.
fn strings() -> [(&'static str, String); 3] {
    [
        ("long", "a".repeat(FILL)),
        ("deep", format!("a{}", "/a".repeat(FILL / 2))),
        ("controls", "\u{1b}".repeat(FILL / 6)),
    ]
}

fn list(element: impl Fn(usize) -> Value) -> Value {
    let each = element(0).to_string().len() + 1;
    Value::Array((0..(FILL / each).max(1)).map(element).collect())
}

fn object(value: impl Fn(usize) -> Value) -> Value {
    let each = value(0).to_string().len() + 8;
    Value::Object((0..(FILL / each).max(1)).map(|i| (format!("k{i}"), value(i))).collect())
}

/// Returns JSON of about [`FILL`] bytes that is no message at all.
pub fn shapes() -> Vec<(&'static str, String)> {
    vec![
        ("arrays in arrays", "[".repeat(FILL)),
        ("objects in objects", "{\"a\":".repeat(FILL / 5)),
        ("empty objects", list(|_| json!({})).to_string()),
        ("empty arrays", list(|_| json!([])).to_string()),
        ("numbers", list(|i| json!(i % 10)).to_string()),
        ("members", object(|_| json!(0)).to_string()),
        ("a long number", "1".repeat(FILL)),
        ("a long text", json!("a".repeat(FILL)).to_string()),
        ("escapes", format!("\"{}\"", "\\u0041".repeat(FILL / 6))),
    ]
}

/// Returns copies of a JSON document. In each of them one string, list or object is filled.
pub fn filled(base: &Value) -> Vec<(String, String)> {
    let mut documents = vec![("as it is".to_owned(), base.to_string())];
    let mut pointers = Vec::new();
    collect(base, String::new(), &mut pointers);
    for pointer in pointers {
        let at = base.pointer(&pointer).unwrap();
        let fillings: Vec<(&str, Value)> = match at {
            Value::String(_) => strings().into_iter().map(|(name, text)| (name, Value::String(text))).collect(),
            Value::Array(elements) => {
                let element = elements.first().cloned().unwrap_or_default();
                vec![("elements", list(|i| numbered(&element, i)))]
            }
            Value::Object(members) => {
                let value = members.values().next().cloned().unwrap_or_default();
                vec![("members", object(|i| numbered(&value, i)))]
            }
            Value::Number(_) => vec![("digits", Value::Null)],
            Value::Null | Value::Bool(_) => Vec::new(),
        };
        for (name, filling) in fillings {
            let mut document = base.clone();
            *document.pointer_mut(&pointer).unwrap() = filling;
            let text = match name {
                "digits" => document.to_string().replacen("null", &"1".repeat(FILL), 1),
                _ => document.to_string(),
            };
            documents.push((format!("{pointer} ({name})"), text));
        }
    }
    documents
}

fn collect(value: &Value, at: String, pointers: &mut Vec<String>) {
    pointers.push(at.clone());
    match value {
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(i, element)| collect(element, format!("{at}/{i}"), pointers));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| collect(member, format!("{at}/{name}"), pointers));
        }
        _ => {}
    }
}

/// Returns a copy with other texts, so that the elements of a list differ.
fn numbered(value: &Value, i: usize) -> Value {
    match value {
        Value::String(text) => Value::String(format!("{text}{i}")),
        Value::Array(elements) => elements.iter().map(|element| numbered(element, i)).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), numbered(value, i))).collect(),
        other => other.clone(),
    }
}

/// Returns the text percent-encoded for a form or a query.
pub fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Returns values of a query that are long: at most `size` bytes, since the head of a request has a bound of its own.
pub fn query_values(size: usize) -> [String; 8] {
    [
        "a".repeat(size),
        "%61".repeat(size / 3),
        "a%2F".repeat(size / 4),
        "9".repeat(size),
        "%1B".repeat(size / 3),
        "cpus:1%3B".repeat(size / 9),
        "[".repeat(size),
        "a&".repeat(size / 2),
    ]
}
