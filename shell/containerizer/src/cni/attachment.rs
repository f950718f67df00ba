//! The directory of a container: it is attached to its networks and detached from them.
//!
//! The layout is that of Mesos: `<container>/{ns,hosts,hostname,resolv.conf}` and
//! `<container>/<network>/{network.conf,<interface>/network.info}`. The configuration is written before the plugin runs, so
//! that whatever a plugin may have done can be undone, by this agent or a later one.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ids::ContainerId;

use super::config::{Attachment, NetworkConfig};
use super::names::{self, NetworkDns};
use super::namespace;
use super::networks::Networks;
use super::plugin::{PluginError, PluginRun};
use super::request::{JoinedNetwork, NetworkRequest};
use super::result::{CniResult, Dns, InvalidResult};

/// The search path that plugins get where the agent has none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The maximum size of a file of the directory, in bytes. The input of a plugin has its configuration and an answer.
const MAX_FILE: u64 = 4 << 20;
const CONFIG: &str = "network.conf";
const RESULT: &str = "network.info";
/// The input of a plugin, and the lock of its interface.
const INPUT: &str = "input";
const NAMESPACE: &str = "ns";

/// The directory with the attachments of all containers.
#[derive(Debug)]
pub(crate) struct Attachments {
    root: PathBuf,
    networks: Networks,
    dns: Vec<NetworkDns>,
    timeout: Duration,
}

/// The reason for which a container is not attached to its networks, or not detached from them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    #[error("{0}")]
    Refused(String),
    #[error("cannot {action} '{}': {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot make the network namespace: {0}")]
    Namespace(#[source] io::Error),
    #[error("Unable to find the plugin {plugin} required to {verb} {id} {preposition} network '{network}'")]
    NoPlugin { plugin: String, verb: &'static str, preposition: &'static str, id: ContainerId, network: String },
    #[error("The CNI plugin '{}' failed to {verb} container {id} {preposition} CNI network '{network}': it {source}", plugin.display())]
    Plugin {
        plugin: PathBuf,
        verb: &'static str,
        preposition: &'static str,
        id: ContainerId,
        network: String,
        source: PluginError,
    },
    #[error("Failed to parse the output of the CNI plugin '{}' for CNI network '{network}': {source}", plugin.display())]
    Result { plugin: PathBuf, network: String, source: InvalidResult },
}

/// A container that has been attached.
#[derive(Debug)]
pub(crate) struct Attached {
    /// The handle of the namespace.
    pub namespace: PathBuf,
    /// The directory with the files by which it resolves names.
    pub names: PathBuf,
    /// Its networks in the order of its interfaces.
    pub networks: Vec<JoinedNetwork>,
}

#[derive(Clone, Copy)]
enum CniCommand {
    Add,
    Delete,
}

impl CniCommand {
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            CniCommand::Add => ("ADD", "attach", "to"),
            CniCommand::Delete => ("DEL", "detach", "from"),
        }
    }
}

