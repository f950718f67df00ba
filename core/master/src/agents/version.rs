//! Versions of agents and how they compare.

/// A version as agents announce it, e.g. `1.11.0` or `1.12.0-dev`. A label makes it older than the version without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    numbers: [u64; 3],
    released: bool,
}

impl Version {
    pub const OLDEST_AGENT: Version = Version { numbers: [1, 0, 0], released: true };

    pub fn parse(text: &str) -> Option<Self> {
        let text = text.split('+').next()?;
        let (core, label) = text.split_once('-').map_or((text, None), |(core, label)| (core, Some(label)));
        if label.is_some_and(str::is_empty) {
            return None;
        }
        let mut numbers = [0; 3];
        let mut parts = core.split('.');
        for number in &mut numbers {
            match parts.next() {
                Some(part) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => {
                    *number = part.parse().ok()?;
                }
                Some(_) => return None,
                None => {}
            }
        }
        (parts.next().is_none() && !core.is_empty()).then_some(Version { numbers, released: label.is_none() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        let old = |text: &str| Version::parse(text).is_none_or(|version| version < Version::OLDEST_AGENT);
        for text in ["", "x", "0.28.2", "1.0.0-rc1", "1..0", "1.0.0.0", "1.0.0-", "-1.0.0"] {
            assert!(old(text), "{text}");
        }
        for text in ["1.0.0", "1.11.0", "1.12.0-dev", "2", "1.2+build"] {
            assert!(!old(text), "{text}");
        }
    }
}
