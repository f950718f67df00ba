//! Every bound of the edge, with its reason. The code that enforces a bound says what happens at it.

use std::time::Duration;

/// The maximum of connections served at once. Further connections wait in the accept queue of the kernel. The number
/// covers 10,000 agents with two sockets each, schedulers and monitors, and stays below common limits of open files.
pub const MAX_CONNECTIONS: usize = 30_000;

/// The maximum of a message or call in bytes, and so of every request body. The largest legitimate body is the
/// re-registration of an agent with its whole history.
pub const MAX_BODY: usize = 64 * 1024 * 1024;

/// The maximum of a form in bytes. The largest is a list of volumes on one agent.
pub const MAX_FORM: usize = 1024 * 1024;

/// The maximum of a JSON document in bytes, such as the weights of all roles. Lists of machines may be longer.
pub const MAX_JSON: usize = 4 * 1024 * 1024;

/// The maximum of a body that an endpoint ignores, in bytes. Some clients send an empty JSON document with every request.
pub const MAX_IGNORED_BODY: usize = 64 * 1024;

/// The maximum of unfinished requests in memory over all connections, in KiB. Requests that would exceed it are refused
/// with 503.
pub const MAX_BODIES_KIB: usize = 512 * 1024;

/// The maximum of unsent initial states of operators' event streams, in KiB. New streams are refused with 503 at the
/// bound. Subscribers that connect at the same time share one state, so the memory is used by slow readers of different
/// moments.
pub const MAX_ANSWERS_KIB: usize = 512 * 1024;

/// The maximum of the request line and headers, in bytes. hyper answers 431 beyond it. Queries have paths of up to 4
/// KiB, percent-encoded.
pub const MAX_HEAD: usize = 128 * 1024;

/// The maximum of headers in a request. hyper answers 431 beyond it.
pub const MAX_HEADERS: usize = 100;

/// The time for a complete request after its first byte, to which a second is added for every `MIN_BODY_RATE` bytes. A
/// peer that sends slower loses the connection. A connection may be idle between requests for any time, as libprocess
/// links are.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The minimum rate of a body, in bytes per second.
pub const MIN_BODY_RATE: u64 = 64 * 1024;

/// A peer that takes no byte for this long while bytes are waiting loses the connection.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// The maximum of inputs waiting for the core, in KiB of their encoded size. Connections are not read while it is
/// reached. The batch that the core is working on is not included.
pub const MAX_INBOX_KIB: usize = 512 * 1024;

/// The minimum cost of an input in KiB, which limits the queue to 65,536 inputs.
pub const MIN_INPUT_KIB: usize = 8;

/// The maximum of inputs between two flushes. Tasks that encode and write then work at the same time as the core.
pub const MAX_BATCH: usize = 256;

/// The maximum of events waiting for one subscriber. At the bound the subscriber loses its connection, which bounds the
/// master's memory. A single RECONCILE may ask for as many events as its framework has tasks.
pub const MAX_STREAM_EVENTS: usize = 131_072;

/// The same bound in bytes of protobuf: twice what a RECONCILE of that many tasks with ordinary statuses asks for.
pub const MAX_STREAM_BYTES: usize = 256 * 1024 * 1024;

/// The maximum of messages waiting for one peer. At the bound its link counts as broken. A re-registration of all
/// agents queues a few messages for each, and all agents of a test may share an address.
pub const MAX_LINK_MESSAGES: usize = 262_144;

/// The same bound in bytes of protobuf.
pub const MAX_LINK_BYTES: usize = 512 * 1024 * 1024;

/// The maximum of bytes that a link encodes ahead of its socket.
pub const LINK_WRITE_CHUNK: usize = 256 * 1024;

/// The bytes after which a connection yields to others. Ten readers of a large state must not delay a scheduler's call.
pub const WRITE_BURST: usize = 64 * 1024;

/// The size of a response in bytes above which its connection moves to the bulk thread, where it delays no calls.
pub const BULK_RESPONSE_BYTES: usize = 4 * WRITE_BURST;

/// The time for opening a connection to a peer.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection without a link is kept this long after its last message, so that bursts share one.
pub const UNLINKED_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// The time for the peer to close a connection that this process has finished writing to. Closing first would reset the
/// connection, and the peer could lose messages that it has not read yet.
pub const CLOSE_LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// The time that an ending process waits for its last messages and responses to be written.
pub const SHUTDOWN_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The size in bytes from which responses are compressed for clients that accept it (the figure of libprocess).
pub const GZIP_MINIMUM: usize = 1024;
