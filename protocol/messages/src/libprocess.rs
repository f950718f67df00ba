//! The closed set of messages that travel between libprocess processes, by full name.

use prost::Message as _;

use crate::internal::*;
use crate::schema::{HasDescriptor, MessageDescriptor};
use crate::tepui::AgentUsage;
use crate::v1;

/// A message of this name is not part of the protocol. libprocess drops such messages and still answers 202.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown libprocess message '{0}'")]
pub struct UnknownMessage(pub String);

macro_rules! messages {
    ($($variant:ident($ty:ty) = $name:literal,)*) => {
        /// A libprocess message. `SchedulerCall` contains the raw bytes because a v0 `mesos.scheduler.Call` is decoded
        /// by its own rules (`wire::v0`).
        #[derive(Debug, Clone, PartialEq)]
        pub enum Message {
            /// `mesos.scheduler.Call`, v0 field numbers, as received.
            SchedulerCall(Vec<u8>),
            /// `mesos.scheduler.Event`: identical in v0 and v1.
            SchedulerEvent(Box<v1::scheduler::Event>),
            $(#[doc = concat!("`", $name, "`.")] $variant(Box<$ty>),)*
        }

        impl Message {
            /// Returns the full protobuf name, which is also the last part of the request path.
            pub fn name(&self) -> &'static str {
                match self {
                    Message::SchedulerCall(_) => "mesos.scheduler.Call",
                    Message::SchedulerEvent(_) => "mesos.scheduler.Event",
                    $(Message::$variant(_) => $name,)*
                }
            }

            /// Returns the number of bytes that [`encode_to_vec`](Self::encode_to_vec) returns.
            pub fn encoded_len(&self) -> usize {
                match self {
                    Message::SchedulerCall(bytes) => bytes.len(),
                    Message::SchedulerEvent(m) => m.encoded_len(),
                    $(Message::$variant(m) => m.encoded_len(),)*
                }
            }

            /// Returns the body of the message.
            pub fn encode_to_vec(&self) -> Vec<u8> {
                match self {
                    Message::SchedulerCall(bytes) => bytes.clone(),
                    Message::SchedulerEvent(m) => m.encode_to_vec(),
                    $(Message::$variant(m) => m.encode_to_vec(),)*
                }
            }

            /// Returns the descriptor that a body of this name is checked against before it is decoded; `None` for
            /// `mesos.scheduler.Call`.
            ///
            /// # Errors
            ///
            /// Returns an error if the name is unknown.
            pub fn descriptor_of(name: &str) -> Result<Option<&'static MessageDescriptor>, UnknownMessage> {
                match name {
                    "mesos.scheduler.Call" => Ok(None),
                    "mesos.scheduler.Event" => Ok(Some(v1::scheduler::Event::desc())),
                    $($name => Ok(Some(<$ty>::desc())),)*
                    _ => Err(UnknownMessage(name.to_owned())),
                }
            }

            /// Decodes a body that has passed the check against [`descriptor_of`](Self::descriptor_of).
            ///
            /// # Errors
            ///
            /// The outer error says that the name is unknown, the inner one that the body is not such a message.
            pub fn decode(name: &str, body: &[u8]) -> Result<Result<Self, prost::DecodeError>, UnknownMessage> {
                Ok(match name {
                    "mesos.scheduler.Call" => Ok(Message::SchedulerCall(body.to_vec())),
                    "mesos.scheduler.Event" => v1::scheduler::Event::decode(body).map(|m| Message::SchedulerEvent(Box::new(m))),
                    $($name => <$ty>::decode(body).map(|m| Message::$variant(Box::new(m))),)*
                    _ => return Err(UnknownMessage(name.to_owned())),
                })
            }
        }

        $(impl From<$ty> for Message {
            fn from(message: $ty) -> Self {
                Message::$variant(Box::new(message))
            }
        })*
    };
}

