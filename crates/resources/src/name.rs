//! Names of resources. Nearly every resource has one of a handful of names, so these
//! cost no allocation and compare as integers.

use std::fmt;
use std::sync::Arc;

/// Ordered as people list them: cpus, gpus, mem, disk, ports, then the rest by text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Known);

/// `Other` never holds a text that has a variant of its own. The box keeps the whole at two words.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Known {
    Cpus,
    Gpus,
    Mem,
    Disk,
    Ports,
    EphemeralPorts,
    Other(Arc<Box<str>>),
}

impl Name {
    pub const CPUS: Name = Name(Known::Cpus);
    pub const GPUS: Name = Name(Known::Gpus);
    pub const MEM: Name = Name(Known::Mem);
    pub const DISK: Name = Name(Known::Disk);
    pub const PORTS: Name = Name(Known::Ports);
    pub const EPHEMERAL_PORTS: Name = Name(Known::EphemeralPorts);

    pub fn new(text: &str) -> Self {
        Name(match text {
            "cpus" => Known::Cpus,
            "gpus" => Known::Gpus,
            "mem" => Known::Mem,
            "disk" => Known::Disk,
            "ports" => Known::Ports,
            "ephemeral_ports" => Known::EphemeralPorts,
            other => Known::Other(Arc::new(other.into())),
        })
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Known::Cpus => "cpus",
            Known::Gpus => "gpus",
            Known::Mem => "mem",
            Known::Disk => "disk",
            Known::Ports => "ports",
            Known::EphemeralPorts => "ephemeral_ports",
            Known::Other(text) => text,
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
