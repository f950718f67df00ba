//! Sessions in containers, and attaching to them.

use messages::v1::agent::process_io::{Control, Data, control, data};
use messages::v1::agent::{Call, ProcessIo, call, process_io};
use messages::v1::{CommandInfo, ContainerId, DurationInfo};
use tepui_client::{Address, AgentOperator, Error, OutputPiece};
use testkit::http::response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::peer::peer;

fn id() -> ContainerId {
    ContainerId { value: "c".into(), parent: Some(Box::new(ContainerId { value: "p".into(), parent: None })) }
}

fn output(kind: data::Type, bytes: &[u8]) -> ProcessIo {
    let data = Data { r#type: Some(kind.into()), data: Some(bytes.to_vec()) };
    ProcessIo { r#type: Some(process_io::Type::Data.into()), data: Some(data), control: None }
}

fn heartbeat() -> ProcessIo {
    let interval = Some(DurationInfo { nanoseconds: 30_000_000_000 });
    let control = Control {
        r#type: Some(control::Type::Heartbeat.into()),
        heartbeat: Some(control::Heartbeat { interval }.into()),
        ..Default::default()
    };
    let kind = Some(process_io::Type::Control.into());
    ProcessIo { r#type: kind, data: None, control: Some(Box::new(control)) }
}

#[tokio::test]
async fn a_session_returns_its_output() {
    let mut records = Vec::new();
    let stream = [heartbeat(), output(data::Type::Stdout, b"out"), output(data::Type::Stderr, b"err")];
    for record in stream {
        wire::recordio::encode(&wire::encode(&record), &mut records);
    }
    let headers = "Content-Type: application/recordio\r\nMessage-Content-Type: application/x-protobuf\r\n";
    let refused = response("400 Bad Request", "", b"Parent container p does not exist");
    let peer =
        peer(vec![vec![response("200 OK", headers, &records)], vec![refused], vec![response("202 X", "", b"")]]).await;
    let agent = AgentOperator::new(peer.address.clone());
    let command = || CommandInfo { value: Some("ls".into()), ..Default::default() };
    let mut session = agent.launch_session(id(), command(), None).await.expect("launched");
    assert_eq!(session.next().await.expect("output"), Some(OutputPiece::Stdout(b"out".into())));
    assert_eq!(session.next().await.expect("output"), Some(OutputPiece::Stderr(b"err".into())));
    assert_eq!(session.next().await.expect("the end"), None);
    let request = &peer.requests()[0];
    for header in ["accept: application/recordio", "message-accept: application/x-protobuf"] {
        assert!(request.head.contains(header), "{}", request.head);
    }
    assert!(!request.head.contains("accept: application/x-protobuf\r\naccept"), "{}", request.head);
    assert_eq!(request.agent_call().r#type(), call::Type::LaunchNestedContainerSession);

    let error = agent.launch_session(id(), command(), None).await.expect_err("refused");
    assert!(error.to_string().contains("Parent container p does not exist"), "{error}");
    assert!(matches!(agent.attach_output(id()).await, Err(Error::Protocol { .. })), "202 has no stream");
}

/// The input is one request whose records follow each other.
#[tokio::test]
async fn input_is_a_stream_of_records() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("address").port());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut bytes = Vec::new();
        // The last chunk of the body has no bytes.
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            assert!(stream.read_buf(&mut bytes).await.expect("read") > 0);
        }
        stream
            .write_all(&response("409 Conflict", "", b"Multiple input connections are not allowed"))
            .await
            .expect("write");
        bytes
    });
    let input = AgentOperator::new(address).attach_input(id()).await.expect("connected");
    input.resize(24, 80).await.expect("taken");
    input.write(b"typed".to_vec()).await.expect("taken");
    let error = input.finish().await.expect_err("refused");
    assert!(error.to_string().contains("409: Multiple input connections"), "{error}");

    let bytes = server.await.expect("the server");
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    for header in ["content-type: application/recordio", "message-content-type: application/x-protobuf"] {
        assert!(text.contains(header), "{text}");
    }
    let mut decoder = wire::recordio::Decoder::new(1 << 20);
    let mut rest = &bytes[head..];
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).expect("a size"), 16).expect("a size");
        decoder.push(&rest[end + 2..end + 2 + size]).expect("records");
        rest = &rest[end + 4 + size..];
    }
    let mut inputs = Vec::new();
    while let Some(record) = decoder.next_record() {
        let call: Call = wire::decode(&record, &wire::Limits::default()).expect("a call");
        inputs.push(call.attach_container_input.expect("an input"));
    }
    let [attach, resize, write] = inputs.as_slice() else { panic!("{inputs:?}") };
    assert_eq!(attach.container_id.as_deref(), Some(&id()));
    let control = resize.process_io.as_ref().and_then(|io| io.control.as_ref()).expect("a control");
    let size = control.tty_info.as_ref().and_then(|info| info.window_size).expect("a size");
    assert_eq!((size.rows, size.columns), (24, 80));
    let data = write.process_io.as_ref().and_then(|io| io.data.as_ref()).expect("data");
    assert_eq!((data.r#type(), data.data()), (data::Type::Stdin, b"typed".as_slice()));
}
