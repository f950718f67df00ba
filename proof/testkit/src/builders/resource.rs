//! Builds resources from the text of `--resources`, and allocates, reserves and turns them into volumes.

use messages::v1;
use messages::v1::resource::reservation_info;
use messages::v1::resource::{AllocationInfo, DiskInfo, ReservationInfo, RevocableInfo, SharedInfo, disk_info};

/// Returns unreserved resources from the syntax of `--resources`: `cpus:4;mem:1024;ports:[1-2]`.
///
/// # Panics
///
/// Panics if the text is not of this syntax.
pub fn resources(text: &str) -> Vec<v1::Resource> {
    resources::Resources::parse(text, "*").unwrap_or_else(|error| panic!("{text}: {error}")).to_proto()
}

/// Returns a persistent volume of `megabytes` on a disk that is reserved for `role`; its container sees it at the path
/// `container_path`.
pub fn persistent_volume(role: &str, megabytes: u32, id: &str, container_path: &str) -> v1::Resource {
    let mut disk = resources(&format!("disk:{megabytes}")).reserved_for(role).remove(0);
    disk.disk = Some(Box::new(DiskInfo {
        persistence: Some(disk_info::Persistence { id: id.to_owned(), principal: None }),
        volume: Some(Box::new(v1::Volume {
            container_path: container_path.to_owned(),
            mode: v1::volume::Mode::Rw as i32,
            ..Default::default()
        })),
        ..Default::default()
    }));
    disk
}

/// Methods that change one resource, or each of a list.
pub trait ResourceBuilder: Sized {
    /// Applies `change` to every resource.
    fn map_each(self, change: impl FnMut(&mut v1::Resource)) -> Self;

    /// Allocates the resources to a role, as those in an offer or a task are.
    fn allocated_to(self, role: &str) -> Self {
        self.map_each(|resource| resource.allocation_info = Some(AllocationInfo { role: Some(role.to_owned()) }))
    }

    /// Adds a dynamic reservation for a role.
    fn reserved_for(self, role: &str) -> Self {
        self.map_each(|resource| {
            resource.reservations.push(ReservationInfo {
                r#type: Some(reservation_info::Type::Dynamic as i32),
                role: Some(role.to_owned()),
                ..Default::default()
            });
        })
    }

    /// Makes a persistent volume shared: several tasks may use it.
    fn shared(self) -> Self {
        self.map_each(|resource| resource.shared = Some(SharedInfo {}))
    }

    /// Makes the resources revocable: the master may take them back.
    fn revocable(self) -> Self {
        self.map_each(|resource| resource.revocable = Some(RevocableInfo {}))
    }
}

impl ResourceBuilder for v1::Resource {
    fn map_each(mut self, mut change: impl FnMut(&mut v1::Resource)) -> Self {
        change(&mut self);
        self
    }
}

impl ResourceBuilder for Vec<v1::Resource> {
    fn map_each(mut self, change: impl FnMut(&mut v1::Resource)) -> Self {
        self.iter_mut().for_each(change);
        self
    }
}
