//! Validation of an operator's call to an agent, without regard to the agent's state.

use messages::v1::agent::call::{LaunchContainer, Type, attach_container_input};
use messages::v1::agent::{Call, call};
use messages::v1::{CommandInfo, ContainerId, ContainerInfo};

use crate::error::{call_type, present, require};
use crate::{ValidationError, Within, command, container, container_id, resource};

/// Checks an operator's call to an agent.
///
/// # Errors
///
/// The reason is that of `agent::call::validate` in Mesos' `src/slave/validation.cpp`.
#[allow(deprecated, reason = "the calls *_NESTED_CONTAINER are deprecated and still served")]
pub fn validate(call: &Call) -> Result<(), ValidationError> {
    let kind: Type = call_type(call.r#type)?;
    match kind {
        Type::GetMetrics => present(&call.get_metrics, "get_metrics").map(drop),
        Type::SetLoggingLevel => present(&call.set_logging_level, "set_logging_level").map(drop),
        Type::ListFiles => present(&call.list_files, "list_files").map(drop),
        Type::ReadFile => present(&call.read_file, "read_file").map(drop),

        Type::LaunchNestedContainer => {
            let launch = present(&call.launch_nested_container, "launch_nested_container")?;
            validate_nested(&launch.container_id, "launch_nested_container")?;
            validate_parts(launch.command.as_deref(), launch.container.as_deref(), "launch_nested_container")?;
            require(
                !(nested_twice(&launch.container_id)
                    && container::share_cgroups(launch.container.as_deref()) == Some(false)),
                "'launch_nested_container' is invalid: containers nested at the second level or greater \
                 cannot set 'share_cgroups' to 'false'",
            )
        }
        Type::LaunchNestedContainerSession => {
            let launch = present(&call.launch_nested_container_session, "launch_nested_container_session")?;
            validate_nested(&launch.container_id, "launch_nested_container_session")?;
            validate_parts(launch.command.as_deref(), launch.container.as_deref(), "launch_nested_container_session")?;
            require(
                container::share_cgroups(launch.container.as_deref()) != Some(false),
                "'launch_nested_container_session.container.linux_info' is invalid: 'share_cgroups' cannot be \
                 set to 'false' for nested container sessions",
            )
        }
        Type::WaitNestedContainer => validate_nested(
            &present(&call.wait_nested_container, "wait_nested_container")?.container_id,
            "wait_nested_container",
        ),
        Type::KillNestedContainer => validate_nested(
            &present(&call.kill_nested_container, "kill_nested_container")?.container_id,
            "kill_nested_container",
        ),
        Type::RemoveNestedContainer => validate_nested(
            &present(&call.remove_nested_container, "remove_nested_container")?.container_id,
            "remove_nested_container",
        ),

        Type::AttachContainerInput => {
            validate_attach_input(present(&call.attach_container_input, "attach_container_input")?)
        }
        Type::AttachContainerOutput => validate_id(
            &present(&call.attach_container_output, "attach_container_output")?.container_id,
            "attach_container_output",
        ),

        Type::LaunchContainer => validate_launch(present(&call.launch_container, "launch_container")?),
        Type::WaitContainer => {
            validate_id(&present(&call.wait_container, "wait_container")?.container_id, "wait_container")
        }
        Type::KillContainer => {
            validate_id(&present(&call.kill_container, "kill_container")?.container_id, "kill_container")
        }
        Type::RemoveContainer => {
            validate_id(&present(&call.remove_container, "remove_container")?.container_id, "remove_container")
        }

        Type::AddResourceProviderConfig => {
            let add = present(&call.add_resource_provider_config, "add_resource_provider_config")?;
            require(add.info.id.is_none(), "Expecting 'add_resource_provider_config.info.id' to be unset")
        }
        Type::UpdateResourceProviderConfig => {
            let update = present(&call.update_resource_provider_config, "update_resource_provider_config")?;
            require(update.info.id.is_none(), "Expecting 'update_resource_provider_config.info.id' to be unset")
        }
        Type::RemoveResourceProviderConfig => {
            present(&call.remove_resource_provider_config, "remove_resource_provider_config").map(drop)
        }
        Type::MarkResourceProviderGone => {
            present(&call.mark_resource_provider_gone, "mark_resource_provider_gone").map(drop)
        }

        // The handler answers UNKNOWN with 501 later.
        Type::Unknown
        | Type::GetHealth
        | Type::GetFlags
        | Type::GetVersion
        | Type::GetLoggingLevel
        | Type::GetState
        | Type::GetContainers
        | Type::GetFrameworks
        | Type::GetExecutors
        | Type::GetOperations
        | Type::GetTasks
        | Type::GetAgent
        | Type::GetResourceProviders
        | Type::PruneImages => Ok(()),
    }
}

fn validate_id(id: &ContainerId, call: &str) -> Result<(), ValidationError> {
    container_id::validate(id).within(&format!("'{call}.container_id' is invalid"))
}

/// A nested container always has a parent.
fn validate_nested(id: &ContainerId, call: &str) -> Result<(), ValidationError> {
    validate_id(id, call)?;
    present(&id.parent, &format!("{call}.container_id.parent")).map(drop)
}

fn validate_parts(
    command: Option<&CommandInfo>,
    container: Option<&ContainerInfo>,
    call: &str,
) -> Result<(), ValidationError> {
    if let Some(command) = command {
        command::validate(command).within(&format!("'{call}.command' is invalid"))?;
    }
    if let Some(container) = container {
        container::validate(container).within(&format!("'{call}.container' is invalid"))?;
    }
    Ok(())
}

fn validate_attach_input(attach: &call::AttachContainerInput) -> Result<(), ValidationError> {
    use attach_container_input::Type;
    match attach.r#type.and_then(|number| Type::try_from(number).ok()) {
        None => Err(ValidationError::new("Expecting 'attach_container_input.type' to be present")),
        Some(Type::Unknown) => Err(ValidationError::new("'attach_container_input.type' is unknown")),
        Some(Type::ContainerId) => {
            // An absent id is read as the empty one, which the rule for ids refuses.
            let id = attach.container_id.as_deref().cloned().unwrap_or_default();
            validate_id(&id, "attach_container_input")
        }
        Some(Type::ProcessIo) => Ok(()),
    }
}

