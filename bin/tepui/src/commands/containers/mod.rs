//! Commands that go into the containers of tasks, through the agents that run them.
//!
//! | module | owns |
//! | --- | --- |
//! | `target` | the container of the task that an argument names |
//! | `lookup` | a task and its agent, asked for alone |
//! | `exec` | `tepui exec`: a command beside a task |
//! | `attach` | `tepui attach`: the terminal of a task |
//! | `copy` | `tepui cp`: files between this machine and a task |
//! | `archive` | the archives in which files are copied |
//! | `top` | `tepui top`: what a task uses |
//! | `session` | a command in a container of its own beside a task |
//! | `relay` | the streams between a container and this terminal |
//! | `terminal` | the terminal of this command: raw mode, size, the keys that detach |

mod archive;
mod attach;
mod copy;
mod exec;
mod lookup;
mod relay;
mod session;
mod target;
mod terminal;
mod top;

pub use attach::{Attach, attach};
pub use copy::{Copy, copy};
pub use exec::{Exec, exec};
pub use relay::{Forwarding, relay};
pub use terminal::{RawTerminal, size as terminal_size};
pub use top::{Top, top};
