//! Compares the answers of two masters.

use std::io::{self, Write};
use std::net::SocketAddrV4;

use serde_json::Value;

use super::normalize::normalise;
use super::player::{Answer, play};
use super::script::{Action, Recording, Step};
use crate::world::World;

/// Plays every recording to both masters and writes the differences of their answers. Returns true if there are none.
///
/// # Errors
/// Returns the error of the first write that fails.
pub fn compare(
    out: &mut impl Write,
    recordings: &[Recording],
    master: SocketAddrV4,
    versus: SocketAddrV4,
) -> io::Result<bool> {
    let mut all_equal = true;
    for recording in recordings {
        let nonce = nonce();
        // The masters are asked one after the other, so that a master that is compared with itself does not offer the
        // same resources to two frameworks.
        let left = play(recording, &World::new(master, None), &nonce);
        let right = play(recording, &World::new(versus, None), &nonce);
        let differences = differences(recording, left, right);
        let verdict = if differences.is_empty() { "SAME" } else { "DIFFERENT" };
        writeln!(out, "{verdict:10}{} ({} steps)", recording.title, recording.steps.len())?;
        for difference in &differences {
            writeln!(out, "    {difference}")?;
        }
        all_equal &= differences.is_empty();
    }
    Ok(all_equal)
}

/// Plays every recording to one master and writes its answers. Returns false if a step failed.
///
/// # Errors
/// Returns the error of the first write that fails.
pub fn print(out: &mut impl Write, recordings: &[Recording], master: SocketAddrV4) -> io::Result<bool> {
    let mut all_answered = true;
    for recording in recordings {
        writeln!(out, "\n{}", recording.title)?;
        let answers = play(recording, &World::new(master, None), &nonce());
        for (step, answer) in recording.steps.iter().zip(answers) {
            match answer {
                Ok(Some(answer)) => writeln!(out, "{}: {answer}", location(step))?,
                Ok(None) => {}
                Err(stop) => {
                    all_answered = false;
                    writeln!(out, "{}: FAILED {stop}", location(step))?;
                }
            }
        }
    }
    Ok(all_answered)
}

fn nonce() -> String {
    let text = uuid::Uuid::new_v4().simple().to_string();
    text[..8].to_owned()
}

fn differences(recording: &Recording, left: Vec<Answer>, right: Vec<Answer>) -> Vec<String> {
    let mut found = Vec::new();
    for (step, (left, right)) in recording.steps.iter().zip(left.into_iter().zip(right)) {
        match (left, right) {
            (Ok(left), Ok(right)) => {
                let (left, right) = (prepared(left, step), prepared(right, step));
                let mut here = Vec::new();
                diff("", &left, &right, &mut here);
                found.extend(here.into_iter().map(|difference| format!("{}: {difference}", location(step))));
            }
            (Err(left), Err(right)) => found.push(format!("{}: both failed: {left} | {right}", location(step))),
            (Err(left), Ok(_)) => found.push(format!("{}: only the first failed: {left}", location(step))),
            (Ok(_), Err(right)) => found.push(format!("{}: only the second failed: {right}", location(step))),
        }
    }
    found
}

/// Removes the parts that may differ according to the step, and replaces generated values by their kind.
fn prepared(answer: Option<Value>, step: &Step) -> Value {
    let mut answer = answer.unwrap_or_default();
    for pointer in &step.ignored {
        if let Some((parent, field)) = pointer.rsplit_once('/')
            && let Some(Value::Object(fields)) = answer.pointer_mut(parent)
        {
            fields.remove(field);
        }
    }
    normalise(&mut answer);
    answer
}

fn diff(at: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, value) in a {
                match b.get(name) {
                    Some(other) => diff(&format!("{at}/{name}"), value, other, found),
                    None => found.push(format!("{at}/{name}: only the first has it: {value}")),
                }
            }
            for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                found.push(format!("{at}/{name}: only the second has it: {value}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                diff(&format!("{at}/{index}"), a, b, found);
            }
        }
        _ if left != right => found.push(format!("{at}: {left} | {right}")),
        _ => {}
    }
}

fn location(step: &Step) -> String {
    let what = match &step.action {
        Action::Get { target } => format!("get {target}"),
        Action::Post { target, .. } => format!("post {target}"),
        Action::Subscribe { target, .. } => format!("subscribe {target}"),
        Action::Event { kind, .. } => format!("event {kind}"),
        Action::Offer { .. } => "offer".to_owned(),
        Action::End { .. } => "end".to_owned(),
        Action::Peer { process, .. } => format!("peer {process}"),
        Action::Send { message, .. } => format!("send {message}"),
        Action::Receive { message, .. } => format!("receive {message}"),
    };
    format!("line {} {what}", step.line)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(left: Value, right: Value, expected: &[&str]) {
        let mut found = Vec::new();
        diff("", &left, &right, &mut found);
        assert_eq!(found, expected);
    }

    #[test]
    fn differences_are_named_by_field() {
        check(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 2}]}), &[]);
        check(json!({"a": [1, {"b": 2}]}), json!({"a": [1, {"b": 3}]}), &["/a/1/b: 2 | 3"]);
        check(
            json!({"a": 1, "b": 2}),
            json!({"b": 2, "c": 3}),
            &["/a: only the first has it: 1", "/c: only the second has it: 3"],
        );
        check(json!([1]), json!([1, 2]), &[": [1] | [1,2]"]);
    }
}
