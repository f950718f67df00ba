//! The environment of a program in an image, in a form that has no effect on the helpers that start the program.
//!
//! The helpers (`executor`, `container-init`, `container-launch`, `container-enter`) run as root on the files of the host
//! until they have entered the image. Variables of an image or a task such as `LD_PRELOAD` would load code of theirs into
//! the helpers (CVE-2025-23266). Names are therefore quoted by a prefix until the program is executed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The prefix of quoted names.
const QUOTE: &[u8] = b"TEPUI_PROGRAM_";
/// The prefix of names that are not quoted: by them, executors find their agent and agents their containers. No library
/// reads them before `main`.
const OWN: &[u8] = b"MESOS_";

/// Quotes the names of variables. The values stay.
pub fn quoted_environment(variables: Vec<(OsString, OsString)>) -> Vec<(OsString, OsString)> {
    variables.into_iter().map(|(name, value)| (OsString::from_vec(quoted_name(name.as_bytes())), value)).collect()
}

/// Returns variables with the names that [`quoted_environment`] was given.
pub fn unquoted_environment(variables: Vec<(OsString, OsString)>) -> Vec<(OsString, OsString)> {
    variables.into_iter().map(|(name, value)| (unquoted_name(&name).to_owned(), value)).collect()
}

/// Returns a name in the quoted form.
pub(crate) fn quoted_name(name: &[u8]) -> Vec<u8> {
    if name.starts_with(OWN) { name.to_vec() } else { [QUOTE, name].concat() }
}

/// Returns the name that was quoted.
pub(crate) fn unquoted_name(name: &OsStr) -> &OsStr {
    name.as_bytes().strip_prefix(QUOTE).map_or(name, OsStr::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_name_is_no_other_name_and_comes_back() {
        for name in ["PATH", "LD_PRELOAD", "TEPUI_PROGRAM_X", "", "MESOS_SANDBOX", "GLIBC_TUNABLES"] {
            let quoted = quoted_environment(vec![(name.into(), "value".into())]);
            assert_eq!(quoted[0].1, "value");
            assert!(quoted[0].0.as_bytes().starts_with(b"TEPUI_PROGRAM_") != name.starts_with("MESOS_"), "{name}");
            assert_eq!(unquoted_name(&quoted[0].0), name);
            assert_eq!(unquoted_environment(quoted), vec![(name.into(), "value".into())]);
        }
    }
}
