//! The client against a server that acts as a master by a script.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "client/containers.rs"]
mod containers;
mod peer;

use messages::v1;
use peer::{framework, peer, stream, subscribed};
use tepui_client::{Address, Error, Files, MasterOperator, Scheduler};
use testkit::builders::{error_event, event};
use testkit::http::{accepted, protobuf_response, response};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_scheduler_subscribes_reads_events_and_calls_with_its_stream_id() {
    let heartbeat = event(v1::scheduler::event::Type::Heartbeat);
    let peer = peer(vec![vec![stream(&[subscribed(), heartbeat.clone()])], vec![accepted()]]).await;
    let (scheduler, mut events) = Scheduler::subscribe(&peer.address, framework()).await.expect("subscribed");
    assert_eq!(scheduler.framework_id().value, "f-0");
    assert_eq!(events.next().await.expect("event"), Some(heartbeat));
    assert_eq!(events.next().await.expect("end"), None);

    scheduler.suppress().await.expect("accepted");
    let calls = peer.requests();
    assert!(calls[1].head.contains("mesos-stream-id: s-1"), "{}", calls[1].head);
}

#[tokio::test]
async fn an_error_event_is_a_refusal() {
    let peer = peer(vec![vec![stream(&[error_event("Framework has been removed")])]]).await;
    match Scheduler::subscribe(&peer.address, framework()).await {
        Err(Error::Refused(message)) => assert_eq!(message, "Framework has been removed"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn redirects_lead_to_the_leader_and_loops_end() {
    let leader = peer(vec![vec![response("200 OK", "", br#"{"data":"hello","offset":7}"#)]]).await;
    let location = format!("Location: //{}/files/read\r\n", leader.address);
    let follower = peer(vec![vec![response("307 Temporary Redirect", &location, b"")]]).await;
    let chunk = Files::new(follower.address).read("/log", 7).await.expect("chunk");
    assert_eq!((chunk.offset, chunk.data.as_str()), (7, "hello"));
}

#[tokio::test]
async fn a_refused_call_has_status_and_reason() {
    let peer = peer(vec![vec![response("400 Bad Request", "", b"Expecting 'type' to be present")]]).await;
    let error = MasterOperator::new(peer.address).get(v1::master::call::Type::GetHealth).await.expect_err("refused");
    assert!(error.to_string().ends_with("answered 400: Expecting 'type' to be present"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_refused_connection_has_a_plain_message() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("address").port());
    drop(listener);
    let error = tepui_client::get_json(&address, "/state").await.expect_err("no server");
    assert!(error.is_transient() && error.to_string().contains("is it running"), "{error}");
}

#[tokio::test]
async fn an_error_status_has_advice() {
    let check = async |status: &str, said: &'static [u8], expect: &str| {
        let peer = peer(vec![vec![response(status, "", said)]]).await;
        let error = tepui_client::get_json(&peer.address, "/state").await.expect_err("refused");
        assert!(error.to_string().contains(expect), "{error}");
        error.is_transient()
    };
    assert!(!check("401 Unauthorized", b"why", "requires credentials").await);
    assert!(!check("404 Not Found", b"", "it has no such endpoint").await);
    // A master that returns a text knows the path.
    assert!(!check("404 Not Found", b"no such partition", "answered 404: no such partition").await);
    assert!(check("503 Service Unavailable", b"why", "try again").await);
}

#[tokio::test]
async fn calls_share_a_connection_and_keep_their_order() {
    let calls = vec![accepted(), accepted(), accepted()];
    let peer = peer(vec![vec![stream(&[subscribed()])], calls]).await;
    let (scheduler, _events) = Scheduler::subscribe(&peer.address, framework()).await.expect("subscribed");
    scheduler.suppress().await.expect("accepted");
    scheduler.revive().await.expect("accepted");
    scheduler.clone().kill(v1::TaskId { value: "t".into() }).await.expect("accepted");
    let calls: Vec<_> =
        peer.requests()[1..].iter().map(|call| (call.connection, call.scheduler_call().r#type())).collect();
    use v1::scheduler::call::Type;
    assert_eq!(calls, [(1, Type::Suppress), (1, Type::Revive), (1, Type::Kill)]);
}

#[tokio::test]
async fn a_closed_connection_is_opened_again() {
    let peer = peer(vec![vec![stream(&[subscribed()])], vec![accepted()], vec![accepted()]]).await;
    let (scheduler, _events) = Scheduler::subscribe(&peer.address, framework()).await.expect("subscribed");
    scheduler.suppress().await.expect("accepted");
    peer.closed(1).await;
    scheduler.revive().await.expect("accepted");
    let connections: Vec<usize> = peer.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0, 1, 2]);
}

#[tokio::test]
async fn a_call_to_a_deposed_master_has_its_own_error() {
    let redirect = response("307 Temporary Redirect", "Location: //127.0.0.1:1/api/v1/scheduler\r\n", b"");
    let peer = peer(vec![vec![stream(&[subscribed()])], vec![redirect]]).await;
    let (scheduler, _events) = Scheduler::subscribe(&peer.address, framework()).await.expect("subscribed");
    let error = scheduler.revive().await.expect_err("deposed");
    assert!(matches!(error, Error::NotLeading(_)) && error.is_transient(), "{error}");
}

/// Returns an agent's answer to READ_FILE.
fn piece(size: u64, data: &[u8]) -> Vec<u8> {
    protobuf_response(&v1::agent::Response {
        r#type: Some(v1::agent::response::Type::ReadFile.into()),
        read_file: Some(v1::agent::response::ReadFile { size, data: data.to_vec() }),
        ..Default::default()
    })
}

/// Returns an agent's answer to LIST_FILES for files by name, modification time and size.
fn listing(files: &[(&str, i64, u64)]) -> Vec<u8> {
    let entry = |(name, nanoseconds, size): &(&str, i64, u64)| v1::FileInfo {
        path: format!("/s/{name}"),
        size: Some(*size),
        mtime: Some(v1::TimeInfo { nanoseconds: *nanoseconds }),
        ..Default::default()
    };
    protobuf_response(&v1::agent::Response {
        r#type: Some(v1::agent::response::Type::ListFiles.into()),
        list_files: Some(Box::new(v1::agent::response::ListFiles { file_infos: files.iter().map(entry).collect() })),
        ..Default::default()
    })
}

/// Reads a rotated output to its end from an agent that gives these answers, and checks what was read.
async fn check_rotated(answers: &[Vec<u8>], expected: &str) {
    let peer = peer(answers.iter().map(|answer| vec![answer.clone()]).collect()).await;
    let mut follow = Files::new(peer.address.clone()).follow_rotated("/s/stdout");
    let mut read = Vec::new();
    while peer.requests().len() < answers.len() {
        let piece = follow.available().await.expect("piece");
        assert!(!piece.skipped, "nothing is missing");
        read.extend(piece.data);
    }
    assert_eq!(String::from_utf8_lossy(&read), expected);
}

#[tokio::test]
async fn a_rotated_output_is_read_as_one_stream() {
    let files: &[(&str, i64, u64)] = &[("stdout.1", 1, 2), ("stdout", 2, 1)];
    let answers = [[listing(files), piece(2, b"ab"), listing(files)], [listing(files), piece(1, b"c"), listing(files)]];
    check_rotated(&answers.concat(), "abc").await;
}

/// The rename of `stdout.1` to `stdout.2` happens while the directory is listed, so that the listing shows neither.
#[tokio::test]
async fn a_listing_without_a_renamed_file_gives_no_position() {
    let before: &[(&str, i64, u64)] = &[("stdout.1", 1, 2), ("stdout", 2, 1)];
    let during: &[(&str, i64, u64)] = &[("stdout", 2, 1)];
    let after: &[(&str, i64, u64)] = &[("stdout.2", 1, 2), ("stdout.1", 2, 2), ("stdout", 3, 0)];
    let answers = [
        vec![listing(before), piece(2, b"ab"), listing(before)],
        vec![listing(before), piece(1, b"c"), listing(before)],
        vec![listing(during), piece(0, b""), listing(after), piece(2, b"d"), listing(after)],
        vec![listing(after), piece(0, b""), listing(after)],
    ];
    check_rotated(&answers.concat(), "abcd").await;
}

#[tokio::test]
async fn an_old_file_removed_before_its_read_is_searched_again() {
    let before: &[(&str, i64, u64)] = &[("stdout.1", 1, 2), ("stdout", 2, 1)];
    let after: &[(&str, i64, u64)] = &[("stdout.2", 1, 2), ("stdout.1", 2, 1), ("stdout", 3, 0)];
    let answers = [
        vec![listing(before), response("404 Not Found", "", b""), listing(after), piece(2, b"ab"), listing(after)],
        vec![listing(after), piece(1, b"c"), listing(after)],
    ];
    check_rotated(&answers.concat(), "abc").await;
}

#[tokio::test]
async fn a_file_is_followed_byte_by_byte() {
    let answers = [
        piece(3, b"a\xffb"),
        piece(3, b""),
        piece(5, b"cd"),
        // The file was rotated: it is shorter than what was read.
        piece(1, b""),
        piece(1, b"x"),
    ];
    let peer = peer(answers.into_iter().map(|answer| vec![answer]).collect()).await;
    let mut follow = Files::new(peer.address.clone()).follow("/log", 0).polling_every(std::time::Duration::ZERO);
    assert_eq!(follow.next().await.expect("piece"), b"a\xffb");
    assert_eq!(follow.available().await.expect("piece"), b"");
    assert_eq!(follow.next().await.expect("piece"), b"cd");
    assert_eq!(follow.next().await.expect("piece"), b"x");
    assert_eq!(follow.offset(), 1);
    let offsets: Vec<u64> =
        peer.requests().iter().map(|request| request.agent_call().read_file.expect("read").offset).collect();
    assert_eq!(offsets, [0, 3, 3, 5, 0]);
}
