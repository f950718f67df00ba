//! Distributes updates of incidents to the queue of each sink. The core's thread only appends to the queues;
//! notifications that do not fit are dropped and counted, so that a receiver that hangs delays nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use model::incident::{Incident, IncidentUpdate};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{info, warn};
use views::metrics::Counters;

use super::config::{InvalidSinks, SinkOptions, Target};
use super::exec_sink::ExecSink;
use super::webhook::Webhook;

/// The maximum of notifications that wait for one sink.
const MAX_PENDING: usize = 1_000;

/// The sinks of `--failure_sinks` with their queues.
#[derive(Default)]
pub struct Sinks {
    sinks: Vec<Sink>,
    deliveries: Arc<DeliveryCounters>,
    /// The number of the next notification. It begins with the time in microseconds, so that the masters of a cluster
    /// do not repeat numbers.
    next: AtomicU64,
}

struct Sink {
    options: SinkOptions,
    queue: Sender<Arc<Notification>>,
}

/// One notification for a sink.
pub struct Notification {
    /// The id, `<incident>-<event>-<number>`. Repetitions of the notification have the same id, and no other
    /// notification has it.
    pub id: String,
    /// The JSON body.
    pub body: Vec<u8>,
    incident: Arc<Incident>,
    update: IncidentUpdate,
}

/// Counts the outcomes of notifications.
#[derive(Default)]
pub struct DeliveryCounters {
    /// The notifications that were delivered.
    pub sent: AtomicU64,
    /// The notifications that could not be delivered.
    pub failed: AtomicU64,
    dropped: AtomicU64,
}

impl Sinks {
    /// Starts a task for each sink, which runs until the process ends.
    ///
    /// # Errors
    /// Returns [`InvalidSinks`] if a program cannot be executed or a secret cannot be read.
    pub fn start(options: &[SinkOptions], runtime: &Handle) -> Result<Arc<Self>, InvalidSinks> {
        let deliveries = Arc::<DeliveryCounters>::default();
        let mut sinks = Vec::new();
        for options in options {
            let (queue, notifications) = channel(MAX_PENDING);
            match &options.target {
                Target::Log => drop(runtime.spawn(log(notifications, deliveries.clone()))),
                Target::Webhook { url, secret_file, timeout } => {
                    let webhook = Webhook::new(url.clone(), secret_file.as_deref(), *timeout)?;
                    runtime.spawn(webhook.run(notifications, deliveries.clone()));
                }
                Target::Exec { command, timeout, concurrency } => {
                    let exec_sink = ExecSink::new(command.clone(), *timeout, *concurrency)?;
                    runtime.spawn(exec_sink.run(notifications, deliveries.clone()));
                }
            }
            sinks.push(Sink { options: options.clone(), queue });
        }
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let next = AtomicU64::new(u64::try_from(since_1970.as_micros()).unwrap_or_default());
        Ok(Arc::new(Sinks { sinks, deliveries, next }))
    }

    /// Queues a notification for every sink whose filter accepts this update.
    pub fn notify(&self, incident: &Arc<Incident>, update: IncidentUpdate) {
        let mut notification = None;
        for sink in self.sinks.iter().filter(|sink| sink.options.matches(incident, update)) {
            let number = || self.next.fetch_add(1, Ordering::Relaxed);
            let notification =
                notification.get_or_insert_with(|| Arc::new(Notification::new(incident, update, number())));
            if sink.queue.try_send(notification.clone()).is_err() {
                let dropped = self.deliveries.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                warn!(failure = incident.id, dropped, "a failure sink does not keep up; a notification was dropped");
            }
        }
    }

    /// Adds the counters to `counters`.
    pub fn report_counters(&self, counters: &mut Counters) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        counters.set("master/failures/notifications_sent", of(&self.deliveries.sent));
        counters.set("master/failures/notifications_failed", of(&self.deliveries.failed));
        counters.set("master/failures/notifications_dropped", of(&self.deliveries.dropped));
    }
}

impl Notification {
    fn new(incident: &Arc<Incident>, update: IncidentUpdate, number: u64) -> Self {
        let body = json!({
            "event": update.as_str(),
            "failure": incident.to_json(),
        });
        Notification {
            id: format!("{}-{update}-{number}", incident.id),
            body: body.to_string().into_bytes(),
            incident: incident.clone(),
            update,
        }
    }
}

async fn log(mut notifications: Receiver<Arc<Notification>>, deliveries: Arc<DeliveryCounters>) {
    while let Some(notification) = notifications.recv().await {
        let Incident { id, kind, severity, object, details, .. } = &*notification.incident;
        info!(failure = id, %severity, "{}: {kind} of {object}: {details}", notification.update);
        deliveries.sent.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use model::incident::{InvolvedObject, Kind, Severity};
    use model::{AgentId, Timestamp};

    use super::*;

    fn incident(severity: Severity) -> Arc<Incident> {
        Arc::new(Incident {
            id: "m-F7".to_owned(),
            number: 7,
            kind: Kind::DiskPressure,
            severity,
            object: InvolvedObject::Agent(AgentId::new("m-S1")),
            hostname: None,
            details: String::new(),
            detected: Timestamp::from_nanos(0),
            actions: Vec::new(),
            recovered: None,
        })
    }

    /// A receiver that ignores known ids must still notice that an incident has become worse or has recovered.
    #[test]
    fn notification_ids_are_unique() {
        let options = SinkOptions::parse(r#"[{"type": "log"}]"#).unwrap();
        let (queue, mut notifications) = channel(10);
        let sinks = options.into_iter().map(|options| Sink { options, queue: queue.clone() }).collect();
        let sinks = Sinks { sinks, ..Sinks::default() };
        for severity in [Severity::Critical, Severity::Warning, Severity::Critical] {
            sinks.notify(&incident(severity), IncidentUpdate::Changed);
        }
        sinks.notify(&incident(Severity::Info), IncidentUpdate::Changed);
        let ids: std::collections::BTreeSet<String> =
            std::iter::from_fn(|| notifications.try_recv().ok()).map(|notification| notification.id.clone()).collect();
        assert_eq!(ids.len(), 3, "{ids:?}");
        assert!(ids.iter().all(|id| id.starts_with("m-F7-changed-")), "{ids:?}");
    }

    #[tokio::test]
    async fn a_program_that_cannot_run_is_refused_at_the_start() {
        let start = |text: &str| Sinks::start(&SinkOptions::parse(text).unwrap(), &Handle::current()).err();
        let error = start(r#"[{"type": "exec", "command": ["/nonexistent/page"]}]"#).unwrap();
        assert_eq!(error.to_string(), "cannot run /nonexistent/page");
        assert!(start(r#"[{"type": "exec", "command": ["/dev/null"]}]"#).is_some(), "not executable");
        assert!(start(r#"[{"type": "exec", "command": ["/bin/sh"]}]"#).is_none());
    }
}
