//! Images made on the spot, and a registry that serves them as well or as badly as a test wants it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use provisioner::{Digest, PullEvent, PullOptions, RegistryOptions, Store};

/// One answer of the registry.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection breaks after so many bytes of the body.
    pub breaks_after: Option<usize>,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Answer { status: 200, headers: Vec::new(), body: body.into(), breaks_after: None }
    }

    pub fn status(status: u16) -> Self {
        Answer { status, ..Answer::ok("") }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn breaks_after(mut self, bytes: usize) -> Self {
        self.breaks_after = Some(bytes);
        self
    }
}

/// What the registry was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
    pub range: Option<String>,
}

#[derive(Default)]
struct State {
    /// By path: the answers in turn, of which the last is repeated.
    answers: BTreeMap<String, Vec<Answer>>,
    asked: Vec<Asked>,
    /// Without it every request is answered with this challenge.
    token: Option<(String, String)>,
}

/// A registry on loopback that lives as long as the test.
#[derive(Clone)]
pub struct Registry {
    state: Arc<Mutex<State>>,
    pub authority: String,
}

impl Registry {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&served);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Registry { state, authority }
    }

    /// Answers like this from now on.
    pub fn answer(&self, path: &str, answers: Vec<Answer>) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), answers);
    }

    /// Wants this `Authorization`, and sends that challenge to whoever does not have it.
    pub fn require(&self, authorization: &str, challenge: &str) {
        self.state.lock().unwrap().token = Some((authorization.to_owned(), challenge.to_owned()));
    }

    pub fn add_blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.answer(&format!("/v2/app/blobs/{digest}"), vec![Answer::ok(bytes)]);
        digest
    }

    /// Serves an image under this tag; returns the digests of its layers.
    pub fn add_image(&self, tag: &str, layers: &[Layer]) -> Vec<Digest> {
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(&layer.archive))).collect();
        let config =
            format!(r#"{{"config":{{"Cmd":["sh"],"Env":["A=b"]}},"rootfs":{{"diff_ids":[{}]}}}}"#, diff_ids.join(","));
        let digests: Vec<Digest> = layers.iter().map(|layer| self.add_blob(&layer.packed)).collect();
        let descriptor = |digest: &Digest, size: usize| format!(r#"{{"digest":"{digest}","size":{size}}}"#);
        let descriptors: Vec<String> =
            digests.iter().zip(layers).map(|(digest, layer)| descriptor(digest, layer.packed.len())).collect();
        let manifest = format!(
            r#"{{"config":{},"layers":[{}]}}"#,
            descriptor(&self.add_blob(config.as_bytes()), config.len()),
            descriptors.join(",")
        );
        self.add_manifest(tag, "application/vnd.oci.image.manifest.v1+json", &manifest);
        digests
    }

    pub fn add_manifest(&self, tag: &str, media_type: &str, text: &str) -> Digest {
        let digest = Digest::of(text.as_bytes());
        let answer = Answer::ok(text).header("content-type", media_type);
        self.answer(&format!("/v2/app/manifests/{tag}"), vec![answer.clone()]);
        self.answer(&format!("/v2/app/manifests/{digest}"), vec![answer]);
        digest
    }

    /// The paths that were asked for since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    /// An image reference at this registry.
    pub fn reference(&self, tag: &str) -> provisioner::ImageReference {
        format!("{}/app:{tag}", self.authority).parse().unwrap()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            let found =
                lines.iter().filter_map(|line| line.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.trim().to_owned())
        };
        if let Some(length) = header("content-length").and_then(|length| length.parse::<u64>().ok()) {
            std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap();
        }
        let path = lines[0].split(' ').nth(1).unwrap_or_default().to_owned();
        let asked = Asked { path, authorization: header("authorization"), range: header("range") };
        let answer = choose(&mut state.lock().unwrap(), &asked);
        if respond(&mut writer, &asked, &answer).is_err() || answer.breaks_after.is_some() {
            return;
        }
    }
}

