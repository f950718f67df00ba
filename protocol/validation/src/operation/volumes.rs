//! Persistent volumes: CREATE, DESTROY, GROW_VOLUME, SHRINK_VOLUME.

use messages::v1;
use messages::v1::offer::operation::{Create, Destroy, GrowVolume, ShrinkVolume};
use resources::{Resource, Resources, Scalar, SourceKind};

use super::Context;
use super::validate::{check_agent_capabilities, parse_one, single_provider};
use crate::error::require;
use crate::{ValidationError, Within, resource};

pub(super) fn create(create: &Create, context: &Context<'_>) -> Result<(), ValidationError> {
    resource::validate(&create.volumes).within("Invalid resources")?;
    single_provider(&create.volumes).within("Invalid resources")?;
    resource::validate_persistent_volumes(&create.volumes).within("Not a persistent volume")?;
    let mut volumes = context.checkpointed.persistent_volumes().to_proto();
    volumes.extend(create.volumes.iter().cloned());
    resource::validate_unique_persistence(&volumes)?;
    for proto in &create.volumes {
        let volume = parse_one(proto)?;
        if let Some(framework) = context.framework.filter(|framework| !framework.shared_resources)
            && volume.is_shared()
        {
            return Err(ValidationError::new(format!(
                "Create volume operation for '{volume}' has been attempted by framework '{}' with no SHARED_RESOURCES \
                 capability",
                framework.id
            )));
        }
        check_agent_capabilities(&volume, context, "Volume", "created")?;
        principal(&volume, context)?;
    }
    match context.framework {
        Some(_) => resource::validate_allocated_to_single_role(&create.volumes).within("Invalid volume resources"),
        None => Ok(()),
    }
}

/// Checks that the volume names the caller as its principal.
fn principal(volume: &Resource, context: &Context<'_>) -> Result<(), ValidationError> {
    let Some(principal) = context.principal else { return Ok(()) };
    let persistence = volume.disk().and_then(|disk| disk.persistence.as_ref());
    match persistence.and_then(|persistence| persistence.principal.as_deref()) {
        None => Err(ValidationError::new(format!(
            "Create volume operation attempted by principal '{principal}', but there is a volume in the operation \
             with no principal set in 'disk.persistence'"
        ))),
        Some(signed) if signed != principal => Err(ValidationError::new(format!(
            "Create volume operation attempted by authenticated principal '{principal}', which does not match a volume \
             in the operation with principal '{signed}' set in 'disk.persistence'"
        ))),
        Some(_) => Ok(()),
    }
}

pub(super) fn destroy(destroy: &Destroy, context: &Context<'_>) -> Result<(), ValidationError> {
    resource::validate(&destroy.volumes).within("Invalid resources")?;
    single_provider(&destroy.volumes).within("Invalid resources")?;
    resource::validate_persistent_volumes(&destroy.volumes).within("Not a persistent volume")?;
    let volumes: Vec<Resources> = destroy
        .volumes
        .iter()
        .map(|volume| parse_one(volume).map(|volume| Resources::from(volume).unallocated()))
        .collect::<Result<_, _>>()?;
    let own = |volume: &&Resources| volume.iter().all(|volume| volume.provider_id().is_none());
    if volumes.iter().filter(own).any(|volume| !context.checkpointed.contains(volume)) {
        return Err(ValidationError::new("Persistent volumes not found"));
    }
    // Only a shared volume can be offered while a task has it.
    require(!volumes.iter().any(context.in_use), "Persistent volumes in use")
}

pub(super) fn grow(grow: &GrowVolume, context: &Context<'_>) -> Result<(), ValidationError> {
    let volume = parse_one(&grow.volume).within("Invalid resource in the 'GrowVolume.volume' field")?;
    let addition = parse_one(&grow.addition).within("Invalid resource in the 'GrowVolume.addition' field")?;
    require(
        addition.value().as_scalar().is_some_and(|size| size > Scalar::ZERO),
        "The size of 'GrowVolume.addition' field must be greater than zero",
    )?;
    require(volume.provider_id().is_none(), "Growing a volume from a resource provider is not supported")?;
    persistent(&grow.volume).within("Invalid persistent volume in the 'GrowVolume.volume' field")?;
    require(!volume.is_shared(), "Growing a shared persistent volume is not supported")?;
    let joined: Resources = [volume.without_persistence(), addition].into_iter().collect();
    require(joined.len() == 1, "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields")?;
    if context.agent.resize_volume {
        return Ok(());
    }
    Err(ValidationError::new(format!("Volume {volume} cannot be grown on an agent without RESIZE_VOLUME capability")))
}

pub(super) fn shrink(shrink: &ShrinkVolume, context: &Context<'_>) -> Result<(), ValidationError> {
    let volume = parse_one(&shrink.volume).within("Invalid resource in the 'ShrinkVolume.volume' field")?;
    // NaN is no size; Mesos' comparison accepts it.
    let subtract = Scalar::from_f64(shrink.subtract.value);
    require(subtract > Scalar::ZERO, "Value of 'ShrinkVolume.subtract' must be greater than zero")?;
    require(
        volume.value().as_scalar().is_some_and(|size| subtract < size),
        "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'",
    )?;
    require(volume.provider_id().is_none(), "Shrinking a volume from a resource provider is not supported")?;
    let is_mount = |kind: SourceKind| kind == SourceKind::Mount;
    let source = volume.disk().and_then(|disk| disk.source.as_ref());
    require(
        !source.is_some_and(|source| is_mount(source.kind)),
        "Shrinking a volume on a MOUNT disk is not supported",
    )?;
    persistent(&shrink.volume).within("Invalid persistent volume in the 'ShrinkVolume.volume' field")?;
    require(!volume.is_shared(), "Shrinking a shared persistent volume is not supported")?;
    if context.agent.resize_volume {
        return Ok(());
    }
    Err(ValidationError::new(format!("Volume {volume} cannot be shrunk on an agent without RESIZE_VOLUME capability")))
}

fn persistent(volume: &v1::Resource) -> Result<(), ValidationError> {
    resource::validate_persistent_volumes(std::slice::from_ref(volume))
}
