//! The storage of the agent's records.
//!
//! | module | owns |
//! | --- | --- |
//! | `codec` | the bytes of a record |
//! | `records` | the log in `<work_dir>/records`: reading it at the start, writing it from then on |
//! | `import` | the import of the state that a C++ Mesos agent has left in `<work_dir>/meta` |

mod codec;
mod import;
mod records;

pub use records::{OpenedLog, Records, open, sandboxes};
