//! A ZooKeeper session with blocking calls.

use std::future::Future;
use std::time::Duration;

use election::ZooKeeperUrl;
use tokio::runtime::Handle;
use tokio::time::timeout;
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, CreateOptions, Error, MultiWriteError, Permission};

use super::layout::Operation;

/// The maximum of concurrent requests while the registry is read.
const READS: usize = 256;

/// The nodes of a registry. The session is replaced when it ends.
pub struct RegistryNodes {
    url: ZooKeeperUrl,
    session_timeout: Duration,
    runtime: Handle,
    root: String,
    acls: Vec<Acl>,
    client: Option<Client>,
}

/// The reason for which a request failed.
#[derive(Debug)]
pub enum RequestError {
    /// The epoch has changed.
    Fenced,
    /// A node that should exist does not, or the other way round: the list of known nodes is wrong.
    Inconsistent(Error),
    Failed(Error),
}

/// The change of one node in a request.
pub enum NodeWrite<'a> {
    Create(&'a str, &'a [u8]),
    Set(&'a str, &'a [u8]),
    Remove(&'a str),
}

impl RegistryNodes {
    /// Makes the access to the nodes below the path of `url`. `runtime` carries the connection.
    pub fn new(url: ZooKeeperUrl, session_timeout: Duration, runtime: Handle) -> Self {
        let anyone = || AuthId::new("world", "anyone");
        // The permissions are those of the election's nodes: with credentials nobody else may write. The registry has
        // no secrets.
        let acls = match url.credentials {
            None => vec![Acl::new(Permission::ALL, anyone())],
            Some(_) => vec![Acl::new(Permission::READ, anyone()), Acl::new(Permission::ALL, AuthId::new("auth", ""))],
        };
        let root = format!("{}/tepui/registry", url.path);
        RegistryNodes { url, session_timeout, runtime, root, acls, client: None }
    }

    /// Returns the path of the registry's node.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Returns the path of a node below the registry's.
    pub fn path(&self, node: &str) -> String {
        format!("{}/{node}", self.root)
    }

    /// Returns the path with the servers, for people.
    pub fn display_path(&self) -> String {
        format!("{}/tepui/registry", self.url)
    }

    fn client(&mut self) -> Result<Client, Error> {
        if let Some(client) = self.client.as_ref().filter(|client| !client.state().is_terminated()) {
            return Ok(client.clone());
        }
        let mut connector = Client::connector().with_session_timeout(self.session_timeout);
        if let Some(credentials) = &self.url.credentials {
            connector = connector.with_auth("digest", credentials.as_bytes());
        }
        let connect = async { timeout(self.session_timeout, connector.connect(&self.url.servers)).await };
        let client = self.runtime.block_on(connect).map_err(|_| Error::Timeout)??;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Waits for the response of a request, with a timeout, because a request is not answered while there is no
    /// connection.
    fn wait<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let request_timeout = self.session_timeout;
        self.runtime.block_on(async move { timeout(request_timeout, request).await }).map_err(|_| Error::Timeout)?
    }