fn choose(state: &mut State, asked: &Asked) -> Answer {
    state.asked.push(asked.clone());
    let is_public = !asked.path.starts_with("/v2/");
    if let Some((token, challenge)) = state.token.as_ref().filter(|_| !is_public)
        && asked.authorization.as_ref() != Some(token)
    {
        return Answer::status(401).header("www-authenticate", challenge);
    }
    let path = asked.path.split('?').next().unwrap_or_default();
    match state.answers.get_mut(path) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None => Answer::status(404),
    }
}

fn respond(writer: &mut TcpStream, asked: &Asked, answer: &Answer) -> std::io::Result<()> {
    let start = asked
        .range
        .as_ref()
        .filter(|_| answer.status == 200)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (status, body) = match start {
        Some(start) => (206, answer.body.get(start..).unwrap_or_default()),
        None => (answer.status, &answer.body[..]),
    };
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    if let Some(start) = start {
        head.push_str(&format!("content-range: bytes {start}-{}/{}\r\n", answer.body.len() - 1, answer.body.len()));
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    writer.write_all(format!("{head}\r\n").as_bytes())?;
    writer.write_all(&body[..answer.breaks_after.unwrap_or(body.len()).min(body.len())])?;
    writer.flush()
}

/// A layer: its archive, and how it travels.
#[derive(Clone)]
pub struct Layer {
    pub archive: Vec<u8>,
    pub packed: Vec<u8>,
}

/// Builds a layer, member by member.
pub struct LayerBuilder(tar::Builder<Vec<u8>>);

pub fn layer() -> LayerBuilder {
    LayerBuilder(tar::Builder::new(Vec::new()))
}

impl LayerBuilder {
    /// Adds a member whose name is written as it is, however hostile.
    pub fn raw(mut self, name: &str, kind: tar::EntryType, content: &[u8], link: &str, mode: u32) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000);
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        self.raw(name, tar::EntryType::Regular, content.as_bytes(), "", 0o644)
    }

    pub fn directory(self, name: &str) -> Self {
        self.raw(name, tar::EntryType::Directory, b"", "", 0o755)
    }

    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(name, tar::EntryType::Symlink, b"", target, 0o777)
    }

    pub fn hardlink(self, name: &str, target: &str) -> Self {
        self.raw(name, tar::EntryType::Link, b"", target, 0o644)
    }

    /// As it is.
    pub fn plain(self) -> Layer {
        let archive = self.0.into_inner().unwrap();
        Layer { packed: archive.clone(), archive }
    }

    pub fn gzip(self) -> Layer {
        let archive = self.0.into_inner().unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&archive).unwrap();
        Layer { packed: encoder.finish().unwrap(), archive }
    }

    pub fn zstd(self) -> Layer {
        let archive = self.0.into_inner().unwrap();
        Layer { packed: zstd::encode_all(&archive[..], 1).unwrap(), archive }
    }
}

/// A store in a directory of its own, and how it pulls.
pub struct Scenario {
    pub registry: Registry,
    pub store: Store,
    pub directory: tempfile::TempDir,
    pub options: PullOptions,
}

pub fn scenario() -> Scenario {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("store")).unwrap();
    let registry = Registry::start();
    let options = PullOptions {
        registry: RegistryOptions {
            retries: 3,
            stall_timeout: std::time::Duration::from_secs(5),
            ..RegistryOptions::default()
        },
        ..PullOptions::default()
    };
    Scenario { registry, store, directory, options }
}

impl Scenario {
    pub fn pull(&self, tag: &str) -> Result<provisioner::Image, provisioner::Error> {
        self.store.pull(&self.registry.reference(tag), &self.options, &|_: PullEvent| {})
    }

    /// The text of why a pull fails.
    pub fn refused(&self, tag: &str) -> String {
        self.pull(tag).map(|image| format!("{image:?}")).unwrap_err().to_string()
    }

    /// Everything that the store has of layers that are under way.
    pub fn leftovers(&self) -> Vec<String> {
        let names = |name: &str| {
            let entries = std::fs::read_dir(self.directory.path().join("store").join(name)).unwrap();
            entries.map(|entry| format!("{name}/{}", entry.unwrap().file_name().to_string_lossy())).collect::<Vec<_>>()
        };
        let all = [names("staging"), names("ingest")].concat();
        all.into_iter().filter(|name| !name.ends_with(".lock")).collect()
    }
}
