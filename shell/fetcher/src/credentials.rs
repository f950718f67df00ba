//! Changes a thread to the credentials of the task's user.
//!
//! Credentials belong to threads in Linux (credentials(7); only the C library keeps those of a process in step), so
//! that a thread can give up root for good while the agent keeps it. Mesos runs its fetcher as the task's user for the
//! same reason: nobody who may start a task must be able to read `/root/.ssh/id_rsa` by a URI.

use std::io;

use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::plan::Owner;

/// Returns whether this thread is allowed to change its user, and has to.
pub(crate) fn can_become(owner: &Owner) -> bool {
    let root = rustix::process::geteuid().is_root();
    root && (owner.uid != 0 || owner.gid != 0)
}

/// Changes the user of the calling thread irrevocably: all three user ids are set, and the thread loses its
/// capabilities.
pub(crate) fn become_user(owner: &Owner) -> io::Result<()> {
    let gid = rustix::process::Gid::from_raw(owner.gid);
    let uid = rustix::process::Uid::from_raw(owner.uid);
    let groups: Vec<_> = owner.supplementary.iter().map(|id| rustix::process::Gid::from_raw(*id)).collect();
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}
