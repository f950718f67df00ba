//! The addresses of masters as people write them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

const SCHEME: &str = "zk://";
/// The maximum size of a file with an address in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The value of `--master` of an agent, `--zk` of a master, and the argument of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterUrl {
    /// `zk://…`: the masters elect their leader there.
    ZooKeeper(ZooKeeperUrl),
    /// `host:port` or `master@host:port`.
    Standalone(String),
}

/// A URL `zk://[user:password@]host:port,host:port/path`.
#[derive(Clone, PartialEq, Eq)]
pub struct ZooKeeperUrl {
    /// The credentials of the `digest` scheme.
    pub credentials: Option<Credentials>,
    /// The servers, `host:port,host:port`.
    pub servers: String,
    /// The path. It begins with a slash and does not end with one.
    pub path: String,
}

/// Credentials `user:password`, which are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(String);

/// The reason for which a text is not the address of masters.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidUrl {
    #[error("'{0}' names no ZooKeeper server: expected zk://host:port,host:port/path")]
    NoServers(ZooKeeperUrl),
    #[error("'{0}' has no path: expected zk://host:port,host:port/path, since all users of ZooKeeper share the root")]
    NoPath(ZooKeeperUrl),
    #[error("'{url}' is not usable: '{server}' is not host:port")]
    Server { url: ZooKeeperUrl, server: String },
    #[error("'{0}' is not usable: a path has no empty, '.' or '..' parts")]
    Path(ZooKeeperUrl),
    #[error("'{0}' is not usable: credentials are user:password")]
    Credentials(ZooKeeperUrl),
    #[error("'{0}' is not a zk:// URL")]
    Scheme(String),
    #[error("cannot read the address of the masters from {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} contains more than an address of masters")]
    LongFile { path: PathBuf },
}

impl MasterUrl {
    /// Parses a text as `FromStr` does, and reads the file of `file://path`.
    ///
    /// # Errors
    /// Returns [`InvalidUrl`] if the text or the content of the file is not an address.
    pub fn read(text: &str) -> Result<Self, InvalidUrl> {
        let Some(path) = text.trim().strip_prefix("file://") else { return text.parse() };
        let path = PathBuf::from(path);
        let failed = |source| InvalidUrl::File { path: path.clone(), source };
        if std::fs::metadata(&path).map_err(failed)?.len() > MAX_FILE {
            return Err(InvalidUrl::LongFile { path });
        }
        std::fs::read_to_string(&path).map_err(failed)?.parse()
    }
}

impl FromStr for MasterUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.trim();
        if text.starts_with(SCHEME) {
            return Ok(MasterUrl::ZooKeeper(text.parse()?));
        }
        Ok(MasterUrl::Standalone(text.to_owned()))
    }
}

impl FromStr for ZooKeeperUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let text = text.trim();
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| InvalidUrl::Scheme(text.to_owned()))?;
        // As in Mesos, the path starts at the first slash, and the servers at the last `@` before it.
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (credentials, servers) = match authority.rsplit_once('@') {
            Some((credentials, servers)) => (Some(Credentials(credentials.to_owned())), servers),
            None => (None, authority),
        };
        let path = path.trim_end_matches('/').to_owned();
        ZooKeeperUrl { credentials, servers: servers.to_owned(), path }.checked()
    }
}

impl ZooKeeperUrl {
    fn checked(self) -> Result<Self, InvalidUrl> {
        if self.servers.is_empty() {
            return Err(InvalidUrl::NoServers(self));
        }
        if let Some(server) = self.servers.split(',').find(|server| !is_server(server)) {
            let server = server.to_owned();
            return Err(InvalidUrl::Server { url: self, server });
        }
        // Mesos refuses the root as well.
        if self.path.is_empty() {
            return Err(InvalidUrl::NoPath(self));
        }
        if self.path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            return Err(InvalidUrl::Path(self));
        }
        if self.credentials.as_ref().is_some_and(|given| !given.0.contains(':')) {
            return Err(InvalidUrl::Credentials(self));
        }
        Ok(self)
    }
}

