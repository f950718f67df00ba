//! The scheduler's side of the v1 API: the subscription and the calls.

use std::time::Duration;

use http::HeaderName;
use messages::v1;
use messages::v1::scheduler::{Call, Event, call};
use wire::ContentType;

use crate::address::Address;
use crate::channel::Channel;
use crate::error::Error;
use crate::events::Events;
use crate::transport;

const PATH: &str = "/api/v1/scheduler";
const STREAM_ID: HeaderName = HeaderName::from_static("mesos-stream-id");

/// A subscribed framework. It sends calls that belong to one event stream. Clones share its connection, on which calls
/// keep their order.
///
/// Every method sends one call and waits until the master has accepted it (202). The effects of a call arrive as
/// events.
#[derive(Debug, Clone)]
pub struct Scheduler {
    calls: Channel,
    stream_id: String,
    framework: v1::FrameworkId,
}

impl Scheduler {
    /// Subscribes `info` at `master` or the leader that it redirects to, and waits for SUBSCRIBED. With `info.id` it
    /// takes over that framework, and the stream of an earlier scheduler ends. The returned stream begins with the
    /// events after SUBSCRIBED.
    ///
    /// [`Driver`](crate::Driver) does the same and subscribes again after failures.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] if the master refuses the framework, and any other [`Error`] of the request.
    pub async fn subscribe(master: &Address, info: v1::FrameworkInfo) -> Result<(Self, Events<Event>), Error> {
        let subscribe = Call {
            framework_id: info.id.clone(),
            r#type: Some(call::Type::Subscribe.into()),
            subscribe: Some(Box::new(call::Subscribe { framework_info: info, ..Default::default() })),
            ..Default::default()
        };
        let request = transport::Call::post(PATH, ContentType::Protobuf, wire::encode(&subscribe));
        let (master, response) = transport::send(master, &request).await?;
        let stream_id = response.headers().get(&STREAM_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
        if !response.status().is_success() {
            return match transport::body_of(&master, response).await {
                Err(error) => Err(error),
                Ok(_) => Err(Error::Protocol { address: master, reason: "no event stream".to_owned() }),
            };
        }
        let stream_id = stream_id.ok_or_else(|| Error::Protocol {
            address: master.clone(),
            reason: "no Mesos-Stream-Id in its response".to_owned(),
        })?;
        let mut events: Events<Event> = Events::new(master.clone(), response);
        loop {
            let Some(event) = events.next().await? else {
                return Err(Error::Refused("the stream ended without an event".to_owned()));
            };
            if let Some(error) = event.error {
                return Err(Error::Refused(error.message));
            }
            if let Some(subscribed) = event.subscribed {
                let heartbeats =
                    subscribed.heartbeat_interval_seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
                if let Some(interval) = heartbeats.filter(|interval| !interval.is_zero()) {
                    events.expect_heartbeats(interval);
                }
                let calls = Channel::new(master);
                return Ok((Scheduler { calls, stream_id, framework: subscribed.framework_id }, events));
            }
        }
    }

    /// Returns the id of the framework.
    pub fn framework_id(&self) -> &v1::FrameworkId {
        &self.framework
    }

    /// Returns the leading master, after redirects.
    pub fn master(&self) -> &Address {
        self.calls.address()
    }

    /// Sends any call. `framework_id` is set by this function.
    ///
    /// # Errors
    /// Returns [`Error::Status`] if the master refuses the call, and any other [`Error`] of the request.
    pub async fn call(&self, mut call: Call) -> Result<(), Error> {
        call.framework_id = Some(self.framework.clone());
        let request = transport::Call::post(PATH, ContentType::Protobuf, wire::encode(&call))
            .header(STREAM_ID, self.stream_id.clone());
        self.calls.exchange(&request).await.map(drop)
    }

    /// Launches tasks on offers of one agent (ACCEPT with LAUNCH). Resources that the tasks do not use are declined.
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`]. A task that is invalid or comes too late is reported by a status
    /// update.
    pub async fn launch(&self, offers: Vec<v1::OfferId>, tasks: Vec<v1::TaskInfo>) -> Result<(), Error> {
        let operation = v1::offer::Operation {
            r#type: Some(v1::offer::operation::Type::Launch.into()),
            launch: Some(Box::new(v1::offer::operation::Launch { task_infos: tasks })),
            ..Default::default()
        };
        self.accept(offers, vec![operation], None).await
    }

    /// Launches tasks together under one executor on offers of one agent (ACCEPT with LAUNCH_GROUP). The executor's
    /// `framework_id` is set by this function.
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`]. A group that is invalid or comes too late is reported by status updates.
    pub async fn launch_group(
        &self,
        offers: Vec<v1::OfferId>,
        mut executor: v1::ExecutorInfo,
        tasks: Vec<v1::TaskInfo>,
    ) -> Result<(), Error> {
        executor.framework_id = Some(self.framework.clone());
        let task_group = v1::TaskGroupInfo { tasks };
        let operation = v1::offer::Operation {
            r#type: Some(v1::offer::operation::Type::LaunchGroup.into()),
            launch_group: Some(Box::new(v1::offer::operation::LaunchGroup { executor, task_group })),
            ..Default::default()
        };
        self.accept(offers, vec![operation], None).await
    }

