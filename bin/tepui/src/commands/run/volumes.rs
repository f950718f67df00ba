//! `--volume` and `--mount`: the volumes of a task, as docker writes them.

use messages::v1;
use messages::v1::mount_propagation::Mode as Propagation;
use messages::v1::volume::{Mode, Source, source};

use super::container::image;

/// Reads `SOURCE:PATH[:OPTIONS]`. The source is a directory of the agent, or the name of a volume of a volume driver;
/// without one, the volume is a directory of the sandbox.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn volume(text: &str) -> Result<v1::Volume, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (from, to, options) = match parts.as_slice() {
        [to] => (None, *to, ""),
        [from, to] => (Some(*from), *to, ""),
        [from, to, options] => (Some(*from), *to, *options),
        _ => return Err(format!("'{text}' has too many parts; write SOURCE:PATH or SOURCE:PATH:ro")),
    };
    let mut mount = Mount { target: to.to_owned(), ..Mount::default() };
    match from {
        None => {}
        Some("") => return Err(format!("'{text}' has no source; write SOURCE:PATH")),
        Some(from) if from.starts_with('/') => {
            (mount.kind, mount.source) = (Kind::Bind, Some(from.to_owned()));
        }
        Some(from) if from.starts_with('.') || from.contains('/') => {
            return Err(format!("'{from}' would be a directory of the agent, whose path begins with '/'"));
        }
        Some(from) => mount.source = Some(from.to_owned()),
    }
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "rw" => mount.mode = Mode::Rw,
            "ro" => mount.mode = Mode::Ro,
            other => mount.propagation = propagation(other).ok_or_else(|| not_carried(other))?,
        }
    }
    mount.volume()
}

/// Reads `type=bind,source=…,target=…,readonly`. The source of a mount of type `image` is the name of an image.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn mount(text: &str) -> Result<Mounted, String> {
    let mut mount = Mount::default();
    let mut options = Vec::new();
    for field in text.split(',') {
        let (name, value) = match field.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (field, None),
        };
        let given = || value.filter(|value| !value.is_empty()).ok_or_else(|| format!("'{name}' needs a value"));
        match name {
            "type" => {
                mount.kind = match given()? {
                    "bind" => Kind::Bind,
                    "volume" => Kind::Volume,
                    "image" => Kind::Image,
                    "tmpfs" => Kind::Tmpfs,
                    kind => return Err(format!("mounts of type '{kind}': {}", no_message())),
                }
            }
            "source" | "src" => mount.source = Some(given()?.to_owned()),
            "target" | "dst" | "destination" => mount.target = given()?.to_owned(),
            "readonly" | "ro" => {
                mount.mode = match value {
                    None | Some("true" | "1") => Mode::Ro,
                    Some("false" | "0") => Mode::Rw,
                    Some(other) => return Err(format!("'{name}={other}': expected true or false")),
                }
            }
            "bind-propagation" => {
                mount.propagation = propagation(given()?).ok_or_else(|| not_carried(field))?;
            }
            "tmpfs-size" => options.push(format!("size={}", given()?)),
            "tmpfs-mode" => options.push(format!("mode={}", given()?)),
            "volume-driver" => mount.driver = Some(given()?.to_owned()),
            "volume-opt" => {
                let (key, value) = given()?.split_once('=').ok_or("'volume-opt' needs NAME=VALUE")?;
                mount.options.push(v1::Parameter { key: key.to_owned(), value: value.to_owned() });
            }
            _ => return Err(not_carried(field)),
        }
    }
    if mount.kind != Kind::Tmpfs {
        return match options.is_empty() {
            true => mount.volume().map(Mounted::Volume),
            false => Err("tmpfs-size and tmpfs-mode are options of mounts of type=tmpfs".to_owned()),
        };
    }
    let plain = Mount { kind: Kind::Tmpfs, target: mount.target.clone(), ..Mount::default() };
    if mount != plain {
        return Err("a mount of type=tmpfs has the options target, tmpfs-size and tmpfs-mode".to_owned());
    }
    let separator = if options.is_empty() { "" } else { ":" };
    tmpfs(&format!("{}{separator}{}", mount.target, options.join(","))).map(Mounted::Tmpfs)
}

/// What is mounted by `--mount`.
#[derive(Debug, Clone, PartialEq)]
pub enum Mounted {
    /// A directory of the agent, of a volume driver or of the sandbox.
    Volume(v1::Volume),
    /// Memory: `PATH[:OPTIONS]`.
    Tmpfs(String),
}