messages! {
    Authenticate(AuthenticateMessage) = "mesos.internal.AuthenticateMessage",
    AuthenticationMechanisms(AuthenticationMechanismsMessage) = "mesos.internal.AuthenticationMechanismsMessage",
    AuthenticationStart(AuthenticationStartMessage) = "mesos.internal.AuthenticationStartMessage",
    AuthenticationStep(AuthenticationStepMessage) = "mesos.internal.AuthenticationStepMessage",
    AuthenticationCompleted(AuthenticationCompletedMessage) = "mesos.internal.AuthenticationCompletedMessage",
    AuthenticationFailed(AuthenticationFailedMessage) = "mesos.internal.AuthenticationFailedMessage",
    AuthenticationError(AuthenticationErrorMessage) = "mesos.internal.AuthenticationErrorMessage",
    SubmitSchedulerRequest(SubmitSchedulerRequest) = "mesos.internal.SubmitSchedulerRequest",
    SubmitSchedulerResponse(SubmitSchedulerResponse) = "mesos.internal.SubmitSchedulerResponse",
    ExecutorToFramework(ExecutorToFrameworkMessage) = "mesos.internal.ExecutorToFrameworkMessage",
    FrameworkToExecutor(FrameworkToExecutorMessage) = "mesos.internal.FrameworkToExecutorMessage",
    RegisterFramework(RegisterFrameworkMessage) = "mesos.internal.RegisterFrameworkMessage",
    ReregisterFramework(ReregisterFrameworkMessage) = "mesos.internal.ReregisterFrameworkMessage",
    FrameworkRegistered(FrameworkRegisteredMessage) = "mesos.internal.FrameworkRegisteredMessage",
    FrameworkReregistered(FrameworkReregisteredMessage) = "mesos.internal.FrameworkReregisteredMessage",
    UnregisterFramework(UnregisterFrameworkMessage) = "mesos.internal.UnregisterFrameworkMessage",
    DeactivateFramework(DeactivateFrameworkMessage) = "mesos.internal.DeactivateFrameworkMessage",
    ResourceRequest(ResourceRequestMessage) = "mesos.internal.ResourceRequestMessage",
    ResourceOffers(ResourceOffersMessage) = "mesos.internal.ResourceOffersMessage",
    InverseOffers(InverseOffersMessage) = "mesos.internal.InverseOffersMessage",
    LaunchTasks(LaunchTasksMessage) = "mesos.internal.LaunchTasksMessage",
    RescindResourceOffer(RescindResourceOfferMessage) = "mesos.internal.RescindResourceOfferMessage",
    RescindInverseOffer(RescindInverseOfferMessage) = "mesos.internal.RescindInverseOfferMessage",
    ReviveOffers(ReviveOffersMessage) = "mesos.internal.ReviveOffersMessage",
    RunTask(RunTaskMessage) = "mesos.internal.RunTaskMessage",
    RunTaskGroup(RunTaskGroupMessage) = "mesos.internal.RunTaskGroupMessage",
    KillTask(KillTaskMessage) = "mesos.internal.KillTaskMessage",
    StatusUpdate(StatusUpdateMessage) = "mesos.internal.StatusUpdateMessage",
    StatusUpdateAcknowledgement(StatusUpdateAcknowledgementMessage) = "mesos.internal.StatusUpdateAcknowledgementMessage",
    AcknowledgeOperationStatus(AcknowledgeOperationStatusMessage) = "mesos.internal.AcknowledgeOperationStatusMessage",
    LostSlave(LostSlaveMessage) = "mesos.internal.LostSlaveMessage",
    ReconcileTasks(ReconcileTasksMessage) = "mesos.internal.ReconcileTasksMessage",
    ReconcileOperations(ReconcileOperationsMessage) = "mesos.internal.ReconcileOperationsMessage",
    FrameworkError(FrameworkErrorMessage) = "mesos.internal.FrameworkErrorMessage",
    RegisterSlave(RegisterSlaveMessage) = "mesos.internal.RegisterSlaveMessage",
    ReregisterSlave(ReregisterSlaveMessage) = "mesos.internal.ReregisterSlaveMessage",
    SlaveRegistered(SlaveRegisteredMessage) = "mesos.internal.SlaveRegisteredMessage",
    SlaveReregistered(SlaveReregisteredMessage) = "mesos.internal.SlaveReregisteredMessage",
    UnregisterSlave(UnregisterSlaveMessage) = "mesos.internal.UnregisterSlaveMessage",
    PingSlave(PingSlaveMessage) = "mesos.internal.PingSlaveMessage",
    PongSlave(PongSlaveMessage) = "mesos.internal.PongSlaveMessage",
    ShutdownFramework(ShutdownFrameworkMessage) = "mesos.internal.ShutdownFrameworkMessage",
    ShutdownExecutor(ShutdownExecutorMessage) = "mesos.internal.ShutdownExecutorMessage",
    UpdateFramework(UpdateFrameworkMessage) = "mesos.internal.UpdateFrameworkMessage",
    CheckpointResources(CheckpointResourcesMessage) = "mesos.internal.CheckpointResourcesMessage",
    UpdateSlave(UpdateSlaveMessage) = "mesos.internal.UpdateSlaveMessage",
    UpdateOperationStatus(UpdateOperationStatusMessage) = "mesos.internal.UpdateOperationStatusMessage",
    ApplyOperation(ApplyOperationMessage) = "mesos.internal.ApplyOperationMessage",
    RegisterExecutor(RegisterExecutorMessage) = "mesos.internal.RegisterExecutorMessage",
    ExecutorRegistered(ExecutorRegisteredMessage) = "mesos.internal.ExecutorRegisteredMessage",
    ExecutorReregistered(ExecutorReregisteredMessage) = "mesos.internal.ExecutorReregisteredMessage",
    ExitedExecutor(ExitedExecutorMessage) = "mesos.internal.ExitedExecutorMessage",
    ReconnectExecutor(ReconnectExecutorMessage) = "mesos.internal.ReconnectExecutorMessage",
    ReregisterExecutor(ReregisterExecutorMessage) = "mesos.internal.ReregisterExecutorMessage",
    DrainSlave(DrainSlaveMessage) = "mesos.internal.DrainSlaveMessage",
    Shutdown(ShutdownMessage) = "mesos.internal.ShutdownMessage",
    AgentUsage(AgentUsage) = "tepui.AgentUsage",
}
