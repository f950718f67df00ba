//! The implementation of coordination with ZooKeeper.

use std::time::Duration;

use tokio::time::timeout;
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, CreateOptions, Error, Permission, SessionState};

use crate::coordination::{CoordinationError, Coordinator, Session};
use crate::url::ZooKeeperUrl;

/// The ensemble of a URL.
#[derive(Debug, Clone)]
pub struct ZooKeeper {
    url: ZooKeeperUrl,
    session_timeout: Duration,
    acls: Vec<Acl>,
}

/// A session with ZooKeeper.
pub struct ZooKeeperSession {
    client: Client,
    path: String,
    acls: Vec<Acl>,
}

impl ZooKeeper {
    /// Makes a coordinator that connects for each session.
    pub fn new(url: ZooKeeperUrl, session_timeout: Duration) -> Self {
        let acls = acls(&url);
        ZooKeeper { url, session_timeout, acls }
    }

    /// Returns the URL of the ensemble.
    pub fn url(&self) -> &ZooKeeperUrl {
        &self.url
    }

    /// Returns the requested session timeout.
    pub fn session_timeout(&self) -> Duration {
        self.session_timeout
    }

    async fn connect(&self) -> Result<Client, Error> {
        // Version 3.4 has fewer requests, and none of the later ones is needed.
        let mut connector = Client::connector().with_session_timeout(self.session_timeout).with_server_version(3, 4, 0);
        if let Some(credentials) = &self.url.credentials {
            connector = connector.with_auth("digest", credentials.as_bytes());
        }
        connector.connect(&self.url.servers).await
    }
}

/// Returns the permissions of Mesos: open to all, or, with credentials, readable by all and writable with the
/// credentials.
fn acls(url: &ZooKeeperUrl) -> Vec<Acl> {
    let anyone = || AuthId::new("world", "anyone");
    match url.credentials {
        None => vec![Acl::new(Permission::ALL, anyone())],
        Some(_) => vec![Acl::new(Permission::READ, anyone()), Acl::new(Permission::ALL, AuthId::new("auth", ""))],
    }
}

impl Coordinator for ZooKeeper {
    type Session = ZooKeeperSession;

    async fn open(&self) -> Result<ZooKeeperSession, CoordinationError> {
        let connected = timeout(self.session_timeout, self.connect()).await;
        let client = match connected.map_err(|_| CoordinationError::Connection("no answer".to_owned())) {
            Ok(connected) => connected.map_err(CoordinationError::from),
            Err(failure) => Err(failure),
        };
        let client = client.map_err(|failure| match failure {
            CoordinationError::Connection(reason) => {
                CoordinationError::Connection(format!("{reason}; does ZooKeeper run at {}?", self.url.servers))
            }
            other => other,
        })?;
        let session = ZooKeeperSession { client, path: self.url.path.clone(), acls: self.acls.clone() };
        session.create_path().await?;
        Ok(session)
    }
}

impl ZooKeeperSession {
    /// Creates the path and its missing parents. Existing nodes need not be writable.
    async fn create_path(&self) -> Result<(), CoordinationError> {
        if self.client.check_stat(&self.path).await?.is_some() {
            return Ok(());
        }
        let ends = self.path.match_indices('/').map(|(at, _)| at).skip(1).chain([self.path.len()]);
        for end in ends {
            let part = &self.path[..end];
            if self.client.check_stat(part).await?.is_some() {
                continue;
            }
            match self.client.create(part, b"", &self.options(CreateMode::Persistent)).await {
                Ok(_) | Err(Error::NodeExists) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn options(&self, mode: CreateMode) -> CreateOptions<'_> {
        mode.with_acls(Acls::new(&self.acls))
    }

    fn path_of(&self, child: &str) -> String {
        format!("{}/{child}", self.path)
    }
}

impl Session for ZooKeeperSession {
    fn timeout(&self) -> Duration {
        self.client.session_timeout()
    }

    async fn join(&self, prefix: &str, data: &[u8]) -> Result<String, CoordinationError> {
        let path = self.path_of(prefix);
        let (_, sequence) = self.client.create(&path, data, &self.options(CreateMode::EphemeralSequential)).await?;
        Ok(format!("{prefix}{sequence}"))
    }

    async fn leave(&self, child: &str) -> Result<(), CoordinationError> {
        match self.client.delete(&self.path_of(child), None).await {
            Ok(()) | Err(Error::NoNode) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn confirm(&self, child: &str) -> Result<bool, CoordinationError> {
        let path = self.path_of(child);
        // A server that has lost its ensemble still answers reads for some time, but cannot answer a sync by itself.
        self.client.sync(&path).await?;
        Ok(self.client.check_stat(&path).await?.is_some())
    }

    async fn children(&self) -> Result<(Vec<String>, impl Future<Output = ()> + Send + 'static), CoordinationError> {
        let (children, watcher) = self.client.list_and_watch_children(&self.path).await?;
        Ok((children, async move {
            watcher.changed().await;
        }))
    }

    async fn data(&self, child: &str) -> Result<Option<Vec<u8>>, CoordinationError> {
        match self.client.get_data(&self.path_of(child)).await {
            Ok((data, _)) => Ok(Some(data)),
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// ZooKeeper reports the end of a session only on the next connection, which may be much later.
    async fn over(&self) -> CoordinationError {
        let mut watcher = self.client.state_watcher();
        let mut state = watcher.state();
        loop {
            state = match state {
                SessionState::Expired | SessionState::Closed => return CoordinationError::Expired,
                SessionState::AuthFailed => return CoordinationError::Permission("authentication failed".to_owned()),
                SessionState::Disconnected => match timeout(self.timeout(), watcher.changed()).await {
                    Ok(state) => state,
                    Err(_) => return CoordinationError::Connection("for as long as a session lasts".to_owned()),
                },
                _ => watcher.changed().await,
            };
        }
    }
}

impl From<Error> for CoordinationError {
    fn from(error: Error) -> Self {
        match error {
            Error::SessionExpired | Error::SessionMoved | Error::ClientClosed => CoordinationError::Expired,
            Error::NoAuth | Error::AuthFailed | Error::InvalidAcl => CoordinationError::Permission(error.to_string()),
            Error::ConnectionLoss | Error::NoHosts | Error::Timeout => CoordinationError::Connection(error.to_string()),
            _ => CoordinationError::Other(error.to_string()),
        }
    }
}
