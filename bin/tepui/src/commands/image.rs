//! `tepui image`: the images in an agent's store, without an agent, and what agents are pulling.

mod pulls;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use provisioner::{
    Credentials, Image, ImageReference, ImportOptions, Platform, PruneReport, PublicKey, PullEvent, PullOptions,
    PullProgress, RegistryOptions, SignaturePolicy, Store,
};
use serde_json::json;

use super::cli::CommandError;
use super::numbers::counted;
use crate::output;
use crate::signals::Cancel;
use crate::table;

#[derive(clap::Args)]
#[command(
    about = "Pull, list and remove container images on this machine",
    after_help = "\
The images are kept in the --docker_store_dir of an agent, whose containers do not
have to wait for images that were pulled here. Without a subcommand, `tepui images`
lists them, and what the agents of the cluster are pulling, if a master answers.

Examples:
  tepui image pull busybox
  tepui image pull --plain-http localhost:5000/team/app:1.2
  tepui image import app.tar           # of docker save, or an OCI layout (file or directory)
  tepui images                         # those of the store, and pulls that are in progress
  tepui image list                     # those of the store alone
  tepui image pulls                    # of all agents, with their progress
  tepui image remove busybox
  tepui image prune --keep busybox",
    args_conflicts_with_subcommands = true
)]
pub struct ImageArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Download an image into the store
    Pull(Pull),
    /// Take images from a file or directory into the store: of `docker save`, or an OCI image layout
    Import(Import),
    /// List the images in the store
    List(List),
    /// Show the images that the agents of the cluster are pulling
    Pulls(pulls::Pulls),
    /// Remove an image, and the layers that no other image needs
    Remove(Remove),
    /// Remove all images except those to keep
    Prune(Prune),
}

#[derive(clap::Args)]
struct Place {
    /// The directory of the store
    #[arg(
        long = "docker_store_dir",
        env = "MESOS_DOCKER_STORE_DIR",
        default_value = "/tmp/mesos/store/docker",
        value_name = "DIR"
    )]
    store: PathBuf,
}

#[derive(clap::Args)]
struct Pull {
    #[command(flatten)]
    place: Place,
    // This is no doc comment, because rustdoc would take the brackets for links.
    #[arg(help = "[REGISTRY/]REPOSITORY[:TAG][@DIGEST], or oci:DIR, oci-archive:FILE or docker-archive:FILE")]
    image: PullSource,
    /// The registry of images that name none
    #[arg(
        long = "docker_registry",
        env = "MESOS_DOCKER_REGISTRY",
        default_value = "https://registry-1.docker.io",
        value_name = "URL"
    )]
    registry: String,
    /// A file with credentials, as `docker login` writes it [default: ~/.docker/config.json if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Speak to the registry without encryption
    #[arg(long)]
    plain_http: bool,
    /// A file of certificates (PEM) to believe instead of the usual ones
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A file with a public key (PEM) that must have signed the image, as by cosign; of several, one (can be repeated)
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// For which kind of machine, as OS/ARCHITECTURE [default: this one]
    #[arg(long, value_parser = platform)]
    platform: Option<Platform>,
    /// Ask the registry although the image is there: its tag may mean another one now
    #[arg(long)]
    refresh: bool,
    /// Print the image as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Import {
    #[command(flatten)]
    place: Place,
    /// The archive, which may be compressed with gzip or zstd
    path: PathBuf,
    /// Only this image of the archive
    #[arg(long, value_name = "IMAGE")]
    image: Option<ImageReference>,
    /// The name of the image in the store [default: its name in the archive]
    #[arg(long = "as", value_name = "IMAGE")]
    name: Option<ImageReference>,
    /// For which kind of machine, as OS/ARCHITECTURE [default: this one]
    #[arg(long, value_parser = platform)]
    platform: Option<Platform>,
    /// Print the images as JSON
    #[arg(long)]
    json: bool,
}

