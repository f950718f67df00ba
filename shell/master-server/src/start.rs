//! Starts a master from its options.

use std::sync::Arc;
use std::time::Instant;

use election::{Detector, Lease, ZooKeeper};
use tokio::sync::watch;

use super::candidate::Candidate;
use super::failures::Sinks;
use super::master_service::MasterService;
use super::node_cleanup::NodeCleanup;
use super::options::MasterOptions;
use super::term::{MasterProcess, Term};
use crate::Error;
use edge::Running;
use edge::core_thread::{Clock, InboxItem};
use edge::endpoints::files::Files;
use edge::endpoints::logging::Logging;
use edge::libprocess::message::Dropped;
use edge::start::{Bound, Listen, bind, end_channel, listen, runtime};

/// Binds the address and starts the master. It has to be called inside a tokio runtime, which then carries the
/// connections.
///
/// # Errors
/// Returns [`Error`] if the address, the work directory or the registry is not available.
pub fn start(mut options: MasterOptions) -> Result<Running, Error> {
    if let Some(path) = &options.work_dir {
        std::fs::create_dir_all(path).map_err(|source| edge::Error::Directory { path: path.clone(), source })?;
    }
    let MasterOptions { ip, port, advertise_ip, advertise_port, sender_check, .. } = options;
    let bound = bind(&Listen { ip, port, advertise_ip, advertise_port, sender_check })?;
    let election = options.election.take();
    let node_cleanup = options.node_cleanup.take();
    let process = process(options, &bound)?;
    match election {
        None => start_standalone(process, bound),
        Some(coordinator) => {
            let node_cleanup = node_cleanup.map(|program| NodeCleanup::new(&program, &coordinator));
            start_elected(process, bound, coordinator, node_cleanup)
        }
    }
}

fn process(options: MasterOptions, bound: &Bound) -> Result<MasterProcess, Error> {
    let mut config = options.config;
    config.address = bound.advertised;
    config.hostname.clone_from(&options.hostname);
    // The id is set before the first term, because the contender announces it.
    config.master_id.get_or_insert_with(|| uuid::Uuid::new_v4().to_string());
    let log = options.log_file.map(|file| ("/master/log".to_owned(), file));
    let clock = Clock::start();
    let runtime = runtime()?;
    let sinks = Sinks::start(&options.failure_sinks, &runtime)?;
    Ok(MasterProcess {
        config,
        registry: options.registry,
        registry_fetch_timeout: options.registry_fetch_timeout,
        registry_store_timeout: options.registry_store_timeout,
        work_dir: options.work_dir,
        whitelist: options.whitelist,
        history: options.history,
        max_operator_subscribers: options.max_operator_subscribers,
        publish_per_framework_metrics: options.publish_per_framework_metrics,
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

/// Starts a standalone master: one term, with which the process ends.
fn start_standalone(process: MasterProcess, bound: Bound) -> Result<Running, Error> {
    let term = Term::begin(&process, Lease::unlimited())?;
    let (_, leader) = watch::channel(None);
    let service =
        MasterService::following(term.app.clone(), process.dropped.clone(), leader, process.config.pid().to_string());
    service.lead(term.app.clone(), Lease::unlimited());
    let address = bound.local.into();
    let ended = listen(bound, Arc::new(service), term.ended)?;
    let inbox = term.app.inbox.clone();
    let stop = Arc::new(move || inbox.send_control(InboxItem::Stop));
    Ok(Running::new(address, ended, stop).with_core(term.core))
}

fn start_elected(
    process: MasterProcess,
    bound: Bound,
    coordinator: ZooKeeper,
    node_cleanup: Option<NodeCleanup>,
) -> Result<Running, Error> {
    let detector = Detector::start(coordinator.clone());
    let pid = process.config.pid().to_string();
    let service =
        Arc::new(MasterService::following(process.follower_app()?, process.dropped.clone(), detector.leader(), pid));
    let address = bound.local.into();
    let (ended, end) = end_channel();
    let end = listen(bound, service.clone(), end)?;
    let (stop, stopping) = watch::channel(false);
    let runtime = process.runtime.clone();
    let leader = detector.leader();
    let candidate = Candidate { process, service, coordinator, leader, node_cleanup, stop: stopping, ended };
    runtime.spawn(async move {
        candidate.run().await;
        drop(detector);
    });
    let stop: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        stop.send_replace(true);
    });
    Ok(Running::new(address, end, stop.clone()).with_unregister(stop))
}
