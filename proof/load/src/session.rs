//! A fleet and a scheduler that are connected to one master, and the operations of a measurement.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Upid;
use tokio::net::TcpListener;

use crate::cli::Target;
use crate::connections::{Link, Outgoing, run_fleet, run_scheduler};
use crate::fleet::Fleet;
use crate::meter::Meter;
use crate::process::UsageError;
use crate::scheduler::Scheduler;
use crate::shared::{Overdue, Shared};

/// The number of agents that register at once. All of them have one address, and a master closes a connection on which too
/// many messages wait; the agents of a real cluster have a connection each.
const TOGETHER: usize = 50_000;
/// The time after which an agent without an answer registers again.
const RETRY: Duration = Duration::from_secs(1);

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
    #[error("{0} does not lead after {1:?}")]
    NoLeader(SocketAddrV4, Duration),
    #[error("the master's metrics")]
    Metrics(#[from] serde_json::Error),
}

/// A scheduler and the connection of its calls.
pub type Connected = (Arc<Shared<Scheduler>>, Outgoing);

pub struct Session {
    pub target: Target,
    limit: Duration,
    pub fleet: Arc<Shared<Fleet>>,
    link: Arc<Link>,
    scheduler: Option<Connected>,
    tasks: usize,
}

impl Session {
    /// Opens a session with an empty fleet that listens on a free port of the address from which the master is reached.
    ///
    /// # Errors
    /// Returns [`RunError`] if the master cannot be reached.
    pub async fn open(target: Target, limit: Duration) -> Result<Self, RunError> {
        let listener = TcpListener::bind((own_address(target.address)?, 0)).await?;
        let address = SocketAddrV4::new(own_address(target.address)?, listener.local_addr()?.port());
        let fleet = Arc::new(Shared::new(Fleet::new(Upid::new("master", target.address), address)));
        let link = run_fleet(listener, Arc::clone(&fleet), target.address).await?;
        Ok(Session { target, limit, fleet, link, scheduler: None, tasks: 0 })
    }

    /// Begins to measure the master's process.
    ///
    /// # Errors
    /// Returns [`UsageError`] if the usage of a process cannot be read.
    pub fn meter(&self) -> Result<Meter, UsageError> {
        Meter::start(self.target.pid)
    }

    /// Adds agents and waits until all are registered. More than [`TOGETHER`] register one part after the other.
    ///
    /// # Errors
    /// Returns [`RunError`] if the connection is lost or the agents are not registered in time.
    pub async fn register(&self, mut agents: usize) -> Result<(), RunError> {
        while agents > TOGETHER {
            self.register_part(TOGETHER).await?;
            agents -= TOGETHER;
        }
        self.register_part(agents).await
    }

    async fn register_part(&self, agents: usize) -> Result<(), RunError> {
        let mut out = Vec::new();
        let total = self.fleet.change(|fleet| {
            fleet.add(agents, &mut out);
            fleet.len()
        });
        self.link.send(out).await?;
        let registered = self.fleet.until(self.limit, |fleet| fleet.progress().registered >= total).await;
        registered.map_err(|source| RunError::Overdue {
            doing: "registering agents",
            progress: format!("{} of {total} registered", self.fleet.lock().progress().registered),
            source,
        })
    }

    /// Subscribes a scheduler that launches up to this many tasks in each offer.
    ///
    /// # Errors
    /// Returns [`RunError`] if the master cannot be reached or refuses the framework.
    pub async fn subscribe(&mut self, tasks_per_offer: usize) -> Result<(), RunError> {
        self.scheduler = Some(self.connect(Scheduler::new(self.host(), tasks_per_offer)).await?);
        Ok(())
    }

    /// Subscribes a scheduler whose tasks take the whole of an offer.
    ///
    /// # Errors
    /// Returns [`RunError`] if the master cannot be reached or refuses the framework.
    pub async fn subscribe_greedy(&mut self) -> Result<(), RunError> {
        self.scheduler = Some(self.connect_greedy().await?);
        Ok(())
    }

    /// Connects one more framework that does not belong to this session.
    ///
    /// # Errors
    /// Returns [`RunError`] if the master cannot be reached or refuses the framework.
    pub async fn connect_greedy(&self) -> Result<Connected, RunError> {
        self.connect(Scheduler::new(self.host(), 1).greedy()).await
    }

