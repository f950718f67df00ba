//! Project quotas of XFS, by which the kernel accounts and limits the disk space below a directory (xfs_quota(8)).
//!
//! | module | owns |
//! | --- | --- |
//! | `project_ids` | which project of a range belongs to which directories |
//! | `quota` | the system calls: projects of files, limits and usage of projects |
//! | `quota_watcher` | the directories of containers, and the thread that looks for exceeded limits |

mod project_ids;
mod quota;
mod quota_watcher;

pub(crate) use project_ids::ProjectIds;
pub(crate) use quota::{assign_project, check_support, clear_limit, project_of, set_limits, usage_of};
pub(crate) use quota_watcher::{QuotaWatcher, TrackedDirectory, Violation};
