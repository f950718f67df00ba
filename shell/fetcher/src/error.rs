//! The reasons for which a file cannot be fetched. The texts become the message of a task's failure.

use std::io;

use crate::host_settings::HostSettingsError;

/// The reason for which a fetch failed. A fetch fails with the first item that fails.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum Error {
    #[error("failed to fetch '{uri}': {reason}")]
    Item {
        uri: String,
        #[source]
        reason: Reason,
    },
    #[error("cannot open the sandbox: {0}")]
    Sandbox(#[source] io::Error),
    #[error("cannot change to the credentials of the task's user: {0}")]
    Credentials(#[source] io::Error),
    #[error("--fetcher_host_settings: {0}")]
    HostSettings(#[from] HostSettingsError),
    #[error("the fetch ended without a result")]
    Aborted,
}

/// The reason for which an item could not be fetched.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum Reason {
    #[error("illegal characters in URI")]
    IllegalCharacters,
    #[error("malformed URI (missing path)")]
    MissingPath,
    #[error("it ends with '/' and names no file: name a file, or set output_file to the name that the file gets")]
    NoFileName,
    #[error("URI output file path is empty")]
    EmptyOutput,
    #[error("URI output file must be within the sandbox directory")]
    OutputOutside,
    #[error("file URI only supports absolute paths")]
    RelativeFile,
    #[error("a relative path needs --frameworks_home")]
    NoFrameworksHome,
    #[error("URIs of scheme '{0}' are not supported")]
    Scheme(String),
    #[error("received HTTP return code {0}")]
    Status(u16),
    #[error("download failed: {0}")]
    Download(#[source] Box<ureq::Error>),
    #[error("the server redirects to '{0}', which is not an HTTP address")]
    Redirect(String),
    #[error("{0}")]
    Checksum(String),
    #[error("it has another {algorithm} checksum: expected {expected}, found {found}")]
    ChecksumMismatch { algorithm: String, expected: String, found: String },
    #[error(
        "URIs of scheme '{scheme}' need the Hadoop client, and there is no '{program}': install it on the agent, or set --hadoop_home"
    )]
    NoHadoop { scheme: String, program: String },
    #[error("{message}")]
    Hadoop { message: String },
    #[error("cannot use a temporary directory in the sandbox: {0}")]
    Temporary(#[source] io::Error),
    #[error("it is larger than the {0} bytes that were reserved in the cache")]
    LargerThanReserved(u64),
    #[error("cannot write a file of the cache: {0}")]
    CacheFile(#[source] io::Error),
    #[error("'{0}' is not a regular file that a task may read")]
    NotAFile(String),
    #[error("cannot read it: {0}")]
    Read(#[source] io::Error),
    #[error("cannot write '{path}': {source}")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("archive member '{0}' would leave the sandbox")]
    MemberOutside(String),
    #[error("archive member '{0}' is a link without a target")]
    EmptyLink(String),
    #[error("archive member '{0}' is encrypted")]
    Encrypted(String),
    #[error("invalid archive: {0}")]
    Archive(#[source] io::Error),
    #[error("more than {0} bytes")]
    TooLarge(u64),
    #[error("an archive with more than {0} members")]
    TooManyMembers(u64),
    #[error("cancelled")]
    Cancelled,
}
