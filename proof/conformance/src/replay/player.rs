//! Sends the requests of a recording to a master and receives its answers.

use std::collections::BTreeMap;
use std::time::Instant;

use messages::Message;
use messages::schema::MessageDescriptor;
use messages::v1::scheduler::Call;
use serde_json::{Value, json};
use wire::Limits;

use super::script::{Action, Recording, Step};
use crate::case_error::{CaseError, Checked};
use crate::events::EventStream;
use crate::http::{Request, Response};
use crate::peer::{Peer, Pings};
use crate::world::{SOON, World};

/// The answer to one step; `None` for steps without an answer.
pub type Answer = Checked<Option<Value>>;

pub struct Player<'a> {
    world: &'a World,
    variables: BTreeMap<String, String>,
    streams: BTreeMap<String, EventStream>,
    peers: BTreeMap<String, Peer>,
}

/// Plays the steps until one fails; the steps after it would fail as a consequence.
pub fn play(recording: &Recording, world: &World, nonce: &str) -> Vec<Answer> {
    let variables = BTreeMap::from([("nonce".to_owned(), nonce.to_owned())]);
    let mut player = Player { world, variables, streams: BTreeMap::new(), peers: BTreeMap::new() };
    let mut answers = Vec::new();
    for step in &recording.steps {
        let answer = player.take(step);
        let failed = answer.is_err();
        answers.push(answer);
        if failed {
            break;
        }
    }
    answers
}

impl Player<'_> {
    fn take(&mut self, step: &Step) -> Answer {
        let answer = self.perform(step)?;
        if let Some(answer) = &answer {
            for (name, pointer) in &step.lets {
                let value = crate::check::at(answer, pointer)?;
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.variables.insert(name.clone(), text);
            }
        }
        Ok(answer)
    }

    fn perform(&mut self, step: &Step) -> Answer {
        let body = self.fill_in(&step.body)?;
        match &step.action {
            Action::Get { target } => {
                let response = self.world.send(Request::get(&self.fill_in(target)?))?;
                Ok(Some(described(&response)))
            }
            Action::Post { target, on } => {
                let mut request = Request::post(&self.fill_in(target)?).text(&body);
                if let Some(stream) = on {
                    let id = self.stream(stream)?.head.header("Mesos-Stream-Id").unwrap_or_default().to_owned();
                    request = request.header("Mesos-Stream-Id", &id);
                }
                Ok(Some(described(&self.world.send(request)?)))
            }
            Action::Subscribe { stream, target } => {
                let request = Request::post(target).accept("application/json").text(&body);
                let events = EventStream::open(self.world.master, &request)?;
                let head = described(&events.head);
                self.streams.insert(stream.clone(), events);
                Ok(Some(head))
            }
            Action::Event { stream, kind } => self.stream(stream)?.expect(kind, SOON).map(Some),
            Action::End { stream } => {
                self.stream(stream)?.expect_end(SOON)?;
                Ok(Some(json!("the end")))
            }
            Action::Peer { peer, process } => {
                let process = self.fill_in(process)?;
                let own = Peer::new(&process, self.world.master_pid()?, Pings::Answered)?;
                self.variables.insert(format!("{peer}.pid"), own.pid.to_string());
                self.variables.insert(format!("{peer}.port"), own.pid.address.port().to_string());
                self.peers.insert(peer.clone(), own);
                Ok(None)
            }
            Action::Send { peer, message, force } => {
                let bytes = encode(message, &body, *force)?;
                let master = self.world.master_pid()?;
                self.peer(peer)?.send_to(&master, message, &bytes)?;
                Ok(None)
            }
            Action::Receive { peer, message } => self.receive(peer, message).map(Some),
            Action::Offer { to, agent } => {
                let agent = self.fill_in(agent)?;
                self.offer(to, &agent).map(Some)
            }
        }
    }

    fn receive(&mut self, peer: &str, message: &str) -> Checked<Value> {
        let received = self.peer(peer)?.expect_raw(message, SOON)?;
        let mut text = Vec::new();
        wire::json::write_bytes(description(message)?, &received.body, &mut text);
        let body: Value = serde_json::from_slice(&text).map_err(|e| CaseError::unexpected(message, "JSON", e))?;
        Ok(json!({"from": received.from.to_string(), "body": body}))
    }

    fn offer(&mut self, to: &str, agent: &str) -> Checked<Value> {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let offers = if self.streams.contains_key(to) {
                let event = self.stream(to)?.expect("OFFERS", SOON)?;
                event["offers"]["offers"].clone()
            } else {
                let message = self.receive(to, "mesos.internal.ResourceOffersMessage")?;
                let pids = message["body"]["pids"].as_array().cloned().unwrap_or_default();
                crate::check::equal("pids", message["body"]["offers"].as_array().map(Vec::len), Some(pids.len()))?;
                message["body"]["offers"].clone()
            };
            let of_agent = |offer: &&Value| offer["agent_id"]["value"] == agent;
            if let Some(offer) = offers.as_array().and_then(|offers| offers.iter().find(of_agent)) {
                return Ok(offer.clone());
            }
        }
        Err(CaseError::Timeout { what: "an offer of the agent".into(), seconds: SOON.as_secs_f64() })
    }

    fn stream(&mut self, name: &str) -> Checked<&mut EventStream> {
        self.streams.get_mut(name).ok_or_else(|| CaseError::unexpected("recording", "a stream", name))
    }

    fn peer(&mut self, name: &str) -> Checked<&mut Peer> {
        self.peers.get_mut(name).ok_or_else(|| CaseError::unexpected("recording", "a peer", name))
    }

    /// Replaces every `$name` by its value.
    fn fill_in(&self, text: &str) -> Checked<String> {
        let mut parts = text.split('$');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let in_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            let end = part.find(|c| !in_name(c)).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            let value =
                self.variables.get(name).ok_or_else(|| CaseError::unexpected("recording", "a known variable", name))?;
            filled.push_str(value);
            filled.push_str(rest);
        }
        Ok(filled)
    }
}

/// Returns status, content type and body; the other headers are checked by other cases.
fn described(response: &Response) -> Value {
    let body = response.json().unwrap_or_else(|_| response.text().into());
    json!({"status": response.status, "type": response.header("Content-Type"), "body": body})
}

fn description(message: &str) -> Checked<&'static MessageDescriptor> {
    match Message::descriptor_of(message) {
        Ok(Some(description)) => Ok(description),
        Ok(None) | Err(_) => Err(CaseError::unexpected("recording", "a message with a description", message)),
    }
}

/// Encodes a message. The v0 Call numbers the fields of SUBSCRIBE in another way, and has a flag that v1 lacks.
fn encode(message: &str, body: &str, force: bool) -> Checked<Vec<u8>> {
    let unreadable = |error| CaseError::unexpected(message, "JSON of this message", error);
    let limits = Limits::default();
    if message == "mesos.scheduler.Call" {
        let call: Call = wire::json::decode(body.as_bytes(), &limits).map_err(unreadable)?;
        return Ok(wire::v0::encode_scheduler_call(&call, force));
    }
    wire::json::read_bytes(description(message)?, body.as_bytes(), &limits).map_err(unreadable)
}
