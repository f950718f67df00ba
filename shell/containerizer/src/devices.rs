//! Devices that containers may use.

use std::fmt;
use std::path::PathBuf;

/// The kind of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// A device that containers may use, and how (`DeviceAccess` of Mesos). Its `Display` is a line of the v1 controller, e.g.
/// `c 10:229 rw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedDevice {
    /// The path on the host; `None` if only the numbers are known.
    pub path: Option<PathBuf>,
    /// The kind.
    pub kind: DeviceKind,
    /// The major number; `None` for all.
    pub major: Option<u32>,
    /// The minor number; `None` for all.
    pub minor: Option<u32>,
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be written.
    pub write: bool,
    /// Whether nodes of it may be made.
    pub mknod: bool,
}

impl AllowedDevice {
    fn character(major: Option<u32>, minor: Option<u32>) -> Self {
        let (path, kind) = (None, DeviceKind::Character);
        AllowedDevice { path, kind, major, minor, read: true, write: true, mknod: true }
    }

    /// Returns the devices that every container may use, as in Mesos (`isolators/cgroups/subsystems/devices.cpp`).
    pub(crate) fn defaults() -> Vec<Self> {
        let node = |kind| AllowedDevice { kind, read: false, write: false, ..Self::character(None, None) };
        let mut all = vec![node(DeviceKind::Character), node(DeviceKind::Block)];
        // These are console, tty0, tty1, pts/*, ptmx, net/tun, null, zero, full, tty, urandom and random.
        for (major, minor) in [
            (5, Some(1)),
            (4, Some(0)),
            (4, Some(1)),
            (136, None),
            (5, Some(2)),
            (10, Some(200)),
            (1, Some(3)),
            (1, Some(5)),
            (1, Some(7)),
            (5, Some(0)),
            (1, Some(9)),
            (1, Some(8)),
        ] {
            all.push(Self::character(Some(major), minor));
        }
        all
    }
}

impl fmt::Display for AllowedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
        let kind = match self.kind {
            DeviceKind::Character => 'c',
            DeviceKind::Block => 'b',
        };
        let access = [(self.read, 'r'), (self.write, 'w'), (self.mknod, 'm')];
        let access: String = access.into_iter().filter(|(given, _)| *given).map(|(_, letter)| letter).collect();
        write!(f, "{kind} {}:{} {access}", number(self.major), number(self.minor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_written_as_the_controller_reads_it() {
        let lines: Vec<String> = AllowedDevice::defaults().iter().map(ToString::to_string).collect();
        assert_eq!(lines[..3], ["c *:* m", "b *:* m", "c 5:1 rwm"]);
        assert!(lines.contains(&"c 136:* rwm".to_owned()) && lines.contains(&"c 1:3 rwm".to_owned()));
        let fuse = AllowedDevice { mknod: false, ..AllowedDevice::character(Some(10), Some(229)) };
        assert_eq!(fuse.to_string(), "c 10:229 rw");
    }
}
