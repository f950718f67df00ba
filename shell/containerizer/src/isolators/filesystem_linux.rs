//! `filesystem/linux`: mount namespaces, in which containers see their volumes.

use super::{ContainerContext, Isolator};
use crate::launch_spec::LaunchSpec;
use crate::{Error, Launch};

/// Gives containers a mount namespace, mounts their volumes in it, and gives them the host name that they ask for.
#[derive(Debug)]
pub(super) struct FilesystemLinux;

impl Isolator for FilesystemLinux {
    fn name(&self) -> &'static str {
        "filesystem/linux"
    }

    fn prepare(&self, container: &ContainerContext<'_>, launch: &Launch, spec: &mut LaunchSpec) -> Result<(), Error> {
        // A nested container sees the volumes of its parent.
        spec.enter_mounts = container.parent;
        spec.namespaces.mount = !launch.nesting.as_ref().is_some_and(|nesting| nesting.session);
        spec.mounts.extend(launch.binds.iter().cloned());
        if let Some(name) = &launch.requests.hostname {
            check_hostname(name)?;
            spec.namespaces.uts = true;
            spec.hostname = Some(name.clone());
        }
        Ok(())
    }
}

/// The maximum length of a host name on Linux (sethostname(2)).
const MAX_HOSTNAME: usize = 64;

/// Checks a host name: letters, digits, hyphens and dots (RFC 1123).
fn check_hostname(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if name.is_empty() || name.len() > MAX_HOSTNAME || !name.bytes().all(plain) {
        return Err(Error::Request(format!(
            "the host name must have 1 to {MAX_HOSTNAME} letters, digits, hyphens and dots"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_plain() {
        for (name, expect) in [("db-1.example", true), ("", false), ("a b", false), ("a\n", false), ("é", false)] {
            assert_eq!(check_hostname(name).is_ok(), expect, "{name:?}");
        }
        assert!(check_hostname(&"x".repeat(64)).is_ok() && check_hostname(&"x".repeat(65)).is_err());
    }
}
