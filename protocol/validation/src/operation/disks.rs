//! Disks of resource providers: CREATE_DISK, DESTROY_DISK.

use messages::v1::offer::operation::{CreateDisk, DestroyDisk};
use messages::v1::resource::disk_info::source::Type as SourceType;
use resources::{Resource, SourceKind};

use super::validate::parse_one;
use crate::error::require;
use crate::{ValidationError, Within, resource};

pub(super) fn create(create: &CreateDisk) -> Result<(), ValidationError> {
    let source = provided(&create.source)?;
    let disk = source.disk().and_then(|disk| disk.source.as_ref()).filter(|disk| disk.kind == SourceKind::Raw);
    let Some(disk) = disk else { return Err(ValidationError::new("'source' is not a RAW disk resource")) };
    require(
        matches!(create.target_type(), SourceType::Mount | SourceType::Block),
        "'target_type' is neither MOUNT or BLOCK",
    )?;
    match (&disk.profile, &create.target_profile) {
        (Some(_), Some(_)) => Err(ValidationError::new("'target_profile' must not be set when 'source' has a profile")),
        (None, None) => Err(ValidationError::new("'target_profile' must be set when 'source' has no profile")),
        _ => Ok(()),
    }
}

pub(super) fn destroy(destroy: &DestroyDisk) -> Result<(), ValidationError> {
    let source = provided(&destroy.source)?;
    let disk = source.disk().and_then(|disk| disk.source.as_ref()).filter(|disk| disk.kind != SourceKind::Path);
    let Some(disk) = disk else {
        return Err(ValidationError::new("'source' is neither a MOUNT, BLOCK or RAW disk resource"));
    };
    require(disk.id.is_some(), "'source' is not backed by a CSI volume")?;
    if source.is_persistent_volume() {
        return Err(ValidationError::new(format!(
            "A disk resource containing a persistent volume {source} cannot be destroyed directly. Please destroy the \
             persistent volume first then destroy the disk resource"
        )));
    }
    Ok(())
}

fn provided(source: &messages::v1::Resource) -> Result<Resource, ValidationError> {
    resource::validate(std::slice::from_ref(source)).within("Invalid resource")?;
    let source = parse_one(source)?;
    require(source.provider_id().is_some(), "'source' is not managed by a resource provider")?;
    Ok(source)
}
