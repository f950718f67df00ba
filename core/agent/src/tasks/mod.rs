//! Tasks: from their launch to their kill.
//!
//! | module | owns |
//! | --- | --- |
//! | `launch` | from a master's RunTask to an executor that has the task |
//! | `kill` | the end of tasks, executors and frameworks at the master's request |

pub(crate) mod kill;
pub(crate) mod launch;
