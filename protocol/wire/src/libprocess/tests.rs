use ids::Upid;

use super::*;

fn upid(text: &str) -> Upid {
    text.parse().unwrap()
}

fn encoded(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (from, to) = (upid("slave(1)@10.0.0.5:5051"), upid("master@10.0.0.1:5050"));
    encode_message(&from, &to, "mesos.internal.X", body, &mut out);
    out
}

#[test]
fn the_envelope_equals_that_of_libprocess() {
    let head = "POST /master/mesos.internal.X HTTP/1.1\r\n\
                User-Agent: libprocess/slave(1)@10.0.0.5:5051\r\n\
                Libprocess-From: slave(1)@10.0.0.5:5051\r\n\
                Connection: Keep-Alive\r\n\
                Host: 10.0.0.1:5050\r\n";
    assert_eq!(encoded(b""), format!("{head}\r\n").into_bytes());
    let body = "0123456789abcdefg";
    let expect = format!("{head}Transfer-Encoding: chunked\r\n\r\n11\r\n{body}\r\n0\r\n\r\n");
    assert_eq!(encoded(body.as_bytes()), expect.into_bytes());
}

#[test]
fn a_process_without_id_adds_no_empty_component() {
    let mut out = Vec::new();
    encode_message(&upid("a@1.2.3.4:5"), &upid("@1.2.3.4:6"), "n", b"", &mut out);
    assert!(out.starts_with(b"POST /n HTTP/1.1\r\n"));
}

#[test]
fn messages_are_distinguished_from_other_requests() {
    assert!(is_message("POST", Some("libprocess/a@1.2.3.4:5"), None));
    assert!(is_message("POST", None, Some("a@1.2.3.4:5")));
    assert!(!is_message("GET", None, Some("a@1.2.3.4:5")));
    assert!(!is_message("POST", Some("curl libprocess/"), None));
    assert!(!is_message("POST", None, None));
}

#[test]
fn the_sender_is_read_from_either_header() {
    let expect = Ok(upid("scheduler-1@1.2.3.4:5"));
    assert_eq!(sender(None, Some(" scheduler-1@1.2.3.4:5 ")), expect);
    assert_eq!(sender(Some("libprocess/scheduler-1@1.2.3.4:5"), None), expect);
    assert_eq!(sender(Some("libprocess/other@1.2.3.4:5"), Some("scheduler-1@1.2.3.4:5")), expect);
    assert_eq!(sender(Some("curl"), None), Err(EnvelopeError::NoSender));
    assert!(matches!(sender(None, Some("nonsense")), Err(EnvelopeError::InvalidSender(_))));
}

#[test]
fn paths_are_split_and_decoded() {
    let check = |path: &str, expect: Result<(&str, &str), EnvelopeError>| {
        let expect = expect.map(|(id, name)| (id.to_owned(), name.to_owned()));
        assert_eq!(parse_path(path), expect, "{path}");
    };
    check("/master/mesos.internal.X", Ok(("master", "mesos.internal.X")));
    check("/slave%281%29/mesos.internal.X", Ok(("slave(1)", "mesos.internal.X")));
    check("/slave(1)/a/b%20c", Ok(("slave(1)", "a/b%20c")));
    check("/master/x?query", Ok(("master", "x")));
    check("/master", Ok(("master", "")));
    check("/", Ok(("", "")));
    check("", Err(EnvelopeError::NoLeadingSlash));
    check("master/x", Err(EnvelopeError::NoLeadingSlash));
    for path in ["/%/x", "/%4/x", "/%zz/x", "/%+1/x", "/%ff/x", "/a%"] {
        check(path, Err(EnvelopeError::BadPercentEncoding));
    }
}

