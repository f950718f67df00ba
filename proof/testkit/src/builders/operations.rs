//! Offer operations. An operation whose framework wants to receive its result has an id:
//! `reserve(…).with_operation_id("op")`.

use messages::v1;
use messages::v1::offer::{Operation, operation};

use super::operation_id;

fn operation_of(kind: operation::Type) -> Operation {
    Operation { r#type: Some(kind as i32), ..Default::default() }
}

/// Methods that add to an operation.
pub trait OperationBuilder {
    /// Sets the id, so that the framework receives the result of the operation.
    fn with_operation_id(self, id: &str) -> Self;
    /// Sets the id if there is one, for a table of cases of which some have none.
    fn with_id_if(self, id: Option<&str>) -> Self;
}

impl OperationBuilder for Operation {
    fn with_operation_id(self, id: &str) -> Self {
        self.with_id_if(Some(id))
    }

    fn with_id_if(mut self, id: Option<&str>) -> Self {
        self.id = id.map(operation_id);
        self
    }
}

/// Returns LAUNCH.
pub fn launch(task_infos: Vec<v1::TaskInfo>) -> Operation {
    Operation { launch: Some(Box::new(operation::Launch { task_infos })), ..operation_of(operation::Type::Launch) }
}

/// Returns LAUNCH_GROUP.
pub fn launch_group(executor: v1::ExecutorInfo, tasks: Vec<v1::TaskInfo>) -> Operation {
    let group = operation::LaunchGroup { executor, task_group: v1::TaskGroupInfo { tasks } };
    Operation { launch_group: Some(Box::new(group)), ..operation_of(operation::Type::LaunchGroup) }
}

/// Returns RESERVE of unreserved resources; `resources` is their reserved form.
pub fn reserve(resources: Vec<v1::Resource>) -> Operation {
    exchange(Vec::new(), resources)
}

/// Returns RESERVE that changes the reservation of `source`, which is reserved already, to that of `resources`.
pub fn exchange(source: Vec<v1::Resource>, resources: Vec<v1::Resource>) -> Operation {
    let reserve = operation::Reserve { resources, source };
    Operation { reserve: Some(Box::new(reserve)), ..operation_of(operation::Type::Reserve) }
}

/// Returns UNRESERVE.
pub fn unreserve(resources: Vec<v1::Resource>) -> Operation {
    let unreserve = operation::Unreserve { resources };
    Operation { unreserve: Some(Box::new(unreserve)), ..operation_of(operation::Type::Unreserve) }
}

/// Returns CREATE.
pub fn create(volumes: Vec<v1::Resource>) -> Operation {
    Operation { create: Some(Box::new(operation::Create { volumes })), ..operation_of(operation::Type::Create) }
}

/// Returns DESTROY.
pub fn destroy(volumes: Vec<v1::Resource>) -> Operation {
    Operation { destroy: Some(Box::new(operation::Destroy { volumes })), ..operation_of(operation::Type::Destroy) }
}

/// Returns GROW_VOLUME.
pub fn grow(volume: v1::Resource, addition: v1::Resource) -> Operation {
    let grow = operation::GrowVolume { volume, addition };
    Operation { grow_volume: Some(Box::new(grow)), ..operation_of(operation::Type::GrowVolume) }
}

/// Returns SHRINK_VOLUME.
pub fn shrink(volume: v1::Resource, megabytes: f64) -> Operation {
    let shrink = operation::ShrinkVolume { volume, subtract: v1::value::Scalar { value: megabytes } };
    Operation { shrink_volume: Some(Box::new(shrink)), ..operation_of(operation::Type::ShrinkVolume) }
}

/// Returns CREATE_DISK of type MOUNT, without a profile.
pub fn create_disk(source: v1::Resource) -> Operation {
    let target_type = v1::resource::disk_info::source::Type::Mount as i32;
    let create = operation::CreateDisk { source, target_type, target_profile: None };
    Operation { create_disk: Some(Box::new(create)), ..operation_of(operation::Type::CreateDisk) }
}
