//! The PAX records of a member that its header has no place for: extended attributes, and a time with nanoseconds.

use rustix::fs::Timespec;
use tar::PaxExtensions;

use crate::error::LayerError;

/// What the PAX records of a member say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    /// The names and values of extended attributes.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// The modification time, if it is not in the header.
    pub modified: Option<Timespec>,
}

/// The prefix of extended attributes (`star` and Docker).
const XATTR: &[u8] = b"SCHILY.xattr.";
/// The prefix of the records of GNU tar's newer forms of sparse files, whose contents begin with a table.
const SPARSE: &[u8] = b"GNU.sparse.";

/// Reads the records of a member of this name.
///
/// # Errors
/// A record cannot be read, or the member is a sparse file of a form that is not known.
pub(super) fn pax_records(extensions: Option<PaxExtensions<'_>>, member: &str) -> Result<Records, LayerError> {
    let mut records = Records::default();
    for extension in extensions.into_iter().flatten() {
        let extension = extension.map_err(LayerError::Read)?;
        let (key, value) = (extension.key_bytes(), extension.value_bytes());
        if let Some(name) = key.strip_prefix(XATTR).filter(|name| is_allowed(name)) {
            records.attributes.push((name.to_vec(), value.to_vec()));
        } else if key == b"mtime" {
            records.modified = std::str::from_utf8(value).ok().and_then(time);
        } else if key.starts_with(SPARSE) {
            return Err(LayerError::Sparse(member.to_owned()));
        }
    }
    Ok(records)
}

/// Returns whether an image may set an attribute: capabilities, access control lists and the attributes of users.
/// Attributes of overlayfs would let a layer show files of other layers, and those of security modules are for the host
/// to set.
fn is_allowed(name: &[u8]) -> bool {
    let is_user = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
    is_user || [&b"security.capability"[..], b"system.posix_acl_access", b"system.posix_acl_default"].contains(&name)
}

/// Reads seconds since the epoch with up to nine decimals, for instance `1234.5`.
fn time(text: &str) -> Option<Timespec> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_negative = seconds.starts_with('-');
    let seconds: i64 = seconds.parse().ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: i64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some(match is_negative && nanoseconds > 0 {
        true => Timespec { tv_sec: seconds.checked_sub(1)?, tv_nsec: 1_000_000_000 - nanoseconds },
        false => Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_nanoseconds() {
        let check = |text: &str, expect: Option<(i64, i64)>| {
            assert_eq!(time(text).map(|time| (time.tv_sec, time.tv_nsec)), expect, "{text}");
        };
        check("1234", Some((1234, 0)));
        check("1234.5", Some((1234, 500_000_000)));
        check("1234.1234567899", Some((1234, 123_456_789)));
        check("-1.25", Some((-2, 750_000_000)));
        check("-0.25", Some((-1, 750_000_000)));
        check(&i64::MIN.to_string(), Some((i64::MIN, 0)));
        for wrong in ["", "x", "1.x", "1.-5", "1e3", "99999999999999999999", &format!("{}.5", i64::MIN)] {
            check(wrong, None);
        }
    }

    #[test]
    fn an_image_sets_attributes_of_its_own_only() {
        for (name, expect) in [
            ("user.name", true),
            ("security.capability", true),
            ("system.posix_acl_access", true),
            ("user.overlay.redirect", false),
            ("trusted.overlay.redirect", false),
            ("security.selinux", false),
            ("security.capability2", false),
        ] {
            assert_eq!(is_allowed(name.as_bytes()), expect, "{name}");
        }
    }
}