/// The source that an image is pulled from. The prefixes are those of other tools for images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PullSource {
    /// A registry.
    Registry(ImageReference),
    /// A file or directory of this machine.
    Archive(PathBuf),
}

impl std::str::FromStr for PullSource {
    type Err = provisioner::InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match ["oci:", "oci-archive:", "docker-archive:"].into_iter().find_map(|prefix| text.strip_prefix(prefix)) {
            Some(path) => Ok(PullSource::Archive(PathBuf::from(path))),
            None => text.parse().map(PullSource::Registry),
        }
    }
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Remove {
    #[command(flatten)]
    place: Place,
    /// The image, as `tepui image list` shows it
    image: ImageReference,
}

#[derive(clap::Args)]
struct Prune {
    #[command(flatten)]
    place: Place,
    /// An image that stays (can be repeated)
    #[arg(long, value_name = "IMAGE")]
    keep: Vec<ImageReference>,
}

impl From<provisioner::Error> for CommandError {
    fn from(error: provisioner::Error) -> Self {
        CommandError::Message(model::with_sources(&error))
    }
}

fn platform(text: &str) -> Result<Platform, String> {
    let mut parts = text.split('/').map(str::to_owned);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(os), Some(architecture), variant, None) if !os.is_empty() && !architecture.is_empty() => {
            Ok(Platform { os, architecture, variant })
        }
        _ => Err("expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, for instance linux/arm64".to_owned()),
    }
}

/// Carries out a subcommand.
///
/// # Errors
/// The store cannot be read or written, or the registry does not give the image.
pub async fn image(args: ImageArgs) -> Result<(), CommandError> {
    let Some(command) = args.command else {
        list(&args.list)?;
        if !args.list.json {
            pulls::print_in_progress().await;
        }
        return Ok(());
    };
    match command {
        Command::Pull(args) => pull(args).await,
        Command::Import(args) => import(args).await,
        Command::List(args) => list(&args),
        Command::Pulls(args) => pulls::pulls(args).await,
        Command::Remove(args) => {
            let report = Store::open_existing(&args.place.store)?.remove(&args.image)?;
            report_removed(&report);
            Ok(())
        }
        Command::Prune(args) => {
            let keep: BTreeSet<ImageReference> = args.keep.into_iter().collect();
            report_removed(&Store::open_existing(&args.place.store)?.prune(&keep)?);
            Ok(())
        }
    }
}

async fn pull(args: Pull) -> Result<(), CommandError> {
    let store = Store::open(&args.place.store)?;
    let image = match &args.image {
        PullSource::Registry(image) => image.clone(),
        PullSource::Archive(_) if !args.keys.is_empty() => {
            return Err(CommandError::message("--key: archives have no signatures: pull the image from its registry"));
        }
        PullSource::Archive(path) => {
            let platform = args.platform.clone();
            let (path, place, json) = (path.clone(), args.place, args.json);
            return import(Import { place, path, image: None, name: None, platform, json }).await;
        }
    };
    let options = options(&args, &image)?;
    let cancelled = options.cancelled.clone();
    let pulled = with_progress(&cancelled, move |progress| {
        store.pull(&image, &options, progress).map_err(|error| (advice(&error), error))
    });
    let image = pulled.await?.map_err(|(advice, error)| {
        let text = model::with_sources(&error);
        CommandError::Lines(advice.map_or_else(|| text.clone(), |advice| format!("{text}\nwhat to do: {advice}")))
    })?;
    report_added(&[image], args.json);
    Ok(())
}

async fn import(args: Import) -> Result<(), CommandError> {
    let store = Store::open(&args.place.store)?;
    let mut options = PullOptions::default();
    if let Some(platform) = &args.platform {
        options.platform = platform.clone();
    }
    let import = ImportOptions { image: args.image, name: args.name };
    let images = with_progress(&options.cancelled.clone(), move |progress| {
        store.import(&args.path, &import, &options, progress)
    })
    .await??;
    report_added(&images, args.json);
    Ok(())
}

