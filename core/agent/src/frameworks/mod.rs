//! Frameworks that have something on this agent, with their executors and tasks.
//!
//! | module | owns |
//! | --- | --- |
//! | `index` | all frameworks, executors and tasks, and every index over them |
//! | `framework` | the state of one framework |
//! | `executor` | the state of one executor |
//! | `task` | a task as it is shown and reported |
//! | `update_framework` | a scheduler that has failed over or changed its description |

pub(crate) mod executor;
pub(crate) mod framework;
pub(crate) mod index;
pub(crate) mod task;
pub(crate) mod update_framework;