fn validate_launch(launch: &LaunchContainer) -> Result<(), ValidationError> {
    let id = &launch.container_id;
    validate_id(id, "launch_container")?;
    resource::validate_each(&launch.resources).within("Invalid resources")?;
    resource::validate_gpus(&launch.resources).within("Invalid GPU resources")?;
    if id.parent.is_none() {
        validate_standalone(launch)?;
    }
    validate_parts(launch.command.as_deref(), launch.container.as_deref(), "launch_container")?;

    let share_cgroups = container::share_cgroups(launch.container.as_deref());
    if nested_twice(id) {
        require(
            launch.resources.is_empty(),
            "'launch_container' is invalid: containers nested at the second level or greater cannot specify resources",
        )?;
        require(
            launch.limits.is_empty(),
            "'launch_container' is invalid: containers nested at the second level or greater \
             cannot specify resource limits",
        )?;
        require(
            share_cgroups != Some(false),
            "'launch_container' is invalid: containers nested at the second level or greater \
             cannot set 'share_cgroups' to 'false'",
        )?;
    }
    require(
        !(id.parent.is_none() && share_cgroups == Some(true)),
        "'launch_container' is invalid: containers without a parent cannot set 'share_cgroups' to 'true'",
    )
}

/// The master does not know standalone containers, so they may use no reserved, persistent or revocable resources.
fn validate_standalone(launch: &LaunchContainer) -> Result<(), ValidationError> {
    for resource in &launch.resources {
        require(!resource::is_reserved(resource), "'launch_container.resources' must be unreserved")?;
        require(
            !resource::is_persistent_volume(resource),
            "'launch_container.resources' may not use persistent volumes",
        )?;
        require(resource.revocable.is_none(), "'launch_container.resources' must be non-revocable")?;
    }
    Ok(())
}

fn nested_twice(id: &ContainerId) -> bool {
    id.parent.as_ref().is_some_and(|parent| parent.parent.is_some())
}
