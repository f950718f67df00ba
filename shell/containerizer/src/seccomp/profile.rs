//! The format of profiles: that of Docker (`profiles/seccomp/default.json` of Moby), which Mesos reads, too, with the names of
//! errors that `containers-common` adds (`seccomp.json` of podman and others).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::errno;
use super::syscalls::{self, Architecture};
use crate::CapabilitySet;

/// The reason for which a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error("it is not a profile in the format of Docker: {0}")]
    Format(#[from] serde_json::Error),
    #[error(
        "'{0}' is no action of seccomp: use SCMP_ACT_ALLOW, _ERRNO, _KILL, _KILL_PROCESS, _KILL_THREAD, _TRAP or _LOG"
    )]
    Action(String),
    #[error("'{0}' is no error number: use a name such as EPERM, or a number")]
    Errno(String),
    #[error("the operator '{0}' is unknown: use SCMP_CMP_NE, _LT, _LE, _EQ, _GE, _GT or _MASKED_EQ")]
    Operator(String),
    #[error("a system call has the arguments 0 to 5, not {0}")]
    Index(u32),
    #[error("more than six conditions on one system call")]
    Conditions,
    #[error("the capability '{0}' is unknown: names begin with CAP_")]
    Capability(String),
    #[error("'{0}' is no version of Linux: use e.g. 4.8")]
    KernelVersion(String),
    #[error(
        "it allows by default and denies the system call '{0}', which does not exist: correct the name, or remove it"
    )]
    UnknownSyscall(String),
    #[error("its 'archMap' does not have {0}, the architecture of this machine: add it")]
    Architecture(&'static str),
    #[error("it becomes a program of {0} instructions, more than the 4096 that the kernel takes: use fewer conditions")]
    TooLarge(usize),
}

/// The action for a system call, as the value that a filter returns (seccomp(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action(pub(super) u32);

impl Action {
    pub(super) const KILL_PROCESS: Action = Action(0x8000_0000);
    pub(super) const ALLOW: Action = Action(0x7fff_0000);

    /// The system call fails with this error number.
    pub(super) fn errno(number: u16) -> Action {
        Action(0x0005_0000 | u32::from(number))
    }

    /// `named` is the error as a text, which goes before the number `errno`.
    fn parse(name: &str, errno: Option<u16>, named: Option<&str>) -> Result<Self, ProfileError> {
        const EPERM: u16 = 1;
        let errno = match named.filter(|text| !text.is_empty()) {
            Some(text) => Some(errno::number(text).ok_or_else(|| ProfileError::Errno(text.to_owned()))?),
            None => errno,
        };
        Ok(match name {
            "SCMP_ACT_ALLOW" => Action::ALLOW,
            "SCMP_ACT_ERRNO" => Action::errno(errno.unwrap_or(EPERM)),
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Action(0),
            "SCMP_ACT_KILL_PROCESS" => Action::KILL_PROCESS,
            "SCMP_ACT_TRAP" => Action(0x0003_0000),
            "SCMP_ACT_LOG" => Action(0x7ffc_0000),
            // Tracing and notification need a process that answers.
            _ => return Err(ProfileError::Action(name.to_owned())),
        })
    }

    fn permits(self) -> bool {
        matches!(self.0 & 0xffff_0000, 0x7fff_0000 | 0x7ffc_0000)
    }
}

/// The comparison of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    /// The argument and this mask are equal to the value.
    MaskedEqual(u64),
}

/// A condition on one argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    /// The argument, 0 to 5.
    pub index: u32,
    pub comparison: Comparison,
    pub value: u64,
}

/// One rule for a system call: the action if all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub conditions: Vec<Condition>,
    pub action: Action,
}

/// The rules for one container, by the number of the system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    pub default: Action,
    pub by_number: BTreeMap<u32, Vec<Rule>>,
}

/// The circumstances that rules depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    /// The architecture of the machine.
    pub architecture: Architecture,
    /// The capabilities that processes of the container can have.
    pub capabilities: CapabilitySet,
    /// The version of the kernel.
    pub kernel: (u32, u32),
}

