//! Names of resources. Nearly every resource has one of a handful of names; these names cost no allocation and compare
//! as integers.

use std::fmt;
use std::sync::Arc;

/// The name of a resource. Names are ordered as people list them: cpus, gpus, mem, disk, ports, then all others by
/// text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(NameRepr);

/// `Other` never holds a text that has a variant of its own. The box keeps the type at two words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum NameRepr {
    Cpus,
    Gpus,
    Mem,
    Disk,
    Ports,
    EphemeralPorts,
    Other(Arc<Box<str>>),
}

impl Name {
    /// `cpus`, in processors.
    pub const CPUS: Name = Name(NameRepr::Cpus);
    /// `gpus`, in whole graphics processors.
    pub const GPUS: Name = Name(NameRepr::Gpus);
    /// `mem`, in megabytes.
    pub const MEM: Name = Name(NameRepr::Mem);
    /// `disk`, in megabytes.
    pub const DISK: Name = Name(NameRepr::Disk);
    /// `ports`, as ranges.
    pub const PORTS: Name = Name(NameRepr::Ports);
    /// `ephemeral_ports`, as ranges.
    pub const EPHEMERAL_PORTS: Name = Name(NameRepr::EphemeralPorts);

    /// Returns the name with this text.
    pub fn new(text: &str) -> Self {
        Name(match text {
            "cpus" => NameRepr::Cpus,
            "gpus" => NameRepr::Gpus,
            "mem" => NameRepr::Mem,
            "disk" => NameRepr::Disk,
            "ports" => NameRepr::Ports,
            "ephemeral_ports" => NameRepr::EphemeralPorts,
            other => NameRepr::Other(Arc::new(other.into())),
        })
    }

    /// Returns the text of the name.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            NameRepr::Cpus => "cpus",
            NameRepr::Gpus => "gpus",
            NameRepr::Mem => "mem",
            NameRepr::Disk => "disk",
            NameRepr::Ports => "ports",
            NameRepr::EphemeralPorts => "ephemeral_ports",
            NameRepr::Other(text) => text,
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Name::new(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
