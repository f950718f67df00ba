//! The records of ATTACH_CONTAINER_INPUT, with the checks, their order and the texts of Mesos' I/O switchboard.

use std::io;

use edge::http::body::BodyStream;
use edge::http::respond::{Response, bad_request, empty, text};
use http::StatusCode;
use messages::v1::agent::call::{AttachContainerInput, Type, attach_container_input};
use messages::v1::agent::process_io::{self, control, data};
use messages::v1::agent::{Call, ProcessIo};
use messages::v1::tty_info::WindowSize;
use rustix::io::Errno;
use wire::{ContentType, Limits};

use super::session::{InputLease, Written};
use super::terminal::TerminalInput;

/// The action that one record requests.
#[derive(Debug, PartialEq)]
pub enum InputAction {
    /// The bytes are for the standard input.
    Write(Vec<u8>),
    /// The standard input ends.
    Close,
    /// The terminal has another size.
    Resize(WindowSize),
    /// The record shows that the connection is alive.
    Nothing,
}

/// Decodes a record after the first one.
///
/// # Errors
/// Returns the text that refuses the record.
pub fn decode(encoding: ContentType, record: &[u8]) -> Result<InputAction, String> {
    let call: Call = wire::decode_as(encoding, record, &Limits::default()).map_err(|error| error.to_string())?;
    if call.r#type() != Type::AttachContainerInput {
        return Err(format!(
            "Expecting 'type' to be 'ATTACH_CONTAINER_INPUT' instead of: '{}'",
            call.r#type().as_str_name()
        ));
    }
    let attach = call.attach_container_input.as_deref();
    let attach = attach.ok_or("Expecting 'attach_container_input' to be present")?;
    if attach.r#type.is_none() {
        return Err("Expecting 'attach_container_input.type' to be present".to_owned());
    }
    if attach.r#type() != attach_container_input::Type::ProcessIo {
        let name = attach.r#type().as_str_name();
        return Err(format!("Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: '{name}'"));
    }
    action(attach)
}

/// Checks a record of ATTACH_CONTAINER_INPUT after the first one.
///
/// # Errors
/// Returns the text that refuses the record.
pub fn check(encoding: ContentType, record: &[u8]) -> Result<(), String> {
    decode(encoding, record).map(drop)
}

fn action(attach: &AttachContainerInput) -> Result<InputAction, String> {
    let io: &ProcessIo =
        attach.process_io.as_deref().ok_or("Expecting 'attach_container_input.process_io' to be present")?;
    match io.r#type.map(|_| io.r#type()) {
        None => Err("Expecting 'process_io.type' to be present".to_owned()),
        Some(process_io::Type::Unknown) => Err("'process_io.type' is unknown".to_owned()),
        Some(process_io::Type::Data) => data_action(io),
        Some(process_io::Type::Control) => control_action(io),
    }
}

fn data_action(io: &ProcessIo) -> Result<InputAction, String> {
    let data = io.data.as_ref().ok_or("Expecting 'process_io.data' to be present")?;
    match data.r#type.map(|_| data.r#type()) {
        None => return Err("Expecting 'process_io.data.type' to be present".to_owned()),
        Some(data::Type::Stdin) => {}
        Some(other) => {
            let name = other.as_str_name();
            return Err(format!("Expecting 'process_io.data.type' to be 'STDIN' instead of: '{name}'"));
        }
    }
    match &data.data {
        None => Err("Expecting 'process_io.data.data' to be present".to_owned()),
        Some(bytes) if bytes.is_empty() => Ok(InputAction::Close),
        Some(bytes) => Ok(InputAction::Write(bytes.clone())),
    }
}

fn control_action(io: &ProcessIo) -> Result<InputAction, String> {
    let control = io.control.as_ref().ok_or("Expecting 'process_io.control' to be present")?;
    match control.r#type.map(|_| control.r#type()) {
        None => Err("Expecting 'process_io.control.type' to be present".to_owned()),
        Some(control::Type::Unknown) => Err("'process_io.control.type' is unknown".to_owned()),
        Some(control::Type::Heartbeat) => match &control.heartbeat {
            None => Err("Expecting 'process_io.control.heartbeat' to be present".to_owned()),
            Some(_) => Ok(InputAction::Nothing),
        },
        Some(control::Type::TtyInfo) => {
            let info = control.tty_info.as_ref().ok_or("Expecting 'process_io.control.tty_info' to be present")?;
            let size = info.window_size.ok_or("Expecting 'tty_info.window_size' to be present")?;
            Ok(InputAction::Resize(size))
        }
    }
}

/// The input of a container, which one connection has at a time.
pub enum InputTarget {
    /// The standard input of a session.
    Pipe(InputLease),
    /// A terminal.
    Terminal(TerminalInput),
}

impl InputTarget {
    async fn ended(&self) {
        match self {
            InputTarget::Pipe(lease) => lease.session().ended().await,
            InputTarget::Terminal(terminal) => terminal.ended().await,
        }
    }

