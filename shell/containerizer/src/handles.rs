//! The classes of network packets: handles of the net_cls controller (cgroup-v1/net_cls documentation).

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// The handles that an agent gives to its containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetClassHandles {
    /// The upper half of all class ids.
    pub primary: u16,
    /// The lowest secondary handle.
    pub first: u16,
    /// The highest secondary handle.
    pub last: u16,
}

/// Parses the values of `--cgroups_net_cls_primary_handle`, e.g. `0x0012`, and of `--cgroups_net_cls_secondary_handles`,
/// e.g. `0x0001,0x00ff`; without the latter, all from 1 are used.
///
/// # Errors
/// Returns a sentence with the value and what is expected.
pub fn parse_handles(primary: &str, secondary: Option<&str>) -> Result<NetClassHandles, String> {
    let number = |text: &str| {
        let text = text.trim();
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let parsed = digits.map_or_else(|| text.parse().ok(), |digits| u16::from_str_radix(digits, 16).ok());
        parsed.ok_or_else(|| format!("'{text}' is not a handle, a number from 0x0000 to 0xffff"))
    };
    let primary = number(primary)?;
    let (first, last) = match secondary {
        None => (1, u16::MAX),
        Some(range) => {
            let pair = range.split_once(',').ok_or_else(|| format!("'{range}' is not a range, e.g. 0x0001,0xffff"))?;
            (number(pair.0)?, number(pair.1)?)
        }
    };
    match (primary, first) {
        (0, _) | (_, 0) => Err("the handle 0 stands for no class".to_owned()),
        _ if first > last => Err(format!("the range {first:#06x},{last:#06x} is empty")),
        _ => Ok(NetClassHandles { primary, first, last }),
    }
}

/// The secondary handles in use.
#[derive(Debug)]
pub(crate) struct HandleAllocator {
    handles: NetClassHandles,
    used: BTreeSet<u16>,
}

impl HandleAllocator {
    pub(crate) fn new(handles: NetClassHandles) -> Self {
        HandleAllocator { handles, used: BTreeSet::new() }
    }

    fn range(&self) -> RangeInclusive<u16> {
        self.handles.first..=self.handles.last
    }

    /// Returns the number of handles.
    pub(crate) fn size(&self) -> usize {
        self.range().count()
    }

    /// Takes a free handle and returns the class id; `None` if all are in use.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let free = self.range().find(|handle| !self.used.contains(handle))?;
        self.used.insert(free);
        Some(u32::from(self.handles.primary) << 16 | u32::from(free))
    }

    /// Notes that a container of an earlier agent uses a class.
    pub(crate) fn mark(&mut self, classid: u32) {
        if let Some(handle) = self.own(classid) {
            self.used.insert(handle);
        }
    }

    /// Returns a class. Doing so again has no effect.
    pub(crate) fn free(&mut self, classid: u32) {
        if let Some(handle) = self.own(classid) {
            self.used.remove(&handle);
        }
    }

    fn own(&self, classid: u32) -> Option<u16> {
        let secondary = (classid & 0xffff) as u16;
        (classid >> 16 == u32::from(self.handles.primary) && self.range().contains(&secondary)).then_some(secondary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_taken_once() {
        let mut handles = HandleAllocator::new(parse_handles("0x12", Some("0x1,2")).unwrap());
        handles.mark(0x12_0001);
        handles.mark(0x13_0002);
        assert_eq!((handles.take(), handles.take(), handles.size()), (Some(0x12_0002), None, 2));
        handles.free(0x12_0001);
        handles.free(0x12_0001);
        assert_eq!(handles.take(), Some(0x12_0001));
    }

    #[test]
    fn wrong_handles_are_refused() {
        for (primary, secondary) in
            [("0", None), ("x", None), ("0x10000", None), ("1", Some("1")), ("1", Some("2,1")), ("1", Some("0,1"))]
        {
            assert!(parse_handles(primary, secondary).is_err(), "{primary} {secondary:?}");
        }
        assert_eq!(parse_handles("0xffff", None), Ok(NetClassHandles { primary: 0xffff, first: 1, last: 0xffff }));
    }
}
