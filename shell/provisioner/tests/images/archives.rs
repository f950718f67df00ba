//! Tests of archives: what `docker save` writes, OCI layouts, and hostile ones.

use std::io::Write;
use std::path::{Path, PathBuf};

use provisioner::{Digest, Error, Image, ImportOptions, PullOptions};
use testkit::registry::{Layer, LayerBuilder, digest_of, layer};

use crate::common::{Scenario, scenario};

/// The files of an archive, by name.
#[derive(Default, Clone)]
struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    fn add(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.push((name.to_owned(), bytes.into()));
        self
    }

    /// Adds a blob of an OCI layout.
    fn blob(self, bytes: &[u8]) -> Self {
        self.add(&format!("blobs/sha256/{}", hex(bytes)), bytes)
    }

    fn tar(&self) -> Vec<u8> {
        let builder = self.0.iter().fold(layer(), |tar, (name, bytes)| member(tar, name, bytes));
        builder.plain().archive
    }

    fn write_tar(&self, s: &Scenario, name: &str) -> PathBuf {
        let path = s.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, self.tar()).unwrap();
        path
    }

    fn write_directory(&self, s: &Scenario, name: &str) -> PathBuf {
        let root = s.directory.path().join(name);
        for (name, bytes) in &self.0 {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        root
    }
}

fn member(tar: LayerBuilder, name: &str, bytes: &[u8]) -> LayerBuilder {
    tar.raw(name, tar::EntryType::Regular, bytes, "", 0o644)
}

fn hex(bytes: &[u8]) -> String {
    digest_of(bytes).trim_start_matches("sha256:").to_owned()
}

