//! Working with the rights of the task's user.
//!
//! Credentials belong to threads in Linux (credentials(7): the C library only makes them look process-wide), so a
//! thread can give up root for good while the agent keeps it. Mesos runs its fetcher as the task's user for the same
//! reason: a URI like `/root/.ssh/id_rsa` must not be readable by whoever may start a task.

use std::io;

use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::plan::Owner;

/// Whether this thread may take on the rights of others, and should.
pub(crate) fn can_become(owner: &Owner) -> bool {
    let root = rustix::process::geteuid().is_root();
    root && (owner.uid != 0 || owner.gid != 0)
}

/// Irrevocable for the calling thread: all three user ids are set, and with them its capabilities are gone.
pub(crate) fn become_user(owner: &Owner) -> io::Result<()> {
    let gid = rustix::process::Gid::from_raw(owner.gid);
    let uid = rustix::process::Uid::from_raw(owner.uid);
    let groups: Vec<_> = owner.supplementary.iter().map(|id| rustix::process::Gid::from_raw(*id)).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}
