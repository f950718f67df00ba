//! A fleet and a scheduler connected to one master, and the things they can be made to do.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use vocabulary::Upid;

use crate::cli::Target;
use crate::connections::{Outgoing, run_fleet, run_scheduler};
use crate::fleet::Fleet;
use crate::meter::Meter;
use crate::process::UsageError;
use crate::scheduler::Scheduler;
use crate::shared::{Overdue, Shared};

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{doing}: {progress}")]
    Overdue { doing: &'static str, progress: String, source: Overdue },
    #[error("the connection to the master")]
    Connection(#[from] io::Error),
    #[error("the master's process")]
    Usage(#[from] UsageError),
    #[error("the connection to the master was lost")]
    Lost,
    #[error("the master refused the framework: {0}")]
    Refused(String),
}

pub struct Session {
    pub target: Target,
    limit: Duration,
    pub fleet: Arc<Shared<Fleet>>,
    fleet_out: Outgoing,
    scheduler: Option<(Arc<Shared<Scheduler>>, Outgoing)>,
    tasks: usize,
}

impl Session {
    /// An empty fleet, listening on a free port of the address from which the master is reached.
    pub async fn open(target: Target, limit: Duration) -> Result<Self, RunError> {
        let listener = TcpListener::bind((own_address(target.address)?, 0)).await?;
        let address = SocketAddrV4::new(own_address(target.address)?, listener.local_addr()?.port());
        let fleet = Arc::new(Shared::new(Fleet::new(Upid::new("master", target.address), address)));
        let fleet_out = run_fleet(listener, Arc::clone(&fleet), target.address).await?;
        Ok(Session { target, limit, fleet, fleet_out, scheduler: None, tasks: 0 })
    }

    pub fn meter(&self) -> Result<Meter, UsageError> {
        Meter::start(self.target.pid)
    }

    /// Adds agents; ends when all are registered.
    pub async fn register(&self, agents: usize) -> Result<(), RunError> {
        let mut out = Vec::new();
        let total = self.fleet.change(|fleet| {
            fleet.add(agents, &mut out);
            fleet.len()
        });
        self.fleet_out.send(out).await.map_err(|_| RunError::Lost)?;
        let registered = self.fleet.until(self.limit, |fleet| fleet.progress().registered >= total).await;
        registered.map_err(|source| RunError::Overdue {
            doing: "registering agents",
            progress: format!("{} of {total} registered", self.fleet.lock().progress().registered),
            source,
        })
    }

    pub async fn subscribe(&mut self, tasks_per_offer: usize) -> Result<(), RunError> {
        let scheduler = Arc::new(Shared::new(Scheduler::new(self.target.address.to_string(), tasks_per_offer)));
        let calls = run_scheduler(Arc::clone(&scheduler), self.target.address).await?;
        self.scheduler = Some((scheduler, calls));
        Ok(())
    }

    /// Ends when every agent of the fleet was offered.
    pub async fn all_offered(&self) -> Result<(), RunError> {
        let (scheduler, _) = self.scheduler()?;
        let total = self.fleet.lock().len();
        let offered =
            scheduler.until(self.limit, |s| s.progress().agents_offered >= total || s.error().is_some()).await;
        self.not_refused()?;
        offered.map_err(|source| RunError::Overdue {
            doing: "waiting for offers",
            progress: format!("{} of {total} agents offered", scheduler.lock().progress().agents_offered),
            source,
        })
    }

    pub async fn launch(&mut self, tasks: usize) -> Result<(), RunError> {
        let (scheduler, calls) = self.scheduler()?;
        let mut out = Vec::new();
        scheduler.change(|scheduler| scheduler.launch(tasks, Instant::now(), &mut out));
        if !out.is_empty() {
            calls.send(out).await.map_err(|_| RunError::Lost)?;
        }
        self.tasks += tasks;
        Ok(())
    }

    /// Ends when every task was finished, and the agents know that the scheduler knows.
    pub async fn all_done(&self) -> Result<(), RunError> {
        let (scheduler, _) = self.scheduler()?;
        let overdue = |source| {
            let (scheduler, fleet) = (scheduler.lock().progress(), self.fleet.lock().progress());
            let progress = format!("of {} tasks: {scheduler:?}, {fleet:?}", self.tasks);
            RunError::Overdue { doing: "running tasks", progress, source }
        };
        let ended =
            scheduler.until(self.limit, |s| s.progress().tasks_ended >= self.tasks || s.error().is_some()).await;
        self.not_refused()?;
        ended.map_err(overdue)?;
        // A task the master refuses never reaches an agent.
        let expected = self.tasks.saturating_sub(scheduler.lock().progress().tasks_failed);
        let done = self.fleet.until(self.limit, |fleet| fleet.progress().tasks_done >= expected).await;
        done.map_err(overdue)?;
        // Responses still to come would count as slow ones of the next phase.
        scheduler.until(self.limit, |scheduler| scheduler.progress().unanswered == 0).await.map_err(overdue)
    }

    pub fn scheduler(&self) -> Result<(&Shared<Scheduler>, &Outgoing), RunError> {
        self.scheduler.as_ref().map(|(scheduler, calls)| (&**scheduler, calls)).ok_or(RunError::Lost)
    }

    /// Leaves the master as empty as it was.
    pub async fn close(self) -> Result<(), RunError> {
        let mut out = Vec::new();
        if let Ok((scheduler, calls)) = self.scheduler() {
            scheduler.change(|scheduler| scheduler.teardown(Instant::now(), &mut out));
            calls.send(std::mem::take(&mut out)).await.map_err(|_| RunError::Lost)?;
        }
        self.fleet.lock().leave(&mut out);
        self.fleet_out.send(out).await.map_err(|_| RunError::Lost)?;
        // Nothing confirms either; the sockets must not close before the master has read them.
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(())
    }

    fn not_refused(&self) -> Result<(), RunError> {
        let (scheduler, _) = self.scheduler()?;
        match scheduler.lock().error() {
            Some(error) => Err(RunError::Refused(error.to_owned())),
            None => Ok(()),
        }
    }
}

/// The address this machine uses towards the master, and the master therefore towards us.
fn own_address(master: SocketAddrV4) -> io::Result<Ipv4Addr> {
    let probe = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // Of a datagram socket this only selects the route.
    probe.connect(master)?;
    match probe.local_addr()?.ip() {
        std::net::IpAddr::V4(address) => Ok(address),
        std::net::IpAddr::V6(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}
