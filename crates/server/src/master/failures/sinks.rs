//! From news about incidents to the queue of each sink. The core's thread only puts them there; what does not fit is
//! dropped and counted, so a receiver that hangs holds up nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use health::{Incident, News};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{info, warn};
use views::metrics::Counters;

use super::config::{InvalidSinks, SinkOptions, Target};
use super::hook::Hook;
use super::webhook::Webhook;

/// News waiting for one sink.
const MAX_WAITING: usize = 1_000;

#[derive(Default)]
pub struct Sinks {
    sinks: Vec<Sink>,
    deliveries: Arc<Deliveries>,
}

struct Sink {
    options: SinkOptions,
    queue: Sender<Arc<Notice>>,
}

/// What a sink is told.
pub struct Notice {
    /// The same for every repetition: `<incident>-<news>`, with the number of actions for those.
    pub id: String,
    pub body: Vec<u8>,
    incident: Arc<Incident>,
    news: News,
}

#[derive(Default)]
pub struct Deliveries {
    pub sent: AtomicU64,
    pub failed: AtomicU64,
    dropped: AtomicU64,
}

impl Sinks {
    /// Their tasks run until the process ends.
    pub fn start(options: &[SinkOptions], runtime: &Handle) -> Result<Arc<Self>, InvalidSinks> {
        let deliveries = Arc::<Deliveries>::default();
        let mut sinks = Vec::new();
        for options in options {
            let (queue, news) = channel(MAX_WAITING);
            match &options.target {
                Target::Log => drop(runtime.spawn(log(news, deliveries.clone()))),
                Target::Webhook { url, secret_file, timeout } => {
                    let webhook = Webhook::new(url.clone(), secret_file.as_deref(), *timeout)?;
                    runtime.spawn(webhook.run(news, deliveries.clone()));
                }
                Target::Exec { command, timeout, concurrency } => {
                    let hook = Hook::new(command.clone(), *timeout, *concurrency);
                    runtime.spawn(hook.run(news, deliveries.clone()));
                }
            }
            sinks.push(Sink { options: options.clone(), queue });
        }
        Ok(Arc::new(Sinks { sinks, deliveries }))
    }

    pub fn tell(&self, incident: &Arc<Incident>, news: News) {
        let mut notice = None;
        for sink in self.sinks.iter().filter(|sink| sink.options.wants(incident, news)) {
            let notice = notice.get_or_insert_with(|| Arc::new(Notice::new(incident, news)));
            if sink.queue.try_send(notice.clone()).is_err() {
                let dropped = self.deliveries.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                warn!(failure = incident.id, dropped, "a failure sink does not keep up: it is not told of everything");
            }
        }
    }

    pub fn tell_counters(&self, counters: &mut Counters) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        counters.set("master/failures/notifications_sent", of(&self.deliveries.sent));
        counters.set("master/failures/notifications_failed", of(&self.deliveries.failed));
        counters.set("master/failures/notifications_dropped", of(&self.deliveries.dropped));
    }
}

impl Notice {
    fn new(incident: &Arc<Incident>, news: News) -> Self {
        let body = json!({
            "news": news.as_str(),
            "failure": incident.to_json(),
        });
        Notice {
            id: format!("{}-{news}-{}", incident.id, incident.actions.len()),
            body: body.to_string().into_bytes(),
            incident: incident.clone(),
            news,
        }
    }
}

async fn log(mut news: Receiver<Arc<Notice>>, deliveries: Arc<Deliveries>) {
    while let Some(notice) = news.recv().await {
        let Incident { id, kind, severity, subject, details, .. } = &*notice.incident;
        info!(failure = id, %severity, "{}: {kind} of {subject}: {details}", notice.news);
        deliveries.sent.fetch_add(1, Ordering::Relaxed);
    }
}
