//! The capabilities of containers (capabilities(7)): names, and which ones a container gets.

use std::fmt;

use executor::Capabilities;

/// The names of `CapabilityInfo.Capability` of Mesos, in the order of the kernel's numbers.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The difference between the numbers of `CapabilityInfo.Capability` and those of the kernel.
const MESOS_OFFSET: i32 = 1000;

/// A set of capabilities. Its `Display` is that of Mesos, e.g. `{ CHOWN, NET_RAW }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct CapabilitySet(u64);

impl CapabilitySet {
    /// No capability.
    pub const EMPTY: CapabilitySet = CapabilitySet(0);
    /// All capabilities, also those of later kernels.
    pub const ALL: CapabilitySet = CapabilitySet(u64::MAX);

    /// Returns the set of the capability with this name, e.g. `NET_RAW`.
    pub fn of_name(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(|number| CapabilitySet(1 << number))
    }

    /// Returns the set of the capability with this number of `CapabilityInfo.Capability`; `None` for `UNKNOWN` and for
    /// those of later versions.
    pub fn of_mesos(number: i32) -> Option<Self> {
        let number = usize::try_from(number.checked_sub(MESOS_OFFSET)?).ok()?;
        (number < NAMES.len()).then(|| CapabilitySet(1 << number))
    }

    /// Returns the set with these bits, as in `/proc/<pid>/status`.
    pub fn of_bits(bits: u64) -> Self {
        CapabilitySet(bits)
    }

    /// Returns the bits, by the numbers of the kernel.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Returns the capabilities that are in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        CapabilitySet(self.0 | other.0)
    }

    /// Returns the capabilities that are in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        CapabilitySet(self.0 & other.0)
    }

    /// Returns the capabilities of this set that the other one lacks.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        CapabilitySet(self.0 & !other.0)
    }

    /// Returns whether the other set has all capabilities of this one.
    pub fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Returns whether the set has no capability.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.iter().enumerate().filter(|(number, _)| self.0 & (1 << number) != 0);
        write!(f, "{{ {} }}", names.map(|(_, name)| *name).collect::<Vec<_>>().join(", "))
    }
}

/// The capabilities that a container asks for, or that the operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapabilityRequest {
    /// The capabilities of processes when they start (`effective_capabilities`); `None` if nothing is said.
    pub effective: Option<CapabilitySet>,
    /// The capabilities that processes can ever have (`bounding_capabilities`); `None` if nothing is said.
    pub bounding: Option<CapabilitySet>,
}

impl CapabilityRequest {
    /// Checks the flags of an operator.
    ///
    /// # Errors
    /// The effective capabilities must be a subset of the bounding ones.
    pub fn check(&self) -> Result<(), CapabilityError> {
        match (self.effective, self.bounding) {
            (Some(effective), Some(bounding)) if !effective.is_subset_of(bounding) => Err(CapabilityError::Flags),
            _ => Ok(()),
        }
    }
}

/// The reason for which a container cannot have the capabilities that it asks for. The texts are Mesos' where it has them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// The flags contradict each other.
    #[error("Allowed capabilities are not a subset of the bounding capabilities")]
    Flags,
    /// The effective capabilities are not in the bounding set.
    #[error("Requested capabilities '{requested}', but only '{allowed}' are allowed")]
    Requested {
        /// The capabilities that the container asks for.
        requested: CapabilitySet,
        /// The bounding set.
        allowed: CapabilitySet,
    },
    /// The bounding capabilities are not in those of the operator.
    #[error("Bounding capabilities '{requested}', but only '{allowed}' are allowed")]
    Bounding {
        /// The capabilities that the container asks for.
        requested: CapabilitySet,
        /// The bounding set of the operator.
        allowed: CapabilitySet,
    },
    /// The agent cannot pass on capabilities that it does not have.
    #[error("the agent itself does not have the capabilities '{0}': ask for others, or start the agent with them")]
    NotOwned(CapabilitySet),
}

