//! Container images that are made for a test, and a registry that serves them as well or as badly as the test asks for.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use ring::digest::{SHA256, digest};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Returns the digest of some bytes in the form that images use.
pub fn digest_of(bytes: &[u8]) -> String {
    let hex: String = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// One answer of the registry.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The names and values of the headers.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// The number of bytes of the body after which the connection breaks.
    pub breaks_after: Option<usize>,
    /// The number of bytes of the body after which nothing more comes until the client gives up.
    pub stalls_after: Option<usize>,
    /// Whether the body is repeated until the client gives up.
    pub is_endless: bool,
}

impl Answer {
    /// Answers 200 with this body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Answer {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
            breaks_after: None,
            stalls_after: None,
            is_endless: false,
        }
    }

    /// Answers with this status and nothing else.
    pub fn status(status: u16) -> Self {
        Answer { status, ..Answer::ok("") }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Breaks the connection after that many bytes of the body.
    pub fn breaks_after(mut self, bytes: usize) -> Self {
        self.breaks_after = Some(bytes);
        self
    }

    /// Stops after that many bytes of the body, and keeps the connection open.
    pub fn stalls_after(mut self, bytes: usize) -> Self {
        self.stalls_after = Some(bytes);
        self
    }

    /// Repeats the body for ever.
    pub fn endless(mut self) -> Self {
        self.is_endless = true;
        self
    }
}

/// One request that the registry has received.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The path with its query.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
}

#[derive(Default)]
struct State {
    /// The answers by path. They are given in turn, and the last one is repeated.
    answers: BTreeMap<String, Vec<Answer>>,
    asked: Vec<Asked>,
    /// The `Authorization` that requests must have, and the challenge that answers every request without it.
    token: Option<(String, String)>,
}

/// A registry on the loopback interface that lives as long as the test.
#[derive(Clone)]
pub struct Registry {
    state: Arc<Mutex<State>>,
    /// The address of the registry, `ip:port`.
    pub authority: String,
}

impl Registry {
    /// Starts the registry on a free port.
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

    /// Sets the answers to requests for a path, from now on.
    pub fn answer(&self, path: &str, answers: Vec<Answer>) {
        self.state.lock().unwrap().answers.insert(path.to_owned(), answers);
    }

    /// Requires this `Authorization`, and answers requests without it with `challenge`.
    pub fn require(&self, authorization: &str, challenge: &str) {
        self.state.lock().unwrap().token = Some((authorization.to_owned(), challenge.to_owned()));
    }

    /// Serves a blob of the repository `app`; returns its digest.
    pub fn add_blob(&self, bytes: &[u8]) -> String {
        let digest = digest_of(bytes);
        self.answer(&format!("/v2/app/blobs/{digest}"), vec![Answer::ok(bytes)]);
        digest
    }

    /// Serves an image under this tag and returns the digests of its layers.
    pub fn add_image(&self, tag: &str, layers: &[Layer]) -> Vec<String> {
        self.add_image_with(tag, layers, r#"{"Cmd":["sh"],"Env":["A=b"]}"#)
    }

    /// Serves an image with this `config` as JSON, like [`add_image`](Self::add_image).
    pub fn add_image_with(&self, tag: &str, layers: &[Layer], config: &str) -> Vec<String> {
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", digest_of(&layer.archive))).collect();
        let config = format!(r#"{{"config":{config},"rootfs":{{"diff_ids":[{}]}}}}"#, diff_ids.join(","));
        let digests: Vec<String> = layers.iter().map(|layer| self.add_blob(&layer.packed)).collect();
        let descriptor = |digest: &str, size: usize| format!(r#"{{"digest":"{digest}","size":{size}}}"#);
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

    /// Serves a manifest by tag and digest and returns its digest.
    pub fn add_manifest(&self, tag: &str, media_type: &str, text: &str) -> String {
        let digest = digest_of(text.as_bytes());
        let answer = Answer::ok(text).header("content-type", media_type);
        self.answer(&format!("/v2/app/manifests/{tag}"), vec![answer.clone()]);
        self.answer(&format!("/v2/app/manifests/{digest}"), vec![answer]);
        digest
    }

    /// Returns the requests since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// Returns the paths of the requests since the last call.
    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    /// Returns the name of an image at this registry.
    pub fn image(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.authority)
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
        if answer.stalls_after.is_some() {
            // The read ends when the client closes the connection.
            let _ = reader.read(&mut [0]);
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
    let framing = match answer.is_endless {
        true => "connection: close".to_owned(),
        false => format!("content-length: {}", body.len()),
    };
    let mut head = format!("HTTP/1.1 {status} X\r\n{framing}\r\n");
    if let Some(start) = start {
        head.push_str(&format!("content-range: bytes {start}-{}/{}\r\n", answer.body.len() - 1, answer.body.len()));
    }
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    writer.write_all(format!("{head}\r\n").as_bytes())?;
    let end = answer.breaks_after.or(answer.stalls_after).unwrap_or(body.len()).min(body.len());
    writer.write_all(&body[..end])?;
    if answer.is_endless {
        loop {
            writer.write_all(body)?;
        }
    }
    writer.flush()
}

/// A layer: its archive, and the blob that the registry serves for it.
#[derive(Clone)]
pub struct Layer {
    /// The tar archive, uncompressed.
    pub archive: Vec<u8>,
    /// The blob that the registry serves.
    pub packed: Vec<u8>,
}

/// Builds a layer, member by member.
pub struct LayerBuilder(tar::Builder<Vec<u8>>);

/// Begins an empty layer.
pub fn layer() -> LayerBuilder {
    LayerBuilder(tar::Builder::new(Vec::new()))
}

impl LayerBuilder {
    /// Adds a member whose name is written without any check, so that a test can build a hostile one.
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

    /// Adds a member with any header.
    pub fn member(mut self, header: &tar::Header, content: &[u8]) -> Self {
        self.0.append(header, content).unwrap();
        self
    }

    /// Adds PAX records, which belong to the next member.
    pub fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    /// Adds a file that root owns.
    pub fn file(self, name: &str, content: &str) -> Self {
        self.raw(name, tar::EntryType::Regular, content.as_bytes(), "", 0o644)
    }

    /// Adds a directory that root owns.
    pub fn directory(self, name: &str) -> Self {
        self.raw(name, tar::EntryType::Directory, b"", "", 0o755)
    }

    /// Adds a symbolic link.
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(name, tar::EntryType::Symlink, b"", target, 0o777)
    }

    /// Adds a hard link to a file of the layer.
    pub fn hardlink(self, name: &str, target: &str) -> Self {
        self.raw(name, tar::EntryType::Link, b"", target, 0o644)
    }

    /// Returns the layer without compression.
    pub fn plain(self) -> Layer {
        let archive = self.0.into_inner().unwrap();
        Layer { packed: archive.clone(), archive }
    }

    /// Returns the layer, compressed with gzip.
    pub fn gzip(self) -> Layer {
        let archive = self.0.into_inner().unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&archive).unwrap();
        Layer { packed: encoder.finish().unwrap(), archive }
    }

    /// Returns the layer, compressed with zstd.
    pub fn zstd(self) -> Layer {
        let archive = self.0.into_inner().unwrap();
        Layer { packed: compress_to_vec(&archive[..], CompressionLevel::Fastest), archive }
    }
}
