//! A server that plays a master or agent by script, at an address of the client's.
#![allow(dead_code, reason = "each test needs a part of it")]

use std::ops::Deref;

use messages::v1;
use messages::v1::scheduler::Event;
use tepui_client::Address;
use testkit::builders;
use testkit::http::{ScriptedServer, event_stream, open_event_stream};

pub struct Peer {
    pub address: Address,
    server: ScriptedServer,
}

impl Deref for Peer {
    type Target = ScriptedServer;

    fn deref(&self) -> &ScriptedServer {
        &self.server
    }
}

pub async fn peer(script: Vec<Vec<Vec<u8>>>) -> Peer {
    let server = ScriptedServer::start(script).await;
    Peer { address: Address::new("127.0.0.1", server.address.port()), server }
}

/// Returns a stream that ends after these events.
pub fn stream(events: &[Event]) -> Vec<u8> {
    event_stream("s-1", events)
}

/// Returns a stream that stays open and silent after these events.
pub fn open_stream(events: &[Event]) -> Vec<u8> {
    open_event_stream("s-1", events)
}

pub fn subscribed() -> Event {
    builders::subscribed("f-0", 15.0)
}

pub fn framework() -> v1::FrameworkInfo {
    builders::framework("n")
}
