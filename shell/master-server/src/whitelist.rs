//! `--whitelist`: a file with one host name per line. Only the resources of these agents are offered.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::master::Input;

use super::host::MasterHost;
use super::publisher::Publisher;
use edge::core_thread::{Inbox, InboxItem};

/// The interval between reads of the file, that of Mesos (`WHITELIST_WATCH_INTERVAL`).
const INTERVAL: Duration = Duration::from_secs(5);
/// The maximum size of the file in bytes, enough for half a million host names. A larger file is an error.
const MAX_SIZE: u64 = 16 << 20;

/// Sends the content of the file to the core whenever it changes. While the file cannot be read, its last content stays
/// in force. The task ends with `alive`.
pub(super) async fn watch(path: PathBuf, inbox: Arc<Inbox<MasterHost>>, alive: Weak<Publisher>) {
    let mut last = None;
    while alive.strong_count() > 0 {
        let file = path.clone();
        match tokio::task::spawn_blocking(move || read(&file)).await {
            Ok(Ok(hostnames)) if last.as_ref() != Some(&hostnames) => {
                if hostnames.is_empty() {
                    tracing::warn!("the whitelist is empty, so that no offers are made");
                }
                last = Some(hostnames.clone());
                inbox.send_control(InboxItem::Input(Input::Whitelist(Some(hostnames))));
            }
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => tracing::error!(path = %path.display(), %error, "the whitelist cannot be read"),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn read(path: &Path) -> io::Result<BTreeSet<String>> {
    let mut text = String::new();
    let size = std::fs::File::open(path)?.take(MAX_SIZE + 1).read_to_string(&mut text)?;
    if size as u64 > MAX_SIZE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than 16 MB"));
    }
    Ok(parse(&text))
}

fn parse(text: &str) -> BTreeSet<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(parse(text), expected.iter().map(|name| (*name).to_owned()).collect());
    }

    #[test]
    fn each_line_is_a_host_name() {
        check("", &[]);
        check("\n\n", &[]);
        check("a.example\nb.example\r\n\n  c  ", &["a.example", "b.example", "c"]);
    }

    #[test]
    fn a_missing_file_is_an_error_and_not_an_empty_list() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("whitelist");
        assert!(read(&path).is_err());
        std::fs::write(&path, "a\n").unwrap();
        assert_eq!(read(&path).unwrap(), ["a".to_owned()].into());
    }
}
