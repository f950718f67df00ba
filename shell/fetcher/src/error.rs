//! Why a file did not come. The texts are complete by themselves: they become the message of a task's failure.

use std::io;

/// A plan fails with its first item that fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to fetch '{uri}': {reason}")]
    Item {
        uri: String,
        #[source]
        reason: Reason,
    },
    #[error("cannot open the sandbox: {0}")]
    Sandbox(#[source] io::Error),
    #[error("cannot take on the rights of the task's user: {0}")]
    Credentials(#[source] io::Error),
    #[error("the fetch ended without a result")]
    Aborted,
}

#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error("illegal characters in URI")]
    IllegalCharacters,
    #[error("malformed URI (missing path)")]
    MissingPath,
    #[error("it ends with '/' and names no file: name a file, or say with output_file what it shall be called")]
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
    #[error("archive member '{0}' is a link to nothing")]
    EmptyLink(String),
    #[error("archive member '{0}' is encrypted")]
    Encrypted(String),
    #[error("broken archive: {0}")]
    Archive(#[source] io::Error),
    #[error("more than {0} bytes")]
    TooLarge(u64),
    #[error("an archive with more than {0} members")]
    TooManyMembers(u64),
    #[error("cancelled")]
    Cancelled,
}