/// Returns the capabilities of a container; `None` if neither the container nor the operator says anything. `own` are
/// those of the agent.
///
/// # Errors
/// Returns [`CapabilityError`] if the container asks for more than is allowed.
pub(crate) fn resolve(
    asked: CapabilityRequest,
    flags: CapabilityRequest,
    own: CapabilitySet,
) -> Result<Option<Capabilities>, CapabilityError> {
    if let (Some(requested), Some(allowed)) = (asked.bounding, flags.bounding)
        && !requested.is_subset_of(allowed)
    {
        return Err(CapabilityError::Bounding { requested, allowed });
    }
    let effective = asked.effective.or(flags.effective);
    let Some(bounding) = asked.bounding.or(flags.bounding).or(effective) else { return Ok(None) };
    // Without an effective set, processes begin with all that they may ever have.
    let begin = effective.unwrap_or(bounding.intersection(own));
    if !begin.is_subset_of(bounding) {
        return Err(CapabilityError::Requested { requested: begin, allowed: bounding });
    }
    match begin.without(own) {
        CapabilitySet::EMPTY => {
            Ok(Some(Capabilities { effective: effective.map(CapabilitySet::bits), bounding: bounding.bits() }))
        }
        lacking => Err(CapabilityError::NotOwned(lacking)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &str) -> CapabilitySet {
        names
            .split_whitespace()
            .fold(CapabilitySet::EMPTY, |set, name| set.union(CapabilitySet::of_name(name).unwrap()))
    }

    fn request(effective: Option<&str>, bounding: Option<&str>) -> CapabilityRequest {
        CapabilityRequest { effective: effective.map(set), bounding: bounding.map(set) }
    }

    #[test]
    fn names_are_those_of_the_kernel() {
        assert_eq!(set("CHOWN SYS_ADMIN CHECKPOINT_RESTORE").bits(), 1 | 1 << 21 | 1 << 40);
        assert_eq!(CapabilitySet::of_mesos(1021), Some(set("SYS_ADMIN")));
        assert_eq!((CapabilitySet::of_mesos(0), CapabilitySet::of_mesos(1041)), (None, None));
        assert_eq!(CapabilitySet::of_mesos(i32::MIN), None);
        assert_eq!(set("NET_RAW KILL").to_string(), "{ KILL, NET_RAW }");
    }

    #[test]
    fn a_container_gets_what_it_asks_for_within_what_is_allowed() {
        let own = set("NET_RAW KILL CHOWN SETUID");
        type Pair<'a> = (Option<&'a str>, Option<&'a str>);
        let check = |asked: Pair<'_>, flags: Pair<'_>, expect: Result<Option<Pair<'_>>, &str>| {
            let found = resolve(request(asked.0, asked.1), request(flags.0, flags.1), own);
            let expect = expect.map(|found| {
                found.map(|(effective, bounding)| Capabilities {
                    effective: effective.map(|names| set(names).bits()),
                    bounding: set(bounding.unwrap()).bits(),
                })
            });
            assert_eq!(found.map_err(|error| error.to_string()), expect.map_err(str::to_owned), "{asked:?} {flags:?}");
        };
        check((None, None), (None, None), Ok(None));
        check((Some("KILL"), None), (None, None), Ok(Some((Some("KILL"), Some("KILL")))));
        check((None, None), (Some("KILL"), None), Ok(Some((Some("KILL"), Some("KILL")))));
        check((None, None), (None, Some("KILL")), Ok(Some((None, Some("KILL")))));
        check((Some(""), None), (Some("KILL"), None), Ok(Some((Some(""), Some("")))));
        check((Some("KILL"), Some("KILL CHOWN")), (None, None), Ok(Some((Some("KILL"), Some("KILL CHOWN")))));
        check((Some("KILL"), None), (None, Some("KILL CHOWN")), Ok(Some((Some("KILL"), Some("KILL CHOWN")))));
        let refused = "Requested capabilities '{ NET_RAW }', but only '{ KILL }' are allowed";
        check((Some("NET_RAW"), None), (None, Some("KILL")), Err(refused));
        let refused = "Bounding capabilities '{ NET_RAW }', but only '{ KILL }' are allowed";
        check((None, Some("NET_RAW")), (None, Some("KILL")), Err(refused));
        let refused = "the agent itself does not have the capabilities '{ SYS_TIME }': ask for others, or start the agent \
                       with them";
        check((Some("SYS_TIME"), None), (None, None), Err(refused));
    }

    #[test]
    fn flags_must_agree() {
        assert!(request(Some("KILL"), Some("KILL CHOWN")).check().is_ok());
        assert_eq!(request(Some("KILL"), Some("CHOWN")).check(), Err(CapabilityError::Flags));
    }
}