/// Runs work that may take long, and shows its progress. A signal sets `cancelled`; the bytes that have come are kept,
/// and the next pull continues with them.
async fn with_progress<T: Send + 'static>(
    cancelled: &Arc<AtomicBool>,
    work: impl FnOnce(&(dyn Fn(PullEvent) + Sync)) -> T + Send + 'static,
) -> Result<T, CommandError> {
    let mut working = std::pin::pin!(tokio::task::spawn_blocking(move || {
        let progress = PullProgress::default();
        let outcome = work(&|event| {
            progress.observe(&event);
            if std::io::stderr().is_terminal() {
                output::progress(&progress.to_string());
            }
        });
        output::end_progress();
        outcome
    }));
    let mut signals = Cancel::listen();
    let outcome = tokio::select! {
        outcome = &mut working => outcome,
        _ = signals.next() => {
            cancelled.store(true, Ordering::Relaxed);
            working.await
        }
    };
    outcome.map_err(|error| CommandError::message(format!("the pull ended by itself: {error}")))
}

/// Returns what to do about a pull that has failed; `None` if the error says it itself.
fn advice(error: &provisioner::Error) -> Option<&'static str> {
    use provisioner::RegistryError;
    let provisioner::Error::Registry(error) = error else { return None };
    match error {
        RegistryError::Transport { .. } | RegistryError::Broken { .. } => Some(
            "try again later, or name a mirror with --docker_registry (--plain-http and --ca for one of your own); agents have \
             --docker_registry, and mirrors in --image_registry_settings",
        ),
        // Docker Hub answers so for images that do not exist, too.
        RegistryError::Unauthorized { .. } | RegistryError::Status { status: 401 | 403, .. } => Some(
            "check the name of the image; if it is private, log in with `docker login`, or name the file with --config",
        ),
        RegistryError::Status { status: 429, .. } => {
            Some("the registry limits pulls: log in with `docker login`, or name a mirror with --docker_registry")
        }
        RegistryError::NotFound { .. } => Some(
            "check the name and the tag; an image of another registry is written REGISTRY/REPOSITORY:TAG, or name the registry \
             with --docker_registry",
        ),
        _ => None,
    }
}

/// Returns the number of layers that the manifest of an image has.
fn layers_of(image: &Image) -> usize {
    image.layers.len() - usize::from(image.has_own_layer && !image.layers.is_empty())
}

fn report_added(images: &[Image], json: bool) {
    for image in images {
        if json {
            output::json(shown(image));
        } else {
            let layers = counted(layers_of(image) as u64, "layer");
            output::line(format!("{} {} ({layers})", image.reference, image.digest));
        }
    }
}

fn options(args: &Pull, image: &ImageReference) -> Result<PullOptions, CommandError> {
    let mut registry = RegistryOptions { default_registry: args.registry.clone(), ..RegistryOptions::default() };
    registry.certificate_authorities.clone_from(&args.ca);
    if args.plain_http {
        registry.insecure.extend(image.registry().map(str::to_owned));
    }
    let keys = args.keys.iter().map(|path| PublicKey::read(path)).collect::<Result<Vec<_>, _>>();
    let mut signatures = SignaturePolicy::default();
    signatures.require_everywhere(keys.map_err(|error| CommandError::message(error.to_string()))?);
    let mut options = PullOptions { registry, signatures, refresh: args.refresh, ..PullOptions::default() };
    if let Some(platform) = &args.platform {
        options.platform = platform.clone();
    }
    let usual = std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")));
    let usual = usual.map(|directory| directory.join("config.json")).filter(|path| path.exists());
    if let Some(path) = args.config.clone().or(usual) {
        let place = path.display().to_string();
        let doing = || format!("read '{place}'");
        let text = std::fs::read_to_string(&path).map_err(|source| CommandError::Io { doing: doing(), source })?;
        options.credentials = Credentials::parse(&text, &place).map_err(provisioner::Error::from)?;
    }
    Ok(options)
}