    /// Accepts offers of one agent with any operations (ACCEPT). `filters` say for how long the agent's remaining
    /// resources are not offered again; the default is 5 s.
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn accept(
        &self,
        offer_ids: Vec<v1::OfferId>,
        operations: Vec<v1::offer::Operation>,
        filters: Option<v1::Filters>,
    ) -> Result<(), Error> {
        let accept = call::Accept { offer_ids, operations, filters };
        self.call(Call {
            r#type: Some(call::Type::Accept.into()),
            accept: Some(Box::new(accept)),
            ..Default::default()
        })
        .await
    }

    /// Declines offers (DECLINE). `filters` say for how long the resources are not offered again; the default is 5 s.
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn decline(&self, offer_ids: Vec<v1::OfferId>, filters: Option<v1::Filters>) -> Result<(), Error> {
        let decline = call::Decline { offer_ids, filters };
        self.call(Call {
            r#type: Some(call::Type::Decline.into()),
            decline: Some(Box::new(decline)),
            ..Default::default()
        })
        .await
    }

    /// Acknowledges a status update (ACKNOWLEDGE). Updates without a uuid need no acknowledgement, and the function
    /// sends nothing for them. The master repeats an update until it is acknowledged.
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn acknowledge(&self, status: &v1::TaskStatus) -> Result<(), Error> {
        let (Some(uuid), Some(agent_id)) = (&status.uuid, &status.agent_id) else { return Ok(()) };
        let acknowledge =
            call::Acknowledge { agent_id: agent_id.clone(), task_id: status.task_id.clone(), uuid: uuid.clone() };
        self.call(Call {
            r#type: Some(call::Type::Acknowledge.into()),
            acknowledge: Some(Box::new(acknowledge)),
            ..Default::default()
        })
        .await
    }

    /// Kills a task (KILL). The end of the task is reported by a status update.
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn kill(&self, task_id: v1::TaskId) -> Result<(), Error> {
        let kill = call::Kill { task_id, ..Default::default() };
        self.call(Call { r#type: Some(call::Type::Kill.into()), kill: Some(Box::new(kill)), ..Default::default() })
            .await
    }

    /// Asks for the current state of these tasks, or of all tasks if the list is empty (RECONCILE). The states arrive
    /// as updates.
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn reconcile(&self, tasks: Vec<call::reconcile::Task>) -> Result<(), Error> {
        let reconcile = call::Reconcile { tasks };
        self.call(Call {
            r#type: Some(call::Type::Reconcile.into()),
            reconcile: Some(Box::new(reconcile)),
            ..Default::default()
        })
        .await
    }

    /// Sends bytes to an executor (MESSAGE). They arrive at most once, and without a confirmation.
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn message(
        &self,
        agent_id: v1::AgentId,
        executor_id: v1::ExecutorId,
        data: Vec<u8>,
    ) -> Result<(), Error> {
        let message = call::Message { agent_id, executor_id, data };
        self.call(Call {
            r#type: Some(call::Type::Message.into()),
            message: Some(Box::new(message)),
            ..Default::default()
        })
        .await
    }

    /// Stops offers until [`Scheduler::revive`] (SUPPRESS).
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn suppress(&self) -> Result<(), Error> {
        self.call(Call { r#type: Some(call::Type::Suppress.into()), ..Default::default() }).await
    }

    /// Ends SUPPRESS and removes all filters of declined offers (REVIVE).
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn revive(&self) -> Result<(), Error> {
        self.call(Call { r#type: Some(call::Type::Revive.into()), ..Default::default() }).await
    }

    /// Kills all tasks and removes the framework for good (TEARDOWN).
    ///
    /// # Errors
    /// Returns the errors of [`Scheduler::call`].
    pub async fn teardown(&self) -> Result<(), Error> {
        self.call(Call { r#type: Some(call::Type::Teardown.into()), ..Default::default() }).await
    }
}
