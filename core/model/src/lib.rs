//! The words every core shares: ids, addresses, the clocks it is handed, seeded randomness.

mod call_response;
mod clock;
mod duration;
mod ids;
mod outbox;
mod random;
mod record_write;
mod task_state;
mod upid;

pub use call_response::{CallResponse, Status};
pub use clock::{Monotonic, Now, Timestamp};
pub use duration::{InvalidDuration, format_duration, parse_duration};
pub use ids::{AgentId, ContainerId, ExecutorId, FrameworkId, OfferId, Principal, ReplyId, Role, StreamId, TaskId};
pub use outbox::Outbox;
pub use random::Random;
pub use record_write::RecordWrite;
pub use task_state::is_terminal;
pub use upid::{InvalidUpid, Upid};