    async fn write(&self, bytes: &[u8]) -> io::Result<Written> {
        match self {
            InputTarget::Pipe(lease) => lease.write(bytes).await,
            InputTarget::Terminal(terminal) => terminal.write(bytes).await,
        }
    }

    /// Ends the input. A terminal has no end: its program reads the character EOT instead, which the client sends.
    async fn close(&self) {
        if let InputTarget::Pipe(lease) = self {
            lease.close().await;
        }
    }

    async fn resize(&self, size: &WindowSize) -> io::Result<Written> {
        match self {
            InputTarget::Pipe(_) => Err(Errno::NOTTY.into()),
            InputTarget::Terminal(terminal) => terminal.resize(size).await,
        }
    }
}

/// Carries out the records of a request until it or the container ends.
pub async fn serve(target: InputTarget, encoding: ContentType, mut body: BodyStream) -> Response {
    loop {
        let record = tokio::select! {
            () = target.ended() => return empty(StatusCode::OK),
            record = body.next_record() => record,
        };
        let record = match record {
            Ok(Some(record)) => record,
            Ok(None) => return empty(StatusCode::OK),
            Err(error) => return bad_request(error.to_string()),
        };
        let action = match decode(encoding, &record) {
            Ok(action) => action,
            Err(reason) => return bad_request(reason),
        };
        if let Err(refused) = carry_out(&target, action).await {
            return refused;
        }
    }
}

async fn carry_out(target: &InputTarget, action: InputAction) -> Result<(), Response> {
    let written = match action {
        InputAction::Nothing => return Ok(()),
        InputAction::Close => {
            target.close().await;
            return Ok(());
        }
        InputAction::Resize(size) => {
            let resized = target.resize(&size).await;
            resized.map_err(|error| bad_request(format!("Unable to set the window size: {error}")))?
        }
        InputAction::Write(bytes) => target
            .write(&bytes)
            .await
            .map_err(|error| text(StatusCode::INTERNAL_SERVER_ERROR, format!("Failed writing to stdin: {error}")))?,
    };
    match written {
        Written::All => Ok(()),
        Written::Ended => Err(empty(StatusCode::OK)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_checked_in_order() {
        let check = |io: &str, expect: Result<InputAction, &str>| {
            let attach = format!(r#"{{"type":"PROCESS_IO"{io}}}"#);
            let record = format!(r#"{{"type":"ATTACH_CONTAINER_INPUT","attach_container_input":{attach}}}"#);
            let given = decode(ContentType::Json, record.as_bytes());
            assert_eq!(given, expect.map_err(str::to_owned), "{record}");
        };
        let io = |fields: &str| format!(r#","process_io":{{{fields}}}"#);
        check("", Err("Expecting 'attach_container_input.process_io' to be present"));
        check(&io(""), Err("Expecting 'process_io.type' to be present"));
        check(&io(r#""type":"DATA""#), Err("Expecting 'process_io.data' to be present"));
        let data = |fields: &str| io(&format!(r#""type":"DATA","data":{{{fields}}}"#));
        check(&data(""), Err("Expecting 'process_io.data.type' to be present"));
        let stdout = Err("Expecting 'process_io.data.type' to be 'STDIN' instead of: 'STDOUT'");
        check(&data(r#""type":"STDOUT","data":"YQ==""#), stdout);
        check(&data(r#""type":"STDIN""#), Err("Expecting 'process_io.data.data' to be present"));
        check(&data(r#""type":"STDIN","data":"""#), Ok(InputAction::Close));
        check(&data(r#""type":"STDIN","data":"YQ==""#), Ok(InputAction::Write(b"a".to_vec())));
        let control = |fields: &str| io(&format!(r#""type":"CONTROL","control":{{{fields}}}"#));
        check(&io(r#""type":"CONTROL""#), Err("Expecting 'process_io.control' to be present"));
        check(&control(""), Err("Expecting 'process_io.control.type' to be present"));
        check(&control(r#""type":"HEARTBEAT","heartbeat":{}"#), Ok(InputAction::Nothing));
        check(&control(r#""type":"TTY_INFO""#), Err("Expecting 'process_io.control.tty_info' to be present"));
        check(&control(r#""type":"TTY_INFO","tty_info":{}"#), Err("Expecting 'tty_info.window_size' to be present"));
        check(
            &control(r#""type":"TTY_INFO","tty_info":{"window_size":{"rows":24,"columns":80}}"#),
            Ok(InputAction::Resize(WindowSize { rows: 24, columns: 80 })),
        );
        let first = r#"{"type":"ATTACH_CONTAINER_INPUT","attach_container_input":{"type":"CONTAINER_ID","container_id":{"value":"x"}}}"#;
        let refused = "Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: 'CONTAINER_ID'";
        assert_eq!(decode(ContentType::Json, first.as_bytes()), Err(refused.to_owned()));
        assert!(decode(ContentType::Json, b"nonsense").is_err());
    }
}
