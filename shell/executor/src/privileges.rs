//! The privileges of the program of a container: capabilities(7), `no_new_privs` (prctl(2)) and a filter of system calls
//! (seccomp(2)). The agent decides about them, and the process that becomes the program takes them on.
//!
//! The functions make system calls only. The containerizer calls them in a process that shares the memory of the agent.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, capabilities_secure_bits,
    clear_ambient_capability_set, configure_capability_in_ambient_set, remove_capability_from_bounding_set,
    set_capabilities, set_capabilities_secure_bits, set_keep_capabilities, set_no_new_privs,
};
use serde::{Deserialize, Serialize};

/// The limits on the privileges of a program. The default leaves them as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privileges {
    /// The capabilities; `None` for those that the user has.
    pub capabilities: Option<Capabilities>,
    /// Whether execve(2) never gives more privileges, as setuid programs do otherwise.
    pub no_new_privileges: bool,
    /// The filter of system calls.
    pub filter: Option<Filter>,
}

/// The capabilities of a program, each set as a mask by the numbers of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// The capabilities that it begins with, as root or as another user (ambient); `None` for those that its user has by
    /// itself: root all of `bounding`, any other user none.
    pub effective: Option<u64>,
    /// The capabilities that it and its children can ever have.
    pub bounding: u64,
}

/// A filter of system calls: a program of classic BPF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter(Vec<Instruction>);

/// An instruction: the code, the jumps if true and if false, the value (`struct sock_filter` of linux/filter.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct Instruction(pub u16, pub u8, pub u8, pub u32);

/// The step that failed, as in "cannot … of the container".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivilegeStep {
    /// Limit the capabilities.
    Capabilities,
    /// Set `no_new_privs`.
    NoNewPrivileges,
    /// Install the filter.
    Filter,
}

impl PrivilegeStep {
    /// Returns the step in words that follow "cannot".
    pub fn text(self) -> &'static str {
        match self {
            PrivilegeStep::Capabilities => "limit its capabilities",
            PrivilegeStep::NoNewPrivileges => "give up new privileges",
            PrivilegeStep::Filter => "install its filter of system calls",
        }
    }
}

type Failure = (PrivilegeStep, Errno);

impl Filter {
    /// Makes a filter of a program.
    pub fn new(instructions: Vec<Instruction>) -> Self {
        Filter(instructions)
    }

    /// Returns the program.
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

impl Privileges {
    /// Prepares the change of the user, while this process still has all capabilities. The bounding set is limited here;
    /// the capabilities are kept over the change until [`Privileges::take_on`].
    ///
    /// # Errors
    /// Returns the step that failed; the process must end.
    pub fn before_user(&self) -> Result<(), Failure> {
        let failed = |errno| (PrivilegeStep::Capabilities, errno);
        if let Some(wanted) = &self.capabilities {
            for number in 0..u64::BITS {
                if wanted.bounding & (1 << number) != 0 {
                    continue;
                }
                match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
                    // The kernel has no capability of this number, nor of a higher one.
                    Err(Errno::INVAL) => break,
                    removed => removed.map_err(failed)?,
                }
            }
        }
        if self.needs_capabilities() { set_keep_capabilities(true).map_err(failed) } else { Ok(()) }
    }

    /// Takes on the privileges of the program, as its user. Nothing but execve(2) comes afterwards, since the filter may
    /// not permit anything else.
    ///
    /// # Errors
    /// Returns the step that failed; the process must end.
    pub fn take_on(&self) -> Result<(), Failure> {
        // Without `no_new_privs` only a process with CAP_SYS_ADMIN may install a filter, and without a filter the
        // capabilities need nothing.
        if !self.no_new_privileges {
            self.install_filter()?;
        }
        self.limit_capabilities().map_err(|errno| (PrivilegeStep::Capabilities, errno))?;
        if self.no_new_privileges {
            set_no_new_privs(true).map_err(|errno| (PrivilegeStep::NoNewPrivileges, errno))?;
            self.install_filter()?;
        }
        Ok(())
    }