fn list(args: &List) -> Result<(), CommandError> {
    // A store that is not there is not made by looking at it.
    let store = args.place.store.exists().then(|| Store::open_existing(&args.place.store)).transpose()?;
    let images = store.as_ref().map(Store::list).transpose()?.unwrap_or_default();
    if args.json {
        output::json(serde_json::Value::from(images.iter().map(shown).collect::<Vec<_>>()));
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let rows: Vec<Vec<String>> = images
        .iter()
        .map(|image| {
            let age = now.saturating_sub(Duration::from_secs(image.pulled_at));
            let short: String = image.digest.hex().chars().take(12).collect();
            vec![
                image.reference.clone(),
                short,
                layers_of(image).to_string(),
                megabytes(image.packed_bytes),
                format!("{} ago", table::duration(age.as_secs_f64())),
            ]
        })
        .collect();
    if rows.is_empty() {
        let place = args.place.store.display();
        output::line(format!("No images in '{place}'. Pull one with: tepui image pull busybox"));
    } else {
        output::print(table::render(&["IMAGE", "DIGEST", "LAYERS", "PACKED", "PULLED"], &rows));
    }
    let (arriving, bytes) = store.as_ref().map(Store::arriving).transpose()?.unwrap_or_default();
    if arriving > 0 {
        let (layers, verb) = (counted(arriving as u64, "layer"), if arriving == 1 { "is" } else { "are" });
        output::write_stderr(format!("{layers} {verb} being fetched, {} so far", megabytes(bytes)));
    }
    Ok(())
}

fn report_removed(report: &PruneReport) {
    for image in &report.images {
        output::line(format!("removed {image}"));
    }
    let (images, layers) = (counted(report.images.len() as u64, "image"), counted(report.layers, "layer"));
    output::line(format!("{images} and {layers} are gone"));
    if report.in_use > 0 {
        let (layers, verb) = (counted(report.in_use, "layer"), if report.in_use == 1 { "stays" } else { "stay" });
        output::line(format!("{layers} {verb} until the containers that use them have ended"));
    }
}

fn shown(image: &Image) -> serde_json::Value {
    let config: BTreeMap<&str, serde_json::Value> = BTreeMap::from([
        ("cmd", json!(image.config.cmd)),
        ("entrypoint", json!(image.config.entrypoint)),
        ("env", json!(image.config.env)),
        ("user", json!(image.config.user)),
        ("working_dir", json!(image.config.working_dir)),
        ("labels", json!(image.config.labels)),
    ]);
    json!({
        "reference": image.reference,
        "digest": image.digest.to_string(),
        "layers": image.layers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "packed_bytes": image.packed_bytes,
        "pulled_at": image.pulled_at,
        "signed_by": image.signed_by.map(|key| key.to_string()),
        "config": config,
    })
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use provisioner::RegistryError;

    #[test]
    fn there_is_one_advice_for_a_pull_that_failed() {
        let check = |error: RegistryError, expect: Option<&str>| {
            let found = advice(&error.into());
            assert_eq!(found.is_some(), expect.is_some(), "{found:?}");
            assert!(found.unwrap_or_default().contains(expect.unwrap_or_default()), "{found:?}");
        };
        let url = || "https://registry.example.com/v2/".to_owned();
        let status = |status| RegistryError::Status { url: url(), status, detail: String::new() };
        let broken = RegistryError::Broken { url: url(), source: std::io::Error::other("x") };
        check(broken, Some("name a mirror with --docker_registry"));
        check(RegistryError::Unauthorized { url: url() }, Some("docker login"));
        check(status(403), Some("docker login"));
        check(status(429), Some("limits pulls"));
        check(RegistryError::NotFound { what: "a".to_owned(), registry: url() }, Some("check the name and the tag"));
        check(status(500), None);
        check(RegistryError::Cancelled, None);
    }
}