    async fn connect(&self, scheduler: Scheduler) -> Result<Connected, RunError> {
        let scheduler = Arc::new(Shared::new(scheduler));
        let calls = run_scheduler(Arc::clone(&scheduler), self.target.address).await?;
        Ok((scheduler, calls))
    }

    fn host(&self) -> String {
        self.target.address.to_string()
    }

    /// Re-registers all agents after another master has taken the address. They repeat it until the master has answered
    /// each.
    ///
    /// # Errors
    /// Returns [`RunError`] if the connection is lost or the agents are not registered in time.
    pub async fn reregister(&self) -> Result<(), RunError> {
        self.link.reconnect(self.target.address).await?;
        let total = self.fleet.change(|fleet| {
            fleet.forget_registrations();
            fleet.len()
        });
        let begin = Instant::now();
        loop {
            let mut out = Vec::new();
            self.fleet.lock().reregister(&mut out);
            self.link.send(out).await?;
            match self.fleet.until(RETRY, |fleet| fleet.progress().reregistered >= total).await {
                Ok(()) => return Ok(()),
                Err(source) if begin.elapsed() > self.limit => {
                    let progress = format!("{} of {total}", self.fleet.lock().progress().reregistered);
                    return Err(RunError::Overdue { doing: "re-registering agents", progress, source });
                }
                Err(_) => {}
            }
        }
    }

    /// Waits until this many tasks run and their agents have the acknowledgements.
    ///
    /// # Errors
    /// Returns [`RunError::Overdue`] if the tasks do not run in time.
    pub async fn all_running(&self, tasks: usize) -> Result<(), RunError> {
        let running = self.fleet.until(self.limit, |fleet| fleet.progress().tasks_running >= tasks).await;
        running.map_err(|source| RunError::Overdue {
            doing: "starting tasks",
            progress: format!("{:?}", self.fleet.lock().progress()),
            source,
        })
    }

    /// Waits until every agent of the fleet was offered.
    ///
    /// # Errors
    /// Returns [`RunError`] if nobody is subscribed, the framework was refused, or the offers are not made in time.
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

    /// Launches tasks in the offers that the scheduler has or gets.
    ///
    /// # Errors
    /// Returns [`RunError::Lost`] if nobody is subscribed or the connection is lost.
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

    /// Waits until every task is finished and the agents have the acknowledgements.
    ///
    /// # Errors
    /// Returns [`RunError`] if nobody is subscribed, the framework was refused, or the tasks do not end in time.
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
        // A task that the master refuses never reaches an agent.
        let expected = self.tasks.saturating_sub(scheduler.lock().progress().tasks_failed);
        let done = self.fleet.until(self.limit, |fleet| fleet.progress().tasks_done >= expected).await;
        done.map_err(overdue)?;
        // Responses that are still to come would count as slow ones of the next phase.
        scheduler.until(self.limit, |scheduler| scheduler.progress().unanswered == 0).await.map_err(overdue)
    }

    /// Returns the subscribed scheduler and the connection of its calls.
    ///
    /// # Errors
    /// Returns [`RunError::Lost`] if nobody is subscribed.
    pub fn scheduler(&self) -> Result<(&Shared<Scheduler>, &Outgoing), RunError> {
        self.scheduler.as_ref().map(|(scheduler, calls)| (&**scheduler, calls)).ok_or(RunError::Lost)
    }

    /// Tears the framework down and unregisters the agents, so that the master is as empty as before.
    ///
    /// # Errors
    /// Returns [`RunError`] if a connection is lost.
    pub async fn close(self) -> Result<(), RunError> {
        let mut out = Vec::new();
        if let Ok((scheduler, calls)) = self.scheduler() {
            scheduler.change(|scheduler| scheduler.teardown(Instant::now(), &mut out));
            calls.send(std::mem::take(&mut out)).await.map_err(|_| RunError::Lost)?;
        }
        self.fleet.lock().leave(&mut out);
        self.link.send(out).await?;
        // Neither is confirmed, and the sockets must not close before the master has read them.
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

/// Returns the address of this machine on the route to the master.
fn own_address(master: SocketAddrV4) -> io::Result<Ipv4Addr> {
    let probe = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // Connecting a datagram socket only selects the route.
    probe.connect(master)?;
    match probe.local_addr()?.ip() {
        std::net::IpAddr::V4(address) => Ok(address),
        std::net::IpAddr::V6(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}
