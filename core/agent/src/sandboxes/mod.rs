//! Sandboxes on the disk.
//!
//! | module | owns |
//! | --- | --- |
//! | `paths` | where they lie |
//! | `gc` | when they are removed |

pub(crate) mod gc;
pub(crate) mod paths;
