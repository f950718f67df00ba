//! Whiteouts: members that hide files of lower layers (OCI image specification, "Whiteouts").

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The meaning of a member's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// The member is an ordinary one.
    No,
    /// The file or directory of this name is hidden.
    Of(&'a OsStr),
    /// All entries that lower layers have in this directory are hidden.
    Opaque,
    /// A mark that AUFS makes for itself, and that other systems skip.
    Ignored,
    /// A whiteout of `.`, `..` or of an empty name.
    Invalid,
}

const PREFIX: &[u8] = b".wh.";

impl<'a> Whiteout<'a> {
    /// Reads the last part of a member's name.
    pub fn parse(name: &'a OsStr) -> Self {
        match name.as_bytes().strip_prefix(PREFIX) {
            None => Whiteout::No,
            Some(b".wh..opq") => Whiteout::Opaque,
            Some(rest) if rest.starts_with(PREFIX) => Whiteout::Ignored,
            Some(b"" | b"." | b"..") => Whiteout::Invalid,
            Some(rest) => Whiteout::Of(OsStr::from_bytes(rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_makes_a_whiteout() {
        let check = |name: &str, expect: Whiteout<'_>| assert_eq!(Whiteout::parse(OsStr::new(name)), expect, "{name}");
        check("a", Whiteout::No);
        check(".wh", Whiteout::No);
        check(".wh.a", Whiteout::Of(OsStr::new("a")));
        check(".wh..a", Whiteout::Of(OsStr::new(".a")));
        check(".wh..wh..opq", Whiteout::Opaque);
        check(".wh..wh.plnk", Whiteout::Ignored);
        check(".wh.", Whiteout::Invalid);
        check(".wh..", Whiteout::Invalid);
        check(".wh...", Whiteout::Invalid);
    }
}
