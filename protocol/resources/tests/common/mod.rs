//! Builders of resources for tests, from a text and the special properties of the resource.
#![allow(dead_code, deprecated, reason = "each test binary uses a part; the old format is tested too")]

use messages::v1;
use messages::v1::resource::disk_info::source::{Mount, Path, Type as SourceType};
use messages::v1::resource::disk_info::{Persistence, Source};
use messages::v1::resource::{AllocationInfo, DiskInfo, ReservationInfo};
use resources::Resources;

pub fn parse(text: &str) -> Resources {
    Resources::parse(text, "*").unwrap()
}

/// Returns one resource as it is received.
pub fn proto(text: &str) -> v1::Resource {
    let mut protos = parse(text).to_proto();
    assert_eq!(protos.len(), 1, "{text} is not one resource");
    protos.remove(0)
}

pub fn of(protos: &[v1::Resource]) -> Resources {
    Resources::from_proto(protos).unwrap()
}

pub trait ProtoExt: Sized {
    fn with(self, change: impl FnOnce(&mut v1::Resource)) -> v1::Resource;

    fn reserved(self, level: ReservationInfo) -> v1::Resource {
        self.with(|resource| resource.reservations.push(level))
    }

    fn persistent(self, id: &str) -> v1::Resource {
        self.with(|resource| {
            let disk = resource.disk.get_or_insert_default();
            disk.persistence = Some(Persistence { id: id.to_owned(), principal: None });
            disk.volume = Some(Box::new(v1::Volume {
                container_path: "path".to_owned(),
                mode: v1::volume::Mode::Rw as i32,
                ..Default::default()
            }));
        })
    }

    fn sourced(self, source: Source) -> v1::Resource {
        self.with(|resource| {
            let disk: &mut DiskInfo = resource.disk.get_or_insert_default();
            disk.source = Some(Box::new(source));
        })
    }

    fn shared(self) -> v1::Resource {
        self.with(|resource| resource.shared = Some(Default::default()))
    }

    fn revocable(self) -> v1::Resource {
        self.with(|resource| resource.revocable = Some(Default::default()))
    }

    fn provided_by(self, id: &str) -> v1::Resource {
        self.with(|resource| resource.provider_id = Some(v1::ResourceProviderId { value: id.to_owned() }))
    }

    fn allocated_to(self, role: &str) -> v1::Resource {
        self.with(|resource| resource.allocation_info = Some(AllocationInfo { role: Some(role.to_owned()) }))
    }

    fn alone(self) -> Resources;
}

impl ProtoExt for v1::Resource {
    fn with(mut self, change: impl FnOnce(&mut v1::Resource)) -> v1::Resource {
        change(&mut self);
        self
    }

    fn alone(self) -> Resources {
        of(&[self])
    }
}

pub fn static_reservation(role: &str) -> ReservationInfo {
    ReservationInfo { r#type: Some(1), role: Some(role.to_owned()), ..Default::default() }
}

pub fn dynamic(role: &str) -> ReservationInfo {
    ReservationInfo { r#type: Some(2), role: Some(role.to_owned()), ..Default::default() }
}

pub fn by(principal: &str, mut level: ReservationInfo) -> ReservationInfo {
    level.principal = Some(principal.to_owned());
    level
}

pub fn labelled(labels: &[(&str, Option<&str>)], mut level: ReservationInfo) -> ReservationInfo {
    let labels = labels
        .iter()
        .map(|(key, value)| v1::Label { key: (*key).to_owned(), value: value.map(str::to_owned) })
        .collect();
    level.labels = Some(Box::new(v1::Labels { labels }));
    level
}

pub fn mount(root: &str) -> Source {
    let mount = Mount { root: Some(root.to_owned()) };
    Source { r#type: SourceType::Mount as i32, mount: Some(mount), ..Default::default() }
}

pub fn path(root: &str) -> Source {
    let path = Path { root: Some(root.to_owned()) };
    Source { r#type: SourceType::Path as i32, path: Some(path), ..Default::default() }
}

pub fn block() -> Source {
    Source { r#type: SourceType::Block as i32, ..Default::default() }
}

pub fn raw(id: Option<&str>) -> Source {
    Source { r#type: SourceType::Raw as i32, id: id.map(str::to_owned), ..Default::default() }
}
