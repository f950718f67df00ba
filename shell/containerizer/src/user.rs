//! The users that containers run as. The user database is read by `getpwnam_r` and `getgrouplist`, which include NSS
//! (LDAP, sssd).

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::Error;

/// A user of the machine and its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The id of the primary group.
    pub gid: u32,
    /// The ids of all groups, including `gid`.
    pub groups: Vec<u32>,
}

/// The maximum size of an entry in bytes, above all that occur in practice. Larger entries are refused.
const MAX_ENTRY: usize = 1 << 20;
const MAX_GROUPS: usize = 65_536;

/// Looks up a user by name.
///
/// # Errors
/// Returns [`Error::UnknownUser`] if there is no such user, and [`Error::System`] if the user database cannot be read.
pub fn resolve_user(name: &str) -> Result<User, Error> {
    let c_name = CString::new(name).map_err(|_| Error::UnknownUser(name.into()))?;
    let (uid, gid) = passwd_entry(&c_name)
        .map_err(Error::system("reading the user database"))?
        .ok_or_else(|| Error::UnknownUser(name.into()))?;
    Ok(User { name: name.into(), uid, gid, groups: groups(&c_name, gid) })
}

#[allow(unsafe_code)]
fn passwd_entry(name: &CString) -> io::Result<Option<(u32, u32)>> {
    let mut buffer = vec![0u8; 1024];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: `name` is a C string, `entry` and `found` are valid for writes, and `buffer` is as long as said.
        let code = unsafe {
            libc::getpwnam_r(
                name.as_ptr(),
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        match code {
            0 if found.is_null() => return Ok(None),
            0 => {
                // SAFETY: the call succeeded and found an entry, so `entry` is initialised.
                let entry = unsafe { entry.assume_init() };
                return Ok(Some((entry.pw_uid, entry.pw_gid)));
            }
            libc::ERANGE if buffer.len() < MAX_ENTRY => buffer.resize(buffer.len() * 4, 0),
            // These are further results of POSIX and glibc for a missing user, besides a plain success.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            code => return Err(io::Error::from_raw_os_error(code)),
        }
    }
}

#[allow(unsafe_code)]
fn groups(name: &CString, gid: u32) -> Vec<u32> {
    let mut groups: Vec<libc::gid_t> = vec![0; 32];
    loop {
        let mut count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: `groups` has room for `count` ids, and `count` is valid for writes.
        let code = unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
        let count = usize::try_from(count).unwrap_or(0);
        if code >= 0 {
            groups.truncate(count);
            return groups;
        }
        if groups.len() >= MAX_GROUPS {
            return vec![gid];
        }
        groups.resize(count.max(groups.len() * 2).min(MAX_GROUPS), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_can_always_be_resolved() {
        let root = resolve_user("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
    }

    #[test]
    fn an_unknown_user_is_an_error() {
        for name in ["no-such-user-of-tepui", "", "a\0b"] {
            assert!(matches!(resolve_user(name), Err(Error::UnknownUser(_))), "{name:?}");
        }
    }
}