/// Checks `PATH[:OPTIONS]` of `--tmpfs`, which becomes a label of the task.
///
/// # Errors
///
/// Returns what is wrong with the text.
pub fn tmpfs(text: &str) -> Result<String, String> {
    validation::container_labels::tmpfs(text).map(|_| text.to_owned())
}

fn no_message() -> &'static str {
    "no message of Mesos carries it; use bind, volume, image or tmpfs"
}

fn not_carried(option: &str) -> String {
    format!(
        "'{option}' is not an option that a volume of Mesos can have; known are type, source, target, readonly, \
         bind-propagation, volume-driver, volume-opt, tmpfs-size and tmpfs-mode, and after a path ro, rw, rslave and rshared"
    )
}

/// Returns the propagation of a docker option: `Some(None)` for the default.
fn propagation(option: &str) -> Option<Option<Propagation>> {
    match option {
        "private" | "rprivate" => Some(None),
        "slave" | "rslave" => Some(Some(Propagation::HostToContainer)),
        "shared" | "rshared" => Some(Some(Propagation::Bidirectional)),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bind,
    Volume,
    Image,
    Tmpfs,
}

#[derive(PartialEq)]
struct Mount {
    kind: Kind,
    source: Option<String>,
    target: String,
    mode: Mode,
    propagation: Option<Propagation>,
    driver: Option<String>,
    options: Vec<v1::Parameter>,
}

impl Default for Mount {
    fn default() -> Self {
        Mount {
            kind: Kind::Volume,
            source: None,
            target: String::new(),
            mode: Mode::Rw,
            propagation: None,
            driver: None,
            options: Vec::new(),
        }
    }
}

impl Mount {
    fn volume(self) -> Result<v1::Volume, String> {
        let Mount { kind, source: from, target, mode, propagation, driver, options } = self;
        if !target.starts_with('/') || target.split('/').any(|part| part == "..") {
            return Err(format!("'{target}' is not a path in the container: it begins with '/' and has no '..'"));
        }
        if kind != Kind::Volume && (driver.is_some() || !options.is_empty()) {
            return Err("volume-driver and volume-opt are options of mounts of type=volume".to_owned());
        }
        if kind != Kind::Bind && propagation.is_some() {
            return Err("the propagation of mounts is an option of directories of the agent".to_owned());
        }
        let volume = v1::Volume { mode: mode.into(), container_path: target.clone(), ..v1::Volume::default() };
        let source = match (kind, from) {
            (Kind::Image, Some(name)) => return Ok(v1::Volume { image: image(&name).image, ..volume }),
            (Kind::Image, None) => return Err("a mount of an image needs source=IMAGE".to_owned()),
            (Kind::Bind, Some(path)) if path.starts_with('/') => {
                let mount_propagation = propagation.map(|mode| v1::MountPropagation { mode: Some(mode.into()) });
                let host_path = source::HostPath { path, mount_propagation };
                Source {
                    r#type: Some(source::Type::HostPath.into()),
                    host_path: Some(Box::new(host_path)),
                    ..Source::default()
                }
            }
            (Kind::Bind, _) => return Err("a bind needs source=/PATH, a directory of the agent".to_owned()),
            (Kind::Volume, Some(name)) => {
                let driver_options = (!options.is_empty()).then(|| Box::new(v1::Parameters { parameter: options }));
                let docker = source::DockerVolume { driver, name, driver_options };
                Source {
                    r#type: Some(source::Type::DockerVolume.into()),
                    docker_volume: Some(Box::new(docker)),
                    ..Source::default()
                }
            }
            (Kind::Tmpfs, _) => return Err("a mount of type=tmpfs is no volume".to_owned()),
            (Kind::Volume, None) if driver.is_some() || !options.is_empty() => {
                return Err("a volume of a driver needs source=NAME".to_owned());
            }
            (Kind::Volume, None) => {
                let path = format!("volumes/{}", target.trim_matches('/').replace('/', "-"));
                let own = source::SandboxPath { r#type: Some(source::sandbox_path::Type::Self_.into()), path };
                Source { r#type: Some(source::Type::SandboxPath.into()), sandbox_path: Some(own), ..Source::default() }
            }
        };
        Ok(v1::Volume { source: Some(Box::new(source)), ..volume })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Describes a volume in a line.
    fn shown(volume: &v1::Volume) -> String {
        if let Some(image) = &volume.image {
            let (name, mode) = (&image.docker.as_ref().unwrap().name, volume.mode().as_str_name());
            return format!("image {name} at {} {mode}", volume.container_path);
        }
        let source = volume.source.as_deref().unwrap();
        let from = match (&source.host_path, &source.docker_volume, &source.sandbox_path) {
            (Some(host), None, None) => {
                let propagation = host.mount_propagation.map(|it| format!(" {}", it.mode().as_str_name()));
                format!("host {}{}", host.path, propagation.unwrap_or_default())
            }
            (None, Some(docker), None) => {
                let options = docker.driver_options.iter().flat_map(|options| &options.parameter);
                let options: Vec<String> = options.map(|it| format!(" {}={}", it.key, it.value)).collect();
                format!("{} of {}{}", docker.name, docker.driver.as_deref().unwrap_or("-"), options.concat())
            }
            (None, None, Some(sandbox)) => format!("sandbox {}", sandbox.path),
            _ => "?".to_owned(),
        };
        format!("{from} at {} {}", volume.container_path, volume.mode().as_str_name())
    }

    #[test]
    fn volumes_are_read_as_docker_reads_them() {
        let check = |given: &str, expect: Result<&str, &str>| {
            let read = if given.contains('=') { mount(given) } else { volume(given).map(Mounted::Volume) };
            match (read, expect) {
                (Ok(Mounted::Volume(volume)), Ok(expect)) => assert_eq!(shown(&volume), expect, "{given}"),
                (Ok(Mounted::Tmpfs(text)), Ok(expect)) => assert_eq!(format!("tmpfs {text}"), expect, "{given}"),
                (Err(error), Err(expect)) => assert!(error.contains(expect), "{given}: {error}"),
                (read, expect) => panic!("{given}: {read:?}, expected {expect:?}"),
            }
        };
        check("/a:/b", Ok("host /a at /b RW"));
        check("/a:/b:ro", Ok("host /a at /b RO"));
        check("/a:/b:ro,rslave", Ok("host /a HOST_TO_CONTAINER at /b RO"));
        check("/a:/b:shared", Ok("host /a BIDIRECTIONAL at /b RW"));
        check("data:/b", Ok("data of - at /b RW"));
        check("/var/lib/data", Ok("sandbox volumes/var-lib-data at /var/lib/data RW"));
        check("./a:/b", Err("begins with '/'"));
        check("a/b:/b", Err("begins with '/'"));
        check(":/b", Err("has no source"));
        check("/a:b", Err("'b' is not a path in the container"));
        check("/a:/b/../c", Err("has no '..'"));
        check("/a:/b:z", Err("'z' is not an option"));
        check("/a:/b:ro:x", Err("too many parts"));
        check("", Err("is not a path"));
        check("type=bind,source=/a,target=/b", Ok("host /a at /b RW"));
        check("type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave", Ok("host /a HOST_TO_CONTAINER at /b RO"));
        check("type=bind,source=/a,destination=/b,ro=false", Ok("host /a at /b RW"));
        check("source=v,target=/b,volume-driver=rexray,volume-opt=size=5", Ok("v of rexray size=5 at /b RW"));
        check("type=volume,target=/b", Ok("sandbox volumes/b at /b RW"));
        check("type=image,source=a/b:1,target=/b,readonly", Ok("image a/b:1 at /b RO"));
        check("type=image,target=/b", Err("needs source=IMAGE"));
        check("type=image,source=a,target=/b,volume-driver=x", Err("type=volume"));
        check("type=image,source=a,target=/b,bind-propagation=rslave", Err("directories of the agent"));
        check("type=npipe,target=/b", Err("'npipe': no message of Mesos carries it"));
        check("type=tmpfs,target=/b", Ok("tmpfs /b"));
        check("type=tmpfs,dst=/b,tmpfs-size=64m,tmpfs-mode=755", Ok("tmpfs /b:size=64m,mode=755"));
        check("type=tmpfs,dst=/b,tmpfs-size=much", Err("'much' is no size"));
        check("type=tmpfs,source=/a,target=/b", Err("has the options target"));
        check("type=tmpfs,target=/b,readonly", Err("has the options target"));
        check("type=bind,source=/a,target=/b,tmpfs-size=1m", Err("type=tmpfs"));
        check("type=bind,target=/b", Err("a bind needs source=/PATH"));
        check("type=bind,source=a,target=/b", Err("a bind needs source=/PATH"));
        check("type=bind,source=/a", Err("is not a path in the container"));
        check("type=bind,source=,target=/b", Err("'source' needs a value"));
        check("type=bind,source=/a,target=/b,readonly=maybe", Err("expected true or false"));
        check("type=bind,source=/a,target=/b,volume-driver=x", Err("type=volume"));
        check("target=/b,volume-driver=x", Err("needs source=NAME"));
        check("type=bind,source=/a,target=/b,consistency=cached", Err("'consistency=cached' is not an option"));
    }
}
