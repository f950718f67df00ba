//! Status updates of tasks.
//!
//! | module | owns |
//! | --- | --- |
//! | `status_update` | the way of an update: task, disk, master, acknowledgement |
//! | `status_update_manager` | per task, the updates that its framework has not acknowledged |

pub(crate) mod status_update;
pub(crate) mod status_update_manager;
