//! The response with the output of a session: records of `ProcessIO`, and heartbeats between them.

use std::sync::Arc;
use std::time::Duration;

use edge::http::call;
use edge::http::request::Request;
use edge::http::respond::{Response, ResponseBody};
use edge::http::stream::{ChannelRecords, StreamBody};
use http::{HeaderValue, header};
use messages::v1;
use messages::v1::agent::ProcessIo;
use messages::v1::agent::process_io::{self, control};
use tokio::sync::mpsc;

use crate::media_types::{Framing, MESSAGE_CONTENT_TYPE};

const RECORDIO: HeaderValue = HeaderValue::from_static(wire::accept::RECORDIO);

/// Returns the response that streams an output until its end, with a heartbeat at every `interval`. `on_end` runs at
/// every kind of end of the response.
pub fn response<F>(
    output: mpsc::Receiver<Arc<ProcessIo>>,
    request: &Request,
    accept: Framing,
    interval: Duration,
    on_end: F,
) -> Response
where
    F: FnOnce() + Send + Unpin + 'static,
{
    let (Framing::Single(encoding) | Framing::Records(encoding)) = accept;
    let heartbeat = (Arc::new(heartbeat(interval)), interval);
    let body = StreamBody::new(ChannelRecords::new(output, encoding, heartbeat, request.connection.clone()), on_end);
    let mut response = http::Response::new(ResponseBody::stream(body));
    let headers = response.headers_mut();
    match accept {
        Framing::Single(_) => {
            headers.insert(header::CONTENT_TYPE, call::content_type(encoding));
        }
        Framing::Records(_) => {
            headers.insert(header::CONTENT_TYPE, RECORDIO);
            headers.insert(MESSAGE_CONTENT_TYPE, call::content_type(encoding));
        }
    }
    response
}

fn heartbeat(interval: Duration) -> ProcessIo {
    let nanoseconds = i64::try_from(interval.as_nanos()).unwrap_or(i64::MAX);
    let heartbeat = control::Heartbeat { interval: Some(v1::DurationInfo { nanoseconds }) };
    let control = process_io::Control {
        r#type: Some(control::Type::Heartbeat as i32),
        heartbeat: Some(Box::new(heartbeat)),
        ..process_io::Control::default()
    };
    ProcessIo {
        r#type: Some(process_io::Type::Control as i32),
        control: Some(Box::new(control)),
        ..ProcessIo::default()
    }
}
