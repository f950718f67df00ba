//! The text format of a conversation. A step begins at the margin, what belongs to it is indented:
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
//! `$name` is what a `let` has taken from an answer; `$nonce` is new in every run.

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
    /// Where it is written.
    pub line: usize,
    pub action: Action,
    /// The lines of the body, joined.
    pub body: String,
    /// `(name, pointer)`: remembers a part of the answer.
    pub lets: Vec<(String, String)>,
    /// Pointers to what may differ.
    pub ignored: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// An HTTP request; with the stream id of a stream, if one is named.
    Get {
        target: String,
    },
    Post {
        target: String,
        on: Option<String>,
    },
    /// A request whose answer is an event stream.
    Subscribe {
        stream: String,
        target: String,
    },
    /// The next event of this type.
    Event {
        stream: String,
        kind: String,
    },
    /// The next offer of one agent, to a stream or to a driver: what others offer meanwhile is not compared.
    Offer {
        to: String,
        agent: String,
    },
    /// The stream ends.
    End {
        stream: String,
    },
    /// A libprocess process appears: `$<name>.pid` and `$<name>.port` are its address.
    Peer {
        peer: String,
        process: String,
    },
    /// It sends a message, written in JSON.
    Send {
        peer: String,
        message: String,
        force: bool,
    },
    /// It receives one.
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

/// Reads the files, or the conversations that come with this program.
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

pub fn parse(text: &str) -> Result<Recording, String> {
    let mut conversation = Recording { title: String::new(), steps: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        let (number, content) = (number + 1, line.trim());
        let at_line = |reason: &str| format!("line {number}: {reason}");
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        if line.starts_with(' ') {
            let step = conversation.steps.last_mut().ok_or_else(|| at_line("indented, but no step is before it"))?;
            add_detail(step, content).map_err(|reason| at_line(&reason))?;
        } else if let Some(title) = content.strip_prefix("title ") {
            conversation.title = title.to_owned();
        } else {
            let action = parse_action(content).ok_or_else(|| at_line("no step is written like this"))?;
            conversation.steps.push(Step {
                line: number,
                action,
                body: String::new(),
                lets: Vec::new(),
                ignored: Vec::new(),
            });
        }
    }
    Ok(conversation)
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
    fn what_is_shipped_can_be_read() {
        let conversations = load(&[]).unwrap();
        for conversation in &conversations {
            assert!(!conversation.title.is_empty());
            assert!(!conversation.steps.is_empty(), "{}", conversation.title);
        }
    }

    #[test]
    fn a_step_takes_what_is_indented_below_it() {
        let text = "title T\n# note\npost /x on s\n  {\"a\":\n   1}\n  let b /c\n  ignore /d\nget /y\n";
        let conversation = parse(text).unwrap();
        assert_eq!(conversation.title, "T");
        let [post, get] = conversation.steps.as_slice() else { panic!("{conversation:?}") };
        assert_eq!(post.action, Action::Post { target: "/x".into(), on: Some("s".into()) });
        assert_eq!(post.body, "{\"a\": 1} ");
        assert_eq!(post.lets, [("b".to_owned(), "/c".to_owned())]);
        assert_eq!(post.ignored, ["/d"]);
        assert_eq!((get.line, &get.action), (8, &Action::Get { target: "/y".into() }));
    }

    #[test]
    fn mistakes_are_named_by_line() {
        for (text, reason) in [
            ("title T\nfrobnicate\n", "line 2: no step is written like this"),
            ("  {}\n", "line 1: indented, but no step is before it"),
            ("get /x\n  let a\n", "line 2: expected `let NAME POINTER` or `ignore POINTER`"),
        ] {
            assert_eq!(parse(text).unwrap_err(), reason);
        }
    }
}
