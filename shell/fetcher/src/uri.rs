//! The meaning of a URI, by the rules of Mesos.

use std::path::{Path, PathBuf};

use crate::checksum::{self, Checksum};
use crate::error::Reason;
use crate::hadoop;
use crate::plan::Item;
use crate::sandbox_path::SandboxPath;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Http(String),
    File(PathBuf),
    /// A URI of another scheme, which the Hadoop client may know.
    Hadoop(String),
}

/// The meaning of an item.
#[derive(Clone)]
pub(crate) struct Request {
    pub source: Source,
    /// The last part of the URI.
    pub base_name: String,
    /// The path in the sandbox.
    pub destination: SandboxPath,
    pub checksum: Option<Checksum>,
}

/// Returns the meaning of an item.
///
/// # Errors
/// Returns [`Reason`] if the item is invalid.
pub(crate) fn request(item: &Item, frameworks_home: Option<&Path>) -> Result<Request, Reason> {
    let (uri, checksum) = checksum::split(&item.uri)?;
    let item = Item { uri, ..item.clone() };
    let (source, destination) = (source(&item, frameworks_home)?, destination(&item)?);
    // The URI of an item with an output file may have no last part, and then names no archive.
    let base_name = base_name(item.uri.trim()).unwrap_or("file").to_owned();
    Ok(Request { source, base_name, destination, checksum })
}

/// Returns the source of an item.
fn source(item: &Item, frameworks_home: Option<&Path>) -> Result<Source, Reason> {
    let uri = item.uri.trim_start();
    check(uri)?;
    let file = uri.strip_prefix("file://");
    match (file, uri.split_once("://")) {
        (None, Some(("http" | "https", _))) => Ok(Source::Http(uri.to_owned())),
        // Mesos has curl for these, and not the Hadoop client.
        (None, Some((scheme @ ("ftp" | "ftps"), _))) => Err(Reason::Scheme(scheme.to_owned())),
        (None, Some((scheme, _))) if hadoop::is_scheme(scheme) => Ok(Source::Hadoop(uri.to_owned())),
        (None, Some((scheme, _))) => Err(Reason::Scheme(scheme.to_owned())),
        (Some(path), _) => {
            let path = Path::new(path.strip_prefix("localhost").unwrap_or(path));
            if path.is_absolute() { Ok(Source::File(path.to_owned())) } else { Err(Reason::RelativeFile) }
        }
        (None, None) if Path::new(uri).is_absolute() => Ok(Source::File(PathBuf::from(uri))),
        (None, None) => match frameworks_home {
            Some(home) if !home.as_os_str().is_empty() => Ok(Source::File(home.join(uri))),
            _ => Err(Reason::NoFrameworksHome),
        },
    }
}

/// Returns the path in the sandbox: `output_file`, or the last part of the URI unchanged, including a query.
fn destination(item: &Item) -> Result<SandboxPath, Reason> {
    match &item.output_file {
        Some(path) if path.is_empty() => Err(Reason::EmptyOutput),
        Some(path) => {
            check(path)?;
            SandboxPath::new(Path::new(path)).map_err(|_| Reason::OutputOutside)
        }
        None => {
            let uri = item.uri.trim();
            check(uri)?;
            SandboxPath::new(Path::new(base_name(uri)?)).map_err(|_| Reason::OutputOutside)
        }
    }
}

fn base_name(uri: &str) -> Result<&str, Reason> {
    let path = match uri.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() => match rest.split_once('/') {
            Some((_, path)) if !path.is_empty() => path,
            _ => return Err(Reason::MissingPath),
        },
        _ => uri,
    };
    match path.rsplit('/').next().unwrap_or(path) {
        "" => Err(Reason::NoFileName),
        name => Ok(name),
    }
}

/// Refuses characters that Mesos refuses because it used to pass URIs to a shell. Frameworks may rely on the refusal.
fn check(uri: &str) -> Result<(), Reason> {
    if uri.contains(['\\', '\'', '\0']) { Err(Reason::IllegalCharacters) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(uri: &str, output: Option<&str>) -> Item {
        Item { uri: uri.to_owned(), output_file: output.map(str::to_owned), ..Item::default() }
    }

    #[test]
    fn uris_name_sources_as_in_mesos() {
        let home = Path::new("/home");
        for (uri, expected) in [
            ("http://h/a", Some(Source::Http("http://h/a".into()))),
            ("  https://h/a", Some(Source::Http("https://h/a".into()))),
            ("file:///a/b", Some(Source::File("/a/b".into()))),
            ("file://localhost/a/b", Some(Source::File("/a/b".into()))),
            ("file://a/b", None),
            ("/a/b", Some(Source::File("/a/b".into()))),
            ("a/b", Some(Source::File("/home/a/b".into()))),
            ("hdfs://h/a", Some(Source::Hadoop("hdfs://h/a".into()))),
            ("s3a://bucket/a", Some(Source::Hadoop("s3a://bucket/a".into()))),
            ("-x://h/a", None),
            ("://h/a", None),
            ("ftp://h/a", None),
            ("http://h/a'b", None),
            ("http://h/a\\b", None),
        ] {
            assert_eq!(source(&item(uri, None), Some(home)).ok(), expected, "{uri}");
        }
        assert!(matches!(source(&item("a", None), None), Err(Reason::NoFrameworksHome)));
    }

    #[test]
    fn destinations_are_inside_the_sandbox() {
        for (uri, output, expected) in [
            ("http://h/d/a.tgz", None, Some("a.tgz")),
            ("http://h/a?x=1", None, Some("a?x=1")),
            ("/d/a", None, Some("a")),
            ("http://h/a", Some("b/c"), Some("b/c")),
            ("http://h", None, None),
            ("http://h/", None, None),
            ("http://h/d/", None, None),
            ("http://h/..", None, None),
            ("http://h/a", Some(""), None),
            ("http://h/a", Some("/etc/a"), None),
            ("http://h/a", Some("../a"), None),
            ("http://h/a", Some("b/../../a"), None),
        ] {
            let expected = expected.map(|path| SandboxPath::new(Path::new(path)).unwrap());
            assert_eq!(destination(&item(uri, output)).ok(), expected, "{uri} {output:?}");
        }
    }

    #[test]
    fn a_uri_without_a_file_name_is_refused() {
        for uri in ["http://h/d/", "file:///d/", "/d/", "d/", "http://h/d//"] {
            assert!(matches!(destination(&item(uri, None)), Err(Reason::NoFileName)), "{uri}");
            assert!(destination(&item(uri, Some("a"))).is_ok(), "{uri}");
        }
        assert!(matches!(destination(&item("http://h/", None)), Err(Reason::MissingPath)));
    }
}