/// A profile, as in its file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Profile {
    pub(super) default_action: String,
    pub(super) default_errno_ret: Option<u16>,
    pub(super) default_errno: Option<String>,
    pub(super) arch_map: Option<Vec<ArchitectureEntry>>,
    /// The older form of `archMap`.
    pub(super) architectures: Option<Vec<String>>,
    pub(super) syscalls: Vec<SyscallEntry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ArchitectureEntry {
    pub architecture: String,
    /// Programs for these ABIs are not supported: their system calls have other numbers.
    #[serde(rename = "subArchitectures")]
    pub _sub_architectures: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SyscallEntry {
    /// The older form of `names`.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub names: Vec<String>,
    pub action: String,
    pub errno_ret: Option<u16>,
    pub errno: Option<String>,
    pub args: Option<Vec<ArgumentEntry>>,
    #[serde(rename = "comment")]
    pub _comment: Option<String>,
    #[serde(default)]
    pub includes: Option<Scope>,
    #[serde(default)]
    pub excludes: Option<Scope>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ArgumentEntry {
    pub index: u32,
    pub value: u64,
    #[serde(default)]
    pub value_two: u64,
    pub op: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Scope {
    pub arches: Option<Vec<String>>,
    pub caps: Option<Vec<String>>,
    pub min_kernel: Option<String>,
}

impl Profile {
    /// Parses the content of a file.
    ///
    /// # Errors
    /// Returns [`ProfileError::Format`] for text that is not in the format.
    pub(crate) fn parse(text: &str) -> Result<Self, ProfileError> {
        Ok(serde_json::from_str(text)?)
    }

    /// Returns the rules for a container.
    pub(super) fn rules(&self, given: &Circumstances) -> Result<Rules, ProfileError> {
        self.check_architecture(given.architecture)?;
        let default = Action::parse(&self.default_action, self.default_errno_ret, self.default_errno.as_deref())?;
        let numbers = given.architecture.syscalls();
        let mut by_number: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
        for entry in &self.syscalls {
            let action = Action::parse(&entry.action, entry.errno_ret, entry.errno.as_deref())?;
            let conditions = entry.args.iter().flatten().map(condition).collect::<Result<Vec<_>, _>>()?;
            if conditions.len() > 6 {
                return Err(ProfileError::Conditions);
            }
            let applies = entry.includes.as_ref().map_or(Ok(true), |scope| scope.includes(given))?;
            let excluded = entry.excludes.as_ref().map_or(Ok(false), |scope| scope.excludes(given))?;
            let names = entry.names.iter().chain(Some(&entry.name).filter(|name| !name.is_empty()));
            for name in names {
                match numbers.get(name.as_str()) {
                    Some(number) if applies && !excluded => {
                        let rule = Rule { conditions: conditions.clone(), action };
                        by_number.entry(*number).or_default().push(rule);
                    }
                    Some(_) => {}
                    // The system calls of other architectures cannot be made here. Those that nobody knows are denied anyway,
                    // as all without a rule, or are mistakes that would allow what was meant to be denied.
                    None if action.permits() || !default.permits() || syscalls::is_known(name) => {}
                    None => return Err(ProfileError::UnknownSyscall(name.clone())),
                }
            }
        }
        Ok(Rules { default, by_number })
    }

    fn check_architecture(&self, architecture: Architecture) -> Result<(), ProfileError> {
        let name = architecture.profile_name();
        let in_map = |entries: &Vec<ArchitectureEntry>| entries.iter().any(|entry| entry.architecture == name);
        let in_list = |names: &Vec<String>| names.iter().any(|given| given == name);
        let lists = self.arch_map.as_ref().map(in_map).into_iter().chain(self.architectures.as_ref().map(in_list));
        // A profile without any list is for the architecture of the machine.
        match lists.reduce(|one, other| one || other) {
            Some(false) => Err(ProfileError::Architecture(name)),
            _ => Ok(()),
        }
    }
}

impl Scope {
    /// Returns whether all parts of the scope hold. An empty part always does.
    fn includes(&self, given: &Circumstances) -> Result<bool, ProfileError> {
        let arches = self.arches.as_deref().unwrap_or_default();
        let has_all = capabilities(self.caps.as_deref())?.is_subset_of(given.capabilities);
        let new_enough = self.min_kernel.as_deref().map_or(Ok(true), |version| is_at_least(given.kernel, version))?;
        let has_architecture = arches.is_empty() || arches.iter().any(|name| name == given.architecture.rule_name());
        Ok(has_architecture && has_all && new_enough)
    }

    /// Returns whether any part of the scope holds.
    fn excludes(&self, given: &Circumstances) -> Result<bool, ProfileError> {
        let mut arches = self.arches.iter().flatten();
        let has_any = !capabilities(self.caps.as_deref())?.intersection(given.capabilities).is_empty();
        let new_enough = self.min_kernel.as_deref().map_or(Ok(false), |version| is_at_least(given.kernel, version))?;
        Ok(arches.any(|name| name == given.architecture.rule_name()) || has_any || new_enough)
    }
}

fn capabilities(names: Option<&[String]>) -> Result<CapabilitySet, ProfileError> {
    let one = |name: &String| {
        let known = name.strip_prefix("CAP_").and_then(CapabilitySet::of_name);
        known.ok_or_else(|| ProfileError::Capability(name.clone()))
    };
    names.unwrap_or_default().iter().try_fold(CapabilitySet::EMPTY, |all, name| Ok(all.union(one(name)?)))
}

fn is_at_least(kernel: (u32, u32), version: &str) -> Result<bool, ProfileError> {
    let parsed = version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parsed.map(|wanted| kernel >= wanted).ok_or_else(|| ProfileError::KernelVersion(version.to_owned()))
}

fn condition(entry: &ArgumentEntry) -> Result<Condition, ProfileError> {
    if entry.index > 5 {
        return Err(ProfileError::Index(entry.index));
    }
    let plain = |comparison| Condition { index: entry.index, comparison, value: entry.value };
    Ok(match entry.op.as_str() {
        "SCMP_CMP_NE" => plain(Comparison::NotEqual),
        "SCMP_CMP_LT" => plain(Comparison::Less),
        "SCMP_CMP_LE" => plain(Comparison::LessOrEqual),
        "SCMP_CMP_EQ" => plain(Comparison::Equal),
        "SCMP_CMP_GE" => plain(Comparison::GreaterOrEqual),
        "SCMP_CMP_GT" => plain(Comparison::Greater),
        // As in libseccomp, the first value is the mask, and the second one is compared.
        "SCMP_CMP_MASKED_EQ" => Condition { value: entry.value_two, ..plain(Comparison::MaskedEqual(entry.value)) },
        other => return Err(ProfileError::Operator(other.to_owned())),
    })
}