fn config(layers: &[Layer]) -> String {
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", digest_of(&layer.archive))).collect();
    format!(r#"{{"config":{{"Cmd":["sh"]}},"rootfs":{{"diff_ids":[{}]}}}}"#, diff_ids.join(","))
}

/// Makes what `docker save` writes since version 1.10.
fn docker_archive(names: &str, layers: &[Layer]) -> Files {
    let config = config(layers);
    let config_name = format!("{}.json", hex(config.as_bytes()));
    let paths: Vec<String> = (0..layers.len()).map(|number| format!("\"l{number}/layer.tar\"")).collect();
    let manifest = format!(r#"[{{"Config":"{config_name}","RepoTags":{names},"Layers":[{}]}}]"#, paths.join(","));
    let files = Files::default().add("manifest.json", manifest).add(&config_name, config);
    layers
        .iter()
        .enumerate()
        .fold(files, |files, (number, layer)| files.add(&format!("l{number}/layer.tar"), layer.packed.clone()))
}

/// Makes what `docker save` wrote before: a chain of layers.
fn legacy_archive(layers: &[Layer]) -> Files {
    let top = layers.len() - 1;
    let files = Files::default().add("repositories", format!(r#"{{"app":{{"t":"id{top}"}}}}"#));
    layers.iter().enumerate().fold(files, |files, (number, layer)| {
        let parent = if number == 0 { String::new() } else { format!(r#","parent":"id{}""#, number - 1) };
        let json = format!(r#"{{"config":{{"Cmd":["sh"]}}{parent}}}"#);
        files.add(&format!("id{number}/json"), json).add(&format!("id{number}/layer.tar"), layer.packed.clone())
    })
}

/// Makes an OCI layout with one image. The annotation is JSON without braces.
fn oci_layout(annotation: &str, layers: &[Layer]) -> Files {
    let config = config(layers);
    let descriptor = |bytes: &[u8]| format!(r#"{{"digest":"{}","size":{}}}"#, digest_of(bytes), bytes.len());
    let descriptors: Vec<String> = layers.iter().map(|layer| descriptor(&layer.packed)).collect();
    let manifest = format!(r#"{{"config":{},"layers":[{}]}}"#, descriptor(config.as_bytes()), descriptors.join(","));
    let entry = descriptor(manifest.as_bytes());
    let index = format!(r#"{{"manifests":[{},"annotations":{{{annotation}}}}}]}}"#, entry.trim_end_matches('}'));
    let files = Files::default().add("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#).add("index.json", index);
    let files = files.blob(manifest.as_bytes()).blob(config.as_bytes());
    layers.iter().fold(files, |files, layer| files.blob(&layer.packed))
}

fn import(s: &Scenario, path: &Path, image: Option<&str>, name: Option<&str>) -> Result<Vec<Image>, Error> {
    let parsed = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let options = ImportOptions { image: parsed(image), name: parsed(name) };
    s.store.import(path, &options, &s.options, &|_| {})
}

fn layers() -> [Layer; 2] {
    [layer().file("a", "1").plain(), layer().file("b", "2").plain()]
}

/// Checks that the images have these names, and the layers of [`layers`].
fn check(s: &Scenario, imported: Result<Vec<Image>, Error>, expect: &[&str]) {
    let images = imported.unwrap();
    assert_eq!(images.iter().map(|image| image.reference.as_str()).collect::<Vec<_>>(), expect);
    for image in images {
        assert_eq!(image.config.cmd, ["sh"]);
        let ids: Vec<Digest> = image.layers.iter().map(|layer| layer.0).collect();
        assert_eq!(ids, layers().map(|layer| Digest::of(&layer.archive)));
        let last = s.store.layer_directory(image.layers[1]);
        assert_eq!(std::fs::read_to_string(last.join("b")).unwrap(), "2");
        assert!(s.store.find(&image.reference.parse().unwrap()).unwrap().is_some());
    }
}

#[test]
fn archives_of_all_kinds_are_imported() {
    let s = scenario();
    let layers = layers();
    let docker = docker_archive(r#"["app:t","other.x/app:u"]"#, &layers);
    check(&s, import(&s, &docker.write_tar(&s, "d.tar"), None, None), &["app:t", "other.x/app:u"]);
    check(&s, import(&s, &docker.write_directory(&s, "d"), Some("docker.io/library/app:t"), Some("b")), &["b:latest"]);
    let legacy = legacy_archive(&layers);
    check(&s, import(&s, &legacy.write_tar(&s, "l.tar"), None, None), &["app:t"]);
    check(&s, import(&s, &legacy.write_directory(&s, "l"), None, None), &["app:t"]);
    let packed = [layer().file("a", "1").gzip(), layer().file("b", "2").zstd()];
    let oci = oci_layout(r#""org.opencontainers.image.ref.name":"r.x/app:v1""#, &packed);
    check(&s, import(&s, &oci.write_tar(&s, "o.tar"), None, None), &["r.x/app:v1"]);
    check(&s, import(&s, &oci.write_directory(&s, "o"), None, None), &["r.x/app:v1"]);
    let tag_only = oci_layout(r#""org.opencontainers.image.ref.name":"v1""#, &packed).write_directory(&s, "tag");
    check(&s, import(&s, &tag_only, Some("app:v1"), None), &["app:v1"]);
    assert!(import(&s, &tag_only, None, None).unwrap_err().to_string().contains("--as"));
    let unnamed = oci_layout("", &packed).write_directory(&s, "unnamed");
    check(&s, import(&s, &unnamed, None, Some("app:x")), &["app:x"]);
    assert!(import(&s, &unnamed, None, None).unwrap_err().to_string().contains("--as"));
    assert_eq!(s.leftovers(), [""; 0]);
}

#[test]
fn a_compressed_archive_is_imported() {
    let s = scenario();
    let tar = docker_archive(r#"["app:t"]"#, &layers()).tar();
    let path = s.directory.path().join("d.tar.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&tar).unwrap();
    std::fs::write(&path, encoder.finish().unwrap()).unwrap();
    check(&s, import(&s, &path, None, None), &["app:t"]);
    assert_eq!(s.leftovers(), [""; 0]);
    let mut limits = s.options.limits;
    limits.unpacked_bytes = 1000;
    let options = PullOptions { limits, ..s.options.clone() };
    let error = s.store.import(&path, &ImportOptions::default(), &options, &|_| {}).unwrap_err().to_string();
    assert!(error.contains("more than 1000 bytes"), "{error}");
}

#[test]
fn layers_that_images_share_are_linked_in_old_archives() {
    let s = scenario();
    let [lower, upper] = layers();
    let config = config(&[lower.clone(), upper.clone()]);
    let manifest = r#"[{"Config":"c.json","RepoTags":["app:t"],"Layers":["x/layer.tar","y/layer.tar"]}]"#;
    let tar = [("manifest.json", manifest.as_bytes()), ("c.json", config.as_bytes()), ("z/layer.tar", &lower.packed)];
    let tar = tar.into_iter().fold(layer(), |tar, (name, bytes)| member(tar, name, bytes));
    let tar = member(tar, "y/layer.tar", &upper.packed).symlink("x/layer.tar", "../z/layer.tar");
    let path = s.directory.path().join("d.tar");
    std::fs::write(&path, tar.plain().archive).unwrap();
    check(&s, import(&s, &path, None, None), &["app:t"]);
}

#[test]
fn a_directory_of_archives_takes_the_place_of_registries() {
    let mut s = scenario();
    let archive = legacy_archive(&layers());
    archive.write_tar(&s, "archives/app:t.tar");
    archive.write_tar(&s, "archives/r.x/app:t.tar");
    docker_archive(r#"["plain:latest"]"#, &layers()).write_tar(&s, "archives/plain.tar");
    s.options.archives = Some(s.directory.path().join("archives"));
    let pull = |reference: &str| s.store.pull(&reference.parse().unwrap(), &s.options, &|_| {});
    check(&s, pull("app:t").map(|image| vec![image]), &["app:t"]);
    check(&s, pull("plain").map(|image| vec![image]), &["plain:latest"]);
    let text = pull("missing:x").unwrap_err().to_string();
    assert!(text.contains("archives/missing:x.tar") && text.contains("--docker_registry"), "{text}");
    let text = pull("r.x/app:t").unwrap_err().to_string();
    assert!(text.contains("the archive has no image 'r.x/app:t', only app:t"), "{text}");
}

#[test]
fn hostile_archives_are_refused() {
    let s = scenario();
    let layers = layers();
    let good = docker_archive(r#"["app:t"]"#, &layers);
    let check = |name: &str, files: Files, expect: &str| {
        for path in [files.write_tar(&s, &format!("{name}.tar")), files.write_directory(&s, name)] {
            let outcome = import(&s, &path, None, None);
            let text = outcome.map(|images| format!("{images:?}")).unwrap_err();
            let text = model_text(&text);
            assert!(text.contains(expect), "{name}: {text}");
        }
        assert_eq!((s.store.list().unwrap(), s.leftovers()), (vec![], vec![]), "{name}");
    };
    let replaced = |name: &str, bytes: &[u8]| {
        let mut files = good.clone();
        files.0.iter_mut().filter(|(other, _)| other == name).for_each(|(_, old)| *old = bytes.to_vec());
        files
    };
    check("empty", Files::default().add("x", "y"), "no archive of images");
    check("json", replaced("manifest.json", b"[{"), "manifest.json is invalid");
    check("deep", replaced("manifest.json", "[".repeat(100_000).as_bytes()), "manifest.json");
    check(
        "many",
        replaced(
            "manifest.json",
            format!("[{}]", r#"{"Config":"c","Layers":[]},"#.repeat(1001).trim_end_matches(',')).as_bytes(),
        ),
        "more than 1000 images",
    );
    let config_name = good.0[1].0.clone();
    check("config", replaced(&config_name, b"{}"), "the digest of the configuration");
    check("layer", replaced("l0/layer.tar", &layer().file("a", "evil").plain().packed), "the archive in layer");
    let outside = r#"[{"Config":"../../../../etc/passwd","RepoTags":["app:t"],"Layers":[]}]"#;
    check("outside", replaced("manifest.json", outside.as_bytes()), "etc/passwd");
    let absolute = r#"[{"Config":"/etc/passwd","RepoTags":["app:t"],"Layers":[]}]"#;
    check("absolute", replaced("manifest.json", absolute.as_bytes()), "etc/passwd");
    let missing = replaced("manifest.json", br#"[{"Config":"nosuch","RepoTags":["app:t"],"Layers":[]}]"#);
    check("missing", missing, "it has no file 'nosuch'");
    let mut circle = legacy_archive(&layers);
    circle
        .0
        .iter_mut()
        .filter(|(name, _)| name == "id0/json")
        .for_each(|(_, json)| *json = br#"{"parent":"id1"}"#.to_vec());
    check("circle", circle, "more than 127 layers");
    let id = Files::default().add("repositories", r#"{"app":{"t":"../x"}}"#);
    check("id", id, "not letters and digits");
    let mut oci = oci_layout(r#""org.opencontainers.image.ref.name":"app:t""#, &layers);
    // The other layer is in the store already, from an archive above whose first layer was refused.
    let first = oci.0.len() - 2;
    oci.0[first].1 = layer().file("a", "evil").plain().packed;
    check("oci", oci, "layer sha256:");
    // A file that is no archive, and a pipe.
    let text = import(&s, Path::new("/dev/null"), None, None).unwrap_err().to_string();
    assert!(text.contains("no archive of images"), "{text}");
    let text = import(&s, &s.directory.path().join("nosuch"), None, None).unwrap_err().to_string();
    assert!(text.contains("nosuch"), "{text}");
}

fn model_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[test]
fn links_of_a_directory_stay_in_it() {
    let s = scenario();
    let root = docker_archive(r#"["app:t"]"#, &layers()).write_directory(&s, "d");
    let outside = s.directory.path().join("outside.tar");
    std::fs::rename(root.join("l0/layer.tar"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("l0/layer.tar")).unwrap();
    assert!(import(&s, &root, None, None).is_err());
    std::fs::remove_file(root.join("l0/layer.tar")).unwrap();
    std::fs::rename(&outside, root.join("inside.tar")).unwrap();
    std::os::unix::fs::symlink("../inside.tar", root.join("l0/layer.tar")).unwrap();
    check(&s, import(&s, &root, None, None), &["app:t"]);
}
