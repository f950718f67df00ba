//! Containers of an agent: their ends, sessions in them, and attaching to their input and output.
//!
//! The calls are those of Mesos' agent API. An agent of Mesos serves them as well.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use hyper::body::{Body, Frame};
use messages::v1;
use messages::v1::agent::process_io::{Control, Data, control, data};
use messages::v1::agent::{Call, ProcessIo, call, process_io};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::{ContentType, recordio};

use crate::error::Error;
use crate::events::Events;
use crate::operator::AgentOperator;
use crate::transport;

const PATH: &str = "/api/v1";
const RECORDS: &str = "application/recordio";
const MESSAGE_ACCEPT: header::HeaderName = header::HeaderName::from_static("message-accept");
const MESSAGE_CONTENT_TYPE: header::HeaderName = header::HeaderName::from_static("message-content-type");
/// The number of input records that wait for the agent. A reader of a terminal or a file waits beyond it.
const INPUT_RECORDS: usize = 16;

/// The end of a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContainerEnd {
    /// The wait status of its first process, as of wait(2); `None` if it is unknown.
    pub exit_status: Option<i32>,
    /// The agent's explanation, such as a limit that was reached.
    pub message: Option<String>,
}

impl AgentOperator {
    /// Waits for the end of a container (WAIT_CONTAINER).
    ///
    /// # Errors
    /// Returns [`Error::Status`] with 404 if the agent does not know the container, and any other [`Error`] of the
    /// request.
    pub async fn wait_container(&self, id: v1::ContainerId) -> Result<ContainerEnd, Error> {
        let wait = call::WaitContainer { container_id: id };
        let kind = Some(call::Type::WaitContainer.into());
        let call = Call { r#type: kind, wait_container: Some(Box::new(wait)), ..Default::default() };
        let ended = self.call(&call).await?.wait_container.unwrap_or_default();
        Ok(ContainerEnd { exit_status: ended.exit_status, message: ended.message })
    }

    /// Removes what the agent keeps of a nested container that has ended: its record and its sandbox (REMOVE_CONTAINER). A
    /// container that is not known counts as removed.
    ///
    /// # Errors
    /// Returns [`Error::Status`] with 500 if the container has not ended, and any other [`Error`] of the request.
    pub async fn remove_container(&self, id: v1::ContainerId) -> Result<(), Error> {
        let remove = call::RemoveContainer { container_id: id };
        let kind = Some(call::Type::RemoveContainer.into());
        let call = Call { r#type: kind, remove_container: Some(Box::new(remove)), ..Default::default() };
        self.call(&call).await.map(drop)
    }

    /// Runs a command in a new container inside another one (LAUNCH_NESTED_CONTAINER_SESSION), and returns its output. The
    /// container ends when the output is dropped. The exit status is that of [`AgentOperator::wait_container`].
    ///
    /// # Errors
    /// Returns [`Error::Status`] with the reason if the container cannot be launched, and any other [`Error`] of the
    /// request.
    pub async fn launch_session(
        &self,
        id: v1::ContainerId,
        command: v1::CommandInfo,
        container: Option<v1::ContainerInfo>,
    ) -> Result<ContainerOutput, Error> {
        let session = call::LaunchNestedContainerSession {
            container_id: id,
            command: Some(Box::new(command)),
            container: container.map(Box::new),
        };
        self.output(Call {
            r#type: Some(call::Type::LaunchNestedContainerSession.into()),
            launch_nested_container_session: Some(Box::new(session)),
            ..Default::default()
        })
        .await
    }

    /// Returns the output of a container from now on (ATTACH_CONTAINER_OUTPUT). The container goes on when the output is
    /// dropped.
    ///
    /// # Errors
    /// Returns [`Error::Status`] with the reason if the container cannot be attached to, and any other [`Error`] of the
    /// request.
    pub async fn attach_output(&self, id: v1::ContainerId) -> Result<ContainerOutput, Error> {
        let attach = call::AttachContainerOutput { container_id: id };
        self.output(Call {
            r#type: Some(call::Type::AttachContainerOutput.into()),
            attach_container_output: Some(Box::new(attach)),
            ..Default::default()
        })
        .await
    }

    async fn output(&self, call: Call) -> Result<ContainerOutput, Error> {
        let mut request = transport::Call::post(PATH, ContentType::Protobuf, wire::encode(&call));
        request.headers.retain(|(name, _)| *name != header::ACCEPT);
        let request = request.header(header::ACCEPT, RECORDS).header(MESSAGE_ACCEPT, ContentType::Protobuf.as_str());
        let (address, response) = transport::send(self.address(), &request).await?;
        // 202 means that a container of this id was launched before; there is no stream.
        if response.status() == http::StatusCode::OK {
            return Ok(ContainerOutput { events: Events::new(address, response) });
        }
        match transport::body_of(&address, response).await {
            Err(error) => Err(error),
            Ok(_) => Err(Error::Protocol { address, reason: "no output stream".to_owned() }),
        }
    }

    /// Opens the input of a container (ATTACH_CONTAINER_INPUT). A container has one input at a time.
    ///
    /// # Errors
    /// Returns [`Error`] if the agent cannot be reached. Whether it accepts the input is the result of
    /// [`ContainerInput::finish`].
    pub async fn attach_input(&self, id: v1::ContainerId) -> Result<ContainerInput, Error> {
        let address = self.address().clone();
        let mut sender = transport::connect_with_body::<InputBody>(&address).await?;
        let (records, receiver) = mpsc::channel(INPUT_RECORDS);
        let request = Request::builder()
            .method(http::Method::POST)
            .uri(PATH)
            .header(header::HOST, address.to_string())
            .header(header::CONTENT_TYPE, RECORDS)
            .header(MESSAGE_CONTENT_TYPE, ContentType::Protobuf.as_str())
            .header(header::ACCEPT, ContentType::Protobuf.as_str())
            .body(InputBody(receiver))
            .map_err(|error| Error::Request(address.clone(), error))?;
        let response = tokio::spawn(async move {
            let response = sender.send_request(request).await;
            let response = response.map_err(|source| Error::Transport { address: address.clone(), source })?;
            transport::body_of(&address, response).await.map(drop)
        });
        let input = ContainerInput { records, response };
        let attach = call::AttachContainerInput {
            r#type: Some(call::attach_container_input::Type::ContainerId.into()),
            container_id: Some(Box::new(id)),
            process_io: None,
        };
        // An agent that refuses the input closes it; `finish` has the reason.
        let _ = input.send(attach).await;
        Ok(input)
    }
}

/// The output of a container.
#[derive(Debug)]
pub struct ContainerOutput {
    events: Events<ProcessIo>,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputPiece {
    /// Bytes of stdout, or of the terminal.
    Stdout(Vec<u8>),
    /// Bytes of stderr.
    Stderr(Vec<u8>),
}

impl ContainerOutput {
    /// Waits for the next piece; `None` when the container's output has ended. After the first heartbeat of the agent, the
    /// absence of further ones counts as its loss.
    ///
    /// # Errors
    /// Returns [`Error`] if the connection breaks, the agent is silent for too long, or it sends something else.
    pub async fn next(&mut self) -> Result<Option<OutputPiece>, Error> {
        while let Some(record) = self.events.next().await? {
            let heartbeat = record.control.and_then(|control| control.heartbeat).and_then(|beat| beat.interval);
            if let Some(interval) = heartbeat.map(|interval| model::duration_from_proto(&interval)) {
                // An interval of a moment would make every delay a loss.
                self.events.expect_heartbeats(interval.max(Duration::from_secs(5)));
            }
            let Some(data) = record.data else { continue };
            let kind = data.r#type();
            let bytes = data.data.unwrap_or_default();
            match kind {
                _ if bytes.is_empty() => {}
                data::Type::Stdout => return Ok(Some(OutputPiece::Stdout(bytes))),
                data::Type::Stderr => return Ok(Some(OutputPiece::Stderr(bytes))),
                data::Type::Stdin | data::Type::Unknown => {}
            }
        }
        Ok(None)
    }
}

/// The input of a container. Dropping it closes the connection.
#[derive(Debug)]
pub struct ContainerInput {
    records: mpsc::Sender<Bytes>,
    response: JoinHandle<Result<(), Error>>,
}

/// The agent takes no more input, because it has refused it or the container has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent takes no more input")]
pub struct InputClosed;

impl ContainerInput {
    /// Writes to the container's stdin. No bytes close it, unless the container has a terminal.
    ///
    /// # Errors
    /// Returns [`InputClosed`] if the agent takes no more input.
    pub async fn write(&self, bytes: Vec<u8>) -> Result<(), InputClosed> {
        let data = Data { r#type: Some(data::Type::Stdin.into()), data: Some(bytes) };
        let kind = Some(process_io::Type::Data.into());
        self.send_io(ProcessIo { r#type: kind, data: Some(data), control: None }).await
    }

    /// Sets the size of the container's terminal.
    ///
    /// # Errors
    /// Returns [`InputClosed`] if the agent takes no more input.
    pub async fn resize(&self, rows: u32, columns: u32) -> Result<(), InputClosed> {
        let window_size = Some(v1::tty_info::WindowSize { rows, columns });
        let control = Control {
            r#type: Some(control::Type::TtyInfo.into()),
            tty_info: Some(Box::new(v1::TtyInfo { window_size })),
            heartbeat: None,
        };
        let kind = Some(process_io::Type::Control.into());
        self.send_io(ProcessIo { r#type: kind, data: None, control: Some(Box::new(control)) }).await
    }

    async fn send_io(&self, process_io: ProcessIo) -> Result<(), InputClosed> {
        self.send(call::AttachContainerInput {
            r#type: Some(call::attach_container_input::Type::ProcessIo.into()),
            container_id: None,
            process_io: Some(Box::new(process_io)),
        })
        .await
    }

    async fn send(&self, input: call::AttachContainerInput) -> Result<(), InputClosed> {
        let call = Call {
            r#type: Some(call::Type::AttachContainerInput.into()),
            attach_container_input: Some(Box::new(input)),
            ..Default::default()
        };
        let mut record = Vec::new();
        recordio::encode(&wire::encode(&call), &mut record);
        self.records.send(record.into()).await.map_err(|_| InputClosed)
    }

    /// Ends the input and returns the agent's answer to it.
    ///
    /// # Errors
    /// Returns [`Error::Status`] with the reason if the agent has refused the input, and any other [`Error`] of the
    /// request.
    pub async fn finish(self) -> Result<(), Error> {
        drop(self.records);
        match self.response.await {
            Ok(answer) => answer,
            // The runtime is ending.
            Err(_) => Ok(()),
        }
    }
}

/// The body of a request whose records follow each other over time.
pub(crate) struct InputBody(mpsc::Receiver<Bytes>);

impl Body for InputBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|record| record.map(|bytes| Ok(Frame::data(bytes))))
    }
}
