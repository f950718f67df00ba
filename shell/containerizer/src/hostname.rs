//! Host names of containers.

use crate::Error;

/// The maximum length of a host name on Linux (sethostname(2)).
const MAX_HOSTNAME: usize = 64;

/// Checks a host name, which also becomes a word of `/etc/hosts`: letters, digits, hyphens and dots, of which the first is a
/// letter or a digit (RFC 1123).
///
/// # Errors
/// Returns [`Error::Request`] for any other text.
pub fn check_hostname(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if name.is_empty() || name.len() > MAX_HOSTNAME || !name.bytes().all(plain) || name.starts_with(['-', '.']) {
        return Err(Error::Request(format!(
            "the host name must have 1 to {MAX_HOSTNAME} letters, digits, hyphens and dots, and begin with a letter or a digit"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_plain() {
        for (name, expect) in [
            ("db-1.example", true),
            ("", false),
            ("a b", false),
            ("a\n", false),
            ("é", false),
            ("a\n127.0.0.1 bank", false),
            ("-a", false),
        ] {
            assert_eq!(check_hostname(name).is_ok(), expect, "{name:?}");
        }
        assert!(check_hostname(&"x".repeat(64)).is_ok() && check_hostname(&"x".repeat(65)).is_err());
    }
}
