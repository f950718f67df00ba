//! The executor template: a process of the agent in which the program of the executors is loaded, and from which command
//! executors are forked. (Android's zygote and prefork servers do the same.)
//!
//! A program of this size costs a millisecond to execute: the dynamic linker, its page faults, and the end of so many
//! mapped pages. The template pays for that once. A process that is forked from it joins the container by the same steps
//! as any other (`spawn::child`), and becomes the executor without execve(2).
//!
//! - It is a child of the agent (`CLONE_PARENT`), and so has a parent, an exit status and a record as if the agent had
//!   created it.
//! - Its arguments and its environment are written over those of the template, where `/proc` shows them.
//! - Its program is the sealed copy, as for every helper (CVE-2019-5736).
//! - The template never reads what a container starts with: arguments and environment, which may hold a token, go by a
//!   socket that only the new process reads. So no executor finds anything of another one in its memory.
//! - A process that changes its privileges without execve(2) keeps capabilities that execve(2) would have taken, so that
//!   only containers without such changes are started here (`request::is_simple`).
//! - The template ends with the agent, because its socket does. While it starts a process, it holds the lock of the agent's
//!   runtime directory, and so does the process until the next agent can find it.
//!
//! Whatever is wrong with the template, the agent starts the executor as a program of its own.
//!
//! | module | owns |
//! | --- | --- |
//! | `handle` | the template as the agent has it: its start, and requests to it |
//! | `process` | the template itself, and the processes that are forked from it |
//! | `request` | what both say to each other |
//! | `process_strings` | the memory with the arguments and the environment of a process |

mod handle;
mod process;
mod process_strings;
mod request;

pub(crate) use handle::ExecutorTemplate;
pub use process::executor_template;
