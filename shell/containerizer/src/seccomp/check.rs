//! Whether a profile can be used at all.

use super::profile::ProfileError;
use super::{Architecture, Circumstances, Profile, compile};
use crate::CapabilitySet;

/// The reason for which a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct InvalidSeccompProfile(#[from] ProfileError);

/// Checks a profile in Docker's format, for containers without capabilities and for those with all of them. Returns the
/// number of instructions of the longer filter.
///
/// # Errors
/// The profile is of another form, names what does not exist, or becomes a filter that the kernel does not take.
pub fn check_seccomp_profile(text: &str) -> Result<usize, InvalidSeccompProfile> {
    let profile = Profile::parse(text)?;
    let architecture = Architecture::native().unwrap_or(Architecture::X86_64);
    let mut longest = 0;
    for capabilities in [CapabilitySet::EMPTY, CapabilitySet::ALL] {
        let given = Circumstances { architecture, capabilities, kernel: (6, 0) };
        longest = longest.max(compile(&profile, &given)?.instructions().len());
    }
    Ok(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_becomes_a_filter_or_is_refused() {
        assert!(check_seccomp_profile(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[]}"#).unwrap() > 0);
        assert!(
            check_seccomp_profile(r#"{"defaultAction":"x","syscalls":[]}"#).unwrap_err().to_string().contains("'x'")
        );
    }
}