impl Attachments {
    /// Makes the directory.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub(crate) fn new(root: &Path, networks: Networks, dns: &[NetworkDns], timeout: Duration) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Attachments { root: root.canonicalize()?, networks, dns: dns.to_vec(), timeout })
    }

    /// Returns the directory of a container.
    pub(crate) fn directory(&self, id: &ContainerId) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// Returns the containers that have a directory.
    pub(crate) fn containers(&self) -> Vec<ContainerId> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().into_string().ok()).map(ContainerId::new).collect()
    }

    /// Attaches a container to its networks, in their order, and writes the files by which it resolves names. What has been
    /// done is undone if a step fails.
    ///
    /// # Errors
    /// Returns [`AttachError`] with the network that cannot be joined.
    pub(crate) fn attach(
        &self,
        id: &ContainerId,
        hostname: &str,
        requests: &[NetworkRequest],
    ) -> Result<Attached, AttachError> {
        let mut seen = BTreeSet::new();
        let mut wanted = Vec::new();
        for request in requests {
            let config = self.networks.find(&request.name).map_err(AttachError::Refused)?;
            if !seen.insert(&request.name) {
                let name = &request.name;
                return Err(AttachError::Refused(format!("Attempted to join CNI network '{name}' multiple times")));
            }
            wanted.push((request, config));
        }
        let attached = self.attach_to(id, hostname, &wanted);
        if attached.is_err()
            && let Err(error) = self.detach(id)
        {
            tracing::error!(%id, "a container that was not started is still attached to its networks: {error}");
        }
        attached
    }

    fn attach_to(
        &self,
        id: &ContainerId,
        hostname: &str,
        wanted: &[(&NetworkRequest, NetworkConfig)],
    ) -> Result<Attached, AttachError> {
        let directory = self.directory(id);
        fs::create_dir(&directory).map_err(at("make", &directory))?;
        let handle = directory.join(NAMESPACE);
        namespace::create(&handle).map_err(AttachError::Namespace)?;
        let mut networks = Vec::new();
        let mut dns = Dns::default();
        for (index, (request, config)) in wanted.iter().enumerate() {
            let attachment = config.attachment(request).map_err(|error| AttachError::Refused(error.to_string()))?;
            let result = self.add(id, &request.name, &format!("eth{index}"), &attachment)?;
            let unmet =
                request.addresses.iter().find(|wanted| !result.addresses.iter().any(|it| wanted.is_met_by(*it)));
            if let Some(unmet) = unmet {
                let name = &request.name;
                let reason = format!("the CNI network '{name}' did not give the address that was asked for: {unmet}");
                return Err(AttachError::Refused(reason));
            }
            dns.merge(self.dns_of(&request.name, &result));
            networks.push(JoinedNetwork { network_info: request.network_info.clone(), addresses: result.addresses });
        }
        names::write(&directory, hostname, &networks, &dns).map_err(at("write the files of names in", &directory))?;
        Ok(Attached { namespace: handle, names: directory, networks })
    }

    /// Returns how names are resolved in a network: as its plugin says, else as the operator says.
    fn dns_of<'a>(&'a self, network: &str, result: &'a CniResult) -> &'a Dns {
        if !result.dns.nameservers.is_empty() {
            return &result.dns;
        }
        let own = self.dns.iter().find(|entry| entry.network.as_deref() == Some(network));
        let default = || self.dns.iter().find(|entry| entry.network.is_none());
        own.or_else(default).map_or(&result.dns, |entry| &entry.dns)
    }

    fn add(
        &self,
        id: &ContainerId,
        network: &str,
        interface: &str,
        attachment: &Attachment,
    ) -> Result<CniResult, AttachError> {
        let directory = self.directory(id).join(network);
        let interface_directory = directory.join(interface);
        fs::create_dir_all(&interface_directory).map_err(at("make", &interface_directory))?;
        write_whole(&directory.join(CONFIG), &attachment.to_json())?;
        let mut answer: Option<Vec<u8>> = None;
        let mut last = PathBuf::new();
        for (index, plugin) in attachment.plugins() {
            let input = attachment.add_input(index, answer.as_deref());
            let (program, output) = self.call(id, network, interface, CniCommand::Add, plugin, &input)?;
            // What the next plugin is told must be an answer.
            parse(&program, network, &output)?;
            (last, answer) = (program, Some(output));
        }
        let answer = answer.unwrap_or_default();
        let result = parse(&last, network, &answer)?;
        write_whole(&interface_directory.join(RESULT), &answer)?;
        Ok(result)
    }

    /// Detaches a container from its networks and removes its directory. It has no effect without a directory.
    ///
    /// # Errors
    /// Returns [`AttachError`] of the last network that the container is still attached to. Its directory is kept.
    pub(crate) fn detach(&self, id: &ContainerId) -> Result<(), AttachError> {
        let directory = self.directory(id);
        if !directory.exists() {
            return Ok(());
        }
        let mut outcome = Ok(());
        // Interfaces go in the reverse order.
        for (interface, network) in self.interfaces(id).into_iter().rev() {
            match self.delete(id, &network, &interface) {
                Ok(()) => {
                    let directory = directory.join(&network);
                    outcome = outcome.and(fs::remove_dir_all(&directory).map_err(at("remove", &directory)));
                }
                Err(error) => outcome = Err(error),
            }
        }
        outcome?;
        let handle = directory.join(NAMESPACE);
        namespace::remove(&handle).map_err(at("remove", &handle))?;
        fs::remove_dir_all(&directory).map_err(at("remove", &directory))
    }

    fn delete(&self, id: &ContainerId, network: &str, interface: &str) -> Result<(), AttachError> {
        let directory = self.directory(id).join(network);
        let config = directory.join(CONFIG);
        let Some(bytes) = read(&config)? else {
            // No plugin has run yet.
            return Ok(());
        };
        let attachment = Attachment::parse(&bytes)
            .map_err(|error| AttachError::Refused(format!("'{}' is damaged: {error}", config.display())))?;
        let answer = read(&directory.join(interface).join(RESULT))?;
        for (index, plugin) in attachment.plugins().rev() {
            let input = attachment.delete_input(index, answer.as_deref());
            self.call(id, network, interface, CniCommand::Delete, plugin, &input)?;
        }
        Ok(())
    }

    fn call(
        &self,
        id: &ContainerId,
        network: &str,
        interface: &str,
        command: CniCommand,
        plugin: &str,
        input: &[u8],
    ) -> Result<(PathBuf, Vec<u8>), AttachError> {
        let (cni_command, verb, preposition) = command.words();
        let (id_of, network_of) = (|| id.clone(), || network.to_owned());
        let program = self.networks.plugin(plugin).ok_or_else(|| AttachError::NoPlugin {
            plugin: plugin.to_owned(),
            verb,
            preposition,
            id: id_of(),
            network: network_of(),
        })?;
        let mut environment = vec![
            ("CNI_COMMAND", cni_command.to_owned()),
            ("CNI_CONTAINERID", id.to_string()),
            ("CNI_IFNAME", interface.to_owned()),
            ("CNI_PATH", self.networks.plugins_dir().to_owned()),
            // Plugins run iptables and others.
            ("PATH", std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned())),
        ];
        let handle = self.directory(id).join(NAMESPACE);
        // After a reboot there is no namespace, and a plugin frees what it has elsewhere.
        if namespace::is_mounted(&handle) {
            environment.push(("CNI_NETNS", handle.to_string_lossy().into_owned()));
        }
        let input_file = self.directory(id).join(network).join(interface).join(INPUT);
        let run = PluginRun { program: &program, environment, input, input_file: &input_file, timeout: self.timeout };
        match run.run() {
            Ok(output) => Ok((program, output)),
            Err(source) => {
                let (id, network) = (id_of(), network_of());
                Err(AttachError::Plugin { plugin: program, verb, preposition, id, network, source })
            }
        }
    }

    /// Returns the networks that a container has joined according to its directory; `None` if it has no networks of its own.
    pub(crate) fn joined(&self, id: &ContainerId) -> Option<Vec<JoinedNetwork>> {
        let directory = self.directory(id);
        directory.is_dir().then(|| {
            let one = |(interface, network): (String, String)| {
                let directory = directory.join(network);
                let attachment = Attachment::parse(&read(&directory.join(CONFIG)).ok()??).ok()?;
                let result = CniResult::parse(&read(&directory.join(interface).join(RESULT)).ok()??).ok()?;
                Some(JoinedNetwork { network_info: attachment.network_info()?, addresses: result.addresses })
            };
            self.interfaces(id).into_iter().filter_map(one).collect()
        })
    }

    /// Returns the interfaces of a container with their networks, in the order of the interfaces.
    fn interfaces(&self, id: &ContainerId) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for network in subdirectories(&self.directory(id)) {
            let interfaces = subdirectories(&self.directory(id).join(&network));
            found.extend(interfaces.into_iter().map(|interface| (interface, network.clone())));
        }
        found.sort_by_key(|(interface, _)| (interface.len(), interface.clone()));
        found
    }
}

fn parse(plugin: &Path, network: &str, output: &[u8]) -> Result<CniResult, AttachError> {
    CniResult::parse(output).map_err(|source| AttachError::Result {
        plugin: plugin.to_owned(),
        network: network.to_owned(),
        source,
    })
}

fn subdirectories(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AttachError {
    let path = path.to_owned();
    move |source| AttachError::Io { action, path, source }
}

/// Reads a file of the directory; `None` if there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, AttachError> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(at("open", path))?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(at("read", path))?;
    Ok(Some(bytes))
}

/// Writes a file that is there as a whole or not at all, even if the agent is killed meanwhile.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), AttachError> {
    let temporary = path.with_extension("new");
    let write = || {
        let file = fs::File::create(&temporary)?;
        io::Write::write_all(&mut &file, bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, path)
    };
    write().map_err(at("write", path))
}
