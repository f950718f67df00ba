//! Status updates of tasks.
//!
//! | module | owns |
//! | --- | --- |
//! | `launch_progress` | what tasks wait for before they start |
//! | `status_update` | the way of an update: task, disk, master, acknowledgement |
//! | `status_update_manager` | the unacknowledged updates of each task |

pub(crate) mod launch_progress;
pub(crate) mod status_update;
pub(crate) mod status_update_manager;
