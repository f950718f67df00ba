//! From options to a running master.

use std::sync::Arc;
use std::time::Instant;

use election::{Detector, Lease, ZooKeeper};
use tokio::sync::watch;

use super::campaign::Campaign;
use super::failures::Sinks;
use super::last_will::LastWill;
use super::options::MasterOptions;
use super::post::Post;
use super::term::{Process, Term};
use crate::Error;
use crate::common::files::Files;
use crate::common::logging::Logging;
use crate::edge::core_thread::{Clock, Mail};
use crate::edge::message::Dropped;
use crate::running::Running;
use crate::start::{Bound, Listen, bind, end_channel, listen, runtime};

/// Binds and serves. Must be called inside a tokio runtime, which then carries the connections.
pub fn start(mut options: MasterOptions) -> Result<Running, Error> {
    if let Some(path) = &options.work_dir {
        std::fs::create_dir_all(path).map_err(|source| Error::Directory { path: path.clone(), source })?;
    }
    let MasterOptions { ip, port, advertise_ip, advertise_port, .. } = options;
    let bound = bind(&Listen { ip, port, advertise_ip, advertise_port })?;
    let election = options.election.take();
    let last_will = options.last_will.take();
    let process = process(options, &bound)?;
    match election {
        None => alone(process, bound),
        Some(coordinator) => {
            let last_will = last_will.map(|program| LastWill::new(&program, &coordinator));
            among_others(process, bound, coordinator, last_will)
        }
    }
}

fn process(options: MasterOptions, bound: &Bound) -> Result<Process, Error> {
    let mut config = options.config;
    config.address = bound.advertised;
    config.hostname.clone_from(&options.hostname);
    // Known before the first term: a candidate is asked for it.
    config.master_id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
    let log = options.log_file.map(|file| ("/master/log".to_owned(), file));
    let clock = Clock::start();
    let runtime = runtime()?;
    let sinks = Sinks::start(&options.failure_sinks, &runtime)?;
    Ok(Process {
        config,
        registry: options.registry,
        registry_fetch_timeout: options.registry_fetch_timeout,
        registry_store_timeout: options.registry_store_timeout,
        work_dir: options.work_dir,
        whitelist: options.whitelist,
        history: options.history,
        max_operator_subscribers: options.max_operator_subscribers,
        build: options.build,
        flags: options.flags,
        files: Arc::new(Files::new(log.into_iter().collect(), Arc::new(|_| None), Arc::new(Vec::new))),
        logging: Logging::new(options.set_log_level),
        dropped: Arc::new(Dropped::default()),
        authority: format!("{}:{}", options.hostname, bound.advertised.port()),
        started_at: clock.now().wall,
        clock,
        started: Instant::now(),
        sinks,
        runtime,
    })
}

/// Elected by nobody: one term, and the process ends with it.
fn alone(process: Process, bound: Bound) -> Result<Running, Error> {
    let term = Term::begin(&process, Lease::unlimited())?;
    let (_, leader) = watch::channel(None);
    let post = Post::following(term.app.clone(), process.dropped.clone(), leader, process.config.pid().to_string());
    post.lead(term.app.clone(), Lease::unlimited());
    let address = bound.local.into();
    listen(bound, Arc::new(post), term.ended.clone())?;
    let inbox = term.app.inbox.clone();
    let stop = Arc::new(move || inbox.send_control(Mail::Stop));
    Ok(Running { address, ended: term.ended, stop, unregister: None, core: Some(term.core) })
}

fn among_others(
    process: Process,
    bound: Bound,
    coordinator: ZooKeeper,
    last_will: Option<LastWill>,
) -> Result<Running, Error> {
    let detector = Detector::start(coordinator.clone());
    let pid = process.config.pid().to_string();
    let post = Arc::new(Post::following(process.idle()?, process.dropped.clone(), detector.leader(), pid));
    let address = bound.local.into();
    let (ended, end) = end_channel();
    listen(bound, post.clone(), end.clone())?;
    let (stop, stopping) = watch::channel(false);
    let runtime = process.runtime.clone();
    let leader = detector.leader();
    let campaign = Campaign { process, post, coordinator, leader, last_will, stop: stopping, ended };
    runtime.spawn(async move {
        campaign.run().await;
        drop(detector);
    });
    let stop: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        stop.send_replace(true);
    });
    Ok(Running { address, ended: end, stop: stop.clone(), unregister: Some(stop), core: None })
}