/// Decodes `bytes` in chunks of every size, and returns the messages' names and bodies, or the error; the result is
/// always the same.
fn decode(bytes: &[u8], limits: EnvelopeLimits) -> Result<Vec<(String, Vec<u8>)>, RequestError> {
    let run = |chunk: usize| {
        let mut decoder = RequestDecoder::new(limits);
        let mut messages = Vec::new();
        for part in bytes.chunks(chunk) {
            decoder.push(part);
            while let Some(received) = decoder.next_message()? {
                messages.push((received.name, received.body.to_vec()));
            }
        }
        Ok(messages)
    };
    let whole = run(bytes.len().max(1));
    for chunk in [1, 2, 3, 5, 17] {
        assert_eq!(run(chunk), whole, "in chunks of {chunk}");
    }
    whole
}

fn request(name: &str, headers: &str, body: &str) -> String {
    format!("POST /master/{name} HTTP/1.1\r\nLibprocess-From: a@1.2.3.4:5\r\n{headers}\r\n{body}")
}

fn check(text: &str, expect: Result<&[(&str, &str)], &str>) {
    let result = decode(text.as_bytes(), EnvelopeLimits { max_head: 4096, max_body: 40 });
    let expect = expect.map(|messages| {
        messages.iter().map(|(name, body)| ((*name).to_owned(), body.as_bytes().to_vec())).collect::<Vec<_>>()
    });
    assert_eq!(result.map_err(|error| error.to_string()), expect.map_err(str::to_owned), "{text}");
}

#[test]
fn a_connection_carries_many_messages() {
    let mut bytes = Vec::new();
    for body in [&b"first"[..], b"", b"third"] {
        bytes.extend(encoded(body));
    }
    let name = "mesos.internal.X".to_owned();
    let expect = vec![(name.clone(), b"first".to_vec()), (name.clone(), vec![]), (name, b"third".to_vec())];
    assert_eq!(decode(&bytes, EnvelopeLimits::default()), Ok(expect));
}

/// RFC 9112, 2.2: empty lines before a message are ignored, whether or not the message arrives together with them.
#[test]
fn empty_lines_before_a_message_are_ignored() {
    for lines in ["\n", "\r\n", "\n\r\n", "\r\n\r\n\n\n"] {
        check(&format!("{lines}{}", request("n", "Content-Length: 2\r\n", "ab")), Ok(&[("n", "ab")]));
        check(lines, Ok(&[]));
    }
    check(&"\r\n".repeat(3000), Err("the request head is longer than the limit of 4096 bytes"));
}

#[test]
fn bodies_can_be_chunked_or_have_a_length() {
    check(&request("a", "Content-Length: 3\r\n", "abc"), Ok(&[("a", "abc")]));
    check(&request("a", "Content-Length: 0\r\n", ""), Ok(&[("a", "")]));
    check(&request("a", "content-length: 3\r\nContent-Length: 3\r\n", "abc"), Ok(&[("a", "abc")]));
    let chunked = |body| request("a", "Transfer-Encoding: Chunked\r\n", body);
    check(&chunked("3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n"), Ok(&[("a", "abcde")]));
    check(&chunked("0\r\n\r\n"), Ok(&[("a", "")]));
    let two = chunked("1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n") + &request("b", "Content-Length: 1\r\n", "x");
    check(&two, Ok(&[("a", "a0123456789"), ("b", "x")]));
}

/// CVE-2018-1330: libprocess before 1.4.2 aborted on trailers.
#[test]
fn trailers_are_ignored_up_to_a_limit() {
    let chunked = |body: &str| request("a", "Transfer-Encoding: chunked\r\n", body);
    check(&chunked("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n"), Ok(&[("a", "x")]));
    check(&chunked(&format!("0\r\n{}\r\n", "A: b\r\n".repeat(70))), Err("more than 64 trailers"));
}

