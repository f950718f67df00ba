//! The text format of a recording. A step begins at the margin, and the lines that belong to it are indented:
//!
//! ```text
//! # A comment.
//! title A scheduler subscribes
//! subscribe s /api/v1/scheduler
//!   {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "u", "name": "n-$nonce"}}}
//! event s SUBSCRIBED
//!   let framework /subscribed/framework_id/value
//!   ignore /subscribed/master_info/version
//! post /api/v1/scheduler on s
//!   {"type": "REVIVE", "framework_id": {"value": "$framework"}}
//! ```
//!
//! `$name` is the value that a `let` has taken from an answer; `$nonce` is new in every run.

use std::fs;
use std::io;
use std::path::PathBuf;

#[derive(Debug)]
pub struct Recording {
    pub title: String,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub struct Step {
    /// The number of the line on which the step begins.
    pub line: usize,
    pub action: Action,
    /// The lines of the body, joined.
    pub body: String,
    /// `(name, pointer)`: the parts of the answer that are stored in variables.
    pub lets: Vec<(String, String)>,
    /// Pointers to what may differ.
    pub ignored: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An HTTP request, with the stream id of a stream if one is named.
    Get {
        target: String,
    },
    Post {
        target: String,
        on: Option<String>,
    },
    /// A request whose response is an event stream.
    Subscribe {
        stream: String,
        target: String,
    },
    /// Waits for the next event of this type.
    Event {
        stream: String,
        kind: String,
    },
    /// Waits for the next offer of one agent to a stream or a driver. Offers of other agents are not compared.
    Offer {
        to: String,
        agent: String,
    },
    /// Waits for the end of the stream.
    End {
        stream: String,
    },
    /// Starts a libprocess process, whose address is `$<name>.pid` and `$<name>.port`.
    Peer {
        peer: String,
        process: String,
    },
    /// Sends a message of the process, which is written in JSON.
    Send {
        peer: String,
        message: String,
        force: bool,
    },
    /// Waits for a message to the process.
    Receive {
        peer: String,
        message: String,
    },
}

const SHIPPED: &[(&str, &str)] = &[
    ("scheduler.txt", include_str!("../../recordings/scheduler.txt")),
    ("agent.txt", include_str!("../../recordings/agent.txt")),
    ("driver.txt", include_str!("../../recordings/driver.txt")),
    ("operator.txt", include_str!("../../recordings/operator.txt")),
];

/// Reads the files, or the recordings that come with this program.
///
/// # Errors
/// Returns an error if a file cannot be read or is not a recording; it names the file and the line.
pub fn load(files: &[PathBuf]) -> io::Result<Vec<Recording>> {
    let invalid = |name: &str, reason: String| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {reason}"));
    if files.is_empty() {
        return SHIPPED.iter().map(|(name, text)| parse(text).map_err(|reason| invalid(name, reason))).collect();
    }
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path)?;
        parse(&text).map_err(|reason| invalid(&path.display().to_string(), reason))
    };
    files.iter().map(read).collect()
}

/// Reads one recording.
///
/// # Errors
/// Returns the number of the line that is not written like a step, and the reason.
pub fn parse(text: &str) -> Result<Recording, String> {
    let mut recording = Recording { title: String::new(), steps: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        let (number, content) = (number + 1, line.trim());
        let at_line = |reason: &str| format!("line {number}: {reason}");
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if line.starts_with(' ') {
            let step = recording.steps.last_mut().ok_or_else(|| at_line("indented, but no step is before it"))?;
            add_detail(step, content).map_err(|reason| at_line(&reason))?;
        } else if let Some(title) = content.strip_prefix("title ") {
            recording.title = title.to_owned();
        } else {
            let action = parse_action(content).ok_or_else(|| at_line("no step is written like this"))?;
            recording.steps.push(Step {
                line: number,
                action,
                body: String::new(),
                lets: Vec::new(),
                ignored: Vec::new(),
            });
        }
    }
    Ok(recording)
}

fn add_detail(step: &mut Step, content: &str) -> Result<(), String> {
    let words: Vec<&str> = content.split_whitespace().collect();
    match words.as_slice() {
        ["let", name, pointer] => step.lets.push(((*name).to_owned(), (*pointer).to_owned())),
        ["ignore", pointer] => step.ignored.push((*pointer).to_owned()),
        ["let" | "ignore", ..] => return Err("expected `let NAME POINTER` or `ignore POINTER`".to_owned()),
        _ => {
            step.body.push_str(content);
            step.body.push(' ');
        }
    }
    Ok(())
}

fn parse_action(content: &str) -> Option<Action> {
    let words: Vec<String> = content.split_whitespace().map(str::to_owned).collect();
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let own = |text: &str| text.to_owned();
    Some(match *texts.as_slice() {
        ["get", target] => Action::Get { target: own(target) },
        ["post", target] => Action::Post { target: own(target), on: None },
        ["post", target, "on", stream] => Action::Post { target: own(target), on: Some(own(stream)) },
        ["subscribe", stream, target] => Action::Subscribe { stream: own(stream), target: own(target) },
        ["event", stream, kind] => Action::Event { stream: own(stream), kind: own(kind) },
        ["offer", to, agent] => Action::Offer { to: own(to), agent: own(agent) },
        ["end", stream] => Action::End { stream: own(stream) },
        ["peer", peer, process] => Action::Peer { peer: own(peer), process: own(process) },
        ["send", peer, message] => Action::Send { peer: own(peer), message: own(message), force: false },
        ["send", peer, message, "force"] => Action::Send { peer: own(peer), message: own(message), force: true },
        ["receive", peer, message] => Action::Receive { peer: own(peer), message: own(message) },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recordings_can_be_parsed() {
        let recordings = load(&[]).unwrap();
        for recording in &recordings {
            assert!(!recording.title.is_empty());
            assert!(!recording.steps.is_empty(), "{}", recording.title);
        }
    }

    #[test]
    fn a_step_contains_the_indented_lines() {
        let text = "title T\n# note\npost /x on s\n  {\"a\":\n   1}\n  let b /c\n  ignore /d\nget /y\n";
        let recording = parse(text).unwrap();
        assert_eq!(recording.title, "T");
        let [post, get] = recording.steps.as_slice() else { panic!("{recording:?}") };
        assert_eq!(post.action, Action::Post { target: "/x".into(), on: Some("s".into()) });
        assert_eq!(post.body, "{\"a\": 1} ");
        assert_eq!(post.lets, [("b".to_owned(), "/c".to_owned())]);
        assert_eq!(post.ignored, ["/d"]);
        assert_eq!((get.line, &get.action), (8, &Action::Get { target: "/y".into() }));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, reason) in [
            ("title T\nfrobnicate\n", "line 2: no step is written like this"),
            ("  {}\n", "line 1: indented, but no step is before it"),
            ("get /x\n  let a\n", "line 2: expected `let NAME POINTER` or `ignore POINTER`"),
        ] {
            assert_eq!(parse(text).unwrap_err(), reason);
        }
    }
}
