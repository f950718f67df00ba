//! Tasks: from their launch to their kill.
//!
//! | module | owns |
//! | --- | --- |
//! | `task` | a task as it is shown and reported |
//! | `launch` | from a master's RunTask to an executor that has the task |
//! | `kill` | ending tasks, executors and frameworks at the master's request |

pub(crate) mod kill;
pub(crate) mod launch;
pub(crate) mod task;