    /// Creates a node and its missing parents, unless it exists.
    ///
    /// # Errors
    /// Returns the error of the request, or of the session if there is no response in time.
    pub fn ensure(&mut self, path: &str, data: &[u8]) -> Result<(), Error> {
        let client = self.client()?;
        self.wait(async {
            if client.check_stat(path).await?.is_some() {
                return Ok(());
            }
            let options = self.options();
            let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
            for end in ends {
                let part = &path[..end];
                if client.check_stat(part).await?.is_some() {
                    continue;
                }
                let data = if end == path.len() { data } else { b"" };
                match client.create(part, data, &options).await {
                    Ok(_) | Err(Error::NodeExists) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    }

    /// Creates nodes whose parents exist. Existing nodes stay unchanged.
    ///
    /// # Errors
    /// Returns the error of the request, or of the session if there is no response in time.
    pub fn create_all(&mut self, paths: &[String]) -> Result<(), Error> {
        let acls = self.acls.clone();
        let created: Vec<()> = self.all(paths, |client, path| {
            let acls = acls.clone();
            async move {
                match client.create(&path, b"", &CreateMode::Persistent.with_acls(Acls::new(&acls))).await {
                    Ok(_) | Err(Error::NodeExists) => Ok(Some(())),
                    Err(error) => Err(error),
                }
            }
        })?;
        debug_assert_eq!(created.len(), paths.len());
        Ok(())
    }

    fn options(&self) -> CreateOptions<'_> {
        CreateMode::Persistent.with_acls(Acls::new(&self.acls))
    }

    /// Returns the data and the version of a node as ZooKeeper's leader has them.
    ///
    /// # Errors
    /// Returns the error of the request, or of the session if there is no response in time.
    pub fn get(&mut self, path: &str) -> Result<Option<(Vec<u8>, i32)>, Error> {
        let client = self.client()?;
        self.wait(async {
            client.sync(path).await?;
            match client.get_data(path).await {
                Ok((data, stat)) => Ok(Some((data, stat.version))),
                Err(Error::NoNode) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Sets the data of a node and returns the new version. It fails if the version of the node is not `version`.
    ///
    /// # Errors
    /// Returns the error of the request, or of the session if there is no response in time.
    pub fn set(&mut self, path: &str, data: &[u8], version: i32) -> Result<i32, Error> {
        let client = self.client()?;
        self.wait(client.set_data(path, data, Some(version))).map(|stat| stat.version)
    }

    /// Returns the children of many nodes. Nodes that do not exist are left out.
    ///
    /// # Errors
    /// Returns the error of the request, or of the session if there is no response in time.
    pub fn children_of(&mut self, paths: &[String]) -> Result<Vec<(String, Vec<String>)>, Error> {
        self.all(paths, |client, path| async move {
            match client.list_children(&path).await {
                Ok(children) => Ok(Some((path, children))),
                Err(Error::NoNode) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Returns the data of many nodes. Nodes that do not exist are left out.
    ///
    /// # Errors
    /// Returns the error of the request, or of the session if there is no response in time.
    pub fn data_of(&mut self, paths: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.all(paths, |client, path| async move {
            match client.get_data(&path).await {
                Ok((data, _)) => Ok(Some((path, data))),
                Err(Error::NoNode) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn all<T: Send + 'static, F>(
        &mut self,
        paths: &[String],
        request: impl Fn(Client, String) -> F,
    ) -> Result<Vec<T>, Error>
    where
        F: Future<Output = Result<Option<T>, Error>> + Send + 'static,
    {
        let client = self.client()?;
        let mut found = Vec::with_capacity(paths.len());
        for paths in paths.chunks(READS) {
            let part = self.wait(async {
                let mut reads = tokio::task::JoinSet::new();
                for path in paths {
                    reads.spawn(request(client.clone(), path.clone()));
                }
                let mut part = Vec::with_capacity(paths.len());
                while let Some(done) = reads.join_next().await {
                    part.extend(done.map_err(|error| Error::UnexpectedError(error.to_string()))??);
                }
                Ok(part)
            })?;
            found.extend(part);
        }
        Ok(found)
    }

    /// Carries out all changes or none, and only if the version of `root` is `epoch`.
    ///
    /// # Errors
    /// Returns [`RequestError::Fenced`] if the epoch has changed, and [`RequestError::Inconsistent`] if the list of nodes is wrong.
    pub fn commit(&mut self, epoch: i32, puts: &[NodeWrite<'_>]) -> Result<(), RequestError> {
        let client = self.client().map_err(RequestError::Failed)?;
        let options = self.options();
        let mut request = client.new_multi_writer();
        let mut fill = || {
            request.add_check_version(&self.root, epoch)?;
            for put in puts {
                match put {
                    NodeWrite::Create(path, data) => request.add_create(path, data, &options)?,
                    NodeWrite::Set(path, data) => request.add_set_data(path, data, None)?,
                    NodeWrite::Remove(path) => request.add_delete(path, None)?,
                }
            }
            Ok(())
        };
        fill().map_err(RequestError::Failed)?;
        let request_timeout = self.session_timeout;
        let answer = self.runtime.block_on(async move { timeout(request_timeout, request.commit()).await });
        match answer {
            Err(_) => Err(RequestError::Failed(Error::Timeout)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(MultiWriteError::OperationFailed { index: 0, source: Error::BadVersion | Error::NoNode })) => {
                Err(RequestError::Fenced)
            }
            Ok(Err(MultiWriteError::OperationFailed {
                source: error @ (Error::NodeExists | Error::NoNode), ..
            })) => Err(RequestError::Inconsistent(error)),
            Ok(Err(error)) => Err(RequestError::Failed(error.into())),
        }
    }
}

impl Operation {
    /// Returns the change that writes a node, given whether the node exists.
    pub fn put<'a>(&'a self, path: &'a str, exists: bool) -> Option<NodeWrite<'a>> {
        match (&self.data, exists) {
            (Some(data), true) => Some(NodeWrite::Set(path, data)),
            (Some(data), false) => Some(NodeWrite::Create(path, data)),
            (None, true) => Some(NodeWrite::Remove(path)),
            (None, false) => None,
        }
    }
}