#[test]
fn ambiguous_or_malformed_bodies_are_refused() {
    check(
        &request("a", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", ""),
        Err("Content-Length together with a Transfer-Encoding"),
    );
    let bad_length = "the Content-Length is not a number, or there are several different ones";
    check(&request("a", "Content-Length: 3\r\nContent-Length: 4\r\n", ""), Err(bad_length));
    for length in ["+3", "-1", "3a", "", "99999999999999999999"] {
        check(&request("a", &format!("Content-Length: {length}\r\n"), ""), Err(bad_length));
    }
    check(&request("a", "Transfer-Encoding: gzip\r\n", ""), Err("a Transfer-Encoding other than chunked"));
    let chunked = |body| request("a", "Transfer-Encoding: chunked\r\n", body);
    for body in ["x\r\n", "\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "1\r\nabc\r\n"] {
        check(&chunked(body), Err("a malformed chunk"));
    }
}

#[test]
fn sizes_are_bounded() {
    let too_long = Err("the body is longer than the limit of 40 bytes");
    check(&request("a", "Content-Length: 41\r\n", ""), too_long);
    check(&request("a", "Transfer-Encoding: chunked\r\n", "29\r\n"), too_long);
    check(&request("a", "Transfer-Encoding: chunked\r\n", &"1\r\nx\r\n".repeat(50)), too_long);
    check(&request("a", "Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFF\r\n"), too_long);
    check(
        &request("a", "Transfer-Encoding: chunked\r\n", &"0".repeat(9000)),
        Err("a line of the chunked framing is longer than 8192 bytes"),
    );
    check(&request(&"x".repeat(5000), "", ""), Err("the request head is longer than the limit of 4096 bytes"));
}

#[test]
fn the_size_of_an_unfinished_message_is_known() {
    let mut decoder = RequestDecoder::new(EnvelopeLimits::default());
    for (part, held) in [
        (request("a", "Transfer-Encoding: chunked\r\n", ""), 0),
        ("3\r\nabc\r\n".to_owned(), 3),
        ("5\r\nde".to_owned(), 5),
        ("fgh\r\n0\r\n\r\n".to_owned(), 0),
        ("POST /".to_owned(), 6),
    ] {
        decoder.push(part.as_bytes());
        let _ = decoder.next_message();
        assert_eq!(decoder.held(), held, "{part:?}");
    }
}

#[test]
fn other_requests_are_handed_back() {
    let text = "GET /state HTTP/1.1\r\nHost: x\r\n\r\nrest";
    let mut decoder = RequestDecoder::new(EnvelopeLimits::default());
    decoder.push(text.as_bytes());
    assert_eq!(decoder.next_message(), Err(RequestError::NotAMessage));
    assert_eq!(decoder.next_message(), Err(RequestError::NotAMessage), "errors are final");
    assert_eq!(&decoder.into_unread()[..], text.as_bytes());
    check("POST /master/x HTTP/1.1\r\n\r\n", Err("not a libprocess message"));
    check("nonsense\r\n\r\n", Err("malformed request"));
}

#[test]
fn responses_are_skipped() {
    let skip = |text: &str| {
        let run = |chunk: usize| {
            let mut skipper = ResponseSkipper::new();
            text.as_bytes().chunks(chunk).try_fold(0, |sum, part| Ok(sum + skipper.push(part)?))
        };
        let whole: Result<usize, ResponseError> = run(text.len());
        for chunk in [1, 2, 7] {
            assert_eq!(run(chunk), whole);
        }
        whole.map_err(|error| error.to_string())
    };
    let accepted = "HTTP/1.1 202 Accepted\r\nDate: Sat, 21 Nov 2026 11:53:23 GMT\r\nContent-Length: 0\r\n\r\n";
    let not_found = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nabcde";
    let chunked = "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(skip(accepted), Ok(1));
    assert_eq!(skip(&[accepted, not_found, chunked, accepted].concat()), Ok(4));
    assert_eq!(skip(&["HTTP/1.1 100 Continue\r\n\r\n", accepted].concat()), Ok(1), "an interim response is none");
    assert_eq!(skip(&["\n\r\n", accepted, "\r\n\n", accepted].concat()), Ok(2), "empty lines are ignored");
    assert_eq!(skip(&accepted[..40]), Ok(0));
    assert_eq!(skip("nonsense\r\n\r\n"), Err("malformed response".to_owned()));
    let huge = format!("HTTP/1.1 202 Accepted\r\nA: {}", "x".repeat(70_000));
    assert_eq!(skip(&huge), Err("the response head is longer than 65536 bytes".to_owned()));
}
