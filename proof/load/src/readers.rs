//! Clients that read `/state`. Each has its own thread, so that its work does not delay other measurements.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use wire::libprocess::ResponseSkipper;

use crate::stats::Sample;

/// The result of a number of reads.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    pub durations: Sample,
    /// The size of the last response in bytes, including its head.
    pub bytes: usize,
}

/// Reads `/state` over one connection until `enough`, which is given the number of reads so far, returns true.
///
/// # Errors
/// Returns the error of the connection.
pub fn read_state(master: SocketAddrV4, enough: impl Fn(usize) -> bool) -> io::Result<Reads> {
    let mut socket = connect(master)?;
    let request = format!("GET /state HTTP/1.1\r\nHost: {master}\r\n\r\n");
    let mut buffer = vec![0; 1 << 20];
    let mut reads = Reads::default();
    let mut count = 0;
    while !enough(count) {
        let begin = Instant::now();
        socket.write_all(request.as_bytes())?;
        reads.bytes = read_response(&mut socket, &mut buffer)?;
        reads.durations.add(begin.elapsed());
        count += 1;
    }
    Ok(reads)
}

/// A read of a master.
#[derive(Debug, Clone)]
pub enum Request {
    /// A GET of a path.
    Get(&'static str),
    /// A call of the operator API, encoded as protobuf.
    Call {
        /// The call.
        body: Vec<u8>,
        /// The media type of the answer.
        media_type: &'static str,
    },
}

impl Request {
    fn encode(&self, master: SocketAddrV4) -> Vec<u8> {
        match self {
            Request::Get(path) => format!("GET {path} HTTP/1.1\r\nHost: {master}\r\n\r\n").into_bytes(),
            Request::Call { body, media_type } => {
                let head = format!(
                    "POST /api/v1 HTTP/1.1\r\nHost: {master}\r\nContent-Type: application/x-protobuf\r\n\
                     Accept: {media_type}\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                [head.as_bytes(), body].concat()
            }
        }
    }
}

/// Reads `times` times over one connection. Returns the size of the last response in bytes, including its head.
///
/// # Errors
/// Returns the error of the connection.
pub fn read_each(master: SocketAddrV4, request: &Request, times: usize) -> io::Result<usize> {
    let mut socket = connect(master)?;
    let request = request.encode(master);
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    for _ in 0..times {
        socket.write_all(&request)?;
        bytes = read_response(&mut socket, &mut buffer)?;
    }
    Ok(bytes)
}

fn connect(master: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(master)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(120)))?;
    Ok(socket)
}

/// Returns the body of a short response.
///
/// # Errors
/// Returns the error of the connection, or that the status is not 200.
pub fn get(master: SocketAddrV4, path: &str) -> io::Result<Vec<u8>> {
    let mut socket = connect(master)?;
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: {master}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let body = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|head| head + 4);
    match (answer.starts_with(b"HTTP/1.1 200 "), body) {
        (true, Some(body)) => Ok(answer.split_off(body)),
        _ => Err(io::Error::other(format!("GET {path} was not answered with 200"))),
    }
}

/// Runs several clients at once. Each reads repeatedly for `duration`, and at least once.
///
/// # Errors
/// Returns the error of the first client whose connection fails.
pub fn read_state_together(master: SocketAddrV4, clients: usize, duration: Duration) -> io::Result<Vec<Reads>> {
    let end = Instant::now() + duration;
    let enough = move |count| count > 0 && Instant::now() >= end;
    let reader = move || {
        lower_priority();
        read_state(master, enough)
    };
    let threads: Vec<_> = (0..clients).map(|_| std::thread::spawn(reader)).collect();
    threads.into_iter().map(|thread| thread.join().map_err(|_| io::Error::other("a reader panicked"))?).collect()
}

/// Gives priority to the scheduler of the same process, whose calls are measured at the same time. In a real cluster
/// they share no processor.
fn lower_priority() {
    // A failure is ignored, because the report says how late the generator itself was.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}

fn read_response(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut skipper = ResponseSkipper::new();
    let mut total = 0;
    let mut answer = None;
    while answer.is_none() {
        let count = socket.read(buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        total += count;
        let bytes = buffer.get(..count).unwrap_or_default();
        skipper.push_each(bytes, |status| answer = Some(status)).map_err(io::Error::other)?;
    }
    match answer {
        Some(200) => Ok(total),
        other => Err(io::Error::other(format!("GET /state was answered with {other:?}"))),
    }
}
