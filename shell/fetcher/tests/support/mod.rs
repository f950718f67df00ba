//! A sandbox to fetch into, a server to fetch from, and hostile archives.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use fetcher::{Error, Item, Limits, Plan, Reason, Report};
use tempfile::TempDir;

pub struct TestSandbox {
    root: TempDir,
}

impl TestSandbox {
    pub fn new() -> Self {
        let root = TempDir::new().unwrap();
        std::fs::create_dir(root.path().join("sandbox")).unwrap();
        std::fs::write(root.path().join("outside"), "untouched").unwrap();
        std::fs::create_dir(root.path().join("trap")).unwrap();
        TestSandbox { root }
    }

    pub fn sandbox(&self) -> PathBuf {
        self.root.path().join("sandbox")
    }

    /// Returns a path beside the sandbox.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.beside(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn read(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.sandbox().join(name)).unwrap()).unwrap()
    }

    pub fn plan(&self, items: Vec<Item>) -> Plan {
        let limits = Limits { retry_delay: Duration::from_millis(1), ..Limits::default() };
        Plan { limits, ..Plan::new(self.sandbox(), items) }
    }

    pub fn fetch(&self, items: Vec<Item>) -> Result<Report, Error> {
        fetcher::fetch(&self.plan(items))
    }

    /// Checks that nothing outside the sandbox has changed. Links may lead out, but nothing was written through them.
    pub fn assert_contained(&self) {
        assert_eq!(std::fs::read_to_string(self.beside("outside")).unwrap(), "untouched");
        assert_eq!(std::fs::read_dir(self.beside("trap")).unwrap().count(), 0, "something was written through a link");
    }

    /// Returns the directory that hostile archives try to write to.
    pub fn trap(&self) -> String {
        self.beside("trap").to_str().unwrap().to_owned()
    }

    /// Returns the warnings in the sandbox's `stderr`.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.sandbox().join("stderr")).unwrap_or_default()
    }
}

/// Returns the entries below a directory by name: kind, mode, and the content or the target of a link.
pub fn tree(directory: &Path) -> BTreeMap<PathBuf, (char, u32, Vec<u8>)> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let mut found = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(at) = directories.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let kind = metadata.file_type();
            let mode = metadata.mode() & 0o777;
            let described = if kind.is_symlink() {
                ('l', 0, std::fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else if kind.is_dir() {
                directories.push(path.clone());
                ('d', mode, Vec::new())
            } else if kind.is_fifo() {
                ('p', mode, Vec::new())
            } else {
                ('f', mode, std::fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(directory).unwrap().to_owned(), described);
        }
    }
    found
}

pub fn item(uri: impl Into<String>) -> Item {
    Item { uri: uri.into(), ..Item::default() }
}

pub fn archive(uri: impl Into<String>) -> Item {
    Item { extract: true, ..item(uri) }
}

pub fn reason(result: Result<Report, Error>) -> Reason {
    match result {
        Err(Error::Item { reason, .. }) => reason,
        other => panic!("expected an item to fail, got {other:?}"),
    }
}

/// The response for a path: a complete response, or a beginning after which nothing follows.
#[derive(Clone)]
pub enum Answer {
    Whole(Vec<u8>),
    Stalls(Vec<u8>),
}

pub struct Server {
    pub address: SocketAddr,
    _acceptor: JoinHandle<()>,
}

impl Server {
    /// Starts a server that runs until the process ends.
    pub fn start(answers: impl FnOnce(SocketAddr) -> Vec<(&'static str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Arc<BTreeMap<String, Answer>> =
            Arc::new(answers(address).into_iter().map(|(path, answer)| (path.to_owned(), answer)).collect());
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let answers = answers.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &answers));
            }
        });
        Server { address, _acceptor: acceptor }
    }

    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn serve(mut stream: TcpStream, answers: &BTreeMap<String, Answer>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    if reader.read_line(&mut request).is_err() {
        return;
    }
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    match answers.get(path) {
        Some(Answer::Whole(bytes)) => {
            let _ = stream.write_all(bytes);
        }
        Some(Answer::Stalls(bytes)) => {
            let _ = stream.write_all(bytes);
            // The connection stays open until the client gives up.
            let _ = reader.read_line(&mut line);
        }
        None => {
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    }
}

pub fn ok(body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    Answer::Whole([head.as_bytes(), body].concat())
}

pub fn redirect(to: &str) -> Answer {
    let text = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Answer::Whole(text.into_bytes())
}

/// A server that answers each request by a function of its number and of the head of the request.
pub struct WebServer {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl WebServer {
    /// Starts a server that runs until the process ends.
    pub fn start(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answer, seen) = (Arc::new(answer), heads.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, seen) = (answer.clone(), seen.clone());
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut head = String::new();
                    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(head.clone());
                        seen.len()
                    };
                    match answer(number, &head) {
                        Answer::Whole(bytes) => drop(stream.write_all(&bytes)),
                        Answer::Stalls(bytes) => {
                            let _ = stream.write_all(&bytes);
                            // The connection stays open until the client gives up.
                            let _ = reader.read_line(&mut head);
                        }
                    }
                });
            }
        });
        WebServer { address, heads }
    }

    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the heads of all requests so far, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().iter().map(|head| head.to_lowercase()).collect()
    }
}

/// Returns a response with further header lines, each of which ends with `\r\n`. The connection ends after it.
pub fn response(status: &str, headers: &str, body: &str) -> Answer {
    Answer::Whole(format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\n\r\n{body}").into_bytes())
}

/// A tar archive, built from any members, including names that no ordinary tool writes.
#[derive(Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    pub fn member(self, kind: tar::EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        self.raw_member(kind, name.as_bytes(), link.as_bytes(), content)
    }

    /// Adds a member whose name may not be UTF-8.
    pub fn raw_member(mut self, kind: tar::EntryType, name: &[u8], link: &[u8], content: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name);
        bytes[157..157 + link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_mode(0o6755);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        self.member(tar::EntryType::Regular, name, "", content.as_bytes())
    }

    pub fn directory(self, name: &str) -> Self {
        self.member(tar::EntryType::Directory, name, "", b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.member(tar::EntryType::Symlink, name, target, b"")
    }

    pub fn hardlink(self, name: &str, target: &str) -> Self {
        self.member(tar::EntryType::Link, name, target, b"")
    }

    pub fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// Returns a zip archive of members: name, unix mode with its file type, content.
pub fn zip(members: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, mode, content) in members {
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .unix_permissions(*mode);
        if mode & 0o170_000 == 0o120_000 {
            writer.add_symlink(*name, *content, options).unwrap();
        } else {
            writer.start_file(*name, options).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}