    /// Returns whether capabilities are needed after the change of the user.
    fn needs_capabilities(&self) -> bool {
        self.capabilities.is_some() || (self.filter.is_some() && !self.no_new_privileges)
    }

    fn install_filter(&self) -> Result<(), Failure> {
        let failed = |errno| (PrivilegeStep::Filter, errno);
        let Some(filter) = &self.filter else { return Ok(()) };
        if !self.no_new_privileges {
            make_effective().map_err(failed)?;
        }
        install(filter).map_err(failed)
    }

    fn limit_capabilities(&self) -> Result<(), Errno> {
        let is_root = rustix::process::getuid().is_root();
        let Some(wanted) = &self.capabilities else {
            // The user would not have the capabilities that were kept for the filter.
            let none = CapabilitySet::empty();
            let kept = self.needs_capabilities() && !is_root;
            return if kept { set_sets(none, none) } else { Ok(()) };
        };
        let Some(effective) = wanted.effective else {
            let all = capabilities(None)?.permitted & CapabilitySet::from_bits_retain(wanted.bounding);
            return set_sets(if is_root { all } else { CapabilitySet::empty() }, CapabilitySet::empty());
        };
        let effective = CapabilitySet::from_bits_retain(effective);
        // On execve(2), root gets the whole bounding set, unless it is a user like others.
        let like_others = !is_root || effective.bits() != wanted.bounding;
        if is_root && like_others {
            make_effective()?;
            let bits = CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED;
            set_capabilities_secure_bits(capabilities_secure_bits()? | bits)?;
        }
        clear_ambient_capability_set()?;
        // Inheritable capabilities are those that ambient ones need, and no others (CVE-2022-24769).
        set_sets(effective, if like_others { effective } else { CapabilitySet::empty() })?;
        for number in (0..u64::BITS).filter(|number| like_others && effective.bits() & (1 << number) != 0) {
            configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(1 << number), true)?;
        }
        Ok(())
    }
}

/// Makes all permitted capabilities effective, which a change of the user has undone.
fn make_effective() -> Result<(), Errno> {
    let sets = capabilities(None)?;
    set_capabilities(None, CapabilitySets { effective: sets.permitted, ..sets })
}

fn set_sets(permitted: CapabilitySet, inheritable: CapabilitySet) -> Result<(), Errno> {
    set_capabilities(None, CapabilitySets { effective: permitted, permitted, inheritable })
}

/// `struct sock_fprog` of linux/filter.h.
#[repr(C)]
struct Program {
    length: libc::c_ushort,
    instructions: *const Instruction,
}

#[allow(unsafe_code)]
fn install(filter: &Filter) -> Result<(), Errno> {
    let length = libc::c_ushort::try_from(filter.0.len()).map_err(|_| Errno::INVAL)?;
    let program = Program { length, instructions: filter.0.as_ptr() };
    let no_flags: libc::c_ulong = 0;
    // SAFETY: `program` is valid for reads and points to as many instructions as it says, which have the layout of the
    // kernel's. The filter applies to this thread only.
    let code = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, no_flags, &raw const program) };
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the pointer is always valid for reads.
    Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_has_the_layout_of_the_kernel() {
        assert_eq!((size_of::<Instruction>(), align_of::<Instruction>()), (8, 4));
        assert_eq!(size_of::<Program>(), size_of::<libc::sock_fprog>());
        assert_eq!(std::mem::offset_of!(Program, instructions), std::mem::offset_of!(libc::sock_fprog, filter));
    }

    #[test]
    fn privileges_survive_the_file() {
        let privileges = Privileges {
            capabilities: Some(Capabilities { effective: Some(1 << 40), bounding: u64::MAX }),
            no_new_privileges: true,
            filter: Some(Filter::new(vec![Instruction(6, 0, 0, 0x7fff_0000)])),
        };
        let text = serde_json::to_string(&privileges).unwrap();
        assert_eq!(serde_json::from_str::<Privileges>(&text).unwrap(), privileges);
    }
}