fn is_server(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "2181"));
    !host.is_empty() && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl Credentials {
    /// Returns the credentials in the form of the `digest` scheme.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl ZooKeeperUrl {
    /// Returns the URL with its password, for another process of this program and not for people.
    pub fn with_credentials(&self) -> String {
        match &self.credentials {
            None => self.to_string(),
            Some(Credentials(given)) => format!("{SCHEME}{given}@{}{}", self.servers, self.path),
        }
    }
}

/// The text for people and logs, without the password.
impl fmt::Display for ZooKeeperUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        if self.credentials.is_some() {
            f.write_str("***@")?;
        }
        write!(f, "{}{}", self.servers, self.path)
    }
}

impl fmt::Debug for ZooKeeperUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<(Option<&str>, &str, &str), &str>) {
        let parsed = text.parse::<ZooKeeperUrl>();
        match (&parsed, expect) {
            (Ok(url), Ok((credentials, servers, path))) => {
                let given = url.credentials.as_ref().map(|given| given.0.as_str());
                assert_eq!((given, url.servers.as_str(), url.path.as_str()), (credentials, servers, path), "{text}");
            }
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{text}: {error}"),
            _ => panic!("{text}: {parsed:?}"),
        }
    }

    #[test]
    fn urls_are_parsed_as_in_mesos() {
        check("zk://h:2181/mesos", Ok((None, "h:2181", "/mesos")));
        check("zk://a:1,b:2,c:3/path/to/it/ ", Ok((None, "a:1,b:2,c:3", "/path/to/it")));
        check("zk://jake:1@h:2181/mesos", Ok((Some("jake:1"), "h:2181", "/mesos")));
        // A password may contain an `@`.
        check("zk://u:p@ss@h:2181/mesos", Ok((Some("u:p@ss"), "h:2181", "/mesos")));
        check("zk://h/mesos", Ok((None, "h", "/mesos")));
        check("zk://h:2181/", Err("has no path"));
        check("zk://h:2181", Err("has no path"));
        check("zk:///mesos", Err("names no ZooKeeper server"));
        check("zk://h:x/mesos", Err("'h:x' is not host:port"));
        check("zk://h:1,/mesos", Err("'' is not host:port"));
        check("zk://h:1/a//b", Err("no empty"));
        check("zk://h:1/a/../b", Err("no empty"));
        check("zk://user@h:1/a", Err("user:password"));
        check("h:1/a", Err("not a zk:// URL"));
    }

    #[test]
    fn passwords_are_not_shown() {
        let url: ZooKeeperUrl = "zk://jake:secret@h:2181/mesos".parse().unwrap();
        assert_eq!(
            format!("{url} {url:?} {:?}", url.credentials),
            "zk://***@h:2181/mesos zk://***@h:2181/mesos Some(***)"
        );
        assert_eq!(url.with_credentials(), "zk://jake:secret@h:2181/mesos");
        let error = "zk://jake:secret@h:2181".parse::<ZooKeeperUrl>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn files_contain_urls() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("zk");
        std::fs::write(&path, "zk://u:p@h:2181/mesos\n").unwrap();
        let given = format!("file://{}", path.display());
        assert!(matches!(MasterUrl::read(&given), Ok(MasterUrl::ZooKeeper(url)) if url.path == "/mesos"));
        assert!(matches!(MasterUrl::read("h:5050"), Ok(MasterUrl::Standalone(text)) if text == "h:5050"));
        std::fs::write(&path, vec![b'x'; MAX_FILE as usize + 1]).unwrap();
        assert!(matches!(MasterUrl::read(&given), Err(InvalidUrl::LongFile { .. })));
        assert!(matches!(MasterUrl::read("file:///nonexistent/zk"), Err(InvalidUrl::File { .. })));
    }
}
