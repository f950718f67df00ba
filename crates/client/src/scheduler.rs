//! A scheduler's side of the v1 API: subscribe, then calls.

use http::HeaderName;
use messages::v1;
use messages::v1::scheduler::{Call, Event, call};
use wire::ContentType;

use crate::address::Address;
use crate::error::Error;
use crate::events::Events;
use crate::transport;

const PATH: &str = "/api/v1/scheduler";
const STREAM_ID: HeaderName = HeaderName::from_static("mesos-stream-id");

/// A subscribed framework: sends calls for the stream of events it came with.
#[derive(Debug, Clone)]
pub struct Scheduler {
    master: Address,
    stream_id: String,
    framework: v1::FrameworkId,
}

impl Scheduler {
    /// Subscribes `info` and waits for SUBSCRIBED. With `info.id` set it takes over that framework:
    /// an earlier scheduler's stream ends. The stream starts with the events after SUBSCRIBED.
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
            reason: "no Mesos-Stream-Id in its answer".to_owned(),
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
                return Ok((Scheduler { master, stream_id, framework: subscribed.framework_id }, events));
            }
        }
    }

    pub fn framework_id(&self) -> &v1::FrameworkId {
        &self.framework
    }

    /// The master that leads, after redirects.
    pub fn master(&self) -> &Address {
        &self.master
    }

    /// Sends any call; `framework_id` is filled in.
    pub async fn call(&self, mut call: Call) -> Result<(), Error> {
        call.framework_id = Some(self.framework.clone());
        let request = transport::Call::post(PATH, ContentType::Protobuf, wire::encode(&call))
            .header(STREAM_ID, self.stream_id.clone());
        let (address, response) = transport::send(&self.master, &request).await?;
        transport::body_of(&address, response).await.map(drop)
    }

    /// Launches tasks on offers of one agent; what they do not use is declined.
    pub async fn launch(&self, offers: Vec<v1::OfferId>, tasks: Vec<v1::TaskInfo>) -> Result<(), Error> {
        let operation = v1::offer::Operation {
            r#type: Some(v1::offer::operation::Type::Launch.into()),
            launch: Some(Box::new(v1::offer::operation::Launch { task_infos: tasks })),
            ..Default::default()
        };
        self.accept(offers, vec![operation], None).await
    }

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

    pub async fn decline(&self, offer_ids: Vec<v1::OfferId>, filters: Option<v1::Filters>) -> Result<(), Error> {
        let decline = call::Decline { offer_ids, filters };
        self.call(Call {
            r#type: Some(call::Type::Decline.into()),
            decline: Some(Box::new(decline)),
            ..Default::default()
        })
        .await
    }

    /// Acknowledges a status update; updates without a uuid need none and send nothing.
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

    pub async fn kill(&self, task_id: v1::TaskId) -> Result<(), Error> {
        let kill = call::Kill { task_id, ..Default::default() };
        self.call(Call { r#type: Some(call::Type::Kill.into()), kill: Some(Box::new(kill)), ..Default::default() })
            .await
    }

    /// No more offers until [`Scheduler::revive`].
    pub async fn suppress(&self) -> Result<(), Error> {
        self.call(Call { r#type: Some(call::Type::Suppress.into()), ..Default::default() }).await
    }

    pub async fn revive(&self) -> Result<(), Error> {
        self.call(Call { r#type: Some(call::Type::Revive.into()), ..Default::default() }).await
    }

    /// Kills all tasks and removes the framework for good.
    pub async fn teardown(&self) -> Result<(), Error> {
        self.call(Call { r#type: Some(call::Type::Teardown.into()), ..Default::default() }).await
    }
}
