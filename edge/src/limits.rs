//! Every bound of the edge, with its reason. What happens at a bound is said where it is enforced.

use std::time::Duration;

/// Connections served at once; further ones wait in the kernel's accept queue. Above 10,000 agents with a
/// socket each, schedulers and monitors, and below common limits of open files.
pub const MAX_CONNECTIONS: usize = 30_000;

/// A request body. The largest honest one is the re-registration of an agent with its whole history.
pub const MAX_BODY: usize = 64 * 1024 * 1024;

/// Unfinished requests in memory over all connections, in KiB; at the bound those that grow are refused with 503.
pub const MAX_BODIES_KIB: usize = 512 * 1024;

/// Initial states of operators' streams that are not sent yet, in KiB; at the bound new streams are refused with 503.
/// Subscribers who come together share one, so these are the states of slow readers, each from another moment.
pub const MAX_ANSWERS_KIB: usize = 512 * 1024;

/// Request line and headers: hyper answers 431 beyond. Queries carry paths of up to 4 KiB, percent-encoded.
pub const MAX_HEAD: usize = 128 * 1024;

/// Headers of a request; hyper answers 431 beyond.
pub const MAX_HEADERS: usize = 100;

/// A request must be complete this long after its first byte, plus a second for every `MIN_BODY_RATE` bytes: whoever
/// trickles one in loses the connection. A connection between requests may idle for ever, as libprocess links do.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
pub const MIN_BODY_RATE: u64 = 64 * 1024;

/// A peer that takes no byte for this long, while there is something to send, loses the connection.
pub const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Inputs waiting for the core, in KiB of what they came as; at the bound connections are not read further. The batch
/// that the core works on comes on top.
pub const MAX_INBOX_KIB: usize = 512 * 1024;

/// What an input counts at least, in KiB, so that no more than 65,536 wait.
pub const MIN_INPUT_KIB: usize = 8;

/// Inputs between two flushes: the tasks that encode and write work at the same time as the core.
pub const MAX_BATCH: usize = 256;

/// Events waiting for one subscriber; at the bound it loses its connection, and the master keeps its memory. A
/// single RECONCILE may ask for as many as its framework has tasks.
pub const MAX_STREAM_EVENTS: usize = 131_072;

/// The same in bytes, as protobuf: what a single RECONCILE of as many tasks with ordinary statuses asks for, twice.
pub const MAX_STREAM_BYTES: usize = 256 * 1024 * 1024;

/// Messages waiting for one peer; at the bound its link counts as broken. A re-registration storm queues
/// a handful for each agent, and all agents of a test may share an address.
pub const MAX_LINK_MESSAGES: usize = 262_144;

/// The same in bytes, as protobuf.
pub const MAX_LINK_BYTES: usize = 512 * 1024 * 1024;

/// Encoded ahead of the socket, for a link.
pub const LINK_WRITE_CHUNK: usize = 256 * 1024;

/// A connection with much to write lets others run after so many bytes: ten readers of a large state must not keep a
/// scheduler's call waiting for their megabytes.
pub const WRITE_BURST: usize = 64 * 1024;

/// The connection of an answer of more bytes moves to where it delays no calls.
pub const BULK_RESPONSE_BYTES: usize = 4 * WRITE_BURST;

pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection nobody linked is kept this long after its last message, so that bursts share one.
pub const UNLINKED_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection that we have finished writing to may take to be closed by its peer. Closing first would
/// reset it, and the peer could lose messages that it has not read yet.
pub const CLOSE_LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a process that ends waits for its last messages and answers to be written.
pub const SHUTDOWN_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Responses from this size on are compressed for those who accept it (libprocess' figure).
pub const GZIP_MINIMUM: usize = 1024;
