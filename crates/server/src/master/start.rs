//! From options to a running master.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::master::{Input, Master, Metrics};
use views::master::{Facts, View};

use super::app::MasterApp;
use super::host::MasterHost;
use super::options::MasterOptions;
use super::publisher::Publisher;
use super::sessions::Sessions;
use super::store::{open, recover};
use super::timings::Timings;
use super::whitelist;
use crate::Error;
use crate::common::files::Files;
use crate::common::flights::Flights;
use crate::common::logging::Logging;
use crate::common::metrics;
use crate::edge::core_thread::{Clock, Inbox, Mail};
use crate::edge::message::Dropped;
use crate::running::Running;
use crate::start::{Listen, bind, end_channel, launch, runtime, seed};

/// Binds and serves. Must be called inside a tokio runtime, which then carries the connections.
pub fn start(options: MasterOptions) -> Result<Running, Error> {
    let runtime = runtime()?;
    let MasterOptions { ip, port, advertise_ip, advertise_port, hostname, work_dir, mut config, .. } = options;
    if let Some(path) = &work_dir {
        std::fs::create_dir_all(path).map_err(|source| Error::Directory { path: path.clone(), source })?;
    }
    let mut recovered = recover(open(options.registry, work_dir.as_deref())?, options.registry_fetch_timeout)?;
    let bound = bind(&Listen { ip, port, advertise_ip, advertise_port })?;
    config.address = bound.advertised;
    config.hostname.clone_from(&hostname);
    let heartbeat_interval = config.heartbeat_interval;

    let clock = Clock::start();
    let core_metrics = Arc::new(Metrics::default());
    let pid = config.pid();
    let core = Master::new(config, seed()?, core_metrics.clone(), recovered.state().clone());
    recovered.begin(core.info())?;
    let now = clock.now().wall;
    let facts = Facts {
        build: options.build.clone(),
        pid,
        info: core.info().clone(),
        started: now,
        elected: Some(now),
        leader: Some(core.info().clone()),
        flags: options.flags.iter().cloned().collect(),
        limits: options.history,
    };
    let publisher = Publisher::new(View::new(facts), options.max_operator_subscribers);
    let inbox = Inbox::new();
    let sessions = Arc::new(Sessions::default());
    let (ended, end) = end_channel();
    let timings = Arc::new(Timings::default());
    inbox.send_control(Mail::Input(Input::Elected));
    let registrar = recovered.timings().clone();
    let store = recovered.serve(inbox.clone(), options.registry_store_timeout)?;
    let host = MasterHost::new(core, store, publisher.clone(), sessions.clone(), timings.clone(), ended);
    let log = options.log_file.map(|file| ("/master/log".to_owned(), file));
    let whitelist = options.whitelist.map(|path| whitelist::watch(path, inbox.clone(), Arc::downgrade(&publisher)));
    let app = Arc::new(MasterApp {
        inbox,
        dropped: Dropped::default(),
        publisher: publisher.clone(),
        sessions,
        core_metrics,
        timings,
        registrar,
        flights: Flights::new().map_err(Error::Thread)?,
        files: Arc::new(Files::new(log.into_iter().collect(), Arc::new(|_| None), Arc::new(Vec::new))),
        logging: Logging::new(options.set_log_level),
        metrics_limit: metrics::rate_limit(),
        build: options.build,
        flags: options.flags,
        started: Instant::now(),
        authority: format!("{hostname}:{}", bound.advertised.port()),
    });
    let running = launch("master-core", bound, clock, host, app, end)?;
    whitelist.map(|watch| runtime.spawn(watch));
    runtime.spawn(heartbeats(Arc::downgrade(&publisher), heartbeat_interval));
    Ok(running)
}

/// Of the operators' streams; schedulers get theirs from the core.
async fn heartbeats(publisher: std::sync::Weak<Publisher>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let Some(publisher) = publisher.upgrade() else { return };
        publisher.heartbeat();
    }
}
