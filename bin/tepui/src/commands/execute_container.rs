//! The container of the task of `mesos-execute`, from the flags for it.

use flags::{ExecuteFlags, ExecutorContainerizer, Json};
use messages::v1;
use wire::Limits;

use super::cli::CommandError;

/// Returns the container that the flags describe; `None` if they describe none.
///
/// # Errors
///
/// Fails with a sentence that names the flag and says what it accepts.
pub fn container(flags: &ExecuteFlags) -> Result<Option<Box<v1::ContainerInfo>>, CommandError> {
    let plain = v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() };
    let mut info = plain.clone();
    match flags.containerizer {
        ExecutorContainerizer::Mesos => info.mesos = image(flags)?,
        ExecutorContainerizer::Docker => {
            info.r#type = v1::container_info::Type::Docker.into();
            info.docker = Some(docker(flags)?);
        }
    }
    if let Some(Json(text)) = &flags.rlimits {
        info.rlimit_info = Some(Box::new(json("rlimits", text)?));
    }
    if let Some(Json(text)) = &flags.effective_capabilities {
        let capabilities: v1::CapabilityInfo = json("effective_capabilities", text)?;
        info.linux_info.get_or_insert_default().effective_capabilities = Some(Box::new(capabilities));
    }
    if let Some(Json(text)) = &flags.bounding_capabilities {
        let capabilities: v1::CapabilityInfo = json("bounding_capabilities", text)?;
        info.linux_info.get_or_insert_default().bounding_capabilities = Some(Box::new(capabilities));
    }
    if let Some(Json(text)) = &flags.volumes {
        let list: Vec<serde_json::Value> = serde_json::from_str(text)
            .map_err(|error| CommandError::message(format!("--volumes is not a JSON array of Volume: {error}")))?;
        for volume in list {
            info.volumes.push(json("volumes", &volume.to_string())?);
        }
    }
    let named = |name: &String| v1::NetworkInfo { name: Some(name.clone()), ..Default::default() };
    info.network_infos = flags.networks.iter().flat_map(|list| &list.0).map(named).collect();
    if flags.tty {
        info.tty_info = Some(Box::default());
    }
    Ok((info != plain).then(|| Box::new(info)))
}

/// Reads a message in JSON.
///
/// # Errors
///
/// Fails with a sentence that names the flag.
pub fn json<T: messages::schema::HasDescriptor>(flag: &str, text: &str) -> Result<T, CommandError> {
    wire::json::decode(text.as_bytes(), &Limits::default()).map_err(|e| CommandError::message(format!("--{flag}: {e}")))
}

fn image(flags: &ExecuteFlags) -> Result<Option<Box<v1::container_info::MesosInfo>>, CommandError> {
    let image = match (&flags.docker_image, &flags.appc_image) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(CommandError::message("--docker_image and --appc_image exclude each other: give one of them"));
        }
        (Some(name), None) => {
            let docker = v1::image::Docker { name: name.clone(), ..Default::default() };
            let r#type = v1::image::Type::Docker.into();
            v1::Image { r#type, docker: Some(Box::new(docker)), ..Default::default() }
        }
        (None, Some(name)) => {
            let label = |(key, value): (&str, &str)| v1::Label { key: key.to_owned(), value: Some(value.to_owned()) };
            // These are the labels that Mesos gives to the image.
            let labels = [("os", "linux"), ("arch", "amd64")].map(label).to_vec();
            let labels = Some(Box::new(v1::Labels { labels }));
            let appc = v1::image::Appc { name: name.clone(), labels, ..Default::default() };
            let r#type = v1::image::Type::Appc.into();
            v1::Image { r#type, appc: Some(Box::new(appc)), ..Default::default() }
        }
    };
    Ok(Some(Box::new(v1::container_info::MesosInfo { image: Some(Box::new(image)) })))
}

/// Returns the description for the Docker containerizer, which needs an image.
fn docker(flags: &ExecuteFlags) -> Result<Box<v1::container_info::DockerInfo>, CommandError> {
    let networks = flags.networks.as_ref().map(|list| list.0.len()).unwrap_or_default();
    if networks > 1 {
        return Err(CommandError::message(
            "--networks: a container of Docker joins one network only: give one of them",
        ));
    }
    let image = flags.docker_image.clone();
    let image = image.ok_or_else(|| CommandError::message("--containerizer=docker needs --docker_image"))?;
    let network = (networks == 1).then(|| v1::container_info::docker_info::Network::User.into());
    Ok(Box::new(v1::container_info::DockerInfo { image, network, ..Default::default() }))
}
