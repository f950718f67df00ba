//! Resources as Mesos prints them, in logs and in the texts of errors.

use std::fmt;

use crate::{Disk, Labels, Reservation, ReservationKind, Resource, Resources, Source, SourceKind, Value};
use messages::v1;

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("{}");
        }
        separated(f, "; ", self.iter(), |f, resource| {
            resource.fmt(f)?;
            if resource.is_shared() { write!(f, "<{}>", resource.copies) } else { Ok(()) }
        })
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Prints one copy, however many there are.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        if let Some(role) = &self.allocation {
            write!(f, "(allocated: {role})")?;
        }
        if !self.is_unreserved() {
            f.write_str("(reservations: [")?;
            separated(f, ",", self.reservations(), |f, reservation| write!(f, "({reservation})"))?;
            f.write_str("])")?;
        }
        if let Some(disk) = self.disk() {
            write!(f, "[{disk}]")?;
        }
        if self.is_revocable() {
            f.write_str("{REV}")?;
        }
        if self.is_shared() {
            f.write_str("<SHARED>")?;
        }
        match &self.value {
            Value::Scalar(scalar) => write!(f, ":{scalar}"),
            Value::Ranges(ranges) => write!(f, ":{ranges}"),
            Value::Set(set) => write!(f, ":{set}"),
        }
    }
}

impl fmt::Display for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ReservationKind::Static => "STATIC",
            ReservationKind::Dynamic => "DYNAMIC",
        };
        write!(f, "{kind},{}", self.role)?;
        if let Some(principal) = &self.principal {
            write!(f, ",{principal}")?;
        }
        if let Some(labels) = &self.labels {
            write!(f, ",{labels}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        separated(f, ", ", self.iter(), |f, (key, value)| match value {
            Some(value) => write!(f, "{key}: {value}"),
            None => f.write_str(key),
        })?;
        f.write_str("}")
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            source.fmt(f)?;
        }
        if let Some(persistence) = &self.persistence {
            let separator = if self.source.is_some() { "," } else { "" };
            write!(f, "{separator}{}", persistence.id)?;
        }
        if let Some(volume) = &self.volume {
            f.write_str(":")?;
            write_volume(f, volume)?;
        }
        Ok(())
    }
}

fn write_volume(f: &mut fmt::Formatter<'_>, volume: &v1::Volume) -> fmt::Result {
    let Some(host_path) = &volume.host_path else { return f.write_str(&volume.container_path) };
    let mode = if volume.mode == v1::volume::Mode::Ro as i32 { "ro" } else { "rw" };
    write!(f, "{host_path}:{}:{mode}", volume.container_path)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, root) = match self.kind {
            SourceKind::Mount => ("MOUNT", self.root.mount.as_ref()),
            SourceKind::Path => ("PATH", self.root.path.as_ref()),
            SourceKind::Block => ("BLOCK", None),
            SourceKind::Raw => ("RAW", None),
        };
        f.write_str(kind)?;
        let text = |part: &Option<std::sync::Arc<str>>| part.as_deref().unwrap_or_default().to_owned();
        if self.id.is_some() || self.profile.is_some() {
            return write!(f, "({},{},{})", text(&self.vendor), text(&self.id), text(&self.profile));
        }
        match root {
            Some(Some(root)) => write!(f, ":{root}"),
            _ => Ok(()),
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    separator: &str,
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}

/// A resource as it was received, perhaps an invalid one. It prints what a reader needs to recognise it.
pub(crate) struct RawResource<'a>(pub &'a v1::Resource);

impl fmt::Display for RawResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawResource(resource) = self;
        f.write_str(&resource.name)?;
        if let Some(allocation) = &resource.allocation_info {
            write!(f, "(allocated: {})", allocation.role())?;
        }
        if !resource.reservations.is_empty() {
            f.write_str("(reservations: [")?;
            separated(f, ",", &resource.reservations, |f, level| {
                write!(f, "({},{})", level.r#type().as_str_name(), level.role())
            })?;
            f.write_str("])")?;
        }
        if resource.revocable.is_some() {
            f.write_str("{REV}")?;
        }
        if resource.shared.is_some() {
            f.write_str("<SHARED>")?;
        }
        f.write_str(":")?;
        if let Some(scalar) = &resource.scalar {
            write!(f, "{}", scalar.value)?;
        }
        if let Some(ranges) = &resource.ranges {
            f.write_str("[")?;
            separated(f, ", ", &ranges.range, |f, range| write!(f, "{}-{}", range.begin, range.end))?;
            f.write_str("]")?;
        }
        if let Some(set) = &resource.set {
            write!(f, "{{{}}}", set.item.join(", "))?;
        }
        Ok(())
    }
}
